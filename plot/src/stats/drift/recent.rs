//! The errors of the last rows, to find where among them a change began.
//! Never knows their scale.

use std::mem;

/// How far back a change can begin; a power of two.
pub const ROWS: usize = 8_192;

/// Rows before a split and from it on, at least. A large change is detected within some rows, most often fewer than 30: were 30
/// asked for there as well, it would seem to have begun too early, and rows of before would count as rows of after.
const LEAST_BEFORE: u64 = 30;
const LEAST_AFTER: u64 = 10;

/// Absolute error and time of each of the last [`ROWS`] rows, at its number modulo [`ROWS`].
pub struct Recent(Box<[(f64, f64); ROWS]>);

impl Recent {
    pub fn new() -> Self {
        Recent(Box::new([(0.0, f64::NAN); ROWS]))
    }

    /// Puts a row in the place of the one that came [`ROWS`] before it, and returns that one's absolute error. `time_s`: NaN where there
    /// is none.
    pub fn put(&mut self, row: u64, absolute: f64, time_s: f64) -> f64 {
        let slot = self.0.get_mut(row as usize % ROWS);
        slot.map_or(0.0, |slot| mem::replace(slot, (absolute, time_s)).0)
    }

    fn at(&self, row: u64) -> (f64, f64) {
        self.0.get(row as usize % ROWS).copied().unwrap_or_default()
    }

    /// When a row of the last ones was logged.
    pub fn time_s(&self, row: u64) -> Option<f64> {
        Some(self.at(row).1).filter(|time_s| !time_s.is_nan())
    }

    /// Absolute errors of the rows from `low` to before `high`, which must be among the last ones.
    pub fn errors(&self, low: u64, high: u64) -> impl Iterator<Item = f64> {
        (low..high).map(|row| self.at(row).0)
    }

    /// The row from `start` to before `end` with which the means of `of` before it and from it on differ most clearly:
    /// |mean before − mean after| · √(n₀n₁/(n₀ + n₁)) is largest. `end` is the row after the last one. None where there are too few.
    pub fn clearest_split(&self, start: u64, end: u64, of: impl Fn(f64) -> f64) -> Option<u64> {
        let low = start.max(end.saturating_sub(ROWS as u64));
        let n = end - low;
        if n <= LEAST_BEFORE + LEAST_AFTER {
            return None;
        }
        let mean = self.errors(low, end).map(&of).sum::<f64>() / n as f64;
        let (mut before, mut clearest, mut split) = (0.0, -1.0, low);
        for (n_0, absolute) in (0..n - LEAST_AFTER).zip(self.errors(low, end)) {
            let apart = before - mean * n_0 as f64;
            // The square of the above, but for the factor n₀ + n₁, which is the same for all.
            let clarity = apart * apart / (n_0 as f64 * (n - n_0) as f64);
            if n_0 >= LEAST_BEFORE && clarity > clearest {
                (clearest, split) = (clarity, low + n_0);
            }
            before += of(absolute);
        }
        Some(split)
    }
}
