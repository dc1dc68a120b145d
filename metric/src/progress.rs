//! What an operator is told of the work: one line at most each [`INTERVAL`], and none where nothing changed.

use crate::journal::Outcome;
use std::time::{Duration, Instant};

pub const INTERVAL: Duration = Duration::from_secs(10);

#[derive(Default)]
pub struct Progress {
    rows: u64,
    repeats: u64,
    rejected: u64,
    expired: u64,
    waiting: u64,
    changed: bool,
    told_at: Option<Instant>,
}

impl Progress {
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
        // The first row is news at once.
        let due = self.told_at.map_or(self.rows > 0, |at| at.elapsed() >= INTERVAL);
        if self.changed && due {
            log::info!("{self}");
            self.changed = false;
            self.told_at = Some(Instant::now());
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
