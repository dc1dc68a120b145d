//! From numbers to the verdict and the alerts: which rules fire, and how their alerts reach a receiver.
//! Never counts a row.

pub mod alarms;
pub mod judge;
pub mod message;
mod missing;
pub mod outbox;
mod retry;
pub mod rules;
pub mod send;
pub mod verdict;
#[cfg(test)]
mod watched;
