//! From numbers to what an operator is told: how it stands, what fires, and who hears of it.
//! Never counts a row.

pub mod alarms;
mod judge;
pub mod message;
mod missing;
pub mod outbox;
mod retry;
pub mod rules;
pub mod send;
pub mod verdict;
#[cfg(test)]
mod watched;
