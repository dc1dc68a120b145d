//! The store, one redb file, holds what the log cannot: halves that wait, ids that are done, the position in the log. Decides nothing. Any
//! error closes the data base, and commits that were not synced are lost. After a reopen the caller must recover from the log.

use crate::{
    disk::{Disk, Identity, cannot_read, cannot_write, is_in_place},
    journal::{
        counts::Counts,
        settings::Settings,
        tables::{
            self, CLASSES, FORMAT_KEY, NUMBERS, QUEUE_PREFIX, TASK, TEXTS, Tables, View, add_classes,
            forget_old_generation, read_classes, read_counts,
        },
    },
    wire::labels::{Labels, Task},
};
use anyhow::{Context, Result, bail};
use redb::{Database, Durability, ReadableDatabase, StorageBackend, TableError};
use std::path::{Path, PathBuf};

/// Pages kept in memory. The ids of a batch are mostly recent, and so share few pages.
const CACHE_BYTES: usize = 2 << 20;
/// The format of the tables. A store of another format is refused.
const FORMAT: u64 = 3;
/// That of another task than a regression: `metric` 0.2.0 knows no task, and refuses it.
const FORMAT_OF_TASKS: u64 = 4;

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
    /// May have classes that the store lacks: each commit adds them.
    pub labels: Labels,
}

impl<D: Disk> Store<D> {
    /// Opens the store at `path`, or creates one for the task and the queues of the settings. The name of a new file is not durable yet.
    ///
    /// # Errors
    /// Names the file. It may be damaged, or belong to another version, another task or other queues.
    pub fn open(disk: &D, path: &Path, settings: &Settings) -> Result<Store<D>> {
        if disk.find(path).with_context(|| cannot_read(path))?.is_none() {
            create(disk, path, settings).with_context(|| cannot_write(path))?;
        }
        let cannot_open = || format!("cannot open {}", path.display());
        let identity = disk.find(path).with_context(cannot_open)?.with_context(cannot_open)?;
        let (disk, path) = (disk.clone(), path.to_owned());
        let (counts, labels) = (Counts::default(), Labels::new(settings.task));
        let generation_ids = settings.done_ids;
        let mut store = Store { disk, path, identity, database: None, generation_ids, counts, labels };
        store.connect()?;
        store.check(settings)?;
        if settings.task == Task::Classes {
            let labels = store.labels.clone();
            store.with_database(cannot_read, |database| read_classes(&database.begin_read()?, &labels))?;
        }
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

    fn check(&mut self, Settings { queue_prefix, task, .. }: &Settings) -> Result<()> {
        let path = self.path.display().to_string();
        let (format, prefix, stored_task) = self.with_database(cannot_read, |database| {
            let transaction = database.begin_read()?;
            let numbers = match transaction.open_table(NUMBERS) {
                Err(TableError::TableDoesNotExist(_)) => return Ok((None, String::new(), String::new())),
                numbers => numbers?,
            };
            let format = numbers.get(FORMAT_KEY)?.map(|format| format.value());
            if !matches!(format, Some(FORMAT | FORMAT_OF_TASKS)) {
                return Ok((format, String::new(), String::new()));
            }
            let texts = transaction.open_table(TEXTS)?;
            let text = |key, otherwise: &str| -> tables::Result<String> {
                let text = texts.get(key)?;
                Ok(text.map_or_else(|| otherwise.to_owned(), |text| text.value().to_owned()))
            };
            // Earlier stores do not name their task.
            Ok((format, text(QUEUE_PREFIX, "")?, text(TASK, Task::Regression.name())?))
        })?;
        match format {
            Some(FORMAT | FORMAT_OF_TASKS) if prefix != *queue_prefix => bail!(
                "{path} belongs to the queues with prefix {prefix:?}, not {queue_prefix:?}; give this metric a log directory of its own"
            ),
            Some(FORMAT | FORMAT_OF_TASKS) if stored_task != task.name() => bail!(
                "{path} belongs to task {stored_task}, not {}; give this metric a log directory of its own, or --task {stored_task}",
                task.name()
            ),
            Some(FORMAT | FORMAT_OF_TASKS) => Ok(()),
            Some(format) if format > FORMAT_OF_TASKS => bail!(
                "{path} has format {format}, this metric reads {FORMAT_OF_TASKS}; use the metric that wrote it"
            ),
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
        let (generation_ids, counts, labels) =
            (self.generation_ids, self.counts.clone(), self.labels.clone());
        let (result, counts) = self.with_database(cannot_write, |database| {
            let mut transaction = database.begin_write()?;
            // Then opening after a crash need not walk all trees.
            transaction.set_quick_repair(matches!(durability, Durability::Immediate));
            transaction.set_durability(durability)?;
            forget_old_generation(&transaction, generation_ids)?;
            let mut tables = Tables::open(&transaction, counts.clone())?;
            let result = change(&mut tables)?;
            let counts = tables.finish(&counts)?;
            if labels.count() > 0 {
                add_classes(&transaction, &labels)?;
            }
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
fn create<D: Disk>(disk: &D, path: &Path, settings: &Settings) -> Result<()> {
    let unfinished = path.with_extension("redb.new");
    let file = disk.open(&unfinished)?;
    file.set_len(0)?;
    create_tables(file, settings).map_err(plain)?;
    Ok(disk.rename(&unfinished, path)?)
}

fn create_tables(file: impl StorageBackend, settings: &Settings) -> tables::Result<()> {
    let database = Database::builder().create_with_backend(file)?;
    let transaction = database.begin_write()?;
    let format = if settings.task == Task::Regression { FORMAT } else { FORMAT_OF_TASKS };
    transaction.open_table(NUMBERS)?.insert(FORMAT_KEY, format)?;
    transaction.open_table(TEXTS)?.insert(QUEUE_PREFIX, settings.queue_prefix.as_str())?;
    transaction.open_table(TEXTS)?.insert(TASK, settings.task.name())?;
    transaction.open_table(CLASSES)?;
    drop(Tables::open(&transaction, Counts::default())?);
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests;
