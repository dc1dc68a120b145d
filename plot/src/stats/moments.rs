//! Numbers that are sums over rows: MAE, RMSE, bias, R² and what they need, in compensated arithmetic.
//! Never keeps a row. Quantiles need buckets, see `tally.rs`.

use crate::logs::row::Row;

/// A compensated sum (Neumaier 1974, with Knuth's branch-free error term).
#[derive(Clone, Copy, Default)]
pub struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    pub fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        let part = sum - self.sum;
        self.lost += (self.sum - (sum - part)) + (value - part);
        self.sum = sum;
    }

    /// The sum. Infinite where it overflows, as in numpy.
    pub fn value(&self) -> f64 {
        if self.lost.is_finite() { self.sum + self.lost } else { self.sum }
    }
}

/// Sum of squared deviations from the mean, computed from deviations from a reference (Chan, Golub, LeVeque 1983, "shifted data"): needs
/// no division per value, and stays exact far from 0. The reference is the mean of the first 1, 2, 4, 8, … values, which keeps the squares
/// around it below about twice those around the mean, so nothing cancels.
#[derive(Clone, Copy, Default)]
struct Spread {
    reference: f64,
    deviations: Sum,
    squares: Sum,
}

impl Spread {
    /// `before`: how many values there were before this one.
    fn add(&mut self, value: f64, before: u64) {
        if before == 0 {
            self.reference = value;
        } else if before.is_power_of_two() {
            self.centre(before as f64);
        }
        let deviation = value - self.reference;
        self.deviations.add(deviation);
        self.squares.add(deviation * deviation);
    }

    /// Moves the reference to the mean of the `n` values so far.
    #[cold]
    fn centre(&mut self, n: f64) {
        let deviations = self.deviations.value();
        let reference = self.reference + deviations / n;
        // The reference is rounded to f64; the remainder stays in the deviations.
        let shift = reference - self.reference;
        let less = shift * (2.0 * deviations - n * shift);
        if less.is_finite() {
            self.reference = reference;
            self.deviations.add(-n * shift);
            self.squares.add(-less);
        }
    }

    /// Of `n` values, 1 at least.
    fn part(&self, n: f64) -> Part {
        Part { n, mean: self.reference + self.deviations.value() / n, squares: self.squares(n) }
    }

    /// Sum of squared deviations from the mean of the `n` values. Infinite where it overflows.
    fn squares(&self, n: f64) -> f64 {
        let (squares, deviations) = (self.squares.value(), self.deviations.value());
        if squares.is_finite() { (squares - deviations * deviations / n).max(0.0) } else { f64::INFINITY }
    }
}

/// A set of values of 0 or more: what is left of it to be put together with others.
#[derive(Clone, Copy, Default)]
pub struct Part {
    pub n: f64,
    pub mean: f64,
    /// Sum of squared deviations from the mean. Infinite where it overflows.
    squares: f64,
}

impl Part {
    /// Both sets together (Chan, Golub, LeVeque 1979). All terms are positive, so nothing cancels.
    pub fn with(self, other: Part) -> Part {
        if self.n == 0.0 || other.n == 0.0 {
            return if self.n == 0.0 { other } else { self };
        }
        let n = self.n + other.n;
        let mean = self.mean * (self.n / n) + other.mean * (other.n / n);
        let between = (other.mean - self.mean).powi(2) * (self.n / n * other.n);
        Part { n, mean, squares: self.squares + other.squares + between }
    }

    /// Standard error of the mean: sample standard deviation over √n. None below two values.
    pub fn standard_error(&self) -> Option<f64> {
        (self.n >= 2.0).then(|| (self.squares / (self.n - 1.0) / self.n).sqrt())
    }
}

/// Sums over errors, as few as a group needs. All memory is in this struct.
#[derive(Clone, Copy, Default)]
pub struct Errors {
    pub n: u64,
    error: Sum,
    absolute: Spread,
}

impl Errors {
    pub fn add(&mut self, error: f64) {
        self.error.add(error);
        self.absolute.add(error.abs(), self.n);
        self.n += 1;
    }

    /// Mean error. None without errors.
    pub fn mean(&self) -> Option<f64> {
        (self.n > 0).then(|| self.error.value() / self.n as f64)
    }

