//! The protocol of DESIGN and ARCHITECTURE in one place: a batch becomes rows, rejects and store entries, durable in that
//! order. Never acknowledges anything; who calls may do so after [`Journal::commit`] returned.

use crate::{
    durable,
    join::{Joined, Side, join},
    message::Sample,
    recovery::{Findings, recover},
    rejects::{Reject, Rejects},
    row_log::{RowLog, finish, lines, write_row},
    store::{Store, Tables},
    unmatched::Unmatched,
};
use anyhow::{Context, Result, bail};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read, Write},
    path::{Path, PathBuf},
    process,
};

/// Halves moved to `unmatched.csv` per batch at most: bounds memory, and more than a batch can add.
const EXPIRED_PER_BATCH: usize = 20_000;

/// How many halves may wait, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    pub halves: u64,
    pub age_ms: u64,
}

/// What a batch of deliveries holds.
#[derive(Default)]
pub struct Batch {
    pub samples: Vec<(Side, Sample)>,
    pub rejects: Vec<Reject>,
}

/// What became of a batch.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    pub rows: u64,
    pub repeats: u64,
    pub rejected: u64,
    pub expired: u64,
    /// Halves waiting now.
    pub waiting: u64,
}

/// Everything that `metric` keeps in its log directory.
pub struct Journal {
    directory: PathBuf,
    limits: Limits,
    store: Store,
    log: RowLog,
    rejects: Rejects,
    unmatched: Unmatched,
    /// Held as long as the journal is open.
    _lock: File,
}

impl Journal {
    /// Locks the directory and brings log and store together.
    ///
    /// # Errors
    /// Names the file that cannot be used, or the process that holds the directory.
    pub fn open(directory: &Path, limits: Limits) -> Result<Journal> {
        fs::create_dir_all(directory).with_context(|| durable::cannot_write(directory))?;
        let lock = lock(&directory.join("metric.lock"))?;
        let store = Store::open(&directory.join("metric.redb"))?;
        let (log, findings) = recover(&directory.join("metric_log.csv"), &store)?;
        tell(&findings);
        let rejects = Rejects::open(&directory.join("rejected.jsonl"))?;
        let unmatched = Unmatched::new(&directory.join("unmatched.csv"));
        Ok(Journal { directory: directory.to_owned(), limits, store, log, rejects, unmatched, _lock: lock })
    }

    /// Joins a batch with what waits and makes the result durable, or fails and leaves no trace of it but whole lines
    /// that the next recovery adopts. `queue_of` names a side's queue in rejects.
    ///
    /// # Errors
    /// Names the file. Where [`durable::is_full`] says so, [`Journal::make_room`] and another try are in order; any other error
    /// must end the process.
    pub fn commit(
        &mut self,
        batch: &Batch,
        now_ms: u64,
        queue_of: impl Fn(Side) -> String,
    ) -> Result<Outcome> {
        if !self.log.is_untouched() {
            self.recover_log()?;
        }
        let Journal { limits, store, log, rejects, unmatched, .. } = self;
        let (outcome, position) = store.write(|tables| {
            let joined = join(&batch.samples, now_ms, |id| tables.known(id))?;
            let mut rows = lines();
            for row in &joined.rows {
                write_row(&mut rows, row, now_ms)?;
            }
            let position = log.append(&finish(rows)?)?;
            let mut refused: Vec<Reject> = Vec::new();
            for (at, reason) in &joined.refused {
                if let Some((side, sample)) = batch.samples.get(*at) {
                    let body = serde_json::json!({"id": sample.id, "body": sample.value}).to_string();
                    refused.push(Reject::new(
                        now_ms,
                        &queue_of(*side),
                        reason.clone(),
                        body.as_bytes(),
                        None,
                    ));
                }
            }
            rejects.append(batch.rejects.iter().chain(&refused))?;
            store_halves(tables, &joined)?;
            let expired = expire(tables, *limits, now_ms, unmatched)?;
            tables.set_log_position(&position)?;
            let outcome = Outcome {
                rows: joined.rows.len() as u64,
                repeats: joined.repeats,
                rejected: (batch.rejects.len() + refused.len()) as u64,
                expired,
                waiting: tables.waiting()?,
            };
            Ok((outcome, position))
        })?;
        self.log.advance(position);
        Ok(outcome)
    }

    /// After a full disk: cuts the log back to where the batch began, and opens the store again, which the error has closed.
    ///
    /// # Errors
    /// Those of the disk; the disk may still be full.
    pub fn make_room(&mut self) -> Result<()> {
        self.log.cut(self.log.position.len)?;
        self.store.reopen(&self.directory.join("metric.redb"))
    }

    fn recover_log(&mut self) -> Result<()> {
        let (log, findings) = recover(&self.directory.join("metric_log.csv"), &self.store)?;
        self.log = log;
        tell(&findings);
        Ok(())
    }
}

fn store_halves(tables: &mut Tables, joined: &Joined) -> Result<()> {
    for id in &joined.ended {
        tables.end_waiting(id)?;
    }
    for row in &joined.rows {
        tables.remember_done(&row.id)?;
    }
    for (id, half) in &joined.begun {
        tables.begin_waiting(id, *half)?;
    }
    Ok(())
}

/// Moves halves beyond the limits to `unmatched.csv`, the oldest first.
fn expire(tables: &mut Tables, limits: Limits, now_ms: u64, unmatched: &mut Unmatched) -> Result<u64> {
    let mut expired = Vec::new();
    let mut waiting = tables.waiting()?;
    while expired.len() < EXPIRED_PER_BATCH
        && let Some((id, half)) = tables.oldest()?
        && (waiting > limits.halves || half.received_at_ms + limits.age_ms < now_ms)
    {
        tables.end_waiting(&id)?;
        expired.push((id, half));
        waiting -= 1;
    }
    unmatched.append(&expired)?;
    Ok(expired.len() as u64)
}

/// One process per directory; the file says which.
fn lock(path: &Path) -> Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let mut file = file.with_context(|| durable::cannot_write(path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            bail!("{} is held by another metric: {}", path.display(), holder.trim());
        }
        Err(TryLockError::Error(e)) => {
            return Err(e).with_context(|| format!("cannot lock {}", path.display()));
        }
    }
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let holder = format!("process {} on {}\n", process::id(), host.trim());
    let written = file.set_len(0).and_then(|()| file.write_all(holder.as_bytes()));
    // Only a message for people: a full disk must not keep the service from starting.
    if let Err(e) = written {
        log::warn!("{}: {e}", durable::cannot_write(path));
    }
    Ok(file)
}

fn tell(findings: &Findings) {
    let Findings { adopted, cut_bytes, foreign_lines } = findings;
    if *adopted > 0 {
        log::info!("{adopted} rows of the log were not accounted for and are now");
    }
    if *cut_bytes > 0 {
        log::info!("{cut_bytes} bytes of an unfinished row were cut off the log; its messages come again");
    }
    if *foreign_lines > 0 {
        log::warn!("{foreign_lines} lines of the log are no rows; they are left as they are");
    }
}
