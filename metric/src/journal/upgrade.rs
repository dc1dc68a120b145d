//! Brings a store of format 2 to the present one: it had no counts, and numbered the arrivals of both sides alike. Never changes an entry.

use crate::{
    join::Side,
    journal::{
        counts::Counts,
        done,
        pending::{self, ARRIVALS, PENDING},
        tables::{DONE, Result, Tables},
    },
};
use redb::{ReadableTable, WriteTransaction};

/// Counts what waits, and as rows the ids that are remembered as done. The other counts begin at 0.
///
/// # Errors
/// Those of the disk.
pub fn from_format_2(transaction: &WriteTransaction) -> Result<()> {
    let mut counts = Counts::default();
    let (waiting, mut arrivals) = (transaction.open_table(PENDING)?, transaction.open_table(ARRIVALS)?);
    for entry in waiting.iter()? {
        let (id, entry) = entry?;
        let (arrival, half) = pending::half(entry.value());
        *counts.waiting.of(half.side) += 1;
        if half.side == Side::YPred {
            arrivals.remove(arrival)?;
            arrivals.insert(pending::key(half.side, arrival), id.value())?;
        }
    }
    for generation in DONE {
        for block in transaction.open_table(generation)?.iter()? {
            counts.rows += done::entries(block?.1.value()).count() as u64;
        }
    }
    drop((waiting, arrivals));
    Tables::open(transaction, counts)?.finish(&Counts::default())?;
    Ok(())
}
