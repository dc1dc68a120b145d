//! Counts of magnitudes in few buckets, which get wider with the magnitude: 32 to each doubling. What a slice keeps of its errors.
//! Never keeps a magnitude. Memory does not grow with the count.

use crate::stats::past::varint;

/// Buckets are the leading bits of an f64: its exponent and 5 bits of its fraction.
const FRACTION_BITS: u32 = 5;
const SHIFT: u32 = 52 - FRACTION_BITS;

/// Magnitudes from 2^-200 to 2^200 have buckets, about 1e-60 to 1e60. Smaller ones count as zero, larger ones in the last bucket.
const FIRST: usize = (1023 - 200) << FRACTION_BITS;
const BUCKETS: usize = 400 << FRACTION_BITS;

/// Limit of the buckets of a slice that hold something. Beyond it two neighbours become one, in the whole slice, and again if need be.
const MOST: usize = 512;

/// None if it counts as zero.
fn bucket(magnitude: f64) -> Option<usize> {
    let bits = (magnitude.to_bits() >> SHIFT) as usize;
    bits.checked_sub(FIRST).map(|bucket| bucket.min(BUCKETS - 1))
}

/// Counts that are being added to.
pub struct Counting {
    zeros: u64,
    counts: Vec<u64>,
    /// Buckets outside of these are empty.
    low: usize,
    high: usize,
    /// How often two neighbours became one in what was added: the finest that is known of all.
    halvings: u32,
}

/// Counts at rest, in about three bytes for each bucket that holds something.
#[derive(Clone, Default)]
pub struct Magnitudes {
    zeros: u64,
    halvings: u32,
    /// For each bucket that holds something how far it is from the one before, and its count.
    bytes: Box<[u8]>,
}

impl Default for Counting {
    fn default() -> Self {
        Counting { zeros: 0, counts: vec![0; BUCKETS], low: BUCKETS, high: 0, halvings: 0 }
    }
}

impl Counting {
    /// `magnitude`: finite, not negative.
    pub fn add(&mut self, magnitude: f64) {
        match bucket(magnitude) {
            Some(bucket) => self.add_to(bucket, 1),
            None => self.zeros += 1,
        }
    }

    fn add_to(&mut self, bucket: usize, n: u64) {
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += n;
        }
        self.low = self.low.min(bucket);
        self.high = self.high.max(bucket);
    }

    pub fn add_all(&mut self, more: &Magnitudes) {
        self.zeros += more.zeros;
        self.halvings = self.halvings.max(more.halvings);
        let mut bucket = 0;
        let mut rest = &*more.bytes;
        while let (Some(apart), Some(n)) = (varint::read(&mut rest), varint::read(&mut rest)) {
            bucket += apart as usize;
            self.add_to(bucket << more.halvings, n);
        }
    }

    /// The buckets that hold something, of the width that is known of all: number and count. The number of one of the finest width.
    fn filled(&self, halvings: u32) -> impl Iterator<Item = (usize, u64)> {
        let used = self.counts.get(self.low..=self.high).unwrap_or_default();
        let mut filled = used
            .iter()
            .zip(self.low..)
            .filter(|(n, _)| **n > 0)
            .map(move |(n, b)| (b >> halvings, *n))
            .peekable();
        std::iter::from_fn(move || {
            let (bucket, mut n) = filled.next()?;
            while let Some((_, more)) = filled.next_if(|(next, _)| *next == bucket) {
                n += more;
            }
            Some((bucket, n))
        })
    }

    /// What was counted; counts nothing afterwards.
    pub fn take(&mut self) -> Magnitudes {
        let mut halvings = self.halvings;
        while self.filled(halvings).count() > MOST {
            halvings += 1;
        }
        let (mut bytes, mut before) = (Vec::new(), 0);
        for (bucket, n) in self.filled(halvings) {
            varint::write(&mut bytes, (bucket - before) as u64);
            varint::write(&mut bytes, n);
            before = bucket;
        }
        let taken = Magnitudes { zeros: self.zeros, halvings, bytes: bytes.into() };
        if let Some(used) = self.counts.get_mut(self.low..=self.high) {
            used.fill(0);
        }
        (self.zeros, self.low, self.high, self.halvings) = (0, BUCKETS, 0, 0);
        taken
    }

    /// Limit of the relative error of each value of [`Counting::ascending`].
    pub fn relative_error(&self) -> f64 {
        // From the middle, (2 · low · high) / (low + high), both ends of a bucket are as far; it is widest where a doubling begins.
        let width = f64::from(1_u32 << self.halvings) / f64::from(1_u32 << FRACTION_BITS);
        width / (2.0 + width)
    }

    /// Magnitudes in ascending order, and their counts. Zero is exact.
    pub fn ascending(&self) -> impl Iterator<Item = (f64, u64)> {
        let halvings = self.halvings;
        let edge = move |bucket: usize| f64::from_bits((((bucket << halvings) + FIRST) as u64) << SHIFT);
        let zeros = Some((0.0, self.zeros)).filter(|(_, n)| *n > 0);
        zeros.into_iter().chain(self.filled(halvings).map(move |(bucket, n)| {
            let (low, high) = (edge(bucket), edge(bucket + 1));
            // Half of one bound and half of the other: their product could overflow.
            (low * (2.0 * (high / (low + high))), n)
        }))
    }
}

