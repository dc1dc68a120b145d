//! Counts magnitudes in decimal log-linear buckets. Histogram bars are exact sums of buckets, and quantiles have a known error.
//! Never knows rows, signs or pictures. Memory does not grow with the count.

use crate::stats::counters::Counters;
use std::{
    iter::once,
    ops::{Range, RangeInclusive},
    sync::LazyLock,
};

/// Limit of the relative error of a quantile, for magnitudes that [`Buckets`] resolves.
pub const RELATIVE_ERROR: f64 = 0.0005;

/// Decades with buckets: 1e-60 to 1e60. Smaller magnitudes count as zero, larger ones in the last bucket.
const FIRST_DECADE: i32 = -60;
pub const DECADES: usize = 120;
const LEAST: f64 = 1e-60;
const END: f64 = 1e60;

/// In thousandths of the decade's start, buckets have width 1 below 2,000, 2 below 5,000, 5 below 10,000. So every number of three
/// significant digits is an edge, and no bucket is wider than 0.1 % of its start.
pub const PER_DECADE: usize = 3_500;

/// A value this close below an edge counts as on it: 0.29 × 100 is 28.999999999999996 in f64.
const NUDGE: f64 = 1.0 + 2e-15;

/// Start of a decade, and the factor that scales a magnitude to thousandths of it.
struct Decade {
    start: f64,
    to_thousandths: f64,
}

/// `10^exponent`. Parsed: only parsing rounds every power of ten correctly.
fn power(exponent: i32) -> f64 {
    format!("1e{exponent}").parse().unwrap_or(f64::NAN)
}

static SCALE: LazyLock<Vec<Decade>> = LazyLock::new(|| {
    (FIRST_DECADE..=FIRST_DECADE + DECADES as i32)
        .map(|decade| Decade { start: power(decade), to_thousandths: power(3 - decade) })
        .collect()
});

/// The magnitudes of one binary exponent lie in one or two decades.
struct Doubling {
    /// The first of the two, counted from the first one with buckets.
    decade: i32,
    /// Start of the second one.
    second: f64,
    to_thousandths: [f64; 2],
}

/// Binary exponents of the least magnitude with buckets, 1e-60, and of the largest, below 1e60.
const EXPONENTS: RangeInclusive<i32> = -200..=199;

static DOUBLINGS: LazyLock<Vec<Doubling>> = LazyLock::new(|| {
    let doubling = |exponent: i32| {
        // floor(log10) of its start: 78913 / 2^18 = log10 2.
        let decade = (exponent * 78_913) >> 18;
        let to_thousandths = [power(3 - decade), power(2 - decade)];
        Doubling { decade: decade - FIRST_DECADE, second: power(decade + 1), to_thousandths }
    };
    EXPONENTS.map(doubling).collect()
});

/// Where in each decade the buckets of 1, 2 and 5 begin.
const ROUND: [(f64, usize); 3] = [(1.0, 0), (2.0, 1_000), (5.0, 2_500)];

/// Counts of magnitudes (absolute values). A decade takes 7 KB once it has a count, and 35 KB once a bucket has 65,536.
pub struct Buckets {
    zeros: u64,
    /// Empty where nothing was counted.
    decades: [Counters; DECADES],
    /// Of the magnitudes in each bucket of [`ROUND`], those on its edge.
    on_edges: [[u64; ROUND.len()]; DECADES],
}

impl Default for Buckets {
    fn default() -> Self {
        let decades = std::array::from_fn(|_| Counters::default());
        Buckets { zeros: 0, decades, on_edges: [[0; ROUND.len()]; DECADES] }
    }
}

impl Buckets {
    /// Counts `magnitude`, which must be finite and not negative.
    pub fn add(&mut self, magnitude: f64) {
        let Some((decade, bucket)) = locate(magnitude) else {
            self.zeros += 1;
            return;
        };
        if let Some(counts) = self.decades.get_mut(decade) {
            if counts.is_empty() {
                *counts = Counters::new(PER_DECADE);
            }
            counts.add(bucket);
        }
        if ROUND.iter().any(|(_, begin)| *begin == bucket) {
            self.add_on_edge(magnitude, decade, bucket);
        }
    }

