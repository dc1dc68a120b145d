//! Chooses round bin edges, and counts values into the bins. `reach.rs` chooses the range.
//! Works on ascending (value, count) pairs; never draws.

use crate::stats::buckets;
use crate::stats::quantile::{Ascending, quantile};
use crate::stats::reach;

/// Limits of the number of bins: more look alike in a small picture, fewer hide the shape.
const FEWEST_BINS: f64 = 10.0;
const MOST_BINS: f64 = 60.0;

/// Bins with round edges. Values outside count as a tail at each end.
#[derive(Clone, Debug, PartialEq)]
pub struct Bins {
    pub width: Width,
    /// Edges are the multiples of the width from `first` to `last`.
    first: i64,
    last: i64,
}

/// A round bin width: 1, 2 or 5 × 10^exponent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Width {
    digit: i64,
    exponent: i32,
}

impl Width {
    /// The round width nearest to `target`, in proportion.
    pub fn nearest(target: f64) -> Width {
        Width::nearest_that(target, |_| true).unwrap_or(Width { digit: 1, exponent: 0 })
    }

    /// The round width nearest to `target` that puts no more than [`MOST_BINS`] and no fewer than [`FEWEST_BINS`] bins into `range`.
    pub fn near(target: f64, range: f64) -> Width {
        let target = target.clamp(range / MOST_BINS, range / FEWEST_BINS);
        let fits = |width: &Width| (FEWEST_BINS..=MOST_BINS).contains(&(range / width.value()).ceil());
        Width::nearest_that(target, fits).unwrap_or_else(|| Width::nearest(target))
    }

    /// Of the round widths around `target` that fit, the nearest.
    fn nearest_that(target: f64, fits: impl Fn(&Width) -> bool) -> Option<Width> {
        // No f64 has an exponent beyond these.
        let exponent = target.log10().floor().clamp(-400.0, 400.0) as i32;
        let candidates = [(5, -1), (1, 0), (2, 0), (5, 0), (1, 1)]
            .map(|(digit, more)| Width { digit, exponent: exponent + more });
        let distance = |width: &Width| (width.value() / target).ln().abs();
        candidates.into_iter().filter(fits).min_by(|a, b| distance(a).total_cmp(&distance(b)))
    }

    /// The narrowest width, at least this one, whose edges around `value` are edges of buckets.
    fn resolved_at(self, value: f64) -> Width {
        let (digit, exponent) = buckets::width_at(value.abs());
        let bucket = Width { digit, exponent };
        if self.value() < bucket.value() {
            bucket
        } else if (self.digit, bucket.digit) == (5, 2) && self.exponent == bucket.exponent {
            Width { digit: 1, exponent: self.exponent + 1 }
        } else {
            self
        }
    }

    /// Takes as long as to read a number: not for each row.
    pub fn value(self) -> f64 {
        self.multiple(1)
    }

    /// `count` times the width, correctly rounded.
    pub fn multiple(self, count: i64) -> f64 {
        let digits = count * self.digit;
        format!("{digits}e{}", self.exponent).parse().unwrap_or(f64::NAN)
    }
}

/// Counts of one set of values in [`Bins`].
#[derive(Clone, Debug, PartialEq)]
pub struct Counts {
    /// One for each bin, from left to right.
    pub bins: Vec<u64>,
    /// Values below the first and at or above the last edge.
    pub left: u64,
    pub right: u64,
}

impl Counts {
    pub fn total(&self) -> u64 {
        self.bins.iter().sum::<u64>() + self.left + self.right
    }
}

impl Bins {
    /// Bins for `values`; zero is an edge or out of view. None without values.
    pub fn choose(values: &Ascending) -> Option<Bins> {
        let (low, high) = reach::of(values)?;
        let range = if high > low { high - low } else { 1.0 };
        let mut width = Width::near(freedman_diaconis(values, range), range);
        if low > 0.0 || high < 0.0 {
            width = width.resolved_at(low).resolved_at(high).resolved_at(low);
        }
        // Of the values, only zero can be an edge.
        let (first, last) = ((low / width.value()).floor() as i64, (high / width.value()).ceil() as i64);
        Some(Bins { width, first, last: if first == last { first + 10 } else { last } })
    }

    /// All bins are on one side of zero.
    pub fn zero_is_out_of_view(&self) -> bool {
        self.first > 0 || self.last < 0
    }

    /// All edges, ascending: one more than bins.
    pub fn edges(&self) -> Vec<f64> {
        (self.first..=self.last).map(|count| self.width.multiple(count)).collect()
    }

