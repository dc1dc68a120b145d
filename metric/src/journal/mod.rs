//! The protocol of ARCHITECTURE.md: a batch becomes rejects, rows and store entries, durable in that order. Never acknowledges anything; the
//! caller may do so after [`Journal::digest`] returned.

pub mod batch;
mod columns;
pub mod counts;
mod done;
mod field;
pub mod halt;
mod line_file;
pub mod lock;
mod pending;
mod recovery;
pub mod rejects;
mod rotation;
mod row_log;
pub mod settings;
#[cfg(test)]
mod simulation;
mod store;
mod tables;
mod unmatched;

use crate::{
    clock::{AgeClock, Now},
    disk::{Disk, is_full},
    join::{Half, Join, Joined},
    journal::{
        batch::{Batch, Digested},
        counts::{Counts, Rejection},
        field::unix_seconds,
        halt::Halt,
        recovery::recover,
        rejects::{Reject, Rejects},
        rotation::rotate,
        row_log::RowLog,
        settings::{Hooks, Settings},
        store::Store,
        tables::Tables,
        unmatched::Unmatched,
    },
    wire::{id::Id, labels::Labels},
};
use anyhow::Result;
use glue::number::counted;
use redb::Durability;
use std::{
    collections::HashSet,
    path::Path,
    time::{Duration, Instant},
};

/// Halves moved to `unmatched.csv` at a time. Bounds memory.
const EXPIRED_AT_ONCE: usize = 2048;
/// How long a commit may stay unsynced. Its content is in the log.
const VOLATILE_MAX: Duration = Duration::from_millis(500);
/// How often halves expire.
const EXPIRY_EVERY: Duration = Duration::from_secs(1);

/// Everything that `metric` keeps in its log directory.
pub struct Journal<'h, D: Disk> {
    settings: Settings,
    hooks: Hooks<'h>,
    clock: AgeClock,
    store: Store<D>,
    log: RowLog<D>,
    rejects: Rejects<D>,
    unmatched: Unmatched<D>,
    join: Join,
    /// The time of the first commit that is not synced.
    volatile_since: Option<Instant>,
    expired_at: Instant,
}

