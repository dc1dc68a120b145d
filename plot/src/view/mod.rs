//! From numbers to documents: the picture, the page and `/stats.json`.
//! Never knows who asks for them.

mod bars;
mod chart;
mod course;
mod drawing;
mod frame;
pub mod json;
mod label;
pub mod moment;
pub mod page;
pub mod picture;
pub mod replace;
