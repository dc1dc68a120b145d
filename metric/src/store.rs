//! What the log cannot hold, in one redb file: halves that wait, ids that are done, how far the log is accounted for.
//! Decides nothing; each [`Store::write`] is durable as a whole or leaves no trace, and one that is to be durable later goes with the next.

use crate::{
    disk::{Disk, cannot_read, cannot_write},
    done,
    join::{Half, Known, Side},
};
use anyhow::{Context, Result};
use redb::{
    Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    StorageBackend, Table, TableDefinition, TableHandle, WriteTransaction,
};
use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

/// Pages kept in memory. The ids of a batch are mostly recent and so lie close together.
const CACHE_BYTES: usize = 2 << 20;

/// Ids moved from an old store at a time: bounds memory.
const TAKEN_OVER_AT_ONCE: usize = 10_000;

/// id → (arrival, side, value, Unix time in ms)
type PendingValue = (u64, u8, f64, u64);
const PENDING: TableDefinition<&str, PendingValue> = TableDefinition::new("pending");
/// arrival → id: the oldest first.
const ARRIVALS: TableDefinition<u64, &str> = TableDefinition::new("arrivals");
/// The two generations of ids that are done, as [`done`] has them.
const DONE: [TableDefinition<&str, &str>; 2] =
    [TableDefinition::new("done_blocks_0"), TableDefinition::new("done_blocks_1")];
/// The same as stores had them before: an entry to an id.
const DONE_SINGLY: [TableDefinition<&str, ()>; 2] =
    [TableDefinition::new("done_0"), TableDefinition::new("done_1")];
const NUMBERS: TableDefinition<&str, u64> = TableDefinition::new("numbers");
const BYTES: TableDefinition<&str, &[u8]> = TableDefinition::new("bytes");

const LOG_LEN: &str = "log_len";
const LOG_TAIL: &str = "log_tail";
const NEXT_ARRIVAL: &str = "next_arrival";
const DONE_YOUNG: &str = "done_young";
const DONE_YOUNG_IDS: &str = "done_young_ids";

/// How much of the log is accounted for, and the last bytes of that, by which another file is told from it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogPosition {
    pub len: u64,
    pub tail: Vec<u8>,
}

pub struct Store<D: Disk> {
    disk: D,
    path: PathBuf,
    /// Absent only while it is opened again.
    database: Option<Database>,
    /// Ids in the younger generation of `done` before the older one is dropped; at least so many are remembered.
    generation_ids: u64,
    /// The younger generation of `done` is full: the next write begins with dropping the older.
    full: AtomicBool,
}

/// The tables within one write.
pub struct Tables<'t> {
    pending: Table<'t, &'static str, PendingValue>,
    arrivals: Table<'t, u64, &'static str>,
    done_young: Table<'t, &'static str, &'static str>,
    done_old: Table<'t, &'static str, &'static str>,
    numbers: Table<'t, &'static str, u64>,
    bytes: Table<'t, &'static str, &'static [u8]>,
}

/// The tables as the last write left them.
pub struct View {
    /// Each with its last id: most new ids come after it, and need not be looked for.
    pending: (ReadOnlyTable<&'static str, PendingValue>, String),
    done: [(ReadOnlyTable<&'static str, &'static str>, String); 2],
}

/// redb's error as its I/O error where that is what it is, so that a full disk can be told from the rest.
fn plain(error: impl Into<redb::Error>) -> anyhow::Error {
    match error.into() {
        redb::Error::Io(e) => e.into(),
        other => other.into(),
    }
}

impl<D: Disk> Store<D> {
    /// A new file's name is not durable yet.
    ///
    /// # Errors
    /// Names the file; it may be damaged or of a later version.
    pub fn open(disk: &D, path: &Path, generation_ids: u64) -> Result<Store<D>> {
        if disk.find(path).with_context(|| cannot_read(path))?.is_none() {
            create(disk, path).with_context(|| cannot_write(path))?;
        }
        let (disk, path) = (disk.clone(), path.to_owned());
        let mut store = Store { disk, path, database: None, generation_ids, full: AtomicBool::new(false) };
        store.reopen()?;
        store.upgrade().with_context(|| cannot_write(&store.path))?;
        Ok(store)
    }