/// The buckets of `a` or `b` in ascending order: the count of each, and whether its magnitudes are all the same.
pub fn side_by_side(a: &Counting, b: &Counting) -> Vec<(u64, u64, bool)> {
    let halvings = a.halvings.max(b.halvings);
    let (mut of_a, mut of_b) = (a.filled(halvings).peekable(), b.filled(halvings).peekable());
    let mut both = vec![(a.zeros, b.zeros, true)];
    while let Some(bucket) = of_a.peek().into_iter().chain(of_b.peek()).map(|(bucket, _)| *bucket).min() {
        let n = |taken: Option<(usize, u64)>| taken.map_or(0, |(_, n)| n);
        let counts =
            (n(of_a.next_if(|(next, _)| *next == bucket)), n(of_b.next_if(|(next, _)| *next == bucket)));
        both.push((counts.0, counts.1, false));
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::quantile::quantile;

    #[test]
    fn counts_are_exact_and_values_within_their_error_however_many_slices_are_put_together() {
        let (mut random, _) = glue::testing::random();
        for decades in [0.0, 1.0, 6.0, 60.0, 110.0] {
            let mut all = Counting::default();
            let mut values = Vec::new();
            for _ in 0..20 {
                let mut slice = Counting::default();
                for _ in 0..random.usize(0..3000) {
                    let value =
                        if random.u8(..) == 0 { 0.0 } else { 10_f64.powf((random.f64() - 0.5) * decades) };
                    slice.add(value);
                    values.push(value);
                }
                all.add_all(&slice.take());
                // It counts nothing afterwards.
                all.add_all(&slice.take());
            }
            // Also at rest.
            let kept = all.take();
            assert!(kept.bytes.len() < MOST * 5, "{}", kept.bytes.len());
            all.add_all(&kept);
            values.sort_by(f64::total_cmp);
            let ascending: Vec<_> = all.ascending().collect();
            assert_eq!(ascending.iter().map(|(_, n)| n).sum::<u64>(), values.len() as u64);
            let error = all.relative_error();
            assert!(error < if decades < 6.0 { 0.0155 } else { 0.5 }, "{error}");
            for q in [0.0, 0.25, 0.5, 0.95, 0.99, 1.0] {
                let exact: Vec<_> = values.iter().map(|value| (*value, 1)).collect();
                let (found, exact) = (quantile(&ascending, q).unwrap(), quantile(&exact, q).unwrap());
                assert!((found - exact).abs() <= error * exact, "{decades} {q}: {found}, not {exact}");
            }
        }
    }

    #[test]
    fn every_finite_magnitude_has_a_place() {
        let mut counting = Counting::default();
        for value in [0.0, 5e-324, 1e-61, 1e-59, 1.0, 1e59, 1e61, f64::MAX] {
            counting.add(value);
        }
        let ascending: Vec<_> = counting.ascending().collect();
        assert_eq!(ascending.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [3, 1, 1, 1, 2]);
        assert!(ascending.iter().all(|(value, _)| value.is_finite()));
    }
}
