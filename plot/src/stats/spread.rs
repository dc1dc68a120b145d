//! Sums and spreads of numbers in compensated arithmetic.
//! Never knows a row.

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

    /// Both sums together.
    pub fn with(mut self, other: Sum) -> Sum {
        self.add(other.sum);
        self.lost += other.lost;
        self
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
pub struct Spread {
    reference: f64,
    deviations: Sum,
    squares: Sum,
}

impl Spread {
    /// `before`: how many values there were before this one.
    pub fn add(&mut self, value: f64, before: u64) {
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

    /// Of `n` values.
    pub fn part(&self, n: f64) -> Part {
        if n == 0.0 {
            return Part::default();
        }
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
    pub squares: f64,
}

impl Part {
    /// Both sets together (Chan, Golub, LeVeque 1979). All terms are positive, so nothing cancels.
    pub fn with(self, other: Part) -> Part {
        if self.n == 0.0 || other.n == 0.0 {
            return if self.n == 0.0 { other } else { self };
        }
        let n = self.n + other.n;
        let apart = other.mean - self.mean;
        // From the mean of the larger set, so that little cancels. Equal means stay what they are: a constant has no spread.
        let mean = match self.n >= other.n {
            _ if !apart.is_finite() => self.mean * (self.n / n) + other.mean * (other.n / n),
            true => self.mean + apart * (other.n / n),
            false => other.mean - apart * (self.n / n),
        };
        let between = apart.powi(2) * (self.n / n * other.n);
        let squares = self.squares + other.squares + between;
        Part { n, mean, squares: if squares.is_nan() { f64::INFINITY } else { squares } }
    }

    /// Standard error of the mean: sample standard deviation over √n. None below two values.
    pub fn standard_error(&self) -> Option<f64> {
        (self.n >= 2.0).then(|| (self.squares / (self.n - 1.0) / self.n).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let mut spread = Spread::default();
            values.iter().zip(0..).for_each(|(&value, before)| spread.add(value as f64, before));
            spread.part(values.len() as f64)
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
    fn a_constant_has_no_spread_however_many_sets_are_put_together() {
        for value in [100.0, 0.1, 1e9 + 0.3, -7.7e-5, f64::MAX] {
            let set = |n: u64| {
                let mut spread = Spread::default();
                (0..n).for_each(|before| spread.add(value, before));
                spread.part(n as f64)
            };
            let all = (1..=10_000).fold(Part::default(), |all, n| all.with(set(n % 7)));
            assert_eq!((all.mean, all.squares), (value, 0.0));
        }
    }

    #[test]
    fn an_outlier_at_the_start_takes_no_digits_from_the_spread() {
        let n = 1 << 20;
        let values = |i: i32| if i == 0 { 1e12 } else { f64::from(i % 3 - 1) };
        let mut spread = Spread::default();
        (0..n).for_each(|i| spread.add(values(i), i as u64));
        // By whole numbers: sum of squares less the square of the sum over n.
        let sum: i128 = (0..n).map(|i| values(i) as i128).sum();
        let squares: i128 = (0..n).map(|i| (values(i) as i128).pow(2)).sum();
        let exact = (squares * i128::from(n) - sum * sum) as f64 / f64::from(n);
        let found = spread.part(f64::from(n)).squares;
        assert!((found / exact - 1.0).abs() < 1e-14, "{found}, exactly {exact}");
    }
}
