//! All counts over the rows of the logs, and the last rows themselves, in one pass: each row is added once.
//! Never reads a file and never draws.

use crate::{
    logs::{
        interned::Interned,
        lines::{Event, Lines},
        row::{Fault, Faults, Row, add_faults},
        task::Task,
    },
    stats::{
        delay::Delays,
        density::Sample,
        drift::{Baseline, Drift},
        gaps::Gaps,
        groups::Groups,
        past::{Past, SharedPast},
        rolling::Rolling,
        slices::{self, Slices},
        tally::Tally,
        task::{TaskCounts, TaskNumbers},
    },
};
use std::{
    collections::VecDeque,
    sync::{Arc, MutexGuard, PoisonError},
};

/// Memory does not grow with the number of rows.
pub struct Statistics {
    pub all: Tally,
    n: u64,
    window: VecDeque<Row>,
    pub window_rows: usize,
    pub by_time: Slices,
    /// Rows without `logged_at`.
    pub by_row: Slices,
    pub rolling: Rolling,
    pub sample: Sample,
    pub drift: Drift,
    pub delays: Delays,
    pub gaps: Gaps,
    pub groups: Groups,
    pub past: SharedPast,
    pub task: Task,
    /// y_pred at or above it predicts 1, for [`Task::Binary`].
    pub threshold: f64,
    of_task: TaskCounts,
    faults: Faults,
    /// Names of classes in lines that are read here.
    known: Interned,
}

fn lock(past: &SharedPast) -> MutexGuard<'_, Past> {
    past.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Of [`Task::Binary`], where no other one is set.
pub const THRESHOLD: f64 = 0.5;

impl Statistics {
    pub fn new(window_rows: usize) -> Self {
        Statistics {
            all: Tally::new(),
            n: 0,
            window: VecDeque::new(),
            window_rows,
            by_time: Slices::new(slices::TIME_MS),
            by_row: Slices::new(slices::ROWS),
            rolling: Rolling::new(),
            sample: Sample::new(),
            drift: Drift::new(Baseline::default()),
            delays: Delays::default(),
            gaps: Gaps::new(),
            groups: Groups::default(),
            past: SharedPast::default(),
            task: Task::Regression,
            threshold: THRESHOLD,
            of_task: TaskCounts::Regression,
            faults: Faults::default(),
            known: Interned::default(),
        }
    }

    /// Sets what drift is compared with. Call it before the first row.
    pub fn with_baseline(self, baseline: Baseline) -> Self {
        Statistics { drift: Drift::new(baseline), ..self }
    }

    /// Sets what the rows are. Call it before the first row.
    pub fn with_task(self, task: Task, threshold: f64) -> Self {
        *lock(&self.past) = Past::new(task, threshold);
        Statistics { task, threshold, of_task: TaskCounts::new(task), ..self }
    }

