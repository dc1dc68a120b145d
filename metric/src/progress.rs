//! What an operator learns of the work: one line at most each [`EVERY`], none where nothing changed, and a warning of what was rejected.

use crate::journal::Digested;
use std::{
    fmt, mem,
    path::PathBuf,
    time::{Duration, Instant},
};

const EVERY: Duration = Duration::from_secs(10);
/// The first rejection is told at once, further ones at most once in this time.
const WARN_EVERY: Duration = Duration::from_secs(60);

pub struct Progress {
    rows: u64,
    duplicates: u64,
    conflicts: u64,
    rejected: u64,
    unmatched: u64,
    pub waiting: u64,
    changed: bool,
    /// The first row is news at once.
    told_rows: bool,
    told_at: Instant,
    /// Where rejects are written.
    rejects: PathBuf,
    /// How many there were since the last warning, and the last of them.
    untold: (u64, String),
    warned_at: Option<Instant>,
}

impl Progress {
    pub fn new(rejects: PathBuf) -> Progress {
        Progress {
            rows: 0,
            duplicates: 0,
            conflicts: 0,
            rejected: 0,
            unmatched: 0,
            waiting: 0,
            changed: false,
            told_rows: false,
            told_at: Instant::now(),
            rejects,
            untold: (0, String::new()),
            warned_at: None,
        }
    }

    pub fn add(&mut self, digested: Digested) {
        let Digested { rows, duplicates, conflicts, rejected, unmatched, waiting, .. } = digested;
        self.changed |= rows + duplicates + conflicts + rejected + unmatched > 0 || waiting != self.waiting;
        self.rows += rows;
        self.duplicates += duplicates;
        self.conflicts += conflicts;
        self.rejected += rejected;
        self.unmatched += unmatched;
        self.waiting = waiting;
        if let Some(last) = digested.last_rejection {
            self.untold = (self.untold.0 + rejected + conflicts, last);
        }
    }

    /// Says what changed, if the last line was long enough ago.
    pub fn tell(&mut self) {
        let due = self.told_at.elapsed() >= EVERY || (self.rows > 0 && !self.told_rows);
        if self.changed && due {
            log::info!("{self}");
            (self.changed, self.told_rows, self.told_at) = (false, self.rows > 0, Instant::now());
        }
        if self.untold.0 > 0 && self.warned_at.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            let (count, last) = mem::take(&mut self.untold);
            log::warn!("{count} rejected, written to {}; the last: {last}", self.rejects.display());
            self.warned_at = Some(Instant::now());
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Progress { rows, waiting, duplicates, conflicts, rejected, unmatched, .. } = self;
        write!(
            f,
            "{rows} rows written, {waiting} halves waiting, {duplicates} duplicates, {conflicts} conflicts, {rejected} rejected"
        )?;
        if *unmatched > 0 {
            write!(f, ", {unmatched} given up as unmatched")?;
        }
        Ok(())
    }
}
