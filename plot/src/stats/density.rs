//! Predicted against true: a uniform sample of all rows, and its density on a square grid with round edges.
//! Never keeps more than the sample. A shorter log is kept whole.

use crate::logs::row::Row;
use crate::stats::histogram::Width;

/// Rows in the sample.
const SAMPLE_ROWS: usize = 10_000;

/// About how many cells an axis has.
const CELLS: f64 = 40.0;

/// Share of the values that each end of the axes leaves out, so that one outlier does not shrink all others to a point.
const BEYOND: f64 = 0.005;

/// Values in a smaller range count as equal: cells between them would have subnormal widths.
const LEAST_RANGE: f64 = 1e-290;

/// A uniform sample of a stream (Vitter 1985, algorithm R).
pub struct Sample {
    seen: u64,
    pairs: Vec<(f64, f64)>,
    random: u64,
}

/// Counts of a sample's (y_true, y_pred) on a grid. Cell (x, y) begins at edge(x), edge(y).
#[derive(Clone, Debug)]
pub struct Density {
    width: Width,
    first: i64,
    /// Cells along each axis.
    pub cells: usize,
    /// (column, row, count) of each cell that is not empty.
    pub counts: Vec<(usize, usize, u64)>,
    pub sampled: usize,
    /// Rows of the sample outside the axes.
    pub outside: u64,
}

impl Sample {
    pub fn new() -> Self {
        Sample { seen: 0, pairs: Vec::new(), random: 0x9e37_79b9_7f4a_7c15 }
    }

    pub fn add(&mut self, row: &Row) {
        self.seen += 1;
        let pair = (row.y_true, row.y_pred);
        if self.pairs.len() < SAMPLE_ROWS {
            self.pairs.push(pair);
            return;
        }
        // xorshift64 (Marsaglia 2003); the high half of a product maps it to 0..seen.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let place = (u128::from(self.random) * u128::from(self.seen)) >> 64;
        if let Some(slot) = usize::try_from(place).ok().and_then(|place| self.pairs.get_mut(place)) {
            *slot = pair;
        }
    }

    /// The density of the sample. None without rows, or if f64 has no edges for the grid.
    pub fn density(&self) -> Option<Density> {
        let mut values: Vec<f64> =
            self.pairs.iter().flat_map(|(y_true, y_pred)| [*y_true, *y_pred]).collect();
        let beyond = (values.len() as f64 * BEYOND) as usize;
        let last = values.len().checked_sub(1)?;
        let low = *values.select_nth_unstable_by(beyond, f64::total_cmp).1;
        let high = *values.select_nth_unstable_by(last - beyond, f64::total_cmp).1;
        let range = high - low;
        let range = if range > LEAST_RANGE { range } else { low.abs().max(1.0) };
        if range > 1e300 || range < low.abs().max(high.abs()) * 1e-9 {
            return None;
        }
        let width = Width::near(range / CELLS, range);
        let side = width.value();
        let first = (low / side).floor() as i64;
        let cells = ((high / side).floor() as i64 - first + 1).max(10) as usize;
        let mut grid = vec![0; cells * cells];
        let place = |value: f64| (value / side).floor() - first as f64;
        let inside = |place: f64| (0.0..cells as f64).contains(&place).then_some(place as usize);
        let mut outside = 0;
        for (y_true, y_pred) in &self.pairs {
            let cell = inside(place(*y_true)).zip(inside(place(*y_pred)));
            match cell.and_then(|(x, y)| grid.get_mut(y * cells + x)) {
                Some(count) => *count += 1,
                None => outside += 1,
            }
        }
        let counts = grid.into_iter().enumerate().filter(|(_, n)| *n > 0);
        let counts = counts.map(|(cell, n)| (cell % cells, cell / cells, n)).collect();
        Some(Density { width, first, cells, counts, sampled: self.pairs.len(), outside })
    }
}

impl Density {
    /// Lower edge of a column or row; `cells` gives the last edge.
    pub fn edge(&self, cell: usize) -> f64 {
        self.width.multiple(self.first + cell as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_uniform() {
        let mut sample = Sample::new();
        (0..200_000).for_each(|n| sample.add(&Row::new(f64::from(n), 0.0, None)));
        let mean = sample.pairs.iter().map(|(y_true, _)| y_true).sum::<f64>() / SAMPLE_ROWS as f64;
        // Its standard deviation is 200,000 / √12 / √10,000 = 577.
        assert!((mean - 100_000.0).abs() < 3_000.0, "{mean}");
    }

    #[test]
    fn every_row_of_the_sample_is_counted() {
        let mut sample = Sample::new();
        (0..1000).for_each(|n| sample.add(&Row::new(f64::from(n), f64::from(n + 5), None)));
        sample.add(&Row::new(1e9, -1e9, None));
        let density = sample.density().unwrap();
        let counted: u64 = density.counts.iter().map(|(_, _, n)| n).sum();
        assert_eq!(counted + density.outside, 1001);
        assert!(density.outside < 20 && density.cells <= 61, "{density:?}");
        assert!(Sample::new().density().is_none());
    }

    #[test]
    fn equal_and_enormous_values_do_no_harm() {
        for value in [0.0, 5.0, -1e-12, 1e15, 1e300, -1e308, f64::MAX, 5e-324, -5e-324, 1e-290] {
            let mut sample = Sample::new();
            (0..10).for_each(|_| sample.add(&Row::new(value, value, None)));
            sample.density();
            sample.add(&Row::new(-value, value / 2.0, None));
            sample.density();
        }
    }
}