    #[cold]
    fn add_on_edge(&mut self, magnitude: f64, decade: usize, bucket: usize) {
        let (Some(Decade { start, .. }), Some(counts)) = (SCALE.get(decade), self.on_edges.get_mut(decade))
        else {
            return;
        };
        for ((digit, begin), count) in ROUND.iter().zip(counts) {
            *count += u64::from(*begin == bucket && magnitude <= digit * start * NUDGE);
        }
    }
}

/// Decade, counted from the first one with buckets, and bucket of a magnitude; None if it counts as zero. Both ascend with the magnitude.
#[inline]
pub fn locate(magnitude: f64) -> Option<(usize, usize)> {
    let nudged = magnitude * NUDGE;
    if nudged < LEAST {
        return None;
    }
    let doubling = (nudged.to_bits() >> 52) as usize - (1023 + EXPONENTS.start()) as usize;
    let Some(Doubling { decade, second, to_thousandths }) = DOUBLINGS.get(doubling).filter(|_| nudged < END)
    else {
        return Some((DECADES - 1, PER_DECADE - 1));
    };
    // No branches from here on: they could not be predicted.
    let is_second = nudged >= *second;
    let [first, second] = *to_thousandths;
    let thousandths = ((nudged * if is_second { second } else { first }) as u32).clamp(1_000, 9_999);
    // Each of the three is the least where its width applies.
    let bucket = (thousandths - 1_000).min(thousandths / 2).min(thousandths / 5 + 1_500);
    Some(((decade + i32::from(is_second)) as usize, bucket as usize))
}

/// Width of the bucket that holds a magnitude, as 1, 2 or 5 and its power of ten.
pub fn width_at(magnitude: f64) -> (i64, i32) {
    let decade = magnitude.log10().floor() as i32;
    let digit = match magnitude / 10_f64.powi(decade) {
        ..2.0 => 1,
        2.0..5.0 => 2,
        _ => 5,
    };
    (digit, decade - 3)
}

/// The value of a bucket: at the same relative distance from both ends.
fn middle(decade: usize, bucket: usize) -> f64 {
    let (low, width) = match bucket {
        ..1_000 => (1_000 + bucket, 1),
        1_000..2_500 => (2_000 + (bucket - 1_000) * 2, 2),
        _ => (5_000 + (bucket - 2_500) * 5, 5),
    };
    let (low, high) = (low as f64, (low + width) as f64);
    let scale = SCALE.get(decade).map_or(f64::NAN, |d| d.to_thousandths);
    2.0 * low * high / (low + high) / scale
}

/// The magnitudes counted in any of `parts` in ascending order: a value inside each bucket, and its count.
pub fn ascending(parts: &[&Buckets]) -> Vec<(f64, u64)> {
    let zeros = parts.iter().map(|part| part.zeros).sum();
    let mut ascending = if zeros > 0 { vec![(0.0, zeros)] } else { Vec::new() };
    for decade in 0..DECADES {
        let counted = parts.iter().filter_map(|part| part.decades.get(decade));
        let counted: Vec<&Counters> = counted.filter(|counts| !counts.is_empty()).collect();
        let buckets = if counted.is_empty() { 0 } else { PER_DECADE };
        for bucket in 0..buckets {
            let count = counted.iter().map(|counts| counts.get(bucket)).sum();
            if count > 0 {
                ascending.push((middle(decade, bucket), count));
            }
        }
    }
    ascending
}

