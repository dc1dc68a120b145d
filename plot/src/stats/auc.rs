//! Area under the ROC curve: the share of all pairs of a row of class 1 and one of class 0 in which the first has the higher
//! probability, ties counted half. Exact over few rows; over any number of rows within a bound that is known.
//! Memory does not grow with the number of rows.

use crate::stats::{
    buckets::{DECADES, PER_DECADE, locate},
    counters::Counters,
};

/// An area and how far it may be off, besides rounding; both from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    pub value: f64,
    pub error: f64,
}

/// Rows in ascending order of their probability, added up tie by tie.
#[derive(Default)]
struct Pairs {
    zeros: u64,
    ones: u64,
    /// Twice the number of pairs in the right order, of those so far.
    twice_right: u128,
    /// Pairs whose order is not known: they are counted as ties.
    unknown: u128,
}

impl Pairs {
    /// Rows with one probability, or, if not `is_tie`, with probabilities whose order is not known.
    fn add(&mut self, zeros: u64, ones: u64, is_tie: bool) {
        self.twice_right += u128::from(ones) * (2 * u128::from(self.zeros) + u128::from(zeros));
        self.unknown += if is_tie { 0 } else { u128::from(ones) * u128::from(zeros) };
        self.zeros += zeros;
        self.ones += ones;
    }

    /// None where one class has no row.
    fn area(&self) -> Option<Area> {
        let twice_all = (2 * u128::from(self.zeros) * u128::from(self.ones)) as f64;
        let share = |twice: u128| twice as f64 / twice_all;
        // Each of the unknown pairs counts half, and is 0 or 1.
        (twice_all > 0.0).then(|| Area { value: share(self.twice_right), error: share(self.unknown) })
    }
}

/// The exact area of rows: (probability, is of class 1). None where one class has no row.
pub fn exact(mut rows: Vec<(f64, bool)>) -> Option<Area> {
    rows.sort_unstable_by(|(a, _), (b, _)| a.total_cmp(b));
    let mut pairs = Pairs::default();
    for tie in rows.chunk_by(|(a, _), (b, _)| a == b) {
        let ones = tie.iter().filter(|(_, is_one)| *is_one).count();
        pairs.add((tie.len() - ones) as u64, ones as u64, true);
    }
    pairs.area()
}

/// The area of rows that are counted tie by tie, in ascending order: rows of class 0, rows of class 1, and whether all have one probability;
/// otherwise their order is not known. None where one class has no row.
pub fn of_ties(ties: impl IntoIterator<Item = (u64, u64, bool)>) -> Option<Area> {
    let mut pairs = Pairs::default();
    ties.into_iter().for_each(|(zeros, ones, is_tie)| pairs.add(zeros, ones, is_tie));
    pairs.area()
}

/// 0 and p below 0.5, else 1 and 1 − p, which is exact, so it keeps the order. No branch: it could not be predicted.
pub fn from_nearer_end(p: f64) -> (usize, f64) {
    (usize::from(p >= 0.5), p.abs().min(1.0 - p))
}

/// Probabilities of any number of rows, in decimal buckets: below 0.5 those of p, otherwise those of 1 − p, so that both ends are as fine.
/// A decade takes 46 KB once it has a count, and 102 KB once a bucket has 65,536; there are at most 76 of them.
pub struct Scores {
    /// Buckets of p below 0.5, and of 1 − p: first what counts as zero, then the decades in ascending order.
    halves: [Vec<Cells>; 2],
}

/// The buckets of a decade; none until needed.
#[derive(Default)]
struct Cells {
    /// Rows of class 0 and of class 1, in turn.
    counts: Counters,
    /// Whether a bucket's rows have more than one probability.
    has_more: Box<[bool]>,
    /// The first one; [`NO_ROW`] if there is none. Apart, as it is seldom looked at.
    first: Box<[f64]>,
}

const NO_ROW: f64 = -1.0;

impl Default for Scores {
    fn default() -> Self {
        let half = || (0..=DECADES).map(|_| Cells::default()).collect();
        Scores { halves: [half(), half()] }
    }
}

impl Scores {
    /// `p`: from 0 to 1.
    pub fn add(&mut self, p: f64, is_one: bool) {
        let (half, magnitude) = from_nearer_end(p);
        let (decade, bucket) = locate(magnitude).map_or((0, 0), |(decade, bucket)| (decade + 1, bucket));
        let Some(cells) = self.halves.get_mut(half).and_then(|half| half.get_mut(decade)) else { return };
        if cells.counts.is_empty() {
            *cells = Cells::new(if decade == 0 { 1 } else { PER_DECADE });
        }
        cells.add(bucket, p, is_one);
    }

