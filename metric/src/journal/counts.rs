//! What became of all samples of a log directory. The store keeps these counts with the batch that changed them. Knows no file.

use crate::join::Side;
use serde::{Deserialize, Serialize};

/// Since the directory was first used. CONTRACT.md says which are exact.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Ids with a row in a log.
    pub rows: u64,
    /// Halves that were known already, with the same value.
    pub duplicates: u64,
    pub conflicts: u64,
    /// Messages and samples that cannot be used, without conflicts.
    pub rejected: u64,
    /// Groups that cannot be used. Their samples are.
    pub groups_dropped: u64,
    /// Halves that expired.
    pub unmatched: BySide<u64>,
    /// Halves that wait in the store.
    pub waiting: BySide<u64>,
    /// When the oldest of those came, by Unix time. Not stored: the store finds it.
    #[serde(skip)]
    pub oldest_waiting_ms: BySide<Option<u64>>,
    /// Also of a conflict.
    pub last_rejection: Option<Rejection>,
}

/// A value for each kind of half.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BySide<T> {
    pub y_true: T,
    pub y_pred: T,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rejection {
    /// Unix time.
    pub at_ms: u64,
    /// With the name of the queue.
    pub reason: String,
}

impl<T> BySide<T> {
    pub fn of(&mut self, side: Side) -> &mut T {
        if side == Side::YTrue { &mut self.y_true } else { &mut self.y_pred }
    }
}

impl BySide<u64> {
    pub fn sum(self) -> u64 {
        self.y_true + self.y_pred
    }
}
