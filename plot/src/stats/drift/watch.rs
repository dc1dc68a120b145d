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

/// Each time this many rows have come since a change, it is tested whether it is over.
const OVER_ROWS: u64 = 256;

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
    /// Of all rows since the change before that is not over; in the unit of y_true.
    pub mae_before: f64,
    /// Of the rows from `row` to `found_row`.
    pub mae_after: f64,
    /// The row with which it was certain that all rows since it have a mean as those before: it was a short one, or a false alarm.
    pub over_row: Option<u64>,
}

impl Change {
    /// The number of its row as people are shown it, counted from 1.
    pub fn number(&self) -> u64 {
        self.row + 1
    }
}

/// What a row makes certain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Finding {
    Change(Change),
    /// With this row the last change is over, and what is known since it is of the one before.
    Over(u64),
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

    fn and(self, other: Sums) -> Sums {
        Sums { n: self.n + other.n, sum: self.sum + other.sum, squares: self.squares + other.squares }
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

/// Rows between two changes.
#[derive(Clone, Copy, Default)]
struct Stretch {
    /// The first one.
    start: u64,
    sums: Sums,
    /// Sum of [`SHARE`] of the absolute errors of those that are no longer recent.
    older: f64,
}

/// All memory is in this struct, but for a word for each doubling of the rows.
pub struct Watch {
    pub baseline_mae: f64,
    adwin: Adwin,
    recent: Recent,
    /// The row after the last one added.
    next: u64,
    /// The rows since the last change that is not over; all before there is one.
    since: Stretch,
    /// Those before it, from the change before on; none once that is part of `since`.
    before: Option<Stretch>,
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
            since: Stretch { start: first_row, ..Stretch::default() },
            before: None,
            candidate: None,
        }
    }

    /// Adds a row; `time_s` is NaN where it has none.
    pub fn add(&mut self, absolute: f64, time_s: f64) -> Option<Finding> {
        let clipped = self.clipped(absolute);
        let left = self.recent.put(self.next, absolute, time_s);
        if self.next >= self.since.start + ROWS as u64 {
            self.since.older += left * SHARE;
        } else if let Some(before) = &mut self.before
            && self.next >= before.start + ROWS as u64
        {
            before.older += left * SHARE;
        }
        self.next += 1;
        self.since.sums.add(clipped);
        if let Some((_, after)) = &mut self.candidate {
            after.add(clipped);
        }
        if self.adwin.update(clipped) {
            self.locate();
        }
        if let Some((row, after)) = self.candidate {
            return self.confirm(row, after).map(Finding::Change);
        }
        let is_due = self.since.sums.n.is_multiple_of(OVER_ROWS);
        (is_due && self.join_if_over()).then_some(Finding::Over(self.next - 1))
    }

    /// Mean absolute error of the rows since the last change that is not over, in the unit of y_true. None before a row.
    pub fn mae_since_start(&self) -> Option<f64> {
        let Stretch { start, older, .. } = self.since;
        let n = self.next - start;
        let recent = start.max(self.next.saturating_sub(ROWS as u64));
        let sum = older + self.recent.errors(recent, self.next).map(|absolute| absolute * SHARE).sum::<f64>();
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
        if let Some(row) = self.recent.clearest_split(self.since.start, self.next, clipped) {
            let mut after = Sums::default();
            let errors = self.recent.errors(row, self.next);
            errors.for_each(|absolute| after.add(clipped(absolute)));
            self.candidate = Some((row, after));
        }
    }

    /// Makes the candidate a change, drops it, or leaves it as it is.
    fn confirm(&mut self, row: u64, after: Sums) -> Option<Change> {
        let is_due = after.n >= LEAST_ROWS && (after.n < YOUNG_ROWS || after.n.is_multiple_of(16));
        let Stretch { start, sums: all, older } = self.since;
        let before =
            Sums { n: all.n - after.n, sum: all.sum - after.sum, squares: all.squares - after.squares };
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
        let recent = start.max(self.next.saturating_sub(ROWS as u64));
        let change = Change {
            row,
            time_s: self.recent.time_s(row),
            found_row: self.next - 1,
            direction: if after.mean() > before.mean() { Direction::Worse } else { Direction::Better },
            mae_before: (older + share(recent, row)) / before.n as f64 / SHARE,
            mae_after: share(row, self.next) / after.n as f64 / SHARE,
            over_row: None,
        };
        self.before = Some(Stretch { start, sums: before, older });
        (self.since, self.candidate) = (Stretch { start: row, sums: after, older: 0.0 }, None);
        Some(change)
    }

    /// Joins the rows before and since the last change if their means certainly differ by less than a change must.
    fn join_if_over(&mut self) -> bool {
        let (Some(before), since) = (self.before, self.since) else { return false };
        let apart = (since.sums.mean() - before.sums.mean()).abs();
        let is_over =
            apart + STANDARD_ERRORS * since.sums.standard_error() < LEAST_EFFECT * before.sums.mean();
        if is_over {
            let (sums, older) = (before.sums.and(since.sums), before.older + since.older);
            (self.since, self.before) = (Stretch { start: before.start, sums, older }, None);
        }
        is_over
    }
}