    /// Takes over the ids of a store that has an entry to each; all of them or none.
    fn upgrade(&self) -> Result<()> {
        let transaction = self.database()?.begin_write().map_err(plain)?;
        let is_old = |name: &str| DONE_SINGLY.iter().any(|table| table.name() == name);
        if !transaction.list_tables().map_err(plain)?.any(|table| is_old(table.name())) {
            return transaction.abort().map_err(plain);
        }
        log::info!("bringing {} up to date", self.path.display());
        let young = number(&transaction.open_table(NUMBERS).map_err(plain)?, DONE_YOUNG)?;
        for (generation, (from, to)) in (0..).zip(DONE_SINGLY.into_iter().zip(DONE)) {
            let ids = take_over(&transaction, from, to)?;
            if generation == young {
                let mut numbers = transaction.open_table(NUMBERS).map_err(plain)?;
                numbers.insert(DONE_YOUNG_IDS, ids).map_err(plain)?;
            }
        }
        transaction.commit().map_err(plain)
    }

    /// Closes the file and opens it again, as it was after the last write that succeeded.
    ///
    /// # Errors
    /// As when it was opened first.
    pub fn reopen(&mut self) -> Result<()> {
        self.database = None;
        let cannot_open = || format!("cannot open {}", self.path.display());
        let file = self.disk.open(&self.path).with_context(cannot_open)?;
        let database =
            Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(file).map_err(plain);
        self.database = Some(database.with_context(cannot_open)?);
        Ok(())
    }

    fn database(&self) -> Result<&Database> {
        self.database.as_ref().context("the store is closed")
    }

    /// # Errors
    /// Those of the disk.
    pub fn view(&self) -> Result<View> {
        let transaction = self.database()?.begin_read().map_err(plain)?;
        let done = |definition| -> Result<_> {
            let table = transaction.open_table(definition).map_err(plain)?;
            let last = done::last(&table).map_err(plain)?;
            Ok((table, last))
        };
        let [first, second] = DONE;
        let done = [done(first)?, done(second)?];
        let pending = transaction.open_table(PENDING).map_err(plain)?;
        let last = pending.last().map_err(plain)?.map_or_else(String::new, |(id, _)| id.value().to_owned());
        Ok(View { pending: (pending, last), done })
    }

    /// Lets `change` work on the tables and makes all of it durable, or none of it where `change` fails.
    ///
    /// # Errors
    /// Those of `change` and of the disk. After one of the disk the store must be opened again.
    pub fn write<T>(&self, change: impl FnOnce(&mut Tables) -> Result<T>) -> Result<T> {
        self.write_as(Durability::Immediate, change)
    }

    /// The same, but durable only with the next [`Store::write`]; opened again before that, the store is as it was before.
    ///
    /// # Errors
    /// As there.
    pub fn write_for_now<T>(&self, change: impl FnOnce(&mut Tables) -> Result<T>) -> Result<T> {
        self.write_as(Durability::None, change)
    }

    fn write_as<T>(
        &self,
        durability: Durability,
        change: impl FnOnce(&mut Tables) -> Result<T>,
    ) -> Result<T> {
        let mut transaction = self.database()?.begin_write().map_err(plain)?;
        // So that opening after a crash does not have to walk all of the trees.
        transaction.set_quick_repair(matches!(durability, Durability::Immediate));
        transaction.set_durability(durability).map_err(plain)?;
        if self.full.swap(false, Relaxed) {
            swap_generations(&transaction)?;
        }
        let result = {
            let mut tables = Tables::open(&transaction)?;
            let result = change(&mut tables)?;
            let is_full = number(&tables.numbers, DONE_YOUNG_IDS)? >= self.generation_ids;
            self.full.store(is_full, Relaxed);
            result
        };
        transaction.commit().map_err(plain)?;
        Ok(result)
    }
}

/// Under another name first: one that a crash leaves half made could not be opened.
fn create<D: Disk>(disk: &D, path: &Path) -> Result<()> {
    let unfinished = path.with_extension("redb.new");
    let file = disk.open(&unfinished)?;
    file.set_len(0)?;
    drop(Database::builder().create_with_backend(file).map_err(plain)?);
    Ok(disk.rename(&unfinished, path)?)
}

/// Moves the ids of a table that has an entry to each; gives how many.
fn take_over(
    transaction: &WriteTransaction,
    from: TableDefinition<&str, ()>,
    to: TableDefinition<&'static str, &'static str>,
) -> Result<u64> {
    let mut blocks = transaction.open_table(to).map_err(plain)?;
    let singly = transaction.open_table(from).map_err(plain)?;
    let mut ids = singly.iter().map_err(plain)?.map(|entry| entry.map(|(id, _)| id.value().to_owned()));
    let mut moved = 0;
    loop {
        let some =
            ids.by_ref().take(TAKEN_OVER_AT_ONCE).collect::<Result<Vec<String>, _>>().map_err(plain)?;
        if some.is_empty() {
            break;
        }
        let some: Vec<&str> = some.iter().map(String::as_str).collect();
        moved += done::add(&mut blocks, &some).map_err(plain)?;
    }
    drop(ids);
    drop(singly);
    transaction.delete_table(from).map_err(plain)?;
    Ok(moved)
}

impl View {
    /// What is known of an id.
    pub fn known(&self, id: &str) -> Result<Known> {
        let (pending, last) = &self.pending;
        if id <= last.as_str()
            && let Some(value) = pending.get(id).map_err(plain)?
        {
            return Ok(Known::Waiting(half(value.value())));
        }
        for (done, last) in &self.done {
            if id <= last.as_str() && done::contains(done, id).map_err(plain)? {
                return Ok(Known::Done);
            }
        }
        Ok(Known::Nothing)
    }

