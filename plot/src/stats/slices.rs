//! Means over equal slices of time or of rows. Slices are merged into wider ones as the log grows, so their number has a limit.
//! Never keeps a row.

use std::collections::VecDeque;

/// Limit of slices: a chart cannot show more.
const MOST_SLICES: i64 = 240;

/// Widths in milliseconds, each a multiple of the one before. After the last, each is ten times the one before.
pub const TIME_MS: &[i64] = &[
    10, 50, 100, 500, 1_000, 2_000, 10_000, 30_000, 60_000, 120_000, 600_000, 1_800_000, 3_600_000,
    7_200_000, 21_600_000, 43_200_000, 86_400_000,
];

/// Widths in rows, by the same rule.
pub const ROWS: &[i64] = &[1, 5, 10, 50, 100, 500, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000];

/// Mean and deviation of the errors in a slice.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Slice {
    pub n: u64,
    /// Mean error; always finite.
    pub mean: f64,
    /// Sum of squared deviations from the mean; infinite if it overflows.
    squares: f64,
}

impl Slice {
    fn add(&mut self, error: f64) {
        self.merge(&Slice { n: 1, mean: error, squares: 0.0 });
    }

    /// As Chan, Golub, LeVeque 1979.
    fn merge(&mut self, other: &Slice) {
        let before = self.n as f64;
        self.n += other.n;
        if other.n == 0 {
            return;
        }
        let share = other.n as f64 / self.n as f64;
        let apart = other.mean - self.mean;
        if apart.is_finite() {
            self.mean += apart * share;
            self.squares += other.squares + apart * (before * share) * apart;
        } else {
            self.mean = self.mean * (1.0 - share) + other.mean * share;
            self.squares = f64::INFINITY;
        }
    }

    /// Population standard deviation of the error.
    pub fn deviation(&self) -> f64 {
        if self.n == 0 { 0.0 } else { (self.squares / self.n as f64).sqrt() }
    }
}

/// Adjacent slices of equal width. Some may be empty.
#[derive(Clone)]
pub struct Slices {
    ladder: &'static [i64],
    /// In milliseconds or rows.
    pub width: i64,
    /// Slice `i` begins at (first + i) × width.
    first: i64,
    slices: VecDeque<Slice>,
}

impl Slices {
    pub fn new(ladder: &'static [i64]) -> Self {
        Slices { ladder, width: ladder.first().copied().unwrap_or(1), first: 0, slices: VecDeque::new() }
    }

    /// Adds an error at a place, in milliseconds or rows.
    pub fn add(&mut self, place: i64, error: f64) {
        if self.slices.is_empty() {
            self.first = place.div_euclid(self.width);
        }
        // Fast path without divisions: most rows belong to the last slice.
        let last = (self.first + self.slices.len() as i64 - 1) * self.width;
        if let Some(slice) = self.slices.back_mut()
            && (last..last + self.width).contains(&place)
        {
            return slice.add(error);
        }
        self.add_elsewhere(place, error);
    }

    /// Adds an error at a place that is not in the last slice.
    #[cold]
    fn add_elsewhere(&mut self, place: i64, error: f64) {
        while self.span_with(place) > MOST_SLICES {
            self.widen();
        }
        let slot = place.div_euclid(self.width);
        while slot < self.first {
            self.slices.push_front(Slice::default());
            self.first -= 1;
        }
        let index = usize::try_from(slot - self.first).unwrap_or(0);
        if index >= self.slices.len() {
            self.slices.resize(index + 1, Slice::default());
        }
        if let Some(slice) = self.slices.get_mut(index) {
            slice.add(error);
        }
    }

    /// How many slices there would be with `place` among them.
    fn span_with(&self, place: i64) -> i64 {
        let slot = place.div_euclid(self.width);
        let last = self.first + self.slices.len() as i64 - 1;
        slot.max(last) - slot.min(self.first) + 1
    }

