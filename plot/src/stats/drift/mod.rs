//! When the errors changed, and by how much: from which rows the scale comes, and the last changes. plot/STATS.md has the method.
//! Constant memory, one pass. Never knows what is made of a change.

mod adwin;
mod recent;
#[cfg(test)]
mod simulated;
mod watch;

use crate::{logs::row::Row, stats::spread::Sum};
use std::{collections::VecDeque, mem};
use watch::{Finding, SHARE, Watch};

pub use watch::{Change, Direction};

/// Changes that are kept, the last ones.
const MOST_CHANGES: usize = 100;

/// Where the scale comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Baseline {
    /// Number of rows whose MAE it is, at least 1.
    pub rows: usize,
    /// In Unix seconds: rows before the first one at or after it are passed over.
    pub since_s: Option<f64>,
    /// Its MAE, instead of that of any rows; finite, not negative.
    pub mae: Option<f64>,
}

impl Default for Baseline {
    fn default() -> Self {
        Baseline { rows: 1000, since_s: None, mae: None }
    }
}

/// Follows the errors of all rows.
pub struct Drift {
    pub baseline: Baseline,
    rows: u64,
    phase: Phase,
    /// The last ones, from old to new.
    pub changes: VecDeque<Change>,
    /// Of all changes, in the order of [`Direction::ALL`].
    found: [u64; Direction::ALL.len()],
}

enum Phase {
    /// Rows are passed over up to a time.
    Early(f64),
    /// Absolute errors and times of the rows of the baseline.
    Learning(Vec<(f64, f64)>),
    Watching(Box<Watch>),
}

impl Drift {
    pub fn new(baseline: Baseline) -> Self {
        let phase = match baseline.since_s {
            Some(since_s) => Phase::Early(since_s),
            None => Phase::first(&baseline, 0),
        };
        Drift { baseline, rows: 0, phase, changes: VecDeque::new(), found: Default::default() }
    }

    /// Mean absolute error of the baseline, in the unit of y_true; none before it has its rows.
    pub fn baseline_mae(&self) -> Option<f64> {
        match &self.phase {
            Phase::Watching(watch) => Some(watch.baseline_mae),
            Phase::Early(_) | Phase::Learning(_) => self.baseline.mae,
        }
    }

    /// The last one that is not over.
    pub fn change(&self) -> Option<&Change> {
        self.changes.iter().rev().find(|change| change.over_row.is_none())
    }

    /// Mean absolute error of all rows since [`Drift::change`].
    pub fn mae_since_change(&self) -> Option<f64> {
        match &self.phase {
            Phase::Watching(watch) if self.change().is_some() => watch.mae_since_start(),
            _ => None,
        }
    }

    /// How many changes there were, with those that are not kept.
    pub fn changes_found(&self) -> [(Direction, u64); Direction::ALL.len()] {
        let mut found = self.found.iter();
        Direction::ALL.map(|direction| (direction, found.next().copied().unwrap_or(0)))
    }

    /// How many rows the baseline has so far, of [`Baseline::rows`].
    pub fn baseline_rows(&self) -> u64 {
        match &self.phase {
            Phase::Early(_) => 0,
            Phase::Learning(rows) => rows.len() as u64,
            Phase::Watching(_) => self.baseline.rows as u64,
        }
    }

    pub fn add(&mut self, row: &Row) {
        if let Phase::Early(since_s) = self.phase
            && row.time_s().is_some_and(|time_s| time_s >= since_s)
        {
            self.phase = Phase::first(&self.baseline, self.rows);
        }
        let time_s = row.time_s().unwrap_or(f64::NAN);
        let absolute = row.error().abs();
        self.rows += 1;
        let finding = match &mut self.phase {
            Phase::Watching(watch) => watch.add(absolute, time_s),
            Phase::Early(_) => None,
            Phase::Learning(rows) => {
                rows.push((absolute, time_s));
                if rows.len() >= self.baseline.rows {
                    self.learn();
                }
                None
            }
        };
        if let Some(finding) = finding {
            self.keep(finding);
        }
    }

