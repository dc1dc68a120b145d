//! The logs that are read: those that `--log` names, or that of the log directory with its rotated ones.
//! Never reads one itself.

use crate::logs::follow::{Logs, State};
use crate::logs::lines::{Event, Waiting};
use crate::logs::sequence::Sequence;

pub enum Source {
    Named(Logs),
    Directory(Box<Sequence>),
}

impl Source {
    /// Reads everything that can be read now, and sends it to `report`. Checks `stop` between two chunks.
    pub fn follow(&mut self, stop: impl Fn() -> bool, report: impl FnMut(Event) -> Waiting) -> State {
        match self {
            Source::Named(logs) => logs.follow(stop, report),
            Source::Directory(sequence) => sequence.follow(stop, report),
        }
    }

    /// How many rotated logs are gone and still count.
    pub fn gone(&self) -> usize {
        match self {
            Source::Named(_) => 0,
            Source::Directory(sequence) => sequence.gone.len(),
        }
    }

    /// Takes the names of those that are newly gone.
    pub fn take_newly_gone(&mut self) -> Vec<String> {
        match self {
            Source::Named(_) => Vec::new(),
            Source::Directory(sequence) => std::mem::take(&mut sequence.newly_gone),
        }
    }
}
