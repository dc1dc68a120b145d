//! From rows to numbers: everything that is counted, and the bins of the histograms.
//! Never knows a file or a page.

mod auc;
pub mod backlog;
pub mod binary;
pub mod buckets;
pub mod class_numbers;
mod classes;
mod counters;
pub mod delay;
pub mod density;
mod distinct;
pub mod drift;
mod gaps;
pub mod groups;
pub mod histogram;
mod moments;
pub mod numbers;
pub mod past;
mod quantile;
mod reach;
mod rolling;
pub mod slices;
mod spread;
pub mod statistics;
pub mod summary;
mod tally;
pub mod task;
