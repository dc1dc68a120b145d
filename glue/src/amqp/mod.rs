//! The broker, for `features` and `metric`: connections that are bounded in time and in bytes, and queues as in CONTRACT.md.

mod bodies;
mod broker;
mod frame_filter;
mod partition;
mod stream;

pub use bodies::Bodies;
pub use broker::{AmqpUrl, Backoff, Broker, QUEUE_PREFIX, QUEUE_TYPE, QueueType, URL};
pub use partition::{PARTITIONS_MAX, Partition};
