//! ADWIN (Bifet and Gavaldà 2007): says when the mean of a stream is no longer what it was, with indices equal to those of River 0.22
//! and later. Never says when the change began or how large it is: after a detection it only starts afresh.

/// Chance of a false alarm at one cut, about.
const DELTA: f64 = 0.002;

/// Cuts are tried at every 32nd value, so River's grace period of 10 values has no effect.
const CLOCK: u64 = 32;

/// Buckets of one size; one more merges the two oldest.
const MOST_BUCKETS: usize = 5;

/// Values on either side of a cut, at least.
const LEAST_SIDE: f64 = 5.0;

/// Share of the largest term by which rounding may move a quick test.
const ROUNDING: f64 = 1e-12;

/// Sums of equally many values each, from old to new.
#[derive(Clone, Copy, Default)]
struct Level {
    buckets: usize,
    sums: [f64; MOST_BUCKETS + 1],
}

/// A window over the values since the last detection, as an exponential histogram: a level holds sums of twice as many values as the
/// one before. A level takes 56 bytes, and n values need less than log₂ n levels.
pub struct Adwin {
    width: u64,
    total: f64,
    /// Sum of squared deviations from the mean.
    squares: f64,
    levels: Vec<Level>,
}

impl Adwin {
    pub fn new() -> Self {
        Adwin { width: 0, total: 0.0, squares: 0.0, levels: Vec::new() }
    }

    /// Adds a value, which must be finite and not negative; true if the mean has changed.
    pub fn update(&mut self, value: f64) -> bool {
        self.insert(value);
        let is_detected = self.width.is_multiple_of(CLOCK) && self.has_cut();
        if is_detected {
            *self = Adwin::new();
        }
        is_detected
    }

    fn insert(&mut self, value: f64) {
        if self.width > 0 {
            // Welford 1962.
            let before = self.width as f64;
            let deviation = value - self.total / before;
            self.squares += before * deviation * deviation / (before + 1.0);
        }
        self.width += 1;
        self.total += value;
        let mut carried = value;
        for level in &mut self.levels {
            match level.push(carried) {
                Some(merged) => carried = merged,
                None => return,
            }
        }
        let mut level = Level::default();
        level.push(carried);
        self.levels.push(level);
    }

    /// Whether the means on both sides of any cut between two buckets differ by more than chance explains.
    fn has_cut(&self) -> bool {
        let width = self.width as f64;
        let confidence = (2.0 * width.ln() / DELTA).ln();
        let variance = self.squares / width;
        // |mean difference| · n₀n₁ must exceed what the two terms of the bound are at least, as 1/n₀ + 1/n₁ = width/n₀n₁. That takes no
        // division and no root, and nearly every cut ends there.
        let least = 2.0 / 3.0 * confidence * width - ROUNDING * self.total * width;
        let squared = 2.0 * variance * confidence * width * (1.0 - ROUNDING);
        let (mut n_0, mut n_1, mut sum_0, mut sum_1) = (0.0, width, 0.0, self.total);
        for (size, level) in self.levels.iter().enumerate().rev() {
            let size = (1_u64 << size) as f64;
            for sum in level.sums.iter().take(level.buckets) {
                n_0 += size;
                n_1 -= size;
                sum_0 += sum;
                sum_1 -= sum;
                let beyond = (sum_0 * n_1 - sum_1 * n_0).abs() - least;
                if beyond > 0.0
                    && beyond * beyond > squared * n_0 * n_1
                    && n_0 >= LEAST_SIDE
                    && n_1 >= LEAST_SIDE
                    && (sum_0 / n_0 - sum_1 / n_1).abs() > bound(n_0, n_1, variance, confidence)
                {
                    return true;
                }
            }
        }
        false
    }
}

/// By how much the means of two sides of a cut may differ by chance, in River's order of operations.
fn bound(n_0: f64, n_1: f64, variance: f64, confidence: f64) -> f64 {
    let reciprocal = 1.0 / (n_0 - LEAST_SIDE + 1.0) + 1.0 / (n_1 - LEAST_SIDE + 1.0);
    (2.0 * reciprocal * variance * confidence).sqrt() + 2.0 / 3.0 * confidence * reciprocal
}

