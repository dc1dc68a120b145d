//! The protocol of DESIGN and ARCHITECTURE in one place: a batch becomes rows, rejects and store entries, durable in that
//! order. Never acknowledges anything; who calls may do so after [`Journal::commit_when_room`] returned.

use crate::{
    disk::{Disk, is_full},
    join::{Joined, Side, join},
    message::Sample,
    recovery::{Findings, recover},
    rejects::{Reject, Rejects},
    row_log::{RowLog, finish, lines, write_row},
    store::{Store, Tables},
    unmatched::Unmatched,
};
use anyhow::Result;
use std::path::{Path, PathBuf};

/// Halves moved to `unmatched.csv` at a time: bounds memory. Lines of the longest ids, quoted, come to 700 KB, less than
/// [`crate::line_file::APPEND_BYTES_MAX`].
const EXPIRED_AT_ONCE: usize = 2048;

/// What the store holds at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// How many halves may wait.
    pub halves: u64,
    /// How long a half may wait.
    pub age_ms: u64,
    /// So many ids of rows are remembered at least, twice as many at most.
    pub done_ids: u64,
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
pub struct Journal<D: Disk> {
    disk: D,
    directory: PathBuf,
    limits: Limits,
    store: Store<D>,
    log: RowLog<D>,
    rejects: Rejects<D>,
    unmatched: Unmatched<D>,
}

impl<D: Disk> Journal<D> {
    /// Brings log and store together. The directory is held by this process alone.
    ///
    /// # Errors
    /// Names the file that cannot be used.
    pub fn open(disk: D, directory: &Path, limits: Limits) -> Result<Journal<D>> {
        let store = Store::open(&disk, &directory.join("metric.redb"), limits.done_ids)?;
        // Opening the log makes its name durable, and so the store's beside it.
        let (log, findings) = recover(&disk, &directory.join("metric_log.csv"), &store)?;
        tell(&findings);
        let rejects = Rejects::open(&disk, &directory.join("rejected.jsonl"))?;
        let unmatched = Unmatched::new(&disk, &directory.join("unmatched.csv"));
        Ok(Journal { disk, directory: directory.to_owned(), limits, store, log, rejects, unmatched })
    }

    /// Joins a batch with what waits and makes the result durable, or fails and leaves no trace of it but whole lines
    /// that the next recovery adopts. `queue_of` names a side's queue in rejects.
    fn commit(&mut self, batch: &Batch, now_ms: u64, queue_of: impl Fn(Side) -> String) -> Result<Outcome> {
        if !self.log.is_untouched()? {
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

    /// [`Journal::commit`], tried again with the same batch for as long as the disk is full and `wait` gives true.
    /// None where it gave false.
    ///
    /// # Errors
    /// Those of a commit but for a full disk. They must end the process.
    pub fn commit_when_room(
        &mut self,
        batch: &Batch,
        now_ms: u64,
        queue_of: impl Fn(Side) -> String,
        mut wait: impl FnMut(&anyhow::Error) -> bool,
    ) -> Result<Option<Outcome>> {
        let mut tried = self.commit(batch, now_ms, &queue_of);
        loop {
            match tried {
                Ok(outcome) => return Ok(Some(outcome)),
                Err(error) if !is_full(&error) => return Err(error),
                Err(error) if !wait(&error) => return Ok(None),
                // The failed write may have reached the disk all the same: what the store says counts, and the log is
                // brought in line with it.
                Err(_) => tried = self.store.reopen().and_then(|()| self.commit(batch, now_ms, &queue_of)),
            }
        }
    }

    fn recover_log(&mut self) -> Result<()> {
        let (log, findings) = recover(&self.disk, &self.directory.join("metric_log.csv"), &self.store)?;
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
fn expire<D: Disk>(
    tables: &mut Tables,
    limits: Limits,
    now_ms: u64,
    unmatched: &mut Unmatched<D>,
) -> Result<u64> {
    let mut total = 0;
    let mut expired = Vec::new();
    while let Some((id, half)) = tables.oldest()?
        && (tables.waiting()? > limits.halves || half.received_at_ms.saturating_add(limits.age_ms) < now_ms)
    {
        tables.end_waiting(&id)?;
        expired.push((id, half));
        total += 1;
        if expired.len() == EXPIRED_AT_ONCE {
            unmatched.append(&expired)?;
            expired.clear();
        }
    }
    if !expired.is_empty() {
        unmatched.append(&expired)?;
    }
    Ok(total)
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
