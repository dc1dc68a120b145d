//! What an operator is told of the work: one line at most each [`INTERVAL`], and none where nothing changed.

use crate::journal::Outcome;
use std::time::{Duration, Instant};

pub const INTERVAL: Duration = Duration::from_secs(10);

pub struct Progress {
    rows: u64,
    repeats: u64,
    rejected: u64,
    expired: u64,
    pub waiting: u64,
    changed: bool,
    /// The first row is news at once.
    told_rows: bool,
    told_at: Instant,
}

impl Progress {
    pub fn new() -> Progress {
        let told_at = Instant::now();
        Progress {
            rows: 0,
            repeats: 0,
            rejected: 0,
            expired: 0,
            waiting: 0,
            changed: false,
            told_rows: false,
            told_at,
        }
    }

    pub fn add(&mut self, outcome: &Outcome) {
        self.rows += outcome.rows;
        self.repeats += outcome.repeats;
        self.rejected += outcome.rejected;
        self.expired += outcome.expired;
        self.changed |= outcome != &Outcome { waiting: self.waiting, ..Outcome::default() };
        self.waiting = outcome.waiting;
    }

    /// Says what changed, if the last line was long enough ago.
    pub fn tell(&mut self) {
        let due = self.told_at.elapsed() >= INTERVAL || (self.rows > 0 && !self.told_rows);
        if self.changed && due {
            log::info!("{self}");
            (self.changed, self.told_rows, self.told_at) = (false, self.rows > 0, Instant::now());
        }
    }
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Progress { rows, waiting, repeats, rejected, expired, .. } = self;
        write!(
            f,
            "{rows} rows written, {waiting} halves waiting, {repeats} duplicates, {rejected} rejected"
        )?;
        if *expired > 0 {
            write!(f, ", {expired} given up as unmatched")?;
        }
        Ok(())
    }
}
