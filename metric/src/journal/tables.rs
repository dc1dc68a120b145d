//! The tables of the store: looks ids and halves up and changes them. Knows no file and never commits.

use crate::{
    clock::ClockMark,
    join::{Half, Known, Row, Side, Values},
    journal::{
        counts::{BySide, Counts},
        done::{self, Done},
        pending::{self, ARRIVALS, PENDING},
        row_log::LogPosition,
    },
    wire::labels::Labels,
};
use redb::{
    ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata, Table, TableDefinition,
    WriteTransaction,
};
use std::{collections::HashSet, io};

pub type Result<T> = std::result::Result<T, redb::Error>;

/// The two generations of ids that are done, in the format of [`done`].
pub const DONE: [TableDefinition<&str, &[u8]>; 2] =
    [TableDefinition::new("done_0"), TableDefinition::new("done_1")];
pub const NUMBERS: TableDefinition<&str, u64> = TableDefinition::new("numbers");
pub const BYTES: TableDefinition<&str, &[u8]> = TableDefinition::new("bytes");
pub const TEXTS: TableDefinition<&str, &str> = TableDefinition::new("texts");
/// The names of classes by their numbers, which follow one another from 0.
pub const CLASSES: TableDefinition<u64, &str> = TableDefinition::new("classes");
/// Names of queues that another program declared.
const FOREIGN_QUEUES: TableDefinition<&str, ()> = TableDefinition::new("foreign_queues");

// Keys of `numbers`, `bytes` and `texts`.
pub const FORMAT_KEY: &str = "format";
const LOG_INODE: &str = "log_inode";
const LOG_LEN: &str = "log_len";
const LOG_TAIL: &str = "log_tail";
pub const NEXT_ARRIVAL: &str = "next_arrival";
const DONE_YOUNG: &str = "done_young";
const DONE_YOUNG_IDS: &str = "done_young_ids";
const CLOCK_AGE_MS: &str = "clock_age_ms";
const CLOCK_UNIX_MS: &str = "clock_unix_ms";
/// [`Counts`] as JSON.
pub const COUNTS: &str = "counts";
pub const QUEUE_PREFIX: &str = "queue_prefix";
pub const TASK: &str = "task";

/// The tables within one write.
pub struct Tables<'t> {
    pending: Table<'t, &'static str, pending::Entry>,
    arrivals: Table<'t, u64, &'static str>,
    done_young: Table<'t, &'static str, &'static [u8]>,
    done_old: Table<'t, &'static str, &'static [u8]>,
    numbers: Table<'t, &'static str, u64>,
    bytes: Table<'t, &'static str, &'static [u8]>,
    foreign_queues: Table<'t, &'static str, ()>,
    /// Stored by [`Tables::finish`].
    pub counts: Counts,
}

/// The tables as the last write left them.
pub struct View {
    /// With its last id: most new ids come after it, and then no lookup is needed.
    pending: (ReadOnlyTable<&'static str, pending::Entry>, String),
    /// The two generations, in the same way.
    done: [(ReadOnlyTable<&'static str, &'static [u8]>, String); 2],
    arrivals: ReadOnlyTable<u64, &'static str>,
}

impl View {
    pub fn open(transaction: &ReadTransaction) -> Result<View> {
        let done = |definition| -> Result<_> {
            let table = transaction.open_table(definition)?;
            let last = done::last(&table)?;
            Ok((table, last))
        };
        let [first, second] = DONE;
        let done = [done(first)?, done(second)?];
        let pending = transaction.open_table(PENDING)?;
        let last = pending.last()?.map_or_else(String::new, |(id, _)| id.value().to_owned());
        let arrivals = transaction.open_table(ARRIVALS)?;
        Ok(View { pending: (pending, last), done, arrivals })
    }

    /// Looks an id up.
    pub fn known(&self, id: &str) -> Result<Known> {
        let (pending, last) = &self.pending;
        if id <= last.as_str()
            && let Some(value) = pending.get(id)?
        {
            return Ok(Known::Waiting(pending::half(value.value()).1));
        }
        for (done, last) in &self.done {
            if id <= last.as_str()
                && let Some(values) = done::get(done, id)?
            {
                return Ok(Known::Done(values));
            }
        }
        Ok(Known::Nothing)
    }

