//! Numbers that are sums over rows: MAE, RMSE, bias, R² and what they need.
//! Never keeps a row. Quantiles need buckets, see `tally.rs`.

use crate::{
    logs::row::Row,
    stats::spread::{Part, Spread, Sum},
};

/// Sums over errors, as few as a group needs. All memory is in this struct.
#[derive(Clone, Copy, Default)]
pub struct Errors {
    pub n: u64,
    error: Sum,
    /// The absolute errors of those before `absolute` began, and how many these are.
    before: Part,
    n_before: u64,
    absolute: Spread,
}

impl Errors {
    /// To go on from `sums`.
    pub fn after(sums: &Sums) -> Self {
        let Sums { n, error, absolute, .. } = *sums;
        Errors { n, error, before: absolute, n_before: n, absolute: Spread::default() }
    }

    pub fn add(&mut self, error: f64) {
        self.error.add(error);
        self.absolute.add(error.abs(), self.n - self.n_before);
        self.n += 1;
    }

    /// Mean error. None without errors.
    pub fn mean(&self) -> Option<f64> {
        (self.n > 0).then(|| self.error.value() / self.n as f64)
    }

    /// The absolute errors.
    pub fn absolute(&self) -> Part {
        self.before.with(self.absolute.part((self.n - self.n_before) as f64))
    }
}

/// What is added up row by row, error = y_pred − y_true; [`Moments::sums`] has the numbers. All memory is in this struct.
#[derive(Clone, Copy)]
pub struct Moments {
    n: u64,
    error: Sum,
    squared_error: Sum,
    absolute_error: Sum,
    absolute_spread: Spread,
    y_true_spread: Spread,
    absolute_error_least: f64,
    absolute_error_most: f64,
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

    pub fn sums(&self) -> Sums {
        let n = self.n as f64;
        Sums {
            n: self.n,
            error: self.error,
            squared_error: self.squared_error,
            absolute_error: self.absolute_error,
            absolute: self.absolute_spread.part(n),
            y_true: self.y_true_spread.part(n),
            absolute_error_least: self.absolute_error_least,
            absolute_error_most: self.absolute_error_most,
            timed: self.timed,
            first_s: self.first_s,
            last_s: self.last_s,
        }
    }
}

/// Sums over rows, which can be put together. All memory is in this struct.
#[derive(Clone, Copy)]
pub struct Sums {
    pub n: u64,
    error: Sum,
    squared_error: Sum,
    absolute_error: Sum,
    absolute: Part,
    y_true: Part,
    pub absolute_error_least: f64,
    pub absolute_error_most: f64,
    /// Rows that have a time.
    pub timed: u64,
    first_s: f64,
    last_s: f64,
}

impl Default for Sums {
    fn default() -> Self {
        Moments::new().sums()
    }
}

impl Sums {
    /// Of both sets of rows together.
    pub fn with(&self, other: &Sums) -> Sums {
        Sums {
            n: self.n + other.n,
            error: self.error.with(other.error),
            squared_error: self.squared_error.with(other.squared_error),
            absolute_error: self.absolute_error.with(other.absolute_error),
            absolute: self.absolute.with(other.absolute),
            y_true: self.y_true.with(other.y_true),
            absolute_error_least: self.absolute_error_least.min(other.absolute_error_least),
            absolute_error_most: self.absolute_error_most.max(other.absolute_error_most),
            timed: self.timed + other.timed,
            first_s: self.first_s.min(other.first_s),
            last_s: self.last_s.max(other.last_s),
        }
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
        self.absolute.standard_error()
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
        let r2 = match (self.squared_error.value(), self.y_true.squares) {
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

    fn of(pairs: &[(f64, f64)]) -> Sums {
        let mut moments = Moments::new();
        pairs.iter().for_each(|&(y_true, y_pred)| moments.add(&Row::new(y_true, y_pred, None)));
        moments.sums()
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
        assert_eq!(moments.sums().rows_per_minute(), Some(4.0));
        assert_eq!(moments.sums().mae_standard_error(), Some(0.0));
    }
}
