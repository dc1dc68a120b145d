//! From numbers to documents: the picture, the page and `/stats.json`.
//! Never knows who asks for them.

mod alerts;
mod bars;
mod canvas;
mod changes;
mod chart;
mod class_bars;
mod class_drawing;
mod course;
mod drawing;
mod figures;
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
pub mod report;
mod score_tables;
mod scores;
mod stretches;
mod tables;
mod tiles;