    /// Those of [`pending::beyond`].
    pub fn beyond(&self, halves_max: u64, oldest_age_ms: u64, most: usize) -> Result<Vec<(String, Half)>> {
        pending::beyond(&self.pending.0, &self.arrivals, halves_max, oldest_age_ms, most)
    }
}

/// The counts of the last commit.
pub fn read_counts(transaction: &ReadTransaction) -> Result<Counts> {
    let stored = transaction.open_table(BYTES)?.get(COUNTS)?;
    let stored = stored.map(|json| serde_json::from_slice(json.value())).transpose();
    let mut counts: Counts = stored.map_err(io::Error::from)?.unwrap_or_default();
    let (pending, arrivals) = (transaction.open_table(PENDING)?, transaction.open_table(ARRIVALS)?);
    counts.oldest_waiting_ms = oldest_waiting_ms(&pending, &arrivals)?;
    Ok(counts)
}

fn oldest_waiting_ms(
    pending: &impl ReadableTable<&'static str, pending::Entry>,
    arrivals: &impl ReadableTable<u64, &'static str>,
) -> Result<BySide<Option<u64>>> {
    let oldest = |side| pending::oldest_ms(pending, arrivals, side);
    Ok(BySide { y_true: oldest(Side::YTrue)?, y_pred: oldest(Side::YPred)? })
}

/// Gives the stored classes their numbers.
pub fn read_classes(transaction: &ReadTransaction, labels: &Labels) -> Result<()> {
    for class in transaction.open_table(CLASSES)?.iter()? {
        labels.number(class?.1.value()).map_err(redb::Error::Corrupted)?;
    }
    Ok(())
}

/// Stores the classes that the store lacks.
pub fn add_classes(transaction: &WriteTransaction, labels: &Labels) -> Result<()> {
    let mut classes = transaction.open_table(CLASSES)?;
    for number in classes.len()?..labels.count() as u64 {
        if let Some(name) = labels.class(number as f64) {
            classes.insert(number, &*name)?;
        }
    }
    Ok(())
}

/// Once the younger generation is full, it becomes the older one. The ids of the older one are forgotten.
pub fn forget_old_generation(transaction: &WriteTransaction, generation_ids: u64) -> Result<()> {
    let mut numbers = transaction.open_table(NUMBERS)?;
    if number(&numbers, DONE_YOUNG_IDS)? < generation_ids {
        return Ok(());
    }
    let young = number(&numbers, DONE_YOUNG)?;
    let [first, second] = DONE;
    let old = if young == 0 { second } else { first };
    transaction.delete_table(old)?;
    transaction.open_table(old)?;
    numbers.insert(DONE_YOUNG, 1 - young)?;
    numbers.insert(DONE_YOUNG_IDS, 0)?;
    Ok(())
}

fn number(table: &Table<&'static str, u64>, key: &str) -> Result<u64> {
    Ok(table.get(key)?.map_or(0, |value| value.value()))
}

impl<'t> Tables<'t> {
    /// `counts` are those of the last commit.
    pub fn open(transaction: &'t WriteTransaction, counts: Counts) -> Result<Tables<'t>> {
        let numbers = transaction.open_table(NUMBERS)?;
        let [first, second] = DONE;
        let (young, old) = if number(&numbers, DONE_YOUNG)? == 0 { (first, second) } else { (second, first) };
        Ok(Tables {
            pending: transaction.open_table(PENDING)?,
            arrivals: transaction.open_table(ARRIVALS)?,
            done_young: transaction.open_table(young)?,
            done_old: transaction.open_table(old)?,
            numbers,
            bytes: transaction.open_table(BYTES)?,
            foreign_queues: transaction.open_table(FOREIGN_QUEUES)?,
            counts,
        })
    }

    /// Stores the counts and returns them. `before` are those of the last commit.
    pub fn finish(mut self, before: &Counts) -> Result<Counts> {
        self.counts.oldest_waiting_ms = oldest_waiting_ms(&self.pending, &self.arrivals)?;
        if self.counts != *before {
            let json = serde_json::to_vec(&self.counts).map_err(io::Error::from)?;
            self.bytes.insert(COUNTS, json.as_slice())?;
        }
        Ok(self.counts)
    }

    /// The values of an id that is done.
    pub fn done(&self, id: &str) -> Result<Option<Values>> {
        let young = done::get(&self.done_young, id)?;
        if young.is_some() { Ok(young) } else { done::get(&self.done_old, id) }
    }

    /// Adds a half. If the id has one already, that one stays.
    pub fn add_waiting(&mut self, id: &str, half: &Half) -> Result<()> {
        let arrival = number(&self.numbers, NEXT_ARRIVAL)?;
        if pending::add(&mut self.pending, &mut self.arrivals, arrival, id, half)? {
            self.numbers.insert(NEXT_ARRIVAL, arrival + 1)?;
            *self.counts.waiting.of(half.side) += 1;
        }
        Ok(())
    }

    /// Removes the half of an id. Returns its side, if there was one.
    pub fn remove_waiting(&mut self, id: &str) -> Result<Option<Side>> {
        let removed = pending::remove(&mut self.pending, &mut self.arrivals, id)?;
        if let Some(side) = removed {
            let waiting = self.counts.waiting.of(side);
            *waiting = waiting.saturating_sub(1);
        }
        Ok(removed)
    }

    /// Removes a half that is in `unmatched.csv`.
    pub fn forget_unmatched(&mut self, id: &str) -> Result<()> {
        if let Some(side) = self.remove_waiting(id)? {
            *self.counts.unmatched.of(side) += 1;
        }
        Ok(())
    }

    /// Makes the ids of rows done, in the order of the ids, so that few pages change. With `may_be_adopted` some may be done already.
    pub fn remember_rows(&mut self, rows: &[Row], may_be_adopted: bool) -> Result<()> {
        let mut done = Vec::with_capacity(rows.len());
        for Row { id, values, .. } in rows {
            if !may_be_adopted || self.done(id)?.is_none() {
                done.push(Done { id, values: *values });
            }
        }
        // Stable, because that is fast if they are nearly in order.
        done.sort_by_key(|done| done.id);
        for row in rows.iter().filter(|row| row.waited) {
            self.remove_waiting(&row.id)?;
        }
        self.remember_done(&done)
    }

    /// `ids` must be in order, distinct, and not done.
    pub fn remember_done(&mut self, ids: &[Done]) -> Result<()> {
        let known = number(&self.numbers, DONE_YOUNG_IDS)?;
        let added = done::add(&mut self.done_young, ids)?;
        self.numbers.insert(DONE_YOUNG_IDS, known + added)?;
        self.counts.rows += added;
        Ok(())
    }

    /// `None` before the first log was recovered.
    pub fn log_position(&self) -> Result<Option<LogPosition>> {
        let Some(tail) = self.bytes.get(LOG_TAIL)? else { return Ok(None) };
        let (inode, len) = (number(&self.numbers, LOG_INODE)?, number(&self.numbers, LOG_LEN)?);
        Ok(Some(LogPosition { inode, len, tail: tail.value().to_vec() }))
    }

    pub fn set_log_position(&mut self, position: &LogPosition) -> Result<()> {
        self.numbers.insert(LOG_INODE, position.inode)?;
        self.numbers.insert(LOG_LEN, position.len)?;
        self.bytes.insert(LOG_TAIL, position.tail.as_slice())?;
        Ok(())
    }

    /// `None` in a new store.
    pub fn clock(&self) -> Result<Option<ClockMark>> {
        let Some(age_ms) = self.numbers.get(CLOCK_AGE_MS)? else { return Ok(None) };
        Ok(Some(ClockMark { age_ms: age_ms.value(), unix_ms: number(&self.numbers, CLOCK_UNIX_MS)? }))
    }

    pub fn set_clock(&mut self, mark: ClockMark) -> Result<()> {
        self.numbers.insert(CLOCK_AGE_MS, mark.age_ms)?;
        self.numbers.insert(CLOCK_UNIX_MS, mark.unix_ms)?;
        Ok(())
    }

    pub fn foreign_queues(&self) -> Result<HashSet<String>> {
        let queues = self.foreign_queues.iter()?;
        queues.map(|queue| Ok(queue?.0.value().to_owned())).collect()
    }

    pub fn remember_foreign_queue(&mut self, queue: &str) -> Result<()> {
        self.foreign_queues.insert(queue, ())?;
        Ok(())
    }
}
