//! What a journal is opened with: its settings, and what it calls while it is busy. Decides nothing.

use crate::{journal::counts::Counts, wire::labels::Task};
use std::path::Path;

/// The task and the queues of a log directory, and the limits of its store.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub task: Task,
    pub queue_prefix: String,
    /// Names of the queues of true values and of the others, for the rejects.
    pub queues: [String; 2],
    /// Whether a second prediction for an id is compared with the first.
    pub compares_predictions: bool,
    /// How many halves may wait.
    pub halves_max: u64,
    /// How long a half may wait.
    pub age_max_ms: u64,
    /// At least this many ids of rows are remembered, at most twice as many.
    pub done_ids: u64,
    /// The log and `unmatched.csv` get a number and a new file begins before they would have more bytes than this.
    pub log_max_bytes: u64,
}

/// Called while a log is read, with its path, the bytes read so far, all bytes, and the counts so far. If it returns false, reading ends.
pub type Reading<'r> = dyn FnMut(&Path, u64, u64, &Counts) -> bool + 'r;

/// Called while the journal is busy.
pub struct Hooks<'h> {
    pub reading: Box<Reading<'h>>,
    /// Called with the error if the disk is full: waits for a while. Returns false if the process is asked to stop.
    pub wait_for_room: Box<dyn FnMut(&anyhow::Error) -> bool + 'h>,
}