impl<'h, D: Disk> Journal<'h, D> {
    /// Opens the files and recovers the store from the log. The caller holds the lock of the directory.
    ///
    /// # Errors
    /// Names the file that cannot be used. A full disk is not waited for.
    pub fn open(
        disk: D,
        directory: &Path,
        settings: Settings,
        mut hooks: Hooks<'h>,
        now: Now,
    ) -> Result<Journal<'h, D>, Halt> {
        let store_path = directory.join("metric.redb");
        let mut store = Store::open(&disk, &store_path, &settings)?;
        // Opening the log makes its name durable, and with it the store's in the same directory.
        let log = recover(&disk, &directory.join("metric_log.csv"), &mut store, &mut hooks.reading)?;
        let rejects = Rejects::open(&disk, &directory.join("rejected.jsonl"))?;
        let unmatched = Unmatched::open(&disk, &directory.join("unmatched.csv"), settings.log_max_bytes)?;
        let clock = AgeClock::resume(store.write(Durability::None, |tables| tables.clock())?, now);
        let join = Join::new(settings.compares_predictions, store.labels.clone());
        Ok(Journal {
            settings,
            hooks,
            clock,
            store,
            log,
            rejects,
            unmatched,
            join,
            volatile_since: None,
            expired_at: now.instant,
        })
    }

    /// Joins a batch with the waiting halves and makes all of it durable except for the held halves. With `releases` none stay held. Waits
    /// while the disk is full.
    ///
    /// # Errors
    /// The process is asked to stop while the disk is full, or a file cannot be used. The process must end then.
    pub fn digest(&mut self, batch: Batch, releases: bool, now: Now) -> Result<Digested, Halt> {
        let Batch { arrivals, mut rejects, groups_dropped } = batch;
        self.until_room(Journal::ensure_current)?;
        let Journal { store, join, clock, .. } = self;
        let mut joined =
            store.read(|view| join.join(arrivals.in_order(), clock.mark(now), |id| view.known(id)))?;
        let met_in_memory = joined.rows.iter().any(|row| !row.waited);
        if releases {
            self.join.release(&mut joined);
        }
        let mut digested = Digested {
            rows: joined.rows.len() as u64,
            duplicates: joined.duplicates,
            rejected: rejects.len() as u64,
            groups_dropped,
            met_in_memory,
            added_waiting: !joined.waiting.is_empty(),
            ..Digested::default()
        };
        for refused in joined.refused.drain(..) {
            let is_conflict = u64::from(refused.is_conflict);
            digested.conflicts += is_conflict;
            digested.rejected += 1 - is_conflict;
            let queue = refused.side.of(&self.settings.queues);
            rejects.push(Reject::of_sample(now.unix_ms, queue, refused, &self.store.labels));
        }
        digested.last_rejection = rejects.last().map(Reject::summary);

        // The half that stays in a conflict must be durable before the other one is rejected.
        if !joined.kept.is_empty() {
            self.until_room(|journal| journal.store_kept(&joined.kept, now))?;
        }
        self.until_room(|journal| Ok(journal.rejects.append(&mut rejects)?))?;
        self.append_rows(&joined, now)?;
        self.until_room(|journal| journal.commit(&joined, &digested, now))?;
        self.join.end_batch();
        let is_due = now.instant.saturating_duration_since(self.expired_at) >= EXPIRY_EVERY;
        if is_due || self.store.counts.waiting.sum() > self.settings.halves_max {
            digested.unmatched = self.expire(now)?;
        }
        // The next start needs this file for what is acknowledged now.
        self.store.check_in_place()?;
        digested.waiting = self.store.counts.waiting.sum();
        (digested.held, digested.released) = (joined.held, joined.released);
        Ok(digested)
    }

    /// Forgets the held halves, whose deliveries come again, and syncs the store.
    ///
    /// # Errors
    /// Those of [`Journal::digest`].
    pub fn end_connection(&mut self) -> Result<(), Halt> {
        self.join.drop_held();
        if self.volatile_since.is_none() {
            return Ok(());
        }
        self.until_room(|journal| journal.commit_synced(|_| Ok(())))
    }

    /// Appends the rows to the log and syncs them. A log that they would make too large gets a number before.
    fn append_rows(&mut self, joined: &Joined, now: Now) -> Result<(), Halt> {
        if joined.rows.is_empty() {
            return Ok(());
        }
        let (mut lines, logged_at) = (Vec::new(), unix_seconds(now.unix_ms));
        self.until_room(|journal| {
            loop {
                journal.ensure_current()?;
                lines.clear();
                for row in &joined.rows {
                    journal.log.columns.write(&mut lines, row, &logged_at, &journal.store.labels)?;
                }
                if !journal.log.is_full(lines.len(), journal.settings.log_max_bytes) {
                    return Ok(journal.log.append(&lines)?);
                }
                journal.rotate_log()?;
            }
        })?;
        log::debug!("made {} durable", counted(joined.rows.len() as u64, "row", "rows"));
        Ok(())
    }

    /// Renames the log to the next number. What follows finds it renamed, and begins a new one.
    fn rotate_log(&mut self) -> Result<(), Halt> {
        // The store then knows all of its rows, so that it may be moved or deleted from now on.
        self.commit_synced(|_| Ok(()))?;
        rotate(&self.log.disk, &self.log.path)?;
        Ok(())
    }

    /// Adds halves to the store, and nothing that is not in the log yet.
    fn store_kept(&mut self, halves: &[(Id, Half)], now: Now) -> Result<(), Halt> {
        let mark = self.clock.mark(now);
        self.commit_synced(|tables| {
            halves.iter().try_for_each(|(id, half)| tables.add_waiting(id, half))?;
            tables.set_clock(mark)
        })
    }

    /// Commits a change and syncs the store.
    fn commit_synced<T>(&mut self, change: impl FnOnce(&mut Tables) -> tables::Result<T>) -> Result<T, Halt> {
        self.ensure_open()?;
        let result = self.store.write(Durability::Immediate, change)?;
        self.volatile_since = None;
        Ok(result)
    }

    /// Commits a batch whose rows are in the log. Syncs if halves are added or something was counted, which is nowhere else, or if the last
    /// sync was too long ago. May be repeated.
    fn commit(&mut self, joined: &Joined, digested: &Digested, now: Now) -> Result<(), Halt> {
        let Digested { duplicates, conflicts, rejected, groups_dropped, last_rejection, .. } = digested;
        let is_due = self.sync_due().is_some_and(|due| now.instant >= due);
        let syncs = is_due || !joined.waiting.is_empty() || duplicates + conflicts + rejected > 0;
        if joined.rows.is_empty() && *groups_dropped == 0 && !syncs {
            return Ok(());
        }
        // Then recovery adopts the rows, unless the log was deleted.
        let may_be_adopted = !self.store.is_open();
        self.ensure_open()?;
        let durability = if syncs { Durability::Immediate } else { Durability::None };
        let (mark, position) = (self.clock.mark(now), &self.log.position);
        self.store.write(durability, |tables| {
            tables.remember_rows(&joined.rows, may_be_adopted)?;
            joined.waiting.iter().try_for_each(|(id, half)| tables.add_waiting(id, half))?;
            let counts = &mut tables.counts;
            counts.duplicates += duplicates;
            counts.conflicts += conflicts;
            counts.rejected += rejected;
            counts.groups_dropped += groups_dropped;
            if let Some(reason) = last_rejection {
                counts.last_rejection = Some(Rejection { at_ms: now.unix_ms, reason: reason.clone() });
            }
            tables.set_log_position(position)?;
            tables.set_clock(mark)
        })?;
        self.volatile_since = if syncs { None } else { self.volatile_since.or(Some(now.instant)) };
        Ok(())
    }

    /// Moves halves beyond the limits to `unmatched.csv`, the oldest first. Returns how many.
    fn expire(&mut self, now: Now) -> Result<u64, Halt> {
        self.expired_at = now.instant;
        let oldest_age_ms = self.clock.mark(now).age_ms.saturating_sub(self.settings.age_max_ms);
        let halves_max = self.settings.halves_max;
        let mut total = 0;
        loop {
            let expired = self.until_room(|journal| {
                journal.ensure_open()?;
                Ok(journal.store.read(|view| view.beyond(halves_max, oldest_age_ms, EXPIRED_AT_ONCE))?)
            })?;
            if expired.is_empty() {
                return Ok(total);
            }
            // Two steps, each repeated until there is room, so that no half is written twice.
            self.until_room(|journal| Ok(journal.unmatched.append(&expired, &journal.store.labels)?))?;
            self.until_room(|journal| {
                journal.commit_synced(|tables| {
                    expired.iter().try_for_each(|(id, _)| tables.forget_unmatched(id))
                })
            })?;
            total += expired.len() as u64;
        }
    }

    /// Recovers after an error of the store, and if another program has changed the log.
    fn ensure_current(&mut self) -> Result<(), Halt> {
        if self.store.is_open() && self.log.is_untouched()? { Ok(()) } else { self.recover() }
    }

    fn ensure_open(&mut self) -> Result<(), Halt> {
        if self.store.is_open() { Ok(()) } else { self.recover() }
    }

    fn recover(&mut self) -> Result<(), Halt> {
        self.log.cut_torn()?;
        if !self.store.is_open() {
            self.store.reopen()?;
        }
        let RowLog { disk, path, .. } = &self.log;
        self.log = recover(disk, path, &mut self.store, &mut self.hooks.reading)?;
        self.volatile_since = None;
        Ok(())
    }

    /// The task and its classes. A class that a sample adds is stored with the commit of its batch.
    pub fn labels(&self) -> &Labels {
        &self.store.labels
    }

    /// As of the last batch, and while it is digested as of what is committed.
    pub fn counts(&self) -> &Counts {
        &self.store.counts
    }

    /// When the next digest syncs the store, if a commit is not synced.
    pub fn sync_due(&self) -> Option<Instant> {
        self.volatile_since.map(|since| since + VOLATILE_MAX)
    }

    /// Queues that another program declared.
    ///
    /// # Errors
    /// Names the store.
    pub fn foreign_queues(&mut self) -> Result<HashSet<String>> {
        self.store.write(Durability::None, |tables| tables.foreign_queues())
    }

    /// # Errors
    /// Those of [`Journal::digest`].
    pub fn remember_foreign_queue(&mut self, queue: &str) -> Result<(), Halt> {
        self.until_room(|journal| journal.commit_synced(|tables| tables.remember_foreign_queue(queue)))
    }

    /// Repeats a step while the disk is full and the caller waits for room.
    fn until_room<T>(&mut self, mut step: impl FnMut(&mut Self) -> Result<T, Halt>) -> Result<T, Halt> {
        let mut was_full = false;
        loop {
            match step(self) {
                Err(Halt::Failed(error)) if is_full(&error) => {
                    if !was_full {
                        log::error!("{error:#}; waiting for room, nothing is lost");
                    }
                    was_full = true;
                    if !(self.hooks.wait_for_room)(&error) {
                        return Err(Halt::Stopped);
                    }
                }
                result => {
                    if was_full && result.is_ok() {
                        log::info!("there is room again");
                    }
                    return result;
                }
            }
        }
    }
}