    fn widen(&mut self) {
        let wider = self.ladder.iter().copied().find(|width| *width > self.width).unwrap_or(self.width * 10);
        let factor = wider / self.width;
        let first = self.first.div_euclid(factor);
        let mut merged: VecDeque<Slice> = VecDeque::new();
        for (index, slice) in self.slices.iter().enumerate() {
            let slot = (self.first + index as i64).div_euclid(factor) - first;
            let slot = usize::try_from(slot).unwrap_or(0);
            merged.resize(merged.len().max(slot + 1), Slice::default());
            if let Some(wide) = merged.get_mut(slot) {
                wide.merge(slice);
            }
        }
        (self.width, self.first, self.slices) = (wider, first, merged);
    }

    /// Start (in milliseconds or rows) and content of each slice that is not empty.
    pub fn filled(&self) -> impl Iterator<Item = (i64, &Slice)> {
        let starts = (self.first..).map(|slot| slot * self.width);
        starts.zip(&self.slices).filter(|(_, slice)| slice.n > 0)
    }

    /// As [`Slices::filled`], but a last slice less than half as full as the one before it is merged into that one: it has only begun.
    pub fn settled(&self) -> Vec<(i64, Slice)> {
        let mut filled: Vec<_> = self.filled().map(|(start, slice)| (start, *slice)).collect();
        if let [.., (before, full), (start, last)] = filled.as_mut_slice()
            && *start == *before + self.width
            && last.n * 2 < full.n
        {
            full.merge(last);
            filled.pop();
        }
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_stay_bounded_and_lose_no_row() {
        let mut slices = Slices::new(TIME_MS);
        for row in 0..100_000 {
            slices.add(1_732_341_600_000 + row * 37, (row % 10) as f64);
        }
        assert_eq!(slices.filled().map(|(_, slice)| slice.n).sum::<u64>(), 100_000);
        assert!(slices.filled().count() <= 240);
        assert_eq!(slices.width, 30_000);
        for (_, slice) in slices.filled().skip(1).take(50) {
            assert!((slice.mean - 4.5).abs() < 0.02 && (slice.deviation() - 8.25_f64.sqrt()).abs() < 0.01);
        }
    }

    #[test]
    fn a_mean_is_finite_whatever_finite_errors_there_are() {
        let mut slices = Slices::new(ROWS);
        for row in 0..1_000 {
            slices.add(row, if row % 2 == 0 { f64::MAX } else { f64::MIN });
        }
        assert!(slices.width > 1);
        for (_, slice) in slices.filled() {
            // One of them is left over where their number is odd.
            assert!(slice.mean.abs() <= f64::MAX / slice.n as f64 * 1.001, "{slice:?}");
            assert_eq!(slice.deviation(), f64::INFINITY);
        }
        let mut slices = Slices::new(ROWS);
        (0..1_000).for_each(|row| slices.add(row, 1e308));
        for (_, slice) in slices.filled() {
            assert_eq!((slice.mean, slice.deviation()), (1e308, 0.0));
        }
    }

    #[test]
    fn a_last_slice_that_has_only_begun_is_joined() {
        let mut slices = Slices::new(ROWS);
        (1..=1201).for_each(|row| slices.add(row, if row > 1200 { 99.0 } else { 0.0 }));
        assert_eq!((slices.width, slices.filled().last().unwrap().1.n), (10, 2));
        let settled = slices.settled();
        assert_eq!(settled.last().unwrap().1.n, 12);
        assert_eq!(settled.iter().map(|(_, slice)| slice.n).sum::<u64>(), 1201);
        (1202..=1206).for_each(|row| slices.add(row, 0.0));
        assert_eq!(slices.settled().last().unwrap().1.n, 7);
    }

    #[test]
    fn an_earlier_place_goes_before() {
        let mut slices = Slices::new(ROWS);
        for place in [100, 40, 70, -3] {
            slices.add(place, 1.0);
        }
        let starts: Vec<i64> = slices.filled().map(|(start, _)| start).collect();
        assert_eq!(starts, [-3, 40, 70, 100]);
        slices.add(1_000_000, 1.0);
        assert_eq!(slices.filled().map(|(_, slice)| slice.n).sum::<u64>(), 5);
    }
}
