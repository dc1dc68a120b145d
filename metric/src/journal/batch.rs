//! The input and the result of [`Journal::digest`](super::Journal::digest).

use crate::{
    join::{Arrivals, Side},
    journal::rejects::Reject,
};

/// Deliveries that were taken and are to be joined.
#[derive(Default)]
pub struct Batch {
    pub arrivals: Arrivals,
    pub rejects: Vec<Reject>,
    /// Groups of the arrivals that cannot be used.
    pub groups_dropped: u64,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.arrivals.is_empty() && self.rejects.is_empty()
    }
}

/// A batch that is durable except for the held halves.
#[derive(Debug, Default)]
pub struct Digested {
    pub rows: u64,
    pub duplicates: u64,
    pub conflicts: u64,
    /// Messages and samples that cannot be used, without conflicts.
    pub rejected: u64,
    pub groups_dropped: u64,
    /// Halves that expired.
    pub unmatched: u64,
    /// Halves that wait in the store now.
    pub waiting: u64,
    /// Queue and reason of the last reject or conflict.
    pub last_rejection: Option<String>,
    /// Deliveries by side and number, once for each of their halves that is held from now on.
    pub held: Vec<(Side, u64)>,
    /// The same for each half that is no longer held.
    pub released: Vec<(Side, u64)>,
    /// Both halves of a row met in memory.
    pub met_in_memory: bool,
    /// Halves were added to those that wait in the store.
    pub added_waiting: bool,
}
