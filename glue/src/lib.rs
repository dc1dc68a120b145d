//! What two of the services would otherwise write twice. Knows none of them.
#![warn(missing_docs)]

#[cfg(feature = "amqp")]
pub mod amqp;
pub mod health;
mod logging;
pub mod number;
pub mod owner;
pub mod program;
pub mod settings;
#[cfg(feature = "amqp")]
pub mod shutdown;
pub mod signals;
#[cfg(feature = "testing")]
pub mod testing;
