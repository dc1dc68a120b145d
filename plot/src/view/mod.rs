//! From numbers to documents: the picture, the page and `/stats.json`.
//! Never knows who asks for them.

mod alerts;
mod bars;
mod changes;
mod chart;
mod course;
mod drawing;
mod frame;
mod groups;
mod head;
mod html;
pub mod json;
mod label;
pub mod moment;
pub mod page;
pub mod picture;
pub mod prometheus;
mod tables;
mod tiles;
