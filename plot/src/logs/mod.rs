//! From files to rows: follows the logs, splits their lines and reads the numbers.
//! Never knows what is counted or shown.

pub mod classes;
mod columns;
mod decimal;
mod file;
pub mod follow;
pub mod format;
pub mod groups;
mod header;
pub mod interned;
pub mod lines;
mod record;
mod rotated;
pub mod row;
pub mod sequence;
pub mod small_file;
pub mod source;
pub mod status;
pub mod statuses;
pub mod stream;
pub mod task;
