//! What the log cannot hold, in one redb file: halves that wait, ids that are done, how far the log is accounted for. Decides
//! nothing. After any error the data base is dropped: what was not synced is gone then, and who opens it again recovers from the log.

use crate::{
    clock::ClockMark,
    disk::{Disk, Identity, cannot_read, cannot_write},
    done::{self, Done, Values},
    join::{Half, Known, Side},
};
use anyhow::{Context, Result, bail};
use redb::{
    Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    StorageBackend, Table, TableDefinition, TableError, WriteTransaction,
};
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

/// Pages kept in memory. The ids of a batch are mostly recent and so lie close together.
const CACHE_BYTES: usize = 2 << 20;
/// Of the tables below. Another one's store is refused.
const FORMAT: u64 = 2;

/// id → (arrival, side, value, age and Unix time of its arrival in ms, group)
type PendingValue = (u64, u8, f64, u64, u64, &'static str);
const PENDING: TableDefinition<&str, PendingValue> = TableDefinition::new("pending");
/// arrival → id: the oldest first.
const ARRIVALS: TableDefinition<u64, &str> = TableDefinition::new("arrivals");
/// The two generations of ids that are done, as [`done`] has them.
const DONE: [TableDefinition<&str, &[u8]>; 2] =
    [TableDefinition::new("done_0"), TableDefinition::new("done_1")];
const NUMBERS: TableDefinition<&str, u64> = TableDefinition::new("numbers");
const BYTES: TableDefinition<&str, &[u8]> = TableDefinition::new("bytes");
const TEXTS: TableDefinition<&str, &str> = TableDefinition::new("texts");
/// Names of queues that another program has declared.
const FOREIGN_QUEUES: TableDefinition<&str, ()> = TableDefinition::new("foreign_queues");

// Keys of `numbers`, `bytes` and `texts`.
const FORMAT_KEY: &str = "format";
const LOG_INODE: &str = "log_inode";
const LOG_LEN: &str = "log_len";
const LOG_TAIL: &str = "log_tail";
const NEXT_ARRIVAL: &str = "next_arrival";
const DONE_YOUNG: &str = "done_young";
const DONE_YOUNG_IDS: &str = "done_young_ids";
const CLOCK_AGE_MS: &str = "clock_age_ms";
const CLOCK_UNIX_MS: &str = "clock_unix_ms";
const QUEUE_PREFIX: &str = "queue_prefix";

/// How much of which log is accounted for, and the last bytes of that, by which the file is recognised.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogPosition {
    pub inode: u64,
    pub len: u64,
    pub tail: Vec<u8>,
}

pub struct Store<D: Disk> {
    disk: D,
    path: PathBuf,
    /// The file that was opened first. Never another one.
    identity: Identity,
    /// Absent after an error, until it is opened again.
    database: Option<Database>,
    /// Ids in the younger generation of `done` before the older one is dropped: so many are remembered at least.
    generation_ids: u64,
}

/// The tables within one write.
pub struct Tables<'t> {
    pending: Table<'t, &'static str, PendingValue>,
    arrivals: Table<'t, u64, &'static str>,
    done_young: Table<'t, &'static str, &'static [u8]>,
    done_old: Table<'t, &'static str, &'static [u8]>,
    numbers: Table<'t, &'static str, u64>,
    bytes: Table<'t, &'static str, &'static [u8]>,
    foreign_queues: Table<'t, &'static str, ()>,
}

/// The tables as the last write left them.
pub struct View {
    /// With its last id: most new ids come after it, and need not be looked for.
    pending: (ReadOnlyTable<&'static str, PendingValue>, String),
    /// The same of each generation.
    done: [(ReadOnlyTable<&'static str, &'static [u8]>, String); 2],
    arrivals: ReadOnlyTable<u64, &'static str>,
}

/// redb's error as its I/O error where that is what it is, so that a full disk can be told from the rest.
fn plain(error: impl Into<redb::Error>) -> anyhow::Error {
    match error.into() {
        redb::Error::Io(e) => e.into(),
        other => other.into(),
    }
}

impl<D: Disk> Store<D> {
    /// Opens the store at `path` or makes one for the queues with `queue_prefix`. A new file's name is not durable yet.
    ///
    /// # Errors
    /// Names the file; it may be damaged, of another version, or of other queues.
    pub fn open(disk: &D, path: &Path, queue_prefix: &str, generation_ids: u64) -> Result<Store<D>> {
        if disk.find(path).with_context(|| cannot_read(path))?.is_none() {
            create(disk, path, queue_prefix).with_context(|| cannot_write(path))?;
        }
        let cannot_open = || format!("cannot open {}", path.display());
        let identity = disk.find(path).with_context(cannot_open)?.with_context(cannot_open)?;
        let (disk, path) = (disk.clone(), path.to_owned());
        let mut store = Store { disk, path, identity, database: None, generation_ids };
        store.reopen()?;
        store.check(queue_prefix)?;
        Ok(store)
    }