    /// Goes through the rows of the baseline, as what changes among them is a change as well.
    #[cold]
    fn learn(&mut self) {
        let Phase::Learning(rows) = &mut self.phase else { return };
        let rows = mem::take(rows);
        let mut sum = Sum::default();
        rows.iter().for_each(|(absolute, _)| sum.add(absolute * SHARE));
        let mae = sum.value() / rows.len() as f64 / SHARE;
        let mut watch = Watch::new(mae, self.rows - rows.len() as u64);
        for (absolute, time_s) in rows {
            if let Some(finding) = watch.add(absolute, time_s) {
                self.keep(finding);
            }
        }
        self.phase = Phase::Watching(Box::new(watch));
    }

    #[cold]
    fn keep(&mut self, finding: Finding) {
        let change = match finding {
            Finding::Change(change) => change,
            Finding::Over(row) => {
                if let Some(last) = self.changes.back_mut() {
                    last.over_row = Some(row);
                }
                return;
            }
        };
        if self.changes.len() == MOST_CHANGES {
            self.changes.pop_front();
        }
        self.changes.push_back(change);
        if let Some(found) = self.found.get_mut(change.direction as usize) {
            *found += 1;
        }
    }
}

impl Phase {
    /// The one of the first row that is not passed over; `row`: its number.
    fn first(baseline: &Baseline, row: u64) -> Phase {
        match baseline.mae {
            Some(mae) => Phase::Watching(Box::new(Watch::new(mae, row))),
            None => Phase::Learning(Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASELINE: Baseline = Baseline { rows: 1000, since_s: None, mae: None };

    /// A row each second from 2024-11-23 06:00 on.
    fn add(drift: &mut Drift, errors: impl IntoIterator<Item = f64>) {
        for error in errors {
            let time_s = 1_732_341_600.0 + drift.rows as f64;
            drift.add(&Row::new(0.0, error, Some(time_s)));
        }
    }

    /// Errors of either sign around `mae`.
    fn errors(mae: f64, rows: usize) -> impl Iterator<Item = f64> {
        let wave = [0.5, -1.5, 1.0, -0.75, 1.25].into_iter().cycle();
        wave.take(rows).map(move |part| part * mae)
    }

    #[test]
    fn a_baseline_needs_all_its_rows() {
        let mut drift = Drift::new(BASELINE);
        add(&mut drift, errors(4.0, 999));
        assert_eq!((drift.baseline_mae(), drift.changes.len()), (None, 0));
        add(&mut drift, [-4.0]);
        assert!((drift.baseline_mae().unwrap() - 4.0).abs() < 0.01);
        add(&mut drift, errors(8.0, 500));
        let change = drift.changes[0];
        assert_eq!((drift.changes.len(), change.direction), (1, Direction::Worse));
        assert!(change.row.abs_diff(1000) < 3 && change.found_row < 1100, "{change:?}");
        assert_eq!(change.time_s, Some(1_732_341_600.0 + change.row as f64));
    }

    #[test]
    fn a_number_needs_no_rows() {
        let mut drift = Drift::new(Baseline { mae: Some(4.0), ..BASELINE });
        assert_eq!(drift.baseline_mae(), Some(4.0));
        add(&mut drift, errors(4.0, 200).chain(errors(1.0, 200)));
        assert_eq!((drift.changes.len(), drift.changes[0].direction), (1, Direction::Better));
        assert!(drift.changes[0].found_row < 300, "{:?}", drift.changes);
        // A million times the errors: all are 0 beside it, nearly.
        let mut drift = Drift::new(Baseline { mae: Some(4e6), ..BASELINE });
        add(&mut drift, errors(4.0, 2000).chain(errors(8.0, 2000)));
        assert_eq!(drift.changes.len(), 0);
    }

    #[test]
    fn rows_before_a_time_are_passed_over() {
        let since = |row: f64| Baseline { rows: 100, since_s: Some(1_732_341_600.0 + row), mae: None };
        let course = || errors(4.0, 2000).chain(errors(40.0, 2000)).chain(errors(4.0, 2000));
        let mut drift = Drift::new(since(2000.0));
        add(&mut drift, course());
        assert!((drift.baseline_mae().unwrap() - 40.0).abs() < 1.0);
        let change = drift.changes[0];
        assert_eq!((drift.changes.len(), change.direction), (1, Direction::Better));
        assert!(change.row.abs_diff(4000) < 3, "{change:?}");
        assert_eq!(change.time_s, Some(1_732_341_600.0 + change.row as f64));
        // Later than all rows.
        let mut drift = Drift::new(since(6000.0));
        add(&mut drift, course());
        assert_eq!((drift.baseline_mae(), drift.changes.len()), (None, 0));
        // Rows that have no time are passed over until one that has.
        let mut drift = Drift::new(since(-1.0));
        course().for_each(|error| drift.add(&Row::new(0.0, error, None)));
        assert_eq!((drift.baseline_mae(), drift.rows), (None, 6000));
        add(&mut drift, [4.0]);
        course().for_each(|error| drift.add(&Row::new(0.0, error, None)));
        assert_eq!((drift.changes.len(), drift.changes[0].time_s), (2, None));
        assert!(drift.changes[0].row.abs_diff(8001) < 3, "{:?}", drift.changes);
    }

    #[test]
    fn equal_and_absent_errors_are_no_change() {
        for error in [0.0, 0.3, 5e-324, 1e308, f64::MAX, -f64::MAX] {
            let mut drift = Drift::new(BASELINE);
            add(&mut drift, std::iter::repeat_n(error, 20_000));
            assert_eq!(drift.changes.len(), 0, "{error}");
            let mae = drift.baseline_mae().unwrap();
            // Of the least number there is, no share can be added up.
            assert!((mae - error.abs()).abs() <= 1e-15 * mae || error == 5e-324, "{error}: {mae}");
        }
    }

    #[test]
    fn where_the_baseline_has_no_error_any_is_a_change() {
        for error in [1e-300, 1.0, 1e308] {
            let mut drift = Drift::new(BASELINE);
            add(&mut drift, std::iter::repeat_n(0.0, 3000).chain(errors(error, 100)));
            let change = drift.changes[0];
            assert_eq!((drift.baseline_mae(), drift.changes.len()), (Some(0.0), 1));
            assert!(change.row.abs_diff(3000) < 5, "{change:?}");
            assert_eq!((change.direction, change.mae_before), (Direction::Worse, 0.0));
            assert!((change.mae_after / error - 1.0).abs() < 0.2, "{change:?}");
        }
    }

    #[test]
    fn a_change_has_the_mae_of_whole_errors() {
        let mut drift = Drift::new(BASELINE);
        add(&mut drift, errors(2.0, 3000).chain(errors(2e5, 100)).chain(errors(2e307, 100)));
        // More than ten times the baseline is all the same.
        assert_eq!(drift.changes.len(), 1);
        let change = drift.changes[0];
        assert!(
            (change.mae_before - 2.0).abs() < 0.1 && (change.mae_after / 2e5 - 1.0).abs() < 0.1,
            "{change:?}"
        );
    }

    #[test]
    fn small_errors_are_not_lost_beside_far_larger_ones() {
        // 2 and 1e30 cannot be added in one f64.
        for rows in [3000, 30_000] {
            let mut drift = Drift::new(BASELINE);
            add(&mut drift, errors(2.0, rows).chain(errors(1e30, 500)).chain(errors(2.0, 500)));
            let [worse, better] = [drift.changes[0], drift.changes[1]];
            assert_eq!((worse.direction, better.direction), (Direction::Worse, Direction::Better));
            assert!((worse.mae_before / 2.0 - 1.0).abs() < 0.01, "{worse:?}");
            assert!((better.mae_before / 1e30 - 1.0).abs() < 0.02, "{better:?}");
        }
    }

    #[test]
    fn the_last_changes_are_kept_and_nothing_grows() {
        let mut drift = Drift::new(BASELINE);
        for block in 0..250 {
            add(&mut drift, errors(if block % 2 == 0 { 1.0 } else { 5.0 }, 1000));
        }
        assert_eq!(drift.changes.len(), MOST_CHANGES);
        assert_eq!(drift.changes_found(), [(Direction::Worse, 125), (Direction::Better, 124)]);
        assert!(drift.changes[MOST_CHANGES - 1].row.abs_diff(249_000) < 5, "{:?}", drift.changes);
        assert!(drift.changes[0].row.abs_diff(150_000) < 5, "{:?}", drift.changes[0]);
        assert!(drift.changes.iter().zip(drift.changes.iter().skip(1)).all(|(a, b)| a.row < b.row));
    }
}