/// How many of the magnitudes counted in any of `parts` are at most 1, 2 and 5 × each power of ten: (limit, count), ascending.
/// `exponents`: of the powers, each with buckets. Exact, but that 2e-15 of a limit above it count as on it.
pub fn cumulative(parts: &[&Buckets], exponents: RangeInclusive<i32>) -> Vec<(f64, u64)> {
    let first = (exponents.start() - FIRST_DECADE) as usize;
    let counted = |part: &Buckets, decade: usize, buckets: Range<usize>| -> u64 {
        let counts = part.decades.get(decade).filter(|counts| !counts.is_empty());
        counts.map_or(0, |counts| buckets.map(|bucket| counts.get(bucket)).sum())
    };
    let all = |decade: usize, buckets: Range<usize>| -> u64 {
        parts.iter().map(|part| counted(part, decade, buckets.clone())).sum()
    };
    let mut below: u64 = parts.iter().map(|part| part.zeros).sum::<u64>()
        + (0..first).map(|decade| all(decade, 0..PER_DECADE)).sum::<u64>();
    let mut cumulative = Vec::new();
    for (exponent, decade) in exponents.zip(first..) {
        let ends = ROUND.iter().skip(1).map(|(_, begin)| *begin).chain(once(PER_DECADE));
        for ((index, (digit, begin)), end) in ROUND.iter().enumerate().zip(ends) {
            let on_edge = |part: &&Buckets| part.on_edges.get(decade)?.get(index).copied();
            let limit = format!("{digit}e{exponent}").parse().unwrap_or(f64::NAN);
            cumulative.push((limit, below + parts.iter().filter_map(on_edge).sum::<u64>()));
            below += all(decade, *begin..end);
        }
    }
    cumulative
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Vec<(f64, u64)> {
        let mut buckets = Buckets::default();
        values.iter().for_each(|&value| buckets.add(value));
        ascending(&[&buckets])
    }

    #[test]
    fn a_bucket_stands_for_its_values_within_the_stated_error() {
        let mut value = 1.3e-59;
        while value < 9e59 {
            let (decade, bucket) = locate(value).unwrap();
            let middle = middle(decade, bucket);
            assert!((middle - value).abs() <= RELATIVE_ERROR * value, "{value} counted as {middle}");
            value *= 1.001_37;
        }
    }

    #[test]
    fn a_decimal_value_lies_at_or_above_the_edge_it_is_written_like() {
        for exponent in -20..20 {
            for digits in 100..1000 {
                let edge: f64 = format!("{digits}e{exponent}").parse().unwrap();
                let below = edge * (1.0 - 1e-9);
                let [at, under] = [edge, below].map(|value| {
                    let (decade, bucket) = locate(value).unwrap();
                    middle(decade, bucket)
                });
                assert!(at > edge && under < edge, "{edge}: {at} and {under}");
            }
        }
    }

    #[test]
    fn what_is_too_small_counts_as_zero_and_what_is_too_large_in_the_last_bucket() {
        assert_eq!(of(&[0.0, 5e-324, 9e-61]), [(0.0, 3)]);
        let large = of(&[1e60, 1e300, f64::MAX]);
        assert_eq!(large.len(), 1);
        assert_eq!(large[0].1, 3);
    }

    #[test]
    fn limits_are_inclusive_and_counts_exact() {
        let limits = || {
            (-6..=9).flat_map(|exponent| {
                [1, 2, 5].map(|digit| format!("{digit}e{exponent}").parse::<f64>().unwrap())
            })
        };
        // On each limit, beside it by a millionth, and as far off as arithmetic may put it.
        let mut values = vec![0.0, 1e-70, 3.3e-9, 7e9, 1e70];
        let near = |limit: f64| {
            [limit, limit * (1.0 - 1e-6), limit * (1.0 + 1e-6), limit.next_down(), limit.next_up()]
        };
        values.extend(limits().flat_map(near));
        let (mut a, mut b) = (Buckets::default(), Buckets::default());
        values.iter().enumerate().for_each(|(n, value)| if n % 3 == 0 { &mut a } else { &mut b }.add(*value));
        let expected = limits()
            .map(|limit| (limit, values.iter().filter(|value| **value <= limit * NUDGE).count() as u64));
        assert_eq!(cumulative(&[&a, &b], -6..=9), expected.collect::<Vec<_>>());
        assert!(cumulative(&[], -3..=-3) == [(0.001, 0), (0.002, 0), (0.005, 0)]);
    }

    #[test]
    fn parts_add_up() {
        let (mut a, mut b) = (Buckets::default(), Buckets::default());
        a.add(2.0);
        b.add(2.0);
        b.add(1.0);
        let counts: Vec<u64> = ascending(&[&a, &b]).into_iter().map(|(_, count)| count).collect();
        assert_eq!(counts, [1, 2]);
    }
}