impl Level {
    /// Adds the newest sum. Where there are too many, takes the two oldest out and returns theirs.
    fn push(&mut self, sum: f64) -> Option<f64> {
        if let Some(slot) = self.sums.get_mut(self.buckets) {
            *slot = sum;
        }
        self.buckets += 1;
        if self.buckets <= MOST_BUCKETS {
            return None;
        }
        let [first, second, rest @ ..] = self.sums;
        let [a, b, c, d] = rest;
        (self.buckets, self.sums) = (rest.len(), [a, b, c, d, 0.0, 0.0]);
        Some(first + second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// splitmix64 (Steele, Lea, Flood 2014), as in tests/golden/make_drift.py: numbers above 0 and below 1.
    fn uniforms(seed: u64) -> impl Iterator<Item = f64> {
        let mut state = seed;
        std::iter::repeat_with(move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (((z ^ (z >> 31)) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
        })
    }

    fn found(values: impl IntoIterator<Item = f64>) -> Value {
        let mut adwin = Adwin::new();
        let indices = values.into_iter().enumerate().filter(|(_, value)| adwin.update(*value));
        let indices: Vec<usize> = indices.map(|(index, _)| index).collect();
        json!({ "indices": indices, "width": adwin.width })
    }

    #[test]
    fn detections_are_those_of_river() {
        let golden: Value = serde_json::from_str(include_str!("../../../tests/golden/drift.json")).unwrap();
        let golden = &golden["adwin"];
        let published = golden["published"]["values"].as_str().unwrap();
        let published = published.bytes().map(|digit| f64::from(digit - b'0'));
        assert_eq!(found(published.clone())["indices"], json!([1023]));
        let stretch = |factors: &'static [f64], rows: usize| {
            factors.iter().flat_map(move |factor| std::iter::repeat_n(*factor, rows))
        };
        let steps = || stretch(&[1.0, 1.2, 1.0, 0.7, 1.4, 0.5, 3.0, 2.9, 0.1, 0.12], 7_000);
        let heavy = |u: f64| (1.0 / u.sqrt() - 1.0).min(10.0);
        let mut streams: Vec<(&str, Vec<f64>)> = vec![
            ("published", published.collect()),
            ("steps", uniforms(1).zip(steps()).map(|(u, factor)| u * factor).collect()),
            ("heavy", uniforms(2).zip(steps()).map(|(u, factor)| (heavy(u) * factor).min(10.0)).collect()),
            (
                "ramp",
                uniforms(3).take(100_000).enumerate().map(|(i, u)| u * (1.0 + i as f64 / 20_000.0)).collect(),
            ),
            ("stable", uniforms(4).take(1_000_000).map(heavy).collect()),
            (
                "bits",
                uniforms(5)
                    .zip(stretch(&[0.5, 0.45, 0.01, 0.02, 0.0, 1.0, 0.0], 4_000))
                    .map(|(u, share)| if u < share { 10.0 } else { 0.0 })
                    .collect(),
            ),
            (
                "short",
                uniforms(6)
                    .zip(stretch(&[0.1, 9.0], 70).cycle())
                    .take(20_000)
                    .map(|(u, factor)| u * factor)
                    .collect(),
            ),
        ];
        for value in [0.0, 0.1, 10.0] {
            streams.push(("constant", vec![value; 50_000]));
        }
        for (name, values) in streams {
            let mut golden = golden[name].clone();
            golden.as_object_mut().unwrap().remove("values");
            assert_eq!(found(values), golden, "{name}");
        }
    }

    #[test]
    fn memory_grows_with_the_logarithm() {
        let mut adwin = Adwin::new();
        (0..1_000_000).for_each(|_| assert!(!adwin.update(0.3)));
        assert!(adwin.levels.len() < 20, "{}", adwin.levels.len());
        let values: u64 = (0..).zip(&adwin.levels).map(|(size, level)| (level.buckets as u64) << size).sum();
        assert_eq!(values, 1_000_000);
    }
}