    /// Halves that wait.
    pub fn waiting(&self) -> Result<u64> {
        self.pending.0.len().map_err(plain)
    }
}

/// The younger generation becomes the older one, whose ids are forgotten.
fn swap_generations(transaction: &WriteTransaction) -> Result<()> {
    let mut numbers = transaction.open_table(NUMBERS).map_err(plain)?;
    let young = number(&numbers, DONE_YOUNG)?;
    let [first, second] = DONE;
    transaction.delete_table(if young == 0 { second } else { first }).map_err(plain)?;
    numbers.insert(DONE_YOUNG, 1 - young).map_err(plain)?;
    numbers.insert(DONE_YOUNG_IDS, 0).map_err(plain)?;
    Ok(())
}

fn number(table: &Table<&'static str, u64>, key: &str) -> Result<u64> {
    Ok(table.get(key).map_err(plain)?.map_or(0, |value| value.value()))
}

impl<'t> Tables<'t> {
    fn open(transaction: &'t WriteTransaction) -> Result<Tables<'t>> {
        let numbers = transaction.open_table(NUMBERS).map_err(plain)?;
        let [first, second] = DONE;
        let (young, old) = if number(&numbers, DONE_YOUNG)? == 0 { (first, second) } else { (second, first) };
        debug_assert_ne!(young.name(), old.name());
        Ok(Tables {
            pending: transaction.open_table(PENDING).map_err(plain)?,
            arrivals: transaction.open_table(ARRIVALS).map_err(plain)?,
            done_young: transaction.open_table(young).map_err(plain)?,
            done_old: transaction.open_table(old).map_err(plain)?,
            numbers,
            bytes: transaction.open_table(BYTES).map_err(plain)?,
        })
    }

    pub fn is_done(&self, id: &str) -> Result<bool> {
        let young = done::contains(&self.done_young, id).map_err(plain)?;
        Ok(young || done::contains(&self.done_old, id).map_err(plain)?)
    }

    /// A half that waits already stays as it is.
    pub fn begin_waiting(&mut self, id: &str, half: Half) -> Result<()> {
        if self.pending.get(id).map_err(plain)?.is_some() {
            return Ok(());
        }
        let arrival = number(&self.numbers, NEXT_ARRIVAL)?;
        self.numbers.insert(NEXT_ARRIVAL, arrival + 1).map_err(plain)?;
        let value = (arrival, (half.side == Side::YPred) as u8, half.value, half.received_at_ms);
        self.pending.insert(id, value).map_err(plain)?;
        self.arrivals.insert(arrival, id).map_err(plain)?;
        Ok(())
    }

    pub fn end_waiting(&mut self, id: &str) -> Result<()> {
        let removed = self.pending.remove(id).map_err(plain)?.map(|value| value.value().0);
        if let Some(arrival) = removed {
            self.arrivals.remove(arrival).map_err(plain)?;
        }
        Ok(())
    }

    /// `ids` are in order.
    pub fn remember_done(&mut self, ids: &[&str]) -> Result<()> {
        let known = number(&self.numbers, DONE_YOUNG_IDS)?;
        let added = done::add(&mut self.done_young, ids).map_err(plain)?;
        self.numbers.insert(DONE_YOUNG_IDS, known + added).map_err(plain)?;
        Ok(())
    }

    /// Halves that wait.
    pub fn waiting(&self) -> Result<u64> {
        self.pending.len().map_err(plain)
    }

    /// The half that has waited longest.
    pub fn oldest(&self) -> Result<Option<(String, Half)>> {
        let Some(entry) = self.arrivals.first().map_err(plain)? else { return Ok(None) };
        let id = entry.1.value().to_owned();
        let value = self.pending.get(id.as_str()).map_err(plain)?.map(|value| half(value.value()));
        Ok(value.map(|half| (id, half)))
    }

    pub fn log_position(&self) -> Result<LogPosition> {
        let tail = self.bytes.get(LOG_TAIL).map_err(plain)?.map_or_else(Vec::new, |t| t.value().to_vec());
        Ok(LogPosition { len: number(&self.numbers, LOG_LEN)?, tail })
    }

    pub fn set_log_position(&mut self, position: &LogPosition) -> Result<()> {
        self.numbers.insert(LOG_LEN, position.len).map_err(plain)?;
        self.bytes.insert(LOG_TAIL, position.tail.as_slice()).map_err(plain)?;
        Ok(())
    }
}

fn half((_, side, value, received_at_ms): PendingValue) -> Half {
    Half { side: if side == 0 { Side::YTrue } else { Side::YPred }, value, received_at_ms }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;
    use std::{env, fs};

    #[test]
    fn the_ids_of_a_store_that_has_an_entry_to_each_are_taken_over() {
        let directory = env::temp_dir().join(format!("store-{:016x}", fastrand::u64(..)));
        fs::create_dir(&directory).unwrap();
        let path = directory.join("metric.redb");
        let old = Database::create(&path).unwrap();
        let write = old.begin_write().unwrap();
        let ids = |generation: usize| (0..15_000).map(move |number| format!("{number}-{generation}"));
        for (generation, definition) in DONE_SINGLY.into_iter().enumerate() {
            let mut table = write.open_table(definition).unwrap();
            ids(generation).for_each(|id| drop(table.insert(id.as_str(), ()).unwrap()));
        }
        write.open_table(NUMBERS).unwrap().insert(DONE_YOUNG, 1).unwrap();
        write.commit().unwrap();
        drop(old);
        for _ in 0..2 {
            let store = Store::open(&RealDisk, &path, 15_001).unwrap();
            store.write(|_| Ok(())).unwrap();
            let view = store.view().unwrap();
            assert!((0..2).flat_map(ids).all(|id| view.known(&id).unwrap() == Known::Done));
            assert_eq!(view.known("15000-0").unwrap(), Known::Nothing);
        }
        // The younger generation was one short of being full.
        let store = Store::open(&RealDisk, &path, 15_001).unwrap();
        for id in ["x", "y"] {
            store.write(|tables| tables.remember_done(&[id])).unwrap();
        }
        let known = ["0-0", "0-1", "x", "y"].map(|id| store.view().unwrap().known(id).unwrap());
        assert_eq!(known, [Known::Nothing, Known::Done, Known::Done, Known::Done]);
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_half_that_waits_already_is_not_entered_again() {
        let directory = env::temp_dir().join(format!("store-{:016x}", fastrand::u64(..)));
        fs::create_dir(&directory).unwrap();
        let store = Store::open(&RealDisk, &directory.join("metric.redb"), 10).unwrap();
        let half = |value| Half { side: Side::YTrue, value, received_at_ms: 5 };
        let write = store.write(|tables| {
            tables.begin_waiting("a", half(1.0))?;
            tables.begin_waiting("a", half(2.0))?;
            assert_eq!(tables.oldest()?, Some(("a".to_owned(), half(1.0))));
            tables.end_waiting("a")?;
            tables.begin_waiting("b", half(3.0))?;
            assert_eq!(tables.oldest()?, Some(("b".to_owned(), half(3.0))));
            tables.waiting()
        });
        assert_eq!(write.unwrap(), 1);
        fs::remove_dir_all(&directory).unwrap();
    }
}
