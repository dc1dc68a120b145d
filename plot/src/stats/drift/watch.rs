//! The steps for each row: its error is scaled, `adwin` detects, and a change is located and confirmed.
//! Never chooses the scale, and keeps no change.

use crate::stats::drift::{
    adwin::Adwin,
    recent::{ROWS, Recent},
};

/// Larger errors, in baseline MAEs, count as this one: a few huge ones are no change.
const MOST_RATIO: f64 = 10.0;

/// The mean must change by more than this share of the mean before, plus this number of standard errors.
const LEAST_EFFECT: f64 = 0.05;
const STANDARD_ERRORS: f64 = 3.0;

/// Rows from a change on before it is certain, at least.
const LEAST_ROWS: u64 = 30;

/// A candidate is dropped if it is not confirmed within this number of rows.
const GIVE_UP_ROWS: u64 = 5_000;

/// A candidate of fewer rows is tested at each row, an older one at every 16th.
const YOUNG_ROWS: u64 = 200;

/// Absolute errors are added up as this share of themselves, so that no sum of them overflows; a power of two, 2⁻⁴⁰.
pub const SHARE: f64 = 1.0 / (1_u64 << 40) as f64;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Direction {
    Worse,
    Better,
}

impl Direction {
    pub const ALL: [Direction; 2] = [Direction::Worse, Direction::Better];

    /// Its name in `/stats.json`.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Worse => "worse",
            Direction::Better => "better",
        }
    }
}

/// A change of the mean absolute error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Where it began; rows are counted from 0.
    pub row: u64,
    /// The time of that row, in Unix seconds.
    pub time_s: Option<f64>,
    /// The row with which it was certain.
    pub found_row: u64,
    /// By the mean of errors of at most ten baseline MAEs.
    pub direction: Direction,
    /// Of all rows since the change before; in the unit of y_true.
    pub mae_before: f64,
    /// Of the rows from `row` to `found_row`.
    pub mae_after: f64,
}

impl Change {
    /// The number of its row as people are shown it, counted from 1.
    pub fn number(&self) -> u64 {
        self.row + 1
    }
}

/// Sums over rows of errors as [`Watch::clipped`] has them.
#[derive(Clone, Copy, Default)]
struct Sums {
    n: u64,
    sum: f64,
    squares: f64,
}

impl Sums {
    fn add(&mut self, clipped: f64) {
        self.n += 1;
        self.sum += clipped;
        self.squares += clipped * clipped;
    }

    fn mean(&self) -> f64 {
        self.sum / self.n as f64
    }

    /// By the population standard deviation.
    fn standard_error(&self) -> f64 {
        let n = self.n as f64;
        ((self.squares / n - self.mean() * self.mean()).max(0.0) / n).sqrt()
    }
}

/// All memory is in this struct, but for a word for each doubling of the rows.
pub struct Watch {
    pub baseline_mae: f64,
    adwin: Adwin,
    recent: Recent,
    /// The row after the last one added.
    next: u64,
    /// Row of the last change; the first row before there is one.
    start: u64,
    since_start: Sums,
    /// Sum of [`SHARE`] of the absolute errors from `start` on that are no longer recent.
    older: f64,
    /// Where a change may have begun, and the sums from there on.
    candidate: Option<(u64, Sums)>,
}

impl Watch {
    /// `baseline_mae`: finite, not negative. `first_row`: the number of the first row to come.
    pub fn new(baseline_mae: f64, first_row: u64) -> Self {
        Watch {
            baseline_mae,
            adwin: Adwin::new(),
            recent: Recent::new(),
            next: first_row,
            start: first_row,
            since_start: Sums::default(),
            older: 0.0,
            candidate: None,
        }
    }

    /// Adds a row; `time_s` is NaN where it has none.
    pub fn add(&mut self, absolute: f64, time_s: f64) -> Option<Change> {
        let clipped = self.clipped(absolute);
        let left = self.recent.put(self.next, absolute, time_s);
        if self.next >= self.start + ROWS as u64 {
            self.older += left * SHARE;
        }
        self.next += 1;
        self.since_start.add(clipped);
        if let Some((_, after)) = &mut self.candidate {
            after.add(clipped);
        }
        if self.adwin.update(clipped) {
            self.locate();
        }
        self.candidate.and_then(|(row, after)| self.confirm(row, after))
    }

    /// Mean absolute error of the rows since the last change, in the unit of y_true. None before a row.
    pub fn mae_since_start(&self) -> Option<f64> {
        let n = self.next - self.start;
        let recent = self.start.max(self.next.saturating_sub(ROWS as u64));
        let sum =
            self.older + self.recent.errors(recent, self.next).map(|absolute| absolute * SHARE).sum::<f64>();
        (n > 0).then(|| sum / n as f64 / SHARE)
    }

    /// An absolute error in baseline MAEs, at most [`MOST_RATIO`]; where the baseline has no error, any error is that large.
    fn clipped(&self, absolute: f64) -> f64 {
        // 0 / 0 is the one case that is not a number.
        if absolute > 0.0 { (absolute / self.baseline_mae).min(MOST_RATIO) } else { 0.0 }
    }

    #[cold]
    fn locate(&mut self) {
        let clipped = |absolute| self.clipped(absolute);
        if let Some(row) = self.recent.clearest_split(self.start, self.next, clipped) {
            let mut after = Sums::default();
            let errors = self.recent.errors(row, self.next);
            errors.for_each(|absolute| after.add(clipped(absolute)));
            self.candidate = Some((row, after));
        }
    }

    /// Makes the candidate a change, drops it, or leaves it as it is.
    fn confirm(&mut self, row: u64, after: Sums) -> Option<Change> {
        let is_due = after.n >= LEAST_ROWS && (after.n < YOUNG_ROWS || after.n.is_multiple_of(16));
        let before = Sums {
            n: self.since_start.n - after.n,
            sum: self.since_start.sum - after.sum,
            squares: self.since_start.squares - after.squares,
        };
        let beyond = (after.mean() - before.mean()).abs() - LEAST_EFFECT * before.mean();
        if !is_due || beyond <= STANDARD_ERRORS * after.standard_error() {
            if after.n > GIVE_UP_ROWS {
                self.candidate = None;
            }
            return None;
        }
        // Added up apart: errors after may be so large that those before would be lost in one sum. No candidate is older than what is
        // recent, as one so old is given up.
        let share = |low, high| self.recent.errors(low, high).map(|absolute| absolute * SHARE).sum::<f64>();
        let recent = self.start.max(self.next.saturating_sub(ROWS as u64));
        let change = Change {
            row,
            time_s: self.recent.time_s(row),
            found_row: self.next - 1,
            direction: if after.mean() > before.mean() { Direction::Worse } else { Direction::Better },
            mae_before: (self.older + share(recent, row)) / before.n as f64 / SHARE,
            mae_after: share(row, self.next) / after.n as f64 / SHARE,
        };
        (self.start, self.since_start, self.older, self.candidate) = (row, after, 0.0, None);
        Some(change)
    }
}
