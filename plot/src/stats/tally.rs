//! The counts of a set of rows: sums, and magnitudes of positive and negative errors in buckets.
//! Never keeps a row and never chooses what is shown.

use crate::logs::row::Row;
use crate::stats::buckets::{self, Buckets};
use crate::stats::moments::{Moments, Sums};
use crate::stats::quantile::{Ascending, quantile};

/// Of all rows of the logs, or of the window.
pub struct Tally {
    pub sums: Sums,
    /// Errors from 0 on, and negative ones.
    sides: [Buckets; 2],
}

impl Tally {
    pub fn new() -> Self {
        Tally { sums: Sums::default(), sides: Default::default() }
    }

    pub fn of<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Self {
        let (mut tally, mut moments) = (Tally::new(), Moments::new());
        rows.into_iter().for_each(|row| {
            moments.add(row);
            tally.count(row.error());
        });
        Tally { sums: moments.sums(), ..tally }
    }

    /// Counts the error of a row whose sums come apart.
    pub fn count(&mut self, error: f64) {
        // No branch: it could not be predicted.
        if let Some(side) = self.sides.get_mut(usize::from(error < 0.0)) {
            side.add(error.abs());
        }
    }

    /// Absolute errors in ascending order, each within 0.05 % of the true values, and their counts.
    pub fn absolute(&self) -> Vec<(f64, u64)> {
        buckets::ascending(&self.sides.each_ref())
    }

    /// How many absolute errors are at most 1e-6, 2e-6, 5e-6, 1e-5, …, 5e9: (limit, count).
    pub fn absolute_cumulative(&self) -> Vec<(f64, u64)> {
        buckets::cumulative(&self.sides.each_ref(), -6..=9)
    }

    /// Quantiles of the absolute error. None without rows.
    #[cfg(test)]
    pub fn absolute_quantiles<const N: usize>(&self, q: [f64; N]) -> [Option<f64>; N] {
        self.quantiles_of(&self.absolute(), q)
    }

    /// Quantiles of the absolute error. `absolute`: see [`Tally::absolute`]. None without rows.
    pub fn quantiles_of<const N: usize>(&self, absolute: &Ascending, q: [f64; N]) -> [Option<f64>; N] {
        let (least, most) = (self.sums.absolute_error_least, self.sums.absolute_error_most);
        // A bucket's value may be outside of the true extremes.
        q.map(|q| quantile(absolute, q).map(|value| value.max(least).min(most)))
    }

    /// Errors in ascending order, as accurate as [`Tally::absolute`].
    pub fn signed(&self) -> Vec<(f64, u64)> {
        let [positive, negative] = &self.sides;
        let negative = buckets::ascending(&[negative]).into_iter().rev();
        let mut signed: Vec<_> = negative.map(|(value, count)| (-value, count)).collect();
        signed.extend(buckets::ascending(&[positive]));
        signed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_errors_have_their_own_value_as_every_quantile() {
        let rows = [Row::new(0.0, 0.3, None); 5];
        assert_eq!(Tally::of(&rows).absolute_quantiles([0.0, 0.5, 0.99]), [Some(0.3); 3]);
    }

    #[test]
    fn signed_errors_ascend_through_zero() {
        let rows = [-2.0, 0.0, 1.0, -1.0, 0.0].map(|y_pred| Row::new(0.0, y_pred, None));
        let tally = Tally::of(&rows);
        let signs: Vec<_> = tally.signed().iter().map(|(value, count)| (value.round(), *count)).collect();
        assert_eq!(signs, [(-2.0, 1), (-1.0, 1), (0.0, 2), (1.0, 1)]);
        assert_eq!(tally.absolute().len(), 3);
    }
}
