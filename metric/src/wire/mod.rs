//! Decodes the bytes of a message into samples. Knows no broker and no disk.

mod describe;
mod fast;
pub mod group;
pub mod id;
mod json;
pub mod labels;
pub mod message;
pub mod model;
#[cfg(any(test, feature = "oracle"))]
pub mod oracle;
pub mod sample;
mod value;
