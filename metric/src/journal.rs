//! The protocol of ARCHITECTURE in one place: a batch becomes rejects, rows and store entries, durable in that order. Never
//! acknowledges anything; who calls may do so after [`Journal::digest`] returned.

use crate::{
    clock::{AgeClock, Now},
    disk::{Disk, is_full},
    done::Done,
    halt::Halt,
    id::Id,
    join::{Arrivals, Half, Join, Joined, Side},
    recovery::{Reading, recover},
    rejects::{Reject, Rejects},
    row_log::{RowLog, unix_seconds},
    store::{Store, Tables},
    unmatched::Unmatched,
};
use anyhow::Result;
use redb::Durability;
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Halves moved to `unmatched.csv` at a time: bounds memory.
const EXPIRED_AT_ONCE: usize = 2048;
/// How long a commit may wait to be synced: what it holds is in the log.
const VOLATILE_MAX: Duration = Duration::from_millis(500);
/// How often it is looked for halves that are too old.
const EXPIRY_EVERY: Duration = Duration::from_secs(1);

/// What a log directory is for, and what its store holds at most.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub queue_prefix: String,
    /// Names of the queues of true values and of the others, for the rejects.
    pub queues: [String; 2],
    /// Whether a second prediction for an id is compared with the first.
    pub compares_predictions: bool,
    /// How many halves may wait.
    pub halves_max: u64,
    /// How long a half may wait.
    pub age_max_ms: u64,
    /// So many ids of rows are remembered at least, twice as many at most.
    pub done_ids: u64,
}

/// What the journal asks of its caller while it is busy.
pub struct Hooks<'h> {
    pub reading: Box<Reading<'h>>,
    /// Called with the error where the disk is full: waits for a while, or gives false where the process is asked to stop.
    pub wait_for_room: Box<dyn FnMut(&anyhow::Error) -> bool + 'h>,
}

/// What was taken from the queues and is to be joined.
#[derive(Default)]
pub struct Batch {
    pub arrivals: Arrivals,
    pub rejects: Vec<Reject>,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.arrivals.is_empty() && self.rejects.is_empty()
    }
}

/// A batch that is durable but for the halves that are held.
#[derive(Debug, Default)]
pub struct Digested {
    pub rows: u64,
    pub duplicates: u64,
    pub conflicts: u64,
    /// Messages and samples that cannot be used, conflicts not counted.
    pub rejected: u64,
    /// Halves given up.
    pub unmatched: u64,
    /// Halves waiting now.
    pub waiting: u64,
    /// Queue and reason of the last reject or conflict.
    pub last_rejection: Option<String>,
    /// Deliveries by side and number, once for each half of theirs that is held from now on.
    pub held: Vec<(Side, u64)>,
    /// The same for each half that was held and is no longer.
    pub released: Vec<(Side, u64)>,
    /// Both halves of some row met in memory.
    pub met_in_memory: bool,
    /// Some halves begin to wait in the store.
    pub begun: bool,
}

/// Everything that `metric` keeps in its log directory.
pub struct Journal<'h, D: Disk> {
    disk: D,
    log_path: PathBuf,
    settings: Settings,
    hooks: Hooks<'h>,
    clock: AgeClock,
    store: Store<D>,
    log: RowLog<D>,
    rejects: Rejects<D>,
    unmatched: Unmatched<D>,
    join: Join,
    /// When the first commit was made that is not synced yet.
    volatile_since: Option<Instant>,
    expired_at: Instant,
    /// Halves that wait in the store.
    waiting: u64,
}

