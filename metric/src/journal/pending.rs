//! Halves that wait: the entry of each id, and the order in which they came, apart for each side. Decides nothing.

use crate::{
    clock::ClockMark,
    join::{Half, Side},
};
use redb::{ReadableTable, Table, TableDefinition};
use std::mem;

type Result<T> = std::result::Result<T, redb::Error>;

/// id → (arrival, side, value, age and Unix time of its arrival in ms, group or an empty text)
pub type Entry = (u64, u8, f64, u64, u64, &'static str);
pub const PENDING: TableDefinition<&str, Entry> = TableDefinition::new("pending");
/// arrival, with the highest bit for predictions → id: the oldest of each side first.
pub const ARRIVALS: TableDefinition<u64, &str> = TableDefinition::new("arrivals");
const OF_PREDICTIONS: u64 = 1 << 63;

/// The key of an arrival, which is the smaller the earlier it came.
pub fn key(side: Side, arrival: u64) -> u64 {
    if side == Side::YTrue { arrival } else { arrival | OF_PREDICTIONS }
}

/// Adds a half, unless the id has one. Returns whether it was added.
///
/// # Errors
/// Those of the disk.
pub fn add(
    pending: &mut Table<&'static str, Entry>,
    arrivals: &mut Table<u64, &'static str>,
    arrival: u64,
    id: &str,
    half: &Half,
) -> Result<bool> {
    if pending.get(id)?.is_some() {
        return Ok(false);
    }
    let ClockMark { age_ms, unix_ms } = half.received;
    let side = u8::from(half.side == Side::YPred);
    let group = half.group.as_deref().unwrap_or_default();
    pending.insert(id, (arrival, side, half.value, age_ms, unix_ms, group))?;
    arrivals.insert(key(half.side, arrival), id)?;
    Ok(true)
}

/// Removes the half of an id. Returns its side, if there was one.
///
/// # Errors
/// Those of the disk.
pub fn remove(
    pending: &mut Table<&'static str, Entry>,
    arrivals: &mut Table<u64, &'static str>,
    id: &str,
) -> Result<Option<Side>> {
    let Some(entry) = pending.remove(id)? else { return Ok(None) };
    let (arrival, half) = half(entry.value());
    arrivals.remove(key(half.side, arrival))?;
    Ok(Some(half.side))
}

/// The arrival and the half of an entry.
pub fn half((arrival, side, value, age_ms, unix_ms, group): (u64, u8, f64, u64, u64, &str)) -> (u64, Half) {
    let side = if side == 0 { Side::YTrue } else { Side::YPred };
    let group = (!group.is_empty()).then(|| group.into());
    (arrival, Half { side, value, received: ClockMark { age_ms, unix_ms }, group })
}

/// A half with its arrival and id.
type Waiting = (u64, String, Half);

/// The halves of a side, the oldest first.
fn of_side(
    pending: &impl ReadableTable<&'static str, Entry>,
    arrivals: &impl ReadableTable<u64, &'static str>,
    side: Side,
) -> Result<impl Iterator<Item = Result<Waiting>>> {
    let range = arrivals.range(key(side, 0)..key(side, OF_PREDICTIONS - 1))?;
    let found = range.map(|entry| {
        let (_, id) = entry?;
        let Some(entry) = pending.get(id.value())? else { return Ok(None) };
        let (arrival, half) = half(entry.value());
        Ok(Some((arrival, id.value().to_owned(), half)))
    });
    Ok(found.filter_map(Result::transpose))
}

/// When the oldest half of a side came, by Unix time in ms.
///
/// # Errors
/// Those of the disk.
pub fn oldest_ms(
    pending: &impl ReadableTable<&'static str, Entry>,
    arrivals: &impl ReadableTable<u64, &'static str>,
    side: Side,
) -> Result<Option<u64>> {
    let oldest = of_side(pending, arrivals, side)?.next().transpose()?;
    Ok(oldest.map(|(_, _, half)| half.received.unix_ms))
}

/// The oldest halves of both sides, at most `most`, that exceed the count `halves_max` or came before `oldest_age_ms`. The oldest first.
///
/// # Errors
/// Those of the disk.
pub fn beyond(
    pending: &impl ReadableTable<&'static str, Entry>,
    arrivals: &impl ReadableTable<u64, &'static str>,
    halves_max: u64,
    oldest_age_ms: u64,
    most: usize,
) -> Result<Vec<(String, Half)>> {
    let mut waiting = pending.len()?;
    let mut truths = of_side(pending, arrivals, Side::YTrue)?;
    let mut predictions = of_side(pending, arrivals, Side::YPred)?;
    let (mut truth, mut prediction) = (truths.next().transpose()?, predictions.next().transpose()?);
    let mut beyond = Vec::new();
    while beyond.len() < most {
        let is_truth = match (&truth, &prediction) {
            (Some((truth, ..)), Some((prediction, ..))) => truth < prediction,
            (truth, _) => truth.is_some(),
        };
        let oldest = if is_truth {
            mem::replace(&mut truth, truths.next().transpose()?)
        } else {
            mem::replace(&mut prediction, predictions.next().transpose()?)
        };
        let Some((_, id, half)) = oldest else { break };
        if waiting <= halves_max && half.received.age_ms >= oldest_age_ms {
            break;
        }
        beyond.push((id, half));
        waiting -= 1;
    }
    Ok(beyond)
}
