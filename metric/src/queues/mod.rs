//! The two queues: takes deliveries, decides when, and acknowledges them. Knows no disk.

pub mod consumer;
pub mod flow;
pub mod sole_consumer;
mod subscription;
pub mod worker;