impl<'h, D: Disk> Journal<'h, D> {
    /// Brings log and store together. The directory is held by this process alone.
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
        let mut store = Store::open(&disk, &store_path, &settings.queue_prefix, settings.done_ids)?;
        // Opening the log makes its name durable, and so the store's beside it.
        let log_path = directory.join("metric_log.csv");
        let (log, findings) = recover(&disk, &log_path, &mut store, &mut hooks.reading)?;
        findings.tell();
        let rejects = Rejects::open(&disk, &directory.join("rejected.jsonl"))?;
        let unmatched = Unmatched::open(&disk, &directory.join("unmatched.csv"))?;
        let clock = AgeClock::resume(store.write(Durability::None, |tables| tables.clock())?, now);
        let join = Join::new(settings.compares_predictions);
        Ok(Journal {
            disk,
            log_path,
            settings,
            hooks,
            clock,
            waiting: store.read(|view| view.waiting())?,
            store,
            log,
            rejects,
            unmatched,
            join,
            volatile_since: None,
            expired_at: now.instant,
        })
    }

    /// Joins a batch with what waits and makes it durable but for the halves that are held; with `releases` none are held any more.
    /// A full disk is waited for.
    ///
    /// # Errors
    /// Where the process is asked to stop while the disk is full, or a file cannot be used: it must end then.
    pub fn digest(&mut self, batch: Batch, releases: bool, now: Now) -> Result<Digested, Halt> {
        let Batch { arrivals, mut rejects } = batch;
        self.until_room(Journal::open_touched)?;
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
            met_in_memory,
            begun: !joined.begun.is_empty(),
            ..Digested::default()
        };
        for refused in joined.refused.drain(..) {
            let is_conflict = u64::from(refused.is_conflict);
            digested.conflicts += is_conflict;
            digested.rejected += 1 - is_conflict;
            let queue = match refused.side {
                Side::YTrue => &self.settings.queues[0],
                Side::YPred => &self.settings.queues[1],
            };
            let body =
                serde_json::json!({"id": &*refused.sample.id, "body": refused.sample.value}).to_string();
            rejects.push(Reject::new(now.unix_ms, queue, refused.reason, body.as_bytes(), None));
        }
        digested.last_rejection = rejects.last().map(Reject::summary);

        // The half that stays in a conflict, before the other one is written down.
        if !joined.kept.is_empty() {
            self.until_room(|journal| journal.begin_waiting(&joined.kept, now))?;
        }
        self.until_room(|journal| Ok(journal.rejects.append(&mut rejects)?))?;
        self.append_rows(&joined, now)?;
        self.until_room(|journal| journal.commit(&joined, now))?;
        self.join.end_batch();
        let is_due = now.instant.saturating_duration_since(self.expired_at) >= EXPIRY_EVERY;
        if is_due || self.waiting > self.settings.halves_max {
            digested.unmatched = self.expire(now)?;
        }
        // What is acknowledged must be there at the next start.
        self.store.check_in_place()?;
        digested.waiting = self.waiting;
        (digested.held, digested.released) = (joined.held, joined.released);
        Ok(digested)
    }

    /// Forgets the halves that are held, as their deliveries come again, and syncs the store.
    ///
    /// # Errors
    /// As of [`Journal::digest`].
    pub fn end_connection(&mut self) -> Result<(), Halt> {
        self.join.drop_held();
        if self.volatile_since.is_none() {
            return Ok(());
        }
        self.until_room(|journal| {
            journal.open_store()?;
            Ok(journal.store.write(Durability::Immediate, |_| Ok(()))?)
        })?;
        self.volatile_since = None;
        Ok(())
    }

    /// Appends the rows to the log and syncs them.
    fn append_rows(&mut self, joined: &Joined, now: Now) -> Result<(), Halt> {
        if joined.rows.is_empty() {
            return Ok(());
        }
        let (mut lines, logged_at) = (Vec::new(), unix_seconds(now.unix_ms));
        self.until_room(|journal| {
            journal.open_touched()?;
            lines.clear();
            for row in &joined.rows {
                journal.log.columns.write(&mut lines, row, &logged_at)?;
            }
            Ok(journal.log.append(&lines)?)
        })?;
        log::debug!("{} rows are durable", joined.rows.len());
        Ok(())
    }

    /// Gives halves to the store, and nothing of what is not in the log yet.
    fn begin_waiting(&mut self, halves: &[(Id, Half)], now: Now) -> Result<(), Halt> {
        self.open_store()?;
        let mark = self.clock.mark(now);
        self.store.write(Durability::Immediate, |tables| {
            halves.iter().try_for_each(|(id, half)| tables.begin_waiting(id, *half))?;
            tables.set_clock(mark)
        })?;
        self.volatile_since = None;
        Ok(())
    }

    /// Brings the store up to the log. It may be done again. Synced where halves begin to wait, which are nowhere else, and where
    /// the last sync is too long ago; what else it holds is in the log.
    fn commit(&mut self, joined: &Joined, now: Now) -> Result<(), Halt> {
        let is_due = self.sync_due().is_some_and(|due| now.instant >= due);
        if joined.rows.is_empty() && joined.begun.is_empty() && !is_due {
            return Ok(());
        }
        self.open_store()?;
        let syncs = is_due || !joined.begun.is_empty();
        let durability = if syncs { Durability::Immediate } else { Durability::None };
        let (mark, position) = (self.clock.mark(now), &self.log.position);
        self.waiting = self.store.write(durability, |tables| {
            remember_rows(tables, joined)?;
            for (id, half) in &joined.begun {
                tables.begin_waiting(id, *half)?;
            }
            tables.set_log_position(position)?;
            tables.set_clock(mark)?;
            tables.waiting()
        })?;
        self.volatile_since = if syncs { None } else { self.volatile_since.or(Some(now.instant)) };
        Ok(())
    }

    /// Moves halves beyond the limits to `unmatched.csv`, the oldest first; gives how many.
    fn expire(&mut self, now: Now) -> Result<u64, Halt> {
        self.expired_at = now.instant;
        let oldest_age_ms = self.clock.mark(now).age_ms.saturating_sub(self.settings.age_max_ms);
        let halves_max = self.settings.halves_max;
        let mut total = 0;
        loop {
            let expired = self.until_room(|journal| {
                journal.open_store()?;
                Ok(journal.store.read(|view| view.beyond(halves_max, oldest_age_ms, EXPIRED_AT_ONCE))?)
            })?;
            if expired.is_empty() {
                return Ok(total);
            }
            // Two steps, each taken until there is room for it: none is written twice.
            self.until_room(|journal| Ok(journal.unmatched.append(&expired)?))?;
            self.waiting = self.until_room(|journal| {
                journal.open_store()?;
                Ok(journal.store.write(Durability::Immediate, |tables| {
                    expired.iter().try_for_each(|(id, _)| tables.end_waiting(id))?;
                    tables.waiting()
                })?)
            })?;
            self.volatile_since = None;
            total += expired.len() as u64;
        }
    }

    fn open_touched(&mut self) -> Result<(), Halt> {
        if self.store.is_open() && self.log.is_untouched()? { Ok(()) } else { self.recover() }
    }

    fn open_store(&mut self) -> Result<(), Halt> {
        if self.store.is_open() { Ok(()) } else { self.recover() }
    }

    fn recover(&mut self) -> Result<(), Halt> {
        self.log.cut_torn()?;
        if !self.store.is_open() {
            self.store.reopen()?;
        }
        let Journal { disk, log_path, store, hooks, .. } = self;
        let (log, findings) = recover(disk, log_path, store, &mut hooks.reading)?;
        findings.tell();
        self.log = log;
        self.volatile_since = None;
        self.waiting = self.store.read(|view| view.waiting())?;
        Ok(())
    }

    /// When the next digest syncs the store, if some commit is not synced yet.
    pub fn sync_due(&self) -> Option<Instant> {
        self.volatile_since.map(|since| since + VOLATILE_MAX)
    }

    /// Halves that wait in the store.
    pub fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Queues that another program had declared when they were used first.
    ///
    /// # Errors
    /// Names the store.
    pub fn foreign_queues(&mut self) -> Result<HashSet<String>> {
        self.store.write(Durability::None, |tables| tables.foreign_queues())
    }

    /// # Errors
    /// As of [`Journal::digest`].
    pub fn remember_foreign_queue(&mut self, queue: &str) -> Result<(), Halt> {
        self.until_room(|journal| {
            journal.open_store()?;
            Ok(journal.store.write(Durability::Immediate, |tables| tables.remember_foreign_queue(queue))?)
        })
    }

    /// Takes a step; where the disk is full, again for as long as the caller waits for room.
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

/// Lets the store know of rows; in the order of their ids, so that few pages change.
fn remember_rows(tables: &mut Tables, joined: &Joined) -> Result<()> {
    let mut done: Vec<Done> =
        joined.rows.iter().map(|row| Done { id: &row.id, values: row.values }).collect();
    // Stable, because that is fast with what is nearly in order.
    done.sort_by_key(|done| done.id);
    for row in joined.rows.iter().filter(|row| row.waited) {
        tables.end_waiting(&row.id)?;
    }
    tables.remember_done(&done)
}