    /// Whether it can be used without being opened again.
    pub fn is_open(&self) -> bool {
        self.database.is_some()
    }

    /// Opens the file again, as it was after the last write that was synced.
    ///
    /// # Errors
    /// As when it was opened first.
    pub fn reopen(&mut self) -> Result<()> {
        self.database = None;
        self.check_in_place()?;
        let cannot_open = || format!("cannot open {}", self.path.display());
        let file = self.disk.open(&self.path).with_context(cannot_open)?;
        let database =
            Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(file).map_err(plain);
        self.database = Some(database.with_context(cannot_open)?);
        Ok(())
    }

    /// # Errors
    /// The path leads to another file or to none.
    pub fn check_in_place(&self) -> Result<()> {
        let there = self.disk.find(&self.path).with_context(|| cannot_read(&self.path))?;
        if there.is_some_and(|there| there.is_file(self.identity)) {
            return Ok(());
        }
        bail!(
            "{} was deleted or replaced while metric was running: what waits in it may be lost; start metric again",
            self.path.display()
        )
    }

    fn check(&mut self, queue_prefix: &str) -> Result<()> {
        let path = self.path.display().to_string();
        let (format, prefix) = self.read_transaction(|transaction| {
            let numbers = match transaction.open_table(NUMBERS) {
                Err(TableError::TableDoesNotExist(_)) => return Ok((None, String::new())),
                numbers => numbers.map_err(plain)?,
            };
            let format = numbers.get(FORMAT_KEY).map_err(plain)?.map(|format| format.value());
            if format != Some(FORMAT) {
                return Ok((format, String::new()));
            }
            let texts = transaction.open_table(TEXTS).map_err(plain)?;
            let prefix = texts.get(QUEUE_PREFIX).map_err(plain)?;
            Ok((format, prefix.map_or_else(String::new, |prefix| prefix.value().to_owned())))
        })?;
        match format {
            Some(FORMAT) if prefix == queue_prefix => Ok(()),
            Some(FORMAT) => bail!(
                "{path} belongs to the queues with prefix {prefix:?}, not {queue_prefix:?}; give this metric a log directory of its own"
            ),
            Some(format) => {
                bail!("{path} has format {format}, this metric reads {FORMAT}; use the metric that wrote it")
            }
            None => bail!(
                "{path} has format 1, of an earlier metric; this one reads format {FORMAT}. Let the earlier one run until \
                 nothing waits, then delete the file: ids that are done are read from the log, waiting halves would be lost"
            ),
        }
    }

    fn read_transaction<T>(&mut self, read: impl FnOnce(&redb::ReadTransaction) -> Result<T>) -> Result<T> {
        let database = self.database.take().context("the store is closed")?;
        let result = database.begin_read().map_err(plain).and_then(|transaction| read(&transaction));
        if result.is_ok() {
            self.database = Some(database);
        }
        result.with_context(|| cannot_read(&self.path))
    }

    /// Lets `read` look at the tables.
    ///
    /// # Errors
    /// Those of `read` and of the disk. The store is closed then.
    pub fn read<T>(&mut self, read: impl FnOnce(&View) -> Result<T>) -> Result<T> {
        self.read_transaction(|transaction| read(&View::open(transaction)?))
    }

