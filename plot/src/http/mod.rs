//! The server of the live page.
//! Never renders a document itself, and never reads a log.

mod answer;
pub mod hosts;
pub mod live;
mod query;
mod rendered;
pub mod server;