    /// None where one class has no row.
    pub fn area(&self) -> Option<Area> {
        let [low, high] = &self.halves;
        of_ties(
            low.iter().flat_map(Cells::ties).chain(high.iter().rev().flat_map(|cells| cells.ties().rev())),
        )
    }
}

impl Cells {
    fn new(buckets: usize) -> Self {
        let (has_more, first) = (vec![false; buckets].into(), vec![NO_ROW; buckets].into());
        Cells { counts: Counters::new(2 * buckets), has_more, first }
    }

    fn add(&mut self, bucket: usize, p: f64, is_one: bool) {
        self.counts.add(2 * bucket + usize::from(is_one));
        if let Some(has_more) = self.has_more.get_mut(bucket).filter(|has_more| !**has_more)
            && let Some(first) = self.first.get_mut(bucket)
        {
            if *first == NO_ROW {
                *first = p;
            }
            *has_more = *first != p;
        }
    }

    /// Of each bucket, as [`of_ties`] takes them.
    fn ties(&self) -> impl DoubleEndedIterator<Item = (u64, u64, bool)> {
        let counts = |bucket: usize| [0, 1].map(|class| self.counts.get(2 * bucket + class));
        self.has_more.iter().enumerate().map(move |(bucket, has_more)| {
            let [zeros, ones] = counts(bucket);
            (zeros, ones, !has_more)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pair by itself.
    fn by_pairs(rows: &[(f64, bool)]) -> Option<f64> {
        let of = |class: bool| rows.iter().filter(move |(_, is_one)| *is_one == class).map(|(p, _)| *p);
        let pairs = of(true).flat_map(|one| of(false).map(move |zero| (one, zero)));
        let twice =
            pairs.map(|(one, zero)| 2 * u32::from(one > zero) + u32::from(one == zero)).collect::<Vec<_>>();
        let sum: u32 = twice.iter().sum();
        (!twice.is_empty()).then(|| f64::from(sum) / 2.0 / twice.len() as f64)
    }

    fn bounded(rows: &[(f64, bool)]) -> Option<Area> {
        let mut scores = Scores::default();
        rows.iter().for_each(|(p, is_one)| scores.add(*p, *is_one));
        scores.area()
    }

    #[test]
    fn few_rows_are_exact_and_buckets_keep_their_bound() {
        let (mut random, _) = glue::testing::random();
        let shapes: [fn(f64) -> f64; 8] = [
            |u| u,
            |u| (u * 8.0).round() / 8.0,
            |u| 0.5 + (u - 0.5) * 1e-4,
            |u| u.powi(20),
            |u| 1.0 - u.powi(20) * 1e-3,
            |u| u * 1e-70,
            |u| if u < 0.5 { 0.0 } else { 1.0 },
            |u| if u < 0.5 { -0.0 } else { 1e-17 },
        ];
        let mut bounds = Vec::new();
        for shape in shapes {
            for n in [1, 2, 5, 200] {
                let rows: Vec<(f64, bool)> = (0..n).map(|_| (shape(random.f64()), random.bool())).collect();
                let (expected, found) = (by_pairs(&rows), bounded(&rows));
                let exact = expected.map(|value| Area { value, error: 0.0 });
                assert_eq!(super::exact(rows), exact);
                assert_eq!(found.is_some(), exact.is_some());
                if let Some((found, expected)) = found.zip(expected) {
                    assert!(
                        (found.value - expected).abs() <= found.error + 1e-15,
                        "{found:?}, not {expected}"
                    );
                    bounds.push(found.error);
                }
            }
        }
        assert!(bounds.contains(&0.0) && bounds.iter().any(|error| *error > 0.1), "{bounds:?}");
    }

    #[test]
    fn probabilities_of_three_digits_are_exact() {
        let rows: Vec<(f64, bool)> =
            (0..4000).map(|i| (f64::from(i * 7919 % 1001) / 1000.0, i % 1000 * 7 % 1000 > i % 700)).collect();
        assert_eq!(bounded(&rows), exact(rows));
    }

    #[test]
    fn the_order_is_known_beyond_a_thousandth() {
        // Of all rows of class 1, half are a little above those of class 0, half a little below.
        for p in [1e-12, 0.001, 0.3, 0.499, 0.7, 0.999] {
            let apart = if p < 0.5 { p * 0.0011 } else { (1.0 - p) * 0.0011 };
            let rows = [(p, false), (p + apart, true), (p - apart, true)];
            assert_eq!(bounded(&rows), Some(Area { value: 0.5, error: 0.0 }), "{p}");
        }
    }
}