    /// Lets `change` work on the tables and commits all of it, or none of it where `change` fails. With [`Durability::None`] it
    /// is synced with the next immediate commit.
    ///
    /// # Errors
    /// Those of `change` and of the disk. The store is closed then.
    pub fn write<T>(
        &mut self,
        durability: Durability,
        change: impl FnOnce(&mut Tables) -> Result<T>,
    ) -> Result<T> {
        let database = self.database.take().context("the store is closed")?;
        let result = write(&database, durability, self.generation_ids, change);
        if result.is_ok() {
            self.database = Some(database);
        }
        result.with_context(|| cannot_write(&self.path))
    }
}

fn write<T>(
    database: &Database,
    durability: Durability,
    generation_ids: u64,
    change: impl FnOnce(&mut Tables) -> Result<T>,
) -> Result<T> {
    let mut transaction = database.begin_write().map_err(plain)?;
    // So that opening after a crash does not have to walk all of the trees.
    transaction.set_quick_repair(matches!(durability, Durability::Immediate));
    transaction.set_durability(durability).map_err(plain)?;
    forget_old_generation(&transaction, generation_ids)?;
    let result = change(&mut Tables::open(&transaction)?)?;
    transaction.commit().map_err(plain)?;
    Ok(result)
}

/// Under another name first: one that a crash leaves half made could not be opened.
fn create<D: Disk>(disk: &D, path: &Path, queue_prefix: &str) -> Result<()> {
    let unfinished = path.with_extension("redb.new");
    let file = disk.open(&unfinished)?;
    file.set_len(0)?;
    let database = Database::builder().create_with_backend(file).map_err(plain)?;
    let transaction = database.begin_write().map_err(plain)?;
    transaction.open_table(NUMBERS).map_err(plain)?.insert(FORMAT_KEY, FORMAT).map_err(plain)?;
    transaction.open_table(TEXTS).map_err(plain)?.insert(QUEUE_PREFIX, queue_prefix).map_err(plain)?;
    for done in DONE {
        transaction.open_table(done).map_err(plain)?;
    }
    drop(Tables::open(&transaction)?);
    transaction.commit().map_err(plain)?;
    drop(database);
    Ok(disk.rename(&unfinished, path)?)
}

impl View {
    fn open(transaction: &redb::ReadTransaction) -> Result<View> {
        let done = |definition| -> Result<_> {
            let table = transaction.open_table(definition).map_err(plain)?;
            let last = done::last(&table).map_err(plain)?;
            Ok((table, last))
        };
        let [first, second] = DONE;
        let done = [done(first)?, done(second)?];
        let pending = transaction.open_table(PENDING).map_err(plain)?;
        let last = pending.last().map_err(plain)?.map_or_else(String::new, |(id, _)| id.value().to_owned());
        let arrivals = transaction.open_table(ARRIVALS).map_err(plain)?;
        Ok(View { pending: (pending, last), done, arrivals })
    }

    /// What is known of an id.
    pub fn known(&self, id: &str) -> Result<Known> {
        let (pending, last) = &self.pending;
        if id <= last.as_str()
            && let Some(value) = pending.get(id).map_err(plain)?
        {
            return Ok(Known::Waiting(half(value.value())));
        }
        for (done, last) in &self.done {
            if id <= last.as_str()
                && let Some(values) = done::get(done, id).map_err(plain)?
            {
                return Ok(Known::Done(values));
            }
        }
        Ok(Known::Nothing)
    }

    /// Halves that wait.
    pub fn waiting(&self) -> Result<u64> {
        self.pending.0.len().map_err(plain)
    }

    /// The first halves, `most` of them, that are beyond `halves_max` or older than since `oldest_age_ms`; the oldest first.
    pub fn beyond(&self, halves_max: u64, oldest_age_ms: u64, most: usize) -> Result<Vec<(String, Half)>> {
        let mut waiting = self.waiting()?;
        let mut beyond = Vec::new();
        for entry in self.arrivals.iter().map_err(plain)?.take(most) {
            let (_, id) = entry.map_err(plain)?;
            let Some(value) = self.pending.0.get(id.value()).map_err(plain)? else { continue };
            let half = half(value.value());
            if waiting <= halves_max && half.received.age_ms >= oldest_age_ms {
                break;
            }
            beyond.push((id.value().to_owned(), half));
            waiting -= 1;
        }
        Ok(beyond)
    }
}

/// Once the younger generation is full it becomes the older one, whose ids are forgotten.
fn forget_old_generation(transaction: &WriteTransaction, generation_ids: u64) -> Result<()> {
    let mut numbers = transaction.open_table(NUMBERS).map_err(plain)?;
    if number(&numbers, DONE_YOUNG_IDS)? < generation_ids {
        return Ok(());
    }
    let young = number(&numbers, DONE_YOUNG)?;
    let [first, second] = DONE;
    let old = if young == 0 { second } else { first };
    transaction.delete_table(old).map_err(plain)?;
    transaction.open_table(old).map_err(plain)?;
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
        Ok(Tables {
            pending: transaction.open_table(PENDING).map_err(plain)?,
            arrivals: transaction.open_table(ARRIVALS).map_err(plain)?,
            done_young: transaction.open_table(young).map_err(plain)?,
            done_old: transaction.open_table(old).map_err(plain)?,
            numbers,
            bytes: transaction.open_table(BYTES).map_err(plain)?,
            foreign_queues: transaction.open_table(FOREIGN_QUEUES).map_err(plain)?,
        })
    }