    /// Counts values; a bin holds its left edge.
    pub fn count(&self, values: &Ascending) -> Counts {
        let bins = usize::try_from(self.last - self.first).unwrap_or(0);
        let mut counts = Counts { bins: vec![0; bins], left: 0, right: 0 };
        let width = self.width.value();
        for &(value, count) in values {
            let place = (value / width).floor() - self.first as f64;
            let slot = match place {
                _ if place < 0.0 => Some(&mut counts.left),
                _ => counts.bins.get_mut(place as usize),
            };
            *slot.unwrap_or(&mut counts.right) += count;
        }
        counts
    }
}

/// Bin width as numpy's `bins='fd'` (Freedman, Diaconis 1981): 2 × interquartile range / n^(1/3); where that is zero, Sturges' as numpy's
/// `auto` does.
fn freedman_diaconis(values: &Ascending, range: f64) -> f64 {
    let n = values.iter().map(|(_, count)| count).sum::<u64>() as f64;
    let between = quantile(values, 0.75).zip(quantile(values, 0.25)).map_or(0.0, |(high, low)| high - low);
    let width = 2.0 * between / n.cbrt();
    if width > 0.0 { width } else { range / (n.log2() + 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::row::Row;
    use crate::stats::tally::Tally;

    /// Edges, counts, and values beyond both ends, of errors.
    fn signed(errors: impl IntoIterator<Item = f64>) -> (Vec<f64>, Counts) {
        let rows: Vec<Row> = errors.into_iter().map(|error| Row::new(0.0, error, None)).collect();
        let values = Tally::of(&rows).signed();
        let bins = Bins::choose(&values).unwrap();
        (bins.edges(), bins.count(&values))
    }

    /// Evenly from `low` to `high`.
    fn even(low: f64, high: f64) -> impl Iterator<Item = f64> {
        (0..1000).map(move |i| low + (high - low) * (f64::from(i) + 0.5) / 1000.0)
    }

    #[test]
    fn one_outlier_on_a_side_of_its_own_is_cut() {
        for sign in [1.0, -1.0] {
            let (edges, counts) = signed(even(0.0, 10.0).chain([-5000.0]).map(|error| error * sign));
            let beyond = if sign > 0.0 { counts.left } else { counts.right };
            assert_eq!((beyond, counts.left + counts.right), (1, 1));
            let span = edges[edges.len() - 1] - edges[0];
            assert!((10.0..=11.0).contains(&span) && edges.contains(&0.0), "{edges:?}");
        }
        let (edges, counts) = signed(even(-1.0, 10.0));
        assert_eq!((counts.left, counts.right), (0, 0));
        assert_eq!((edges[0], edges[edges.len() - 1]), (-1.0, 10.0));
    }

    #[test]
    fn errors_far_from_zero_leave_it_out_of_view() {
        for outliers in [vec![], vec![0.0], vec![3000.0], vec![0.0, 3000.0], vec![-9.0]] {
            let beyond = outliers.len() as u64;
            let errors: Vec<f64> = even(990.0, 1010.0).chain(outliers).collect();
            let (edges, counts) = signed(errors.iter().copied());
            assert_eq!(edges, (990..=1010).step_by(2).map(f64::from).collect::<Vec<_>>());
            assert!(counts.bins.iter().all(|n| (90..=110).contains(n)), "{counts:?}");
            assert_eq!(counts.left + counts.right, beyond);
            let (mirrored, _) = signed(errors.iter().map(|error| -error));
            assert_eq!(mirrored, edges.iter().rev().map(|edge| -edge).collect::<Vec<_>>());
        }
        assert_eq!(signed(even(10.0, 20.0)).0[0], 10.0);
        assert_eq!(signed(even(5.0, 20.0)).0[0], 0.0);
    }

    #[test]
    fn no_bin_is_finer_than_what_was_counted() {
        for (low, high) in [(999.0, 1001.0), (4990.0, 5010.0), (1990.0, 2020.0), (3000.0, 3018.0)] {
            let errors: Vec<f64> = even(low, high).collect();
            let (edges, counts) = signed(errors.iter().copied());
            assert!(edges.len() >= 3, "{edges:?}");
            for (bin, edges) in counts.bins.iter().zip(edges.windows(2)) {
                let within = errors.iter().filter(|error| (edges[0]..edges[1]).contains(*error));
                assert_eq!(*bin, within.count() as u64, "{edges:?}");
            }
        }
    }
}
