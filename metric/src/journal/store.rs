//! The store, one redb file, holds what the log cannot: halves that wait, ids that are done, the position in the log. Decides nothing. Any
//! error closes the data base, and commits that were not synced are lost. After a reopen the caller must recover from the log.

use crate::{
    disk::{Disk, Identity, cannot_read, cannot_write, is_in_place},
    journal::{
        counts::Counts,
        tables::{
            self, FORMAT_KEY, NUMBERS, QUEUE_PREFIX, TEXTS, Tables, View, forget_old_generation, read_counts,
        },
    },
};
use anyhow::{Context, Result, bail};
use redb::{Database, Durability, ReadableDatabase, StorageBackend, TableError};
use std::path::{Path, PathBuf};

/// Pages kept in memory. The ids of a batch are mostly recent, and so share few pages.
const CACHE_BYTES: usize = 2 << 20;
/// The format of the tables. A store of another format is refused.
const FORMAT: u64 = 3;

pub struct Store<D: Disk> {
    disk: D,
    path: PathBuf,
    /// The file that was opened first; no other one is ever opened.
    identity: Identity,
    /// `None` after an error, until it is reopened.
    database: Option<Database>,
    /// The older generation of `done` is dropped once the younger one has this many ids.
    generation_ids: u64,
    /// As of the last commit.
    pub counts: Counts,
}

impl<D: Disk> Store<D> {
    /// Opens the store at `path`, or creates one for the queues with `queue_prefix`. The name of a new file is not durable yet.
    ///
    /// # Errors
    /// Names the file. It may be damaged, or belong to another version or other queues.
    pub fn open(disk: &D, path: &Path, queue_prefix: &str, generation_ids: u64) -> Result<Store<D>> {
        if disk.find(path).with_context(|| cannot_read(path))?.is_none() {
            create(disk, path, queue_prefix).with_context(|| cannot_write(path))?;
        }
        let cannot_open = || format!("cannot open {}", path.display());
        let identity = disk.find(path).with_context(cannot_open)?.with_context(cannot_open)?;
        let (disk, path) = (disk.clone(), path.to_owned());
        let counts = Counts::default();
        let mut store = Store { disk, path, identity, database: None, generation_ids, counts };
        store.connect()?;
        store.check(queue_prefix)?;
        store.read_counts()?;
        Ok(store)
    }

    /// False after an error, until it is reopened.
    pub fn is_open(&self) -> bool {
        self.database.is_some()
    }

    /// Opens the file in the state of the last synced commit.
    ///
    /// # Errors
    /// Those of [`Store::open`].
    pub fn reopen(&mut self) -> Result<()> {
        self.connect()?;
        self.read_counts()
    }

    fn read_counts(&mut self) -> Result<()> {
        self.counts = self.with_database(cannot_read, |database| read_counts(&database.begin_read()?))?;
        Ok(())
    }