    /// The values of an id that is done.
    pub fn done(&self, id: &str) -> Result<Option<Values>> {
        let young = done::get(&self.done_young, id).map_err(plain)?;
        if young.is_some() { Ok(young) } else { done::get(&self.done_old, id).map_err(plain) }
    }

    /// A half that waits already stays as it is.
    pub fn begin_waiting(&mut self, id: &str, half: Half) -> Result<()> {
        if self.pending.get(id).map_err(plain)?.is_some() {
            return Ok(());
        }
        let arrival = number(&self.numbers, NEXT_ARRIVAL)?;
        self.numbers.insert(NEXT_ARRIVAL, arrival + 1).map_err(plain)?;
        let ClockMark { age_ms, unix_ms } = half.received;
        let side = u8::from(half.side == Side::YPred);
        self.pending.insert(id, (arrival, side, half.value, age_ms, unix_ms, "")).map_err(plain)?;
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

    /// `ids` are in order and differ. One that is done already keeps its values.
    pub fn remember_done(&mut self, ids: &[Done]) -> Result<()> {
        let known = number(&self.numbers, DONE_YOUNG_IDS)?;
        let added = done::add(&mut self.done_young, ids).map_err(plain)?;
        self.numbers.insert(DONE_YOUNG_IDS, known + added).map_err(plain)?;
        Ok(())
    }

    /// Halves that wait.
    pub fn waiting(&self) -> Result<u64> {
        self.pending.len().map_err(plain)
    }

    /// None before a log was accounted for.
    pub fn log_position(&self) -> Result<Option<LogPosition>> {
        let Some(tail) = self.bytes.get(LOG_TAIL).map_err(plain)? else { return Ok(None) };
        let (inode, len) = (number(&self.numbers, LOG_INODE)?, number(&self.numbers, LOG_LEN)?);
        Ok(Some(LogPosition { inode, len, tail: tail.value().to_vec() }))
    }

    pub fn set_log_position(&mut self, position: &LogPosition) -> Result<()> {
        self.numbers.insert(LOG_INODE, position.inode).map_err(plain)?;
        self.numbers.insert(LOG_LEN, position.len).map_err(plain)?;
        self.bytes.insert(LOG_TAIL, position.tail.as_slice()).map_err(plain)?;
        Ok(())
    }

    /// None in a new store.
    pub fn clock(&self) -> Result<Option<ClockMark>> {
        let Some(age_ms) = self.numbers.get(CLOCK_AGE_MS).map_err(plain)? else { return Ok(None) };
        Ok(Some(ClockMark { age_ms: age_ms.value(), unix_ms: number(&self.numbers, CLOCK_UNIX_MS)? }))
    }

    pub fn set_clock(&mut self, mark: ClockMark) -> Result<()> {
        self.numbers.insert(CLOCK_AGE_MS, mark.age_ms).map_err(plain)?;
        self.numbers.insert(CLOCK_UNIX_MS, mark.unix_ms).map_err(plain)?;
        Ok(())
    }

    pub fn foreign_queues(&self) -> Result<HashSet<String>> {
        let queues = self.foreign_queues.iter().map_err(plain)?;
        queues.map(|queue| Ok(queue.map_err(plain)?.0.value().to_owned())).collect()
    }

    pub fn remember_foreign_queue(&mut self, queue: &str) -> Result<()> {
        self.foreign_queues.insert(queue, ()).map_err(plain)?;
        Ok(())
    }
}

fn half((_, side, value, age_ms, unix_ms, _): (u64, u8, f64, u64, u64, &str)) -> Half {
    let side = if side == 0 { Side::YTrue } else { Side::YPred };
    Half { side, value, received: ClockMark { age_ms, unix_ms } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;
    use std::{env, fs};

    /// A path in a directory of the test's own, which is removed with it.
    struct Place(PathBuf);

    impl Place {
        fn new() -> Place {
            let directory = env::temp_dir().join(format!("store-{:016x}", fastrand::u64(..)));
            fs::create_dir(&directory).unwrap();
            Place(directory.join("metric.redb"))
        }

        fn open(&self, prefix: &str) -> Result<Store<RealDisk>> {
            Store::open(&RealDisk, &self.0, prefix, 3)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            fs::remove_dir_all(self.0.parent().unwrap()).unwrap();
        }
    }

    const VALUES: Values = Values { y_true: 1.0, y_pred: 2.0 };

    fn half_of(value: f64, age_ms: u64) -> Half {
        Half { side: Side::YTrue, value, received: ClockMark { age_ms, unix_ms: 0 } }
    }

    fn known(store: &mut Store<RealDisk>, id: &str) -> Known {
        store.read(|view| view.known(id)).unwrap()
    }

    #[test]
    fn a_half_that_waits_already_is_not_entered_again() {
        let place = Place::new();
        let mut store = place.open("").unwrap();
        let write = store.write(Durability::Immediate, |tables| {
            tables.begin_waiting("a", half_of(1.0, 5))?;
            tables.begin_waiting("a", half_of(2.0, 5))?;
            tables.begin_waiting("b", half_of(3.0, 6))?;
            tables.waiting()
        });
        assert_eq!(write.unwrap(), 2);
        assert_eq!(known(&mut store, "a"), Known::Waiting(half_of(1.0, 5)));
        store.write(Durability::Immediate, |tables| tables.end_waiting("a")).unwrap();
        let beyond = store.read(|view| view.beyond(0, 0, 10)).unwrap();
        assert_eq!(beyond, [("b".to_owned(), half_of(3.0, 6))]);
    }

    #[test]
    fn halves_beyond_number_or_age_are_found_the_oldest_first() {
        let place = Place::new();
        let mut store = place.open("").unwrap();
        let write = store.write(Durability::Immediate, |tables| {
            (0..10).try_for_each(|n| tables.begin_waiting(&n.to_string(), half_of(0.0, n)))
        });
        write.unwrap();
        let mut beyond = |halves_max, oldest_age_ms, most| {
            let found = store.read(|view| view.beyond(halves_max, oldest_age_ms, most)).unwrap();
            found.into_iter().map(|(id, _)| id).collect::<String>()
        };
        assert_eq!([beyond(10, 0, 99), beyond(7, 0, 99), beyond(7, 0, 2)], ["", "012", "01"]);
        assert_eq!([beyond(10, 4, 99), beyond(7, 4, 99), beyond(0, 0, 99)], ["0123", "0123", "0123456789"]);
    }

    #[test]
    fn the_older_generation_of_done_ids_is_forgotten_when_the_younger_is_full() {
        let place = Place::new();
        let mut store = place.open("").unwrap();
        for id in ["a", "b", "c", "d", "e", "f", "g"] {
            let ids = [Done { id, values: VALUES }];
            store.write(Durability::None, |tables| tables.remember_done(&ids)).unwrap();
        }
        let found = ["c", "d", "f", "g"].map(|id| known(&mut store, id));
        assert_eq!(found, [Known::Nothing, Known::Done(VALUES), Known::Done(VALUES), Known::Done(VALUES)]);
    }

    #[test]
    fn what_fails_closes_the_store_until_it_is_opened_again() {
        let place = Place::new();
        let mut store = place.open("").unwrap();
        store.write(Durability::Immediate, |tables| tables.begin_waiting("a", half_of(1.0, 5))).unwrap();
        let failed: Result<()> = store.write(Durability::None, |tables| {
            tables.end_waiting("a")?;
            bail!("no")
        });
        assert!(failed.is_err() && !store.is_open());
        assert!(store.read(|view| view.waiting()).is_err());
        store.reopen().unwrap();
        assert_eq!(known(&mut store, "a"), Known::Waiting(half_of(1.0, 5)));
    }

    #[test]
    fn the_store_of_other_queues_and_of_an_earlier_version_are_refused_by_name() {
        let place = Place::new();
        drop(place.open("a.").unwrap());
        let error = place.open("b.").err().unwrap().to_string();
        assert!(
            error.contains("metric.redb belongs to the queues with prefix \"a.\", not \"b.\""),
            "{error}"
        );
        assert!(place.open("a.").is_ok());

        let place = Place::new();
        let old = Database::create(&place.0).unwrap();
        let write = old.begin_write().unwrap();
        write.open_table(NUMBERS).unwrap().insert(NEXT_ARRIVAL, 1).unwrap();
        write.commit().unwrap();
        drop(old);
        let error = place.open("").err().unwrap().to_string();
        assert!(error.contains("metric.redb has format 1, of an earlier metric"), "{error}");
    }

    #[test]
    fn a_store_that_was_deleted_is_noticed_and_not_made_anew() {
        let place = Place::new();
        let mut store = place.open("").unwrap();
        store.check_in_place().unwrap();
        fs::remove_file(&place.0).unwrap();
        assert!(store.check_in_place().unwrap_err().to_string().contains("was deleted or replaced"));
        fs::write(&place.0, "").unwrap();
        assert!(store.check_in_place().is_err() && store.reopen().is_err());
    }
}
