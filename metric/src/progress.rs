//! Reports the work to the operator: at most one line each [`LOG_EVERY`], none if nothing changed, and warnings of rejections and dropped
//! groups.

use crate::{journal::batch::Digested, wire::group::GROUP_BYTES_MAX};
use glue::number::counted;
use std::{
    fmt, mem,
    path::PathBuf,
    time::{Duration, Instant},
};

const LOG_EVERY: Duration = Duration::from_secs(10);
/// The first rejection is logged at once, further ones at most once in this time; dropped groups likewise.
const WARN_EVERY: Duration = Duration::from_secs(60);

pub struct Progress {
    /// The sums over all batches.
    total: Digested,
    has_changed: bool,
    /// The first row is logged at once.
    has_logged_rows: bool,
    logged_at: Instant,
    /// The file of the rejects.
    rejects: PathBuf,
    /// Rejects since the last warning, and the last one.
    unreported: (u64, String),
    warned_at: Option<Instant>,
    /// Groups dropped since the last warning of them.
    groups_dropped: u64,
    warned_of_groups_at: Option<Instant>,
}

impl Progress {
    pub fn new(rejects: PathBuf) -> Progress {
        Progress {
            total: Digested::default(),
            has_changed: false,
            has_logged_rows: false,
            logged_at: Instant::now(),
            rejects,
            unreported: (0, String::new()),
            warned_at: None,
            groups_dropped: 0,
            warned_of_groups_at: None,
        }
    }

    pub fn add(&mut self, digested: Digested) {
        let Digested { rows, duplicates, conflicts, rejected, unmatched, waiting, .. } = digested;
        self.groups_dropped += digested.groups_dropped;
        let total = &mut self.total;
        self.has_changed |=
            rows + duplicates + conflicts + rejected + unmatched > 0 || waiting != total.waiting;
        total.rows += rows;
        total.duplicates += duplicates;
        total.conflicts += conflicts;
        total.rejected += rejected;
        total.unmatched += unmatched;
        total.waiting = waiting;
        if let Some(last) = digested.last_rejection {
            self.unreported = (self.unreported.0 + rejected + conflicts, last);
        }
    }

    /// Logs what changed, if the last line was long enough ago.
    pub fn log(&mut self) {
        let is_due = self.logged_at.elapsed() >= LOG_EVERY || (self.total.rows > 0 && !self.has_logged_rows);
        if self.has_changed && is_due {
            log::info!("{self}");
            (self.has_changed, self.has_logged_rows) = (false, self.total.rows > 0);
            self.logged_at = Instant::now();
        }
        let may_warn = |last: Option<Instant>| last.is_none_or(|at| at.elapsed() >= WARN_EVERY);
        if self.unreported.0 > 0 && may_warn(self.warned_at) {
            let (count, last) = mem::take(&mut self.unreported);
            log::warn!("{count} rejected, written to {}; the last: {last}", self.rejects.display());
            self.warned_at = Some(Instant::now());
        }
        if self.groups_dropped > 0 && may_warn(self.warned_of_groups_at) {
            let groups = counted(mem::take(&mut self.groups_dropped), "group", "groups");
            log::warn!(
                "dropped {groups}, not the samples: a group is a string of at most {GROUP_BYTES_MAX} bytes without control \
                 characters, or a number"
            );
            self.warned_of_groups_at = Some(Instant::now());
        }
    }

    /// Logs the totals at the end. `waiting` halves are in the store.
    pub fn log_stopped(&mut self, waiting: u64) {
        self.total.waiting = waiting;
        log::info!("stopped; {self}");
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Digested { rows, waiting, duplicates, conflicts, rejected, unmatched, .. } = self.total;
        write!(
            f,
            "{} written, {} waiting, ",
            counted(rows, "row", "rows"),
            counted(waiting, "half", "halves")
        )?;
        write!(f, "{}, ", counted(duplicates, "duplicate", "duplicates"))?;
        write!(f, "{}, {rejected} rejected", counted(conflicts, "conflict", "conflicts"))?;
        if unmatched > 0 { write!(f, ", {unmatched} expired") } else { Ok(()) }
    }
}