    fn connect(&mut self) -> Result<()> {
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
    /// The file was deleted or replaced.
    pub fn check_in_place(&self) -> Result<()> {
        if is_in_place(&self.disk, &self.path, self.identity)? {
            return Ok(());
        }
        bail!(
            "{} was deleted or replaced while metric was running: halves that waited in it may be lost; start metric again",
            self.path.display()
        )
    }

    fn check(&mut self, queue_prefix: &str) -> Result<()> {
        let path = self.path.display().to_string();
        let (format, prefix) = self.with_database(cannot_read, |database| {
            let transaction = database.begin_read()?;
            let numbers = match transaction.open_table(NUMBERS) {
                Err(TableError::TableDoesNotExist(_)) => return Ok((None, String::new())),
                numbers => numbers?,
            };
            let format = numbers.get(FORMAT_KEY)?.map(|format| format.value());
            if format != Some(FORMAT) {
                return Ok((format, String::new()));
            }
            let texts = transaction.open_table(TEXTS)?;
            let prefix = texts.get(QUEUE_PREFIX)?;
            Ok((format, prefix.map_or_else(String::new, |prefix| prefix.value().to_owned())))
        })?;
        match format {
            Some(FORMAT) if prefix == queue_prefix => Ok(()),
            Some(FORMAT) => bail!(
                "{path} belongs to the queues with prefix {prefix:?}, not {queue_prefix:?}; give this metric a log directory of its own"
            ),
            Some(format) if format > FORMAT => {
                bail!("{path} has format {format}, this metric reads {FORMAT}; use the metric that wrote it")
            }
            // The first format had no number.
            format => bail!(
                "{path} has format {}, of an earlier metric; this one reads format {FORMAT}. Let the earlier one run until \
                 nothing waits, then delete the file: ids that are done are read from the log, waiting halves would be lost",
                format.unwrap_or(1)
            ),
        }
    }

    fn with_database<T>(
        &mut self,
        failed: fn(&Path) -> String,
        work: impl FnOnce(&Database) -> tables::Result<T>,
    ) -> Result<T> {
        let database = self.database.take().context("the store is closed")?;
        let result = work(&database);
        if result.is_ok() {
            self.database = Some(database);
        }
        result.map_err(plain).with_context(|| failed(&self.path))
    }

    /// Reads the tables.
    ///
    /// # Errors
    /// Those of `read` and of the disk. The store is closed then.
    pub fn read<T>(&mut self, read: impl FnOnce(&View) -> tables::Result<T>) -> Result<T> {
        self.with_database(cannot_read, |database| read(&View::open(&database.begin_read()?)?))
    }

    /// Changes the tables and commits, or changes nothing if `change` fails. A commit with [`Durability::None`] is synced with the next
    /// immediate one.
    ///
    /// # Errors
    /// Those of `change` and of the disk. The store is closed then.
    pub fn write<T>(
        &mut self,
        durability: Durability,
        change: impl FnOnce(&mut Tables) -> tables::Result<T>,
    ) -> Result<T> {
        let (generation_ids, counts) = (self.generation_ids, self.counts.clone());
        let (result, counts) = self.with_database(cannot_write, |database| {
            let mut transaction = database.begin_write()?;
            // Then opening after a crash need not walk all trees.
            transaction.set_quick_repair(matches!(durability, Durability::Immediate));
            transaction.set_durability(durability)?;
            forget_old_generation(&transaction, generation_ids)?;
            let mut tables = Tables::open(&transaction, counts.clone())?;
            let result = change(&mut tables)?;
            let counts = tables.finish(&counts)?;
            transaction.commit()?;
            Ok((result, counts))
        })?;
        self.counts = counts;
        Ok(result)
    }
}

/// Unwraps an I/O error, so that a full disk is recognised.
fn plain(error: impl Into<redb::Error>) -> anyhow::Error {
    match error.into() {
        redb::Error::Io(e) => e.into(),
        other => other.into(),
    }
}

/// Creates the store under another name first: half a store, which a crash leaves, could not be opened.
fn create<D: Disk>(disk: &D, path: &Path, queue_prefix: &str) -> Result<()> {
    let unfinished = path.with_extension("redb.new");
    let file = disk.open(&unfinished)?;
    file.set_len(0)?;
    create_tables(file, queue_prefix).map_err(plain)?;
    Ok(disk.rename(&unfinished, path)?)
}

fn create_tables(file: impl StorageBackend, queue_prefix: &str) -> tables::Result<()> {
    let database = Database::builder().create_with_backend(file)?;
    let transaction = database.begin_write()?;
    transaction.open_table(NUMBERS)?.insert(FORMAT_KEY, FORMAT)?;
    transaction.open_table(TEXTS)?.insert(QUEUE_PREFIX, queue_prefix)?;
    drop(Tables::open(&transaction, Counts::default())?);
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::ClockMark,
        disk::RealDisk,
        join::{Half, Known, Side, Values},
        journal::{counts::BySide, done::Done, tables::NEXT_ARRIVAL},
    };
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
        Half { side: Side::YTrue, value, received: ClockMark { age_ms, unix_ms: 0 }, group: None }
    }

    /// Three predictions, two truths, and so on. By Unix time each is older than the one before.
    fn of_side_in_turn(n: u64) -> Half {
        let side = if n % 5 < 3 { Side::YPred } else { Side::YTrue };
        let received = ClockMark { age_ms: n, unix_ms: 100 - n };
        Half { side, value: 0.0, received, group: Some("g".into()) }
    }

    fn known(store: &mut Store<RealDisk>, id: &str) -> Known {
        store.read(|view| view.known(id)).unwrap()
    }

    #[test]
    fn a_half_that_waits_already_is_not_entered_again() {
        let place = Place::new();
        let mut store = place.open("").unwrap();
        let write = store.write(Durability::Immediate, |tables| {
            tables.add_waiting("a", &half_of(1.0, 5))?;
            tables.add_waiting("a", &half_of(2.0, 5))?;
            tables.add_waiting("b", &half_of(3.0, 6))
        });
        write.unwrap();
        assert_eq!(store.counts.waiting, BySide { y_true: 2, y_pred: 0 });
        assert_eq!(known(&mut store, "a"), Known::Waiting(half_of(1.0, 5)));
        let removed = store.write(Durability::Immediate, |tables| tables.remove_waiting("a")).unwrap();
        assert_eq!((removed, store.counts.waiting.y_true), (Some(Side::YTrue), 1));
        let beyond = store.read(|view| view.beyond(0, 0, 10)).unwrap();
        assert_eq!(beyond, [("b".to_owned(), half_of(3.0, 6))]);
    }

    #[test]
    fn halves_beyond_number_or_age_are_found_the_oldest_first() {
        let place = Place::new();
        let mut store = place.open("").unwrap();
        let write = store.write(Durability::Immediate, |tables| {
            (0..10).try_for_each(|n| tables.add_waiting(&n.to_string(), &of_side_in_turn(n)))
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
        store.write(Durability::Immediate, |tables| tables.add_waiting("a", &half_of(1.0, 5))).unwrap();
        let failed: Result<()> = store.write(Durability::None, |tables| {
            tables.remove_waiting("a")?;
            Err(redb::Error::Corrupted("no".to_owned()))
        });
        assert!(failed.is_err() && !store.is_open());
        assert!(store.read(|view| view.known("a")).is_err());
        store.reopen().unwrap();
        assert_eq!(known(&mut store, "a"), Known::Waiting(half_of(1.0, 5)));
        assert_eq!(store.counts.waiting.y_true, 1);
    }

    #[test]
    fn the_store_of_other_queues_and_of_other_versions_are_refused_by_name() {
        let place = Place::new();
        drop(place.open("a.").unwrap());
        let error = place.open("b.").err().unwrap().to_string();
        assert!(
            error.contains("metric.redb belongs to the queues with prefix \"a.\", not \"b.\""),
            "{error}"
        );
        assert!(place.open("a.").is_ok());

        for (key, complaint) in [
            ((NEXT_ARRIVAL, 1), "metric.redb has format 1, of an earlier metric"),
            ((FORMAT_KEY, 2), "metric.redb has format 2, of an earlier metric"),
            ((FORMAT_KEY, 4), "metric.redb has format 4, this metric reads 3"),
        ] {
            let place = Place::new();
            let other = Database::create(&place.0).unwrap();
            let write = other.begin_write().unwrap();
            write.open_table(NUMBERS).unwrap().insert(key.0, key.1).unwrap();
            write.commit().unwrap();
            drop(other);
            let error = place.open("").err().unwrap().to_string();
            assert!(error.contains(complaint), "{error}");
        }
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