    /// The absolute errors.
    pub fn absolute(&self) -> Part {
        let n = self.n as f64;
        if self.n == 0 { Part::default() } else { self.absolute.part(n) }
    }
}

/// Sums over rows, error = y_pred − y_true. All memory is in this struct.
#[derive(Clone, Copy)]
pub struct Moments {
    pub n: u64,
    error: Sum,
    squared_error: Sum,
    absolute_error: Sum,
    absolute_spread: Spread,
    y_true_spread: Spread,
    pub absolute_error_least: f64,
    pub absolute_error_most: f64,
    timed: u64,
    first_s: f64,
    last_s: f64,
}

impl Moments {
    pub fn new() -> Self {
        Moments {
            n: 0,
            error: Sum::default(),
            squared_error: Sum::default(),
            absolute_error: Sum::default(),
            absolute_spread: Spread::default(),
            y_true_spread: Spread::default(),
            absolute_error_least: f64::INFINITY,
            absolute_error_most: f64::NEG_INFINITY,
            timed: 0,
            first_s: f64::INFINITY,
            last_s: f64::NEG_INFINITY,
        }
    }

    pub fn add(&mut self, row: &Row) {
        let error = row.error();
        let absolute = error.abs();
        self.error.add(error);
        self.squared_error.add(error * error);
        self.absolute_error.add(absolute);
        self.absolute_spread.add(absolute, self.n);
        self.y_true_spread.add(row.y_true, self.n);
        self.n += 1;
        self.absolute_error_least = self.absolute_error_least.min(absolute);
        self.absolute_error_most = self.absolute_error_most.max(absolute);
        if let Some(time_s) = row.time_s() {
            self.timed += 1;
            self.first_s = self.first_s.min(time_s);
            self.last_s = self.last_s.max(time_s);
        }
    }

    /// What a group of all these rows would have.
    pub fn errors(&self) -> Errors {
        Errors { n: self.n, error: self.error, absolute: self.absolute_spread }
    }

    /// Never falls, as a mean times its number might.
    pub fn absolute_error_sum(&self) -> f64 {
        self.absolute_error.value()
    }

    /// Mean absolute error. None without rows, like every mean here.
    pub fn mae(&self) -> Option<f64> {
        self.mean(self.absolute_error.value())
    }

    /// Standard error of the MAE: sample standard deviation of the absolute error over √n. None below two rows.
    pub fn mae_standard_error(&self) -> Option<f64> {
        self.errors().absolute().standard_error()
    }

    /// Mean squared error.
    pub fn mse(&self) -> Option<f64> {
        self.mean(self.squared_error.value())
    }

    /// Square root of the mean squared error.
    pub fn rmse(&self) -> Option<f64> {
        self.mse().map(f64::sqrt)
    }

    /// Mean error: positive where predictions are too high.
    pub fn bias(&self) -> Option<f64> {
        self.mean(self.error.value())
    }

    /// Coefficient of determination as scikit-learn's `r2_score`: for a constant y_true 1 if every prediction is perfect, else 0;
    /// none below two rows.
    pub fn r2(&self) -> Option<f64> {
        if self.n < 2 {
            return None;
        }
        let r2 = match (self.squared_error.value(), self.y_true_spread.squares(self.n as f64)) {
            (0.0, _) => 1.0,
            (_, 0.0) => 0.0,
            (residual, squares) => 1.0 - residual / squares,
        };
        (!r2.is_nan()).then_some(r2)
    }

    /// Rows per minute between the first and the last `logged_at`. None where these are missing or the same.
    pub fn rows_per_minute(&self) -> Option<f64> {
        let span_s = self.last_s - self.first_s;
        (self.timed >= 2 && span_s > 0.0).then(|| (self.timed - 1) as f64 / span_s * 60.0)
    }

    fn mean(&self, sum: f64) -> Option<f64> {
        (self.n > 0).then(|| sum / self.n as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(f64, f64)]) -> Moments {
        let mut moments = Moments::new();
        pairs.iter().for_each(|&(y_true, y_pred)| moments.add(&Row::new(y_true, y_pred, None)));
        moments
    }

