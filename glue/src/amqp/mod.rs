//! The broker, for `features` and `metric`: connections that are bounded in time and in bytes, and queues as in CONTRACT.md.

mod amqp_url;
mod backoff;
mod bodies;
mod broker;
mod frame_filter;
mod partition;
mod socket;
mod stream;
mod tls;

pub use bodies::Bodies;
pub use broker::{Broker, CA, CERT, KEY, QUEUE_PREFIX, QUEUE_TYPE, QueueType, URL};
pub use partition::{PARTITIONS_MAX, Partition};
pub use socket::Socket;
pub use tls::Files;
