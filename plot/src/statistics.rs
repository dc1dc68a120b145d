//! What is known of the logs: every row's share in the counts, and the last rows themselves.
//! One pass: a row is added once and everything shown comes from here. Never reads a file and never draws.

use crate::density::Sample;
use crate::lines::Lines;
use crate::logs::Event;
use crate::rolling::Rolling;
use crate::row::{Fault, Faults, Row, add_faults};
use crate::slices::{self, Slices};
use crate::tally::Tally;
use std::collections::VecDeque;

/// All counts over the rows of the logs. Its size does not depend on their number.
pub struct Statistics {
    pub all: Tally,
    window: VecDeque<Row>,
    window_rows: usize,
    pub by_time: Slices,
    /// Rows without `logged_at`.
    pub by_row: Slices,
    pub rolling: Rolling,
    pub sample: Sample,
    faults: Faults,
}

impl Statistics {
    pub fn new(window_rows: usize) -> Self {
        Statistics {
            all: Tally::new(),
            window: VecDeque::new(),
            window_rows,
            by_time: Slices::new(slices::TIME_MS),
            by_row: Slices::new(slices::ROWS),
            rolling: Rolling::new(),
            sample: Sample::new(),
            faults: Faults::default(),
        }
    }

    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Lines(lines) => self.add_lines(lines),
            Event::Unread(unread) => self.add_lines(&unread.read()),
            Event::StartOver => *self = Statistics::new(self.window_rows),
        }
    }

    fn add_lines(&mut self, lines: &Lines) {
        lines.rows.iter().for_each(|row| self.add(row));
        add_faults(&mut self.faults, &lines.faults);
    }

    fn add(&mut self, row: &Row) {
        self.all.add(row);
        if self.window.len() == self.window_rows {
            self.window.pop_front();
        }
        self.window.push_back(*row);
        match row.time_s() {
            Some(time_s) => self.by_time.add((time_s * 1000.0).round() as i64, row.error()),
            None => self.by_row.add(self.n() as i64, row.error()),
        }
        self.sample.add(row);
        let window = &self.window;
        self.rolling.row(self.all.moments.n, || {
            window.iter().map(|row| row.error().abs()).sum::<f64>() / window.len() as f64
        });
    }

    pub fn n(&self) -> u64 {
        self.all.moments.n
    }

    /// Lines that are not rows, by kind.
    pub fn faults(&self) -> [(Fault, u64); Fault::ALL.len()] {
        let mut counts = self.faults.iter();
        Fault::ALL.map(|fault| (fault, counts.next().copied().unwrap_or(0)))
    }

    /// The last rows, counted afresh: nothing can drift.
    pub fn window(&self) -> Tally {
        Tally::of(&self.window)
    }
}