    /// The same settings without a row, nor in the past.
    pub fn anew(&self, task: Task) -> Self {
        let anew = Statistics::new(self.window_rows).with_baseline(self.drift.baseline);
        Statistics { past: Arc::clone(&self.past), ..anew }.with_task(task, self.threshold)
    }

    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Lines(lines) => self.add_lines(lines),
            Event::Unread(unread) => {
                let lines = unread.read(&mut self.known);
                self.add_lines(&lines);
            }
            Event::StartOver => *self = self.anew(self.task),
        }
    }

    fn add_lines(&mut self, lines: &Lines) {
        self.groups.add(&lines.rows, &lines.groups, &self.all.sums);
        lines.rows.iter().for_each(|row| self.add(row));
        let pairs = self.of_task.add(lines, self.window_rows);
        let mut past = lock(&self.past);
        past.add(&lines.rows, &pairs, self.of_task.names());
        self.all.sums = past.sums();
        drop(past);
        add_faults(&mut self.faults, &lines.faults);
    }

    fn add(&mut self, row: &Row) {
        self.n += 1;
        self.all.count(row.error());
        if self.window.len() == self.window_rows {
            self.window.pop_front();
        }
        self.window.push_back(*row);
        match row.time_s() {
            // Valid times are positive, so adding 0.5 rounds; `round` would be a function call.
            Some(time_s) => {
                self.by_time.add((time_s * 1000.0 + 0.5) as i64, row.error());
                self.gaps.add(time_s);
            }
            None => self.by_row.add(self.n as i64, row.error()),
        }
        self.sample.add(row);
        self.drift.add(row);
        self.delays.add(row);
        let window = &self.window;
        self.rolling
            .row(self.n, || window.iter().map(|row| row.error().abs()).sum::<f64>() / window.len() as f64);
    }

    pub fn n(&self) -> u64 {
        self.n
    }

    /// Lines that are not rows, by kind.
    pub fn faults(&self) -> [(Fault, u64); Fault::ALL.len()] {
        let mut counts = self.faults.iter();
        Fault::ALL.map(|fault| (fault, counts.next().copied().unwrap_or(0)))
    }

    /// The last rows, counted anew each time, so that rounding errors cannot add up.
    pub fn window(&self) -> Tally {
        Tally::of(&self.window)
    }

    /// What only the task has: of all rows, and of the last ones, whose tally is `window`.
    pub fn task_numbers(&self, window: &Tally) -> [TaskNumbers; 2] {
        let outcomes = lock(&self.past).outcomes();
        let all = self.of_task.numbers(outcomes.as_ref(), self.all.sums.mse());
        [all, self.of_task.window_numbers(&self.window, self.threshold, window.sums.mse())]
    }

    /// Label delays of the last rows.
    pub fn window_delays(&self) -> Delays {
        Delays::of(&self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_million_rows_drift_nowhere() {
        const ROWS: i64 = 10_000_000;
        const UNIT: f64 = 1.0 / (1 << 20) as f64;
        // Errors from 2^-20 to 2^20 of either sign, as whole numbers of 2^-20, so that i128 has the exact sums.
        let mut random = 1_u64;
        let mut next = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random as i64 >> 24) >> ((random >> 18) % 40)
        };
        let mut statistics = Statistics::new(1000);
        let (mut rows, mut last) = (Vec::new(), VecDeque::new());
        let (mut sum, mut absolute, mut squares) = (0_i128, 0_i128, 0_i128);
        for _ in 0..ROWS {
            let error = next();
            sum += i128::from(error);
            absolute += i128::from(error).abs();
            squares += i128::from(error).pow(2);
            let row = Row::new(0.0, error as f64 * UNIT, None);
            rows.push(row);
            if rows.len() == 1000 {
                statistics.add_lines(&Lines { rows: std::mem::take(&mut rows), ..Lines::default() });
            }
            last.push_back(row);
            if last.len() > 1000 {
                last.pop_front();
            }
        }
        let near = |found: Option<f64>, exact: f64| {
            assert!((found.unwrap() / exact - 1.0).abs() < 1e-14, "{found:?}, exactly {exact}");
        };
        let mean = |sum: i128| sum as f64 / ROWS as f64;
        let (window, fresh) = (statistics.window(), Tally::of(&last));
        near(statistics.all.sums.mae(), mean(absolute) * UNIT);
        near(statistics.all.sums.bias(), mean(sum) * UNIT);
        near(statistics.all.sums.rmse(), mean(squares).sqrt() * UNIT);
        assert_eq!(window.sums.mae(), fresh.sums.mae());
        assert_eq!(window.sums.rmse(), fresh.sums.rmse());
        assert_eq!(window.sums.mae_standard_error(), fresh.sums.mae_standard_error());
        assert_eq!(window.absolute_quantiles([0.5, 0.95, 0.99]), fresh.absolute_quantiles([0.5, 0.95, 0.99]));
        assert_eq!(window.signed(), fresh.signed());
        near(window.sums.mae(), last.iter().map(|row| row.error().abs()).sum::<f64>() / 1000.0);
    }
}
