//! What is known of the logs: every row's share in the counts, and the last rows themselves.
//! One pass: a row is added once and everything shown comes from here. Never reads a file and never draws.

use crate::row::{Fault, Row};
use crate::tally::Tally;
use std::collections::VecDeque;

/// All counts over the rows of the logs. Its size does not depend on their number.
pub struct Statistics {
    pub all: Tally,
    window: VecDeque<Row>,
    window_rows: usize,
    faults: [u64; Fault::ALL.len()],
}

impl Statistics {
    pub fn new(window_rows: usize) -> Self {
        Statistics { all: Tally::new(), window: VecDeque::new(), window_rows, faults: [0; 4] }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Statistics::new(self.window_rows);
    }

    pub fn add(&mut self, row: &Row) {
        self.all.add(row);
        if self.window.len() == self.window_rows {
            self.window.pop_front();
        }
        self.window.push_back(*row);
    }

    pub fn add_fault(&mut self, fault: Fault) {
        if let Some(count) = self.faults.get_mut(fault as usize) {
            *count += 1;
        }
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
