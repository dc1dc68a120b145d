//! The protocol of DESIGN and ARCHITECTURE in one place: a batch becomes rows, rejects and store entries, durable in that
//! order. The rows are durable at once; the store may follow a second behind, where rows come fast on a thread of its own, and
//! after a crash reads from the log what it lacks.
//! Never acknowledges anything; who calls may do so after [`Journal::commit_when_room`] returned.

use crate::{
    disk::{Disk, is_full},
    id::Id,
    join::{Arrival, DoneId, Half, Joined, Recent},
    recovery::{Findings, recover},
    rejects::{Reject, Rejects},
    row_log::{RowLog, unix_seconds, write_row},
    store::{Store, Tables},
    unmatched::Unmatched,
};
use anyhow::{Context, Result};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// Halves moved to `unmatched.csv` at a time: bounds memory. Lines of the longest ids, quoted, come to 700 KB, less than
/// [`crate::line_file::APPEND_BYTES_MAX`].
const EXPIRED_AT_ONCE: usize = 2048;

/// How long the store may be behind the log, or a half be held before it is given to the store.
pub const BEHIND_MAX: Duration = Duration::from_secs(1);

/// What the store holds at most, and how far it is behind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// How many halves may wait.
    pub halves: u64,
    /// How long a half may wait.
    pub age_ms: u64,
    /// So many ids of rows are remembered at least, twice as many at most.
    pub done_ids: u64,
    /// From so many rows that the store is behind the log on it is told of them: bounds memory.
    pub rows_ahead: u64,
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
    store: Arc<Store<D>>,
    /// Waits until the store was told of rows beside the work.
    storing: Option<Box<dyn FnOnce() -> Result<()> + Send>>,
    log: RowLog<D>,
    rejects: Rejects<D>,
    unmatched: Unmatched<D>,
    recent: Recent,
    /// What was joined is not durable yet: the store must not learn of it.
    is_joined: bool,
    /// Rows that the store does not know of, nor is being told of.
    rows_ahead: u64,
    store_failed: bool,
    /// What the store was told last is not durable: opened again it is behind the log.
    is_told_for_now: bool,
    stored_at: Instant,
    /// Halves that wait in the store.
    waiting: u64,
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
        let unmatched = Unmatched::open(&disk, &directory.join("unmatched.csv"))?;
        Ok(Journal {
            disk,
            directory: directory.to_owned(),
            limits,
            waiting: store.view()?.waiting()?,
            store: Arc::new(store),
            storing: None,
            log,
            rejects,
            unmatched,
            recent: Recent::default(),
            is_joined: false,
            rows_ahead: 0,
            store_failed: false,
            is_told_for_now: false,
            stored_at: Instant::now(),
        })
    }

    /// Joins a batch with what waits. What comes of it is to be committed before anything else is joined. `wait` as for
    /// [`Journal::commit_when_room`].
    ///
    /// # Errors
    /// As there.
    pub fn join(
        &mut self,
        arrivals: impl IntoIterator<Item = Arrival>,
        now_ms: u64,
        mut wait: impl FnMut(&anyhow::Error) -> bool,
    ) -> Result<Option<Joined>> {
        if when_room(&mut wait, || self.recover_if_touched())?.is_none() {
            return Ok(None);
        }
        let view = self.store.view()?;
        self.is_joined = true;
        self.recent.join(arrivals, now_ms, |id| view.known(id)).map(Some)
    }

    /// Lets `joined` give to the store all halves that are held.
    pub fn release(&mut self, joined: &mut Joined) {
        self.recent.release(joined);
    }

    /// Forgets the halves that are held: the connection of their deliveries is gone, and they come again.
    pub fn drop_held(&mut self) {
        self.recent.drop_held();
    }

    /// Whether the store knows of all rows.
    pub fn is_stored(&self) -> bool {
        self.rows_ahead == 0 && self.storing.is_none()
    }

    /// Makes all of a batch durable but the halves that are held, and takes the rows out of `joined`. A step that finds the disk
    /// full is tried again for as long as `wait` gives true. None where it gave false.
    ///
    /// # Errors
    /// Names the file; not those of a full disk. They must end the process.
    pub fn commit_when_room(
        &mut self,
        joined: &mut Joined,
        rejects: &[Reject],
        now_ms: u64,
        mut wait: impl FnMut(&anyhow::Error) -> bool,
    ) -> Result<Option<Outcome>> {
        if !joined.kept.is_empty() && when_room(&mut wait, || self.keep(&joined.kept))?.is_none() {
            return Ok(None);
        }
        // Before the rows: once an id is done, a conflict that comes again would be taken for a repeat.
        if when_room(&mut wait, || self.rejects.append(rejects))?.is_none() {
            return Ok(None);
        }
        let (mut lines, logged_at) = (Vec::new(), unix_seconds(now_ms));
        for row in &joined.rows {
            write_row(&mut lines, row, &logged_at)?;
        }
        let rows = joined.rows.len() as u64;
        let mut torn = false;
        let appended = when_room(&mut wait, || {
            if torn {
                self.log.cut(self.log.position.len)?;
                torn = false;
            }
            self.recover_if_touched()?;
            torn = true;
            self.log.append(&lines)
        })?;
        let Some(position) = appended else { return Ok(None) };
        self.log.advance(position);
        self.recent.done(joined.rows.drain(..));
        self.rows_ahead += rows;
        self.is_joined = false;
        if rows > 0 {
            log::debug!("{rows} rows are durable");
        }
        // A half that was just taken into memory soon becomes a row, which a write to the store would keep waiting.
        let is_due = self.rows_ahead > 0 || (rows == 0 && joined.held.is_empty());
        let is_late = is_due && self.stored_at.elapsed() >= BEHIND_MAX;
        let mut expired = Some(0);
        // Halves that were kept are in the store already; it still has to forget those whose row came at once.
        let begins_waiting = !joined.begun.is_empty() || !joined.kept.is_empty();
        if is_late || begins_waiting {
            expired = when_room(&mut wait, || self.store(&joined.begun, now_ms))?;
        } else if self.rows_ahead >= self.limits.rows_ahead {
            expired = when_room(&mut wait, || self.store_beside(now_ms))?;
        }
        let (rejected, waiting) = (rejects.len() as u64, self.waiting);
        let Joined { repeats, .. } = *joined;
        Ok(expired.map(|expired| Outcome { rows, repeats, rejected, expired, waiting }))
    }

    /// Brings the store up to the log, unless a batch could not be made durable; gives how many halves wait. `wait` as for
    /// [`Journal::commit_when_room`].
    ///
    /// # Errors
    /// As there.
    pub fn catch_up(&mut self, now_ms: u64, mut wait: impl FnMut(&anyhow::Error) -> bool) -> Result<u64> {
        if !self.is_joined && !self.is_stored() {
            when_room(&mut wait, || self.store(&[], now_ms))?;
        }
        Ok(self.waiting)
    }

    /// Writes halves to the store, and nothing of what is not durable in the log yet.
    fn keep(&mut self, halves: &[(Id, Half)]) -> Result<()> {
        self.open_store()?;
        self.store_failed = true;
        self.store
            .write(|tables| halves.iter().try_for_each(|(id, half)| tables.begin_waiting(id, *half)))?;
        (self.store_failed, self.is_told_for_now) = (false, false);
        self.recent.end_keeping(halves);
        Ok(())
    }

    /// Writes to the store what it lacks, which can be done twice; gives how many halves were given up.
    fn store(&mut self, begun: &[(Id, Half)], now_ms: u64) -> Result<u64> {
        self.open_store()?;
        let Journal { limits, store, log, recent, unmatched, .. } = self;
        self.store_failed = true;
        let (expired, waiting) = store.write(|tables| {
            tell_done(tables, &recent.begin_storing())?;
            for (id, half) in begun {
                tables.begin_waiting(id, *half)?;
            }
            let expired = expire(tables, *limits, now_ms, unmatched)?;
            tables.set_log_position(&log.position)?;
            Ok((expired, tables.waiting()?))
        })?;
        (self.store_failed, self.is_told_for_now) = (false, false);
        self.recent.end_storing();
        (self.waiting, self.rows_ahead, self.stored_at) = (waiting, 0, Instant::now());
        Ok(expired)
    }

    /// Tells the store of rows while the caller goes on, once it was told of those before. What fails comes out at the next use of
    /// the store; nothing depends on it before, as these rows are in the log. For the same reason it need not be durable at once.
    /// Gives up halves only where it has to wait anyway.
    fn store_beside(&mut self, now_ms: u64) -> Result<u64> {
        self.finish_storing()?;
        if self.store_failed {
            return self.store(&[], now_ms);
        }
        let (done, store) = (self.recent.begin_storing(), self.store.clone());
        let position = self.log.position.clone();
        let storing = self.disk.beside(move || {
            store.write_for_now(|tables| {
                tell_done(tables, &done)?;
                tables.set_log_position(&position)
            })
        });
        // Where no thread is to be had, it is done here.
        let Ok(storing) = storing else { return self.store(&[], now_ms) };
        (self.storing, self.rows_ahead, self.is_told_for_now) = (Some(storing), 0, true);
        Ok(0)
    }

    /// Waits until the store was told of what it was being told of.
    fn finish_storing(&mut self) -> Result<()> {
        if let Some(wait) = self.storing.take() {
            self.store_failed = true;
            wait()?;
            self.store_failed = false;
            self.recent.end_storing();
        }
        Ok(())
    }

    /// Waits until nothing else is written to the store. After an error of the disk it must be opened again, and then reads from
    /// the log what it had been told for now.
    fn open_store(&mut self) -> Result<()> {
        self.finish_storing()?;
        if self.store_failed {
            Arc::get_mut(&mut self.store).context("the store is in use")?.reopen()?;
            if self.is_told_for_now {
                self.recover()?;
            }
            self.store_failed = false;
        }
        Ok(())
    }

    fn recover_if_touched(&mut self) -> Result<()> {
        if self.log.is_untouched()? {
            return Ok(());
        }
        self.open_store()?;
        self.recover()
    }

    fn recover(&mut self) -> Result<()> {
        self.store_failed = true;
        let (log, findings) = recover(&self.disk, &self.directory.join("metric_log.csv"), &self.store)?;
        (self.store_failed, self.is_told_for_now) = (false, false);
        self.log = log;
        // Ids that were in another file only are to be stored with the next batch.
        self.rows_ahead = self.limits.rows_ahead;
        tell(&findings);
        Ok(())
    }
}

/// Does a step; where the disk is full, again for as long as `wait` gives true. None where it gave false.
fn when_room<T>(
    wait: &mut impl FnMut(&anyhow::Error) -> bool,
    mut step: impl FnMut() -> Result<T>,
) -> Result<Option<T>> {
    loop {
        match step() {
            Ok(done) => return Ok(Some(done)),
            Err(error) if !is_full(&error) => return Err(error),
            Err(error) if !wait(&error) => return Ok(None),
            Err(_) => {}
        }
    }
}

/// Tells the store of ids that are done; in their order, so that few pages change.
fn tell_done(tables: &mut Tables, done: &[DoneId]) -> Result<()> {
    let mut done: Vec<&DoneId> = done.iter().collect();
    // Stable, because that is fast with what is nearly in order.
    done.sort();
    for DoneId { id, .. } in done.iter().filter(|done| done.waited) {
        tables.end_waiting(id)?;
    }
    tables.remember_done(&done.iter().map(|done| &*done.id).collect::<Vec<_>>())
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