    #[test]
    fn a_sum_keeps_what_plain_addition_loses() {
        let mut sum = Sum::default();
        [1.0, 1e100, 1.0, -1e100].iter().for_each(|&value| sum.add(value));
        assert_eq!(sum.value(), 2.0);
        let mut overflowing = Sum::default();
        [f64::MAX, f64::MAX, 1.0].iter().for_each(|&value| overflowing.add(value));
        assert_eq!(overflowing.value(), f64::INFINITY);
    }

    #[test]
    fn sets_that_are_put_together_keep_what_one_pass_over_all_has() {
        // Of whole numbers, so that i128 has the exact values: a million small ones beside one that is huge.
        let values: Vec<i64> =
            (0..1_000_000_i64).map(|i| if i == 0 { 1 << 40 } else { i * 7919 % 1001 }).collect();
        let part = |values: &[i64]| {
            let mut errors = Errors::default();
            values.iter().for_each(|&value| errors.add(value as f64));
            errors.absolute()
        };
        let (n, sum) = (values.len() as i128, values.iter().map(|&value| i128::from(value)).sum::<i128>());
        let squares = values.iter().map(|&value| i128::from(value).pow(2)).sum::<i128>();
        let exact = (squares * n - sum * sum) as f64 / n as f64;
        for cut in [0, 1, 2, 1000, 999_999, 1_000_000] {
            let (left, right) = values.split_at(cut);
            let both = part(left).with(part(right));
            assert_eq!(both.n, n as f64);
            assert!((both.mean / (sum as f64 / n as f64) - 1.0).abs() < 1e-14, "{cut}");
            assert!((both.squares / exact - 1.0).abs() < 1e-14, "{cut}");
        }
    }

    #[test]
    fn no_rows_have_no_numbers() {
        let none = of(&[]);
        assert_eq!((none.mae(), none.rmse(), none.bias(), none.r2()), (None, None, None, None));
        assert_eq!(none.rows_per_minute(), None);
    }

    #[test]
    fn r2_of_a_constant_truth_is_that_of_scikit_learn() {
        assert_eq!(of(&[(0.1, 0.1)]).r2(), None);
        assert_eq!(of(&[(0.1, 0.1), (0.1, 0.1), (0.1, 0.1)]).r2(), Some(1.0));
        assert_eq!(of(&[(0.1, 0.1), (0.1, 0.1), (0.1, 0.2)]).r2(), Some(0.0));
    }

    #[test]
    fn values_far_from_zero_keep_their_spread() {
        let r2 = of(&[(1e9 + 1.0, 1e9 + 1.0), (1e9 + 2.0, 1e9 + 2.0), (1e9 + 3.0, 1e9 + 4.0)]).r2();
        assert_eq!(r2, Some(0.5));
    }

    #[test]
    fn an_outlier_at_the_start_takes_no_digits_from_the_spread() {
        let n = 1 << 20;
        let values = |i: i32| if i == 0 { 1e12 } else { f64::from(i % 3 - 1) };
        let mut moments = Moments::new();
        (0..n).for_each(|i| moments.add(&Row::new(values(i), 0.0, None)));
        // By whole numbers: sum of squares less the square of the sum over n.
        let sum: i128 = (0..n).map(|i| values(i) as i128).sum();
        let squares: i128 = (0..n).map(|i| (values(i) as i128).pow(2)).sum();
        let exact = (squares * i128::from(n) - sum * sum) as f64 / f64::from(n);
        let found = moments.y_true_spread.squares(f64::from(n));
        assert!((found / exact - 1.0).abs() < 1e-14, "{found}, exactly {exact}");
    }

    #[test]
    fn a_spread_that_overflows_is_infinite() {
        let rows = of(&[(0.0, 2e300), (0.0, 1.0), (0.0, 3e300), (5.0, -1e300)]);
        assert_eq!(rows.mae_standard_error(), Some(f64::INFINITY));
        assert_eq!(rows.mae(), Some(6e300 / 4.0));
    }

    #[test]
    fn the_rate_counts_the_intervals_between_rows() {
        let mut moments = Moments::new();
        for time_s in [10.0, 20.0, 40.0] {
            moments.add(&Row::new(0.0, 1.0, Some(1.7e9 + time_s)));
        }
        assert_eq!(moments.rows_per_minute(), Some(4.0));
        assert_eq!(moments.mae_standard_error(), Some(0.0));
    }
}
