//! Everything that is counted over a set of rows: sums, and magnitudes of positive and negative errors in buckets.
//! Never keeps a row and never chooses what is shown.

use crate::buckets::{self, Buckets};
use crate::moments::Moments;
use crate::row::Row;

/// The counts of a set of rows; all rows of the logs, or those of the window.
pub struct Tally {
    pub moments: Moments,
    positive: Buckets,
    negative: Buckets,
}

impl Tally {
    pub fn new() -> Self {
        Tally { moments: Moments::new(), positive: Buckets::new(), negative: Buckets::new() }
    }

    pub fn of<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Self {
        let mut tally = Tally::new();
        rows.into_iter().for_each(|row| tally.add(row));
        tally
    }

    pub fn add(&mut self, row: &Row) {
        self.moments.add(row);
        let error = row.error();
        let side = if error < 0.0 { &mut self.negative } else { &mut self.positive };
        side.add(error.abs());
    }

    /// Absolute errors in ascending order: a value within 0.05 % of those it stands for, and their count.
    pub fn absolute(&self) -> Vec<(f64, u64)> {
        buckets::ascending(&[&self.positive, &self.negative]).collect()
    }

    /// Quantiles of the absolute error; none without rows.
    pub fn absolute_quantiles<const N: usize>(&self, q: [f64; N]) -> [Option<f64>; N] {
        let absolute = self.absolute();
        let (least, most) = (self.moments.absolute_error_least, self.moments.absolute_error_most);
        // What stands for the outermost values may lie beyond them.
        q.map(|q| quantile(&absolute, q).map(|value| value.max(least).min(most)))
    }

    /// Errors in ascending order, likewise.
    pub fn signed(&self) -> Vec<(f64, u64)> {
        let mut signed: Vec<_> =
            buckets::ascending(&[&self.negative]).map(|(value, count)| (-value, count)).collect();
        signed.reverse();
        signed.extend(buckets::ascending(&[&self.positive]));
        signed
    }
}

/// Value at a rank (from 0) of ascending (value, count) pairs; none beyond the last.
pub fn at_rank(ascending: &[(f64, u64)], rank: u64) -> Option<f64> {
    let mut before = 0;
    let found = ascending.iter().find(|(_, count)| {
        before += count;
        rank < before
    });
    found.map(|(value, _)| *value)
}

/// Quantile as numpy's method `linear`. None without values.
pub fn quantile(ascending: &[(f64, u64)], q: f64) -> Option<f64> {
    let n: u64 = ascending.iter().map(|(_, count)| count).sum();
    let position = q * n.checked_sub(1)? as f64;
    let low = at_rank(ascending, position.floor() as u64)?;
    let high = at_rank(ascending, position.ceil() as u64).unwrap_or(low);
    Some(low + (high - low) * position.fract())
}

/// The largest value that at least a share `q` of the others does not exceed: a quantile that is one of the values.
pub fn lower_quantile(ascending: &[(f64, u64)], q: f64) -> Option<f64> {
    let n: u64 = ascending.iter().map(|(_, count)| count).sum();
    at_rank(ascending, (q * n.checked_sub(1)? as f64).floor() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_numpy() {
        let values = [(1.0, 1), (2.0, 2), (10.0, 1)];
        assert_eq!(quantile(&values, 0.0), Some(1.0));
        assert_eq!(quantile(&values, 0.5), Some(2.0));
        assert_eq!(quantile(&values, 0.9), Some(2.0 + 8.0 * 0.7000000000000002));
        assert_eq!(quantile(&values, 1.0), Some(10.0));
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(lower_quantile(&values, 0.9), Some(2.0));
    }

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
