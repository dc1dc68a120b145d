//! The tables of the store: looks ids and halves up and changes them. Knows no file and never commits.

use crate::{
    clock::ClockMark,
    join::{Half, Known, Row, Side, Values},
    journal::{
        done::{self, Done},
        row_log::LogPosition,
    },
};
use redb::{ReadOnlyTable, ReadableTable, ReadableTableMetadata, Table, TableDefinition, WriteTransaction};
use std::collections::HashSet;

pub type Result<T> = std::result::Result<T, redb::Error>;

/// id → (arrival, side, value, age and Unix time of its arrival in ms, an empty text for later use)
type PendingValue = (u64, u8, f64, u64, u64, &'static str);
const PENDING: TableDefinition<&str, PendingValue> = TableDefinition::new("pending");
/// arrival → id: the oldest first.
const ARRIVALS: TableDefinition<u64, &str> = TableDefinition::new("arrivals");
/// The two generations of ids that are done, in the format of [`done`].
const DONE: [TableDefinition<&str, &[u8]>; 2] =
    [TableDefinition::new("done_0"), TableDefinition::new("done_1")];
pub const NUMBERS: TableDefinition<&str, u64> = TableDefinition::new("numbers");
const BYTES: TableDefinition<&str, &[u8]> = TableDefinition::new("bytes");
pub const TEXTS: TableDefinition<&str, &str> = TableDefinition::new("texts");
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
pub const QUEUE_PREFIX: &str = "queue_prefix";

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
    /// With its last id: most new ids come after it, and then no lookup is needed.
    pending: (ReadOnlyTable<&'static str, PendingValue>, String),
    /// The two generations, in the same way.
    done: [(ReadOnlyTable<&'static str, &'static [u8]>, String); 2],
    arrivals: ReadOnlyTable<u64, &'static str>,
}

impl View {
    pub fn open(transaction: &redb::ReadTransaction) -> Result<View> {
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
            return Ok(Known::Waiting(half(value.value())));
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

    /// The number of halves that wait.
    pub fn waiting(&self) -> Result<u64> {
        Ok(self.pending.0.len()?)
    }

    /// The oldest halves, at most `most`, that exceed the count `halves_max` or came before `oldest_age_ms`. The oldest first.
    pub fn beyond(&self, halves_max: u64, oldest_age_ms: u64, most: usize) -> Result<Vec<(String, Half)>> {
        let mut waiting = self.waiting()?;
        let mut beyond = Vec::new();
        for entry in self.arrivals.iter()?.take(most) {
            let (_, id) = entry?;
            let Some(value) = self.pending.0.get(id.value())? else { continue };
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
    pub fn open(transaction: &'t WriteTransaction) -> Result<Tables<'t>> {
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
        })
    }

    /// The values of an id that is done.
    pub fn done(&self, id: &str) -> Result<Option<Values>> {
        let young = done::get(&self.done_young, id)?;
        if young.is_some() { Ok(young) } else { done::get(&self.done_old, id) }
    }

    /// Adds a half. If the id has one already, that one stays.
    pub fn add_waiting(&mut self, id: &str, half: Half) -> Result<()> {
        if self.pending.get(id)?.is_some() {
            return Ok(());
        }
        let arrival = number(&self.numbers, NEXT_ARRIVAL)?;
        self.numbers.insert(NEXT_ARRIVAL, arrival + 1)?;
        let ClockMark { age_ms, unix_ms } = half.received;
        let side = u8::from(half.side == Side::YPred);
        self.pending.insert(id, (arrival, side, half.value, age_ms, unix_ms, ""))?;
        self.arrivals.insert(arrival, id)?;
        Ok(())
    }

    pub fn remove_waiting(&mut self, id: &str) -> Result<()> {
        let removed = self.pending.remove(id)?.map(|value| value.value().0);
        if let Some(arrival) = removed {
            self.arrivals.remove(arrival)?;
        }
        Ok(())
    }

    /// Makes the ids of rows done, in the order of the ids, so that few pages change.
    pub fn remember_rows(&mut self, rows: &[Row]) -> Result<()> {
        let mut done: Vec<Done> = rows.iter().map(|row| Done { id: &row.id, values: row.values }).collect();
        // Stable, because that is fast if they are nearly in order.
        done.sort_by_key(|done| done.id);
        for row in rows.iter().filter(|row| row.waited) {
            self.remove_waiting(&row.id)?;
        }
        self.remember_done(&done)
    }

    /// `ids` must be in order and distinct. An id that is done already keeps its values.
    pub fn remember_done(&mut self, ids: &[Done]) -> Result<()> {
        let known = number(&self.numbers, DONE_YOUNG_IDS)?;
        let added = done::add(&mut self.done_young, ids)?;
        self.numbers.insert(DONE_YOUNG_IDS, known + added)?;
        Ok(())
    }

    /// The number of halves that wait.
    pub fn waiting(&self) -> Result<u64> {
        Ok(self.pending.len()?)
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

fn half((_, side, value, age_ms, unix_ms, _): (u64, u8, f64, u64, u64, &str)) -> Half {
    let side = if side == 0 { Side::YTrue } else { Side::YPred };
    Half { side, value, received: ClockMark { age_ms, unix_ms } }
}
