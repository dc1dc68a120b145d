//! Chooses round bin edges and where a long tail is cut, and counts into them.
//! Works on ascending (value, count) pairs; never draws.

use crate::tally::{lower_quantile, quantile};

/// Bins of one range: more than 60 cannot be told apart in a small picture, fewer than 10 hide the shape.
const FEWEST_BINS: f64 = 10.0;
const MOST_BINS: f64 = 60.0;

/// Where a tail may be cut. At the smallest share only if nothing else keeps the bulk in sight.
const CUTS: [f64; 5] = [1.0, 0.999, 0.99, 0.95, 0.9];

/// A tail is cut where it reaches further than this multiple of the third quartile: a normal distribution (4.2 at a million rows) is
/// not, an exponential one (10) is.
const REACH: f64 = 6.0;

/// (value, count) pairs in ascending order.
pub type Ascending = [(f64, u64)];

/// Round edges, and the quantiles beyond which values are gathered in a bar of their own.
#[derive(Clone, Debug, PartialEq)]
pub struct Bins {
    pub width: Width,
    /// Edges are the multiples of the width from `first` to `last`.
    first: i64,
    last: i64,
    /// Share of the values up to which the right (left) end reaches; 1 where nothing is cut.
    pub kept_right: f64,
    pub kept_left: f64,
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
        Width::candidates(target)
            .into_iter()
            .min_by(|a, b| a.distance(target).total_cmp(&b.distance(target)))
            .unwrap_or(Width { digit: 1, exponent: 0 })
    }

    /// The round widths around `target`.
    fn candidates(target: f64) -> [Width; 5] {
        let exponent = target.log10().floor() as i32;
        [(5, -1), (1, 0), (2, 0), (5, 0), (1, 1)]
            .map(|(digit, more)| Width { digit, exponent: exponent + more })
    }

    fn distance(self, target: f64) -> f64 {
        (self.value() / target).ln().abs()
    }

    /// The round width nearest to `target` (in proportion) that puts no more than [`MOST_BINS`] and no fewer than [`FEWEST_BINS`]
    /// bins into `range`.
    pub fn near(target: f64, range: f64) -> Width {
        let target = target.clamp(range / MOST_BINS, range / FEWEST_BINS);
        let fits = |width: &Width| (FEWEST_BINS..=MOST_BINS).contains(&(range / width.value()).ceil());
        let fitting = Width::candidates(target).into_iter().filter(fits);
        let nearest = fitting.min_by(|a, b| a.distance(target).total_cmp(&b.distance(target)));
        nearest.unwrap_or_else(|| Width::nearest(target))
    }

    pub fn value(self) -> f64 {
        self.multiple(1)
    }

    /// Its `count`-fold, correctly rounded: the number that its decimal form reads as.
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
    /// Bins for `values`; zero is always an edge. None without values.
    pub fn choose(values: &Ascending) -> Option<Bins> {
        let (right, kept_right) = reach(values.iter().filter(|(value, _)| *value > 0.0).copied(), values);
        let mirrored = values.iter().rev().map(|(value, count)| (-value, *count));
        let mirrored: Vec<_> = mirrored.collect();
        let (left, kept_left) = reach(mirrored.iter().filter(|(value, _)| *value > 0.0).copied(), &mirrored);
        values.first()?;
        let range = if left + right > 0.0 { left + right } else { 1.0 };
        let width = Width::near(freedman_diaconis(values, range), range);
        // The edge beyond the outermost value that is kept, which itself may lie on an edge.
        let beyond = |reach: f64| {
            let edges = (reach / width.value()).floor() as i64;
            if reach > 0.0 { edges + 1 } else { 0 }
        };
        let (first, last) = (-beyond(left), beyond(right));
        let last = if first == last { 10 } else { last };
        Some(Bins { width, first, last, kept_right, kept_left })
    }

    /// All edges, ascending: one more than bins.
    pub fn edges(&self) -> Vec<f64> {
        (self.first..=self.last).map(|count| self.width.multiple(count)).collect()
    }

    /// Counts values; a bin holds its left edge.
    pub fn count(&self, values: &Ascending) -> Counts {
        let bins = usize::try_from(self.last - self.first).unwrap_or(0);
        let mut counts = Counts { bins: vec![0; bins], left: 0, right: 0 };
        for &(value, count) in values {
            let place = (value / self.width.value()).floor() - self.first as f64;
            let slot = match place {
                _ if place < 0.0 => Some(&mut counts.left),
                _ => counts.bins.get_mut(place as usize),
            };
            *slot.unwrap_or(&mut counts.right) += count;
        }
        counts
    }
}

/// How far to the right the bins must reach, and which share of all `values` that keeps.
fn reach(positive: impl Iterator<Item = (f64, u64)>, values: &Ascending) -> (f64, f64) {
    let positive: Vec<_> = positive.collect();
    let n: u64 = values.iter().map(|(_, count)| count).sum();
    let quantile = |q: f64| lower_quantile(&positive, q).unwrap_or(0.0);
    let quartile = quantile(0.75);
    let cut = CUTS.into_iter().find(|q| quantile(*q) <= REACH * quartile).unwrap_or(0.9);
    let reach = quantile(cut);
    let beyond: u64 = positive.iter().filter(|(value, _)| *value > reach).map(|(_, count)| count).sum();
    (reach, if n == 0 { 1.0 } else { 1.0 - beyond as f64 / n as f64 })
}

/// Bin width as numpy's `bins='fd'` (Freedman, Diaconis 1981): 2 × interquartile range / n^(1/3); where that is zero, Sturges' as numpy's
/// `auto` does.
fn freedman_diaconis(values: &Ascending, range: f64) -> f64 {
    let n = values.iter().map(|(_, count)| count).sum::<u64>() as f64;
    let between = quantile(values, 0.75).zip(quantile(values, 0.25)).map_or(0.0, |(high, low)| high - low);
    let width = 2.0 * between / n.cbrt();
    if width > 0.0 { width } else { range / (n.log2() + 1.0) }
}
