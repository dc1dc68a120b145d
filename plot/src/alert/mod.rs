//! From numbers to what an operator is told: how it stands, what fires, and who hears of it.
//! Never counts a row.

pub mod verdict;
