//! From numbers to documents: the picture, the page and `/stats.json`.
//! Never knows who asks for them.

mod alerts;
pub mod asked;
mod bars;
mod canvas;
mod changes;
mod chart;
mod class_bars;
mod class_drawing;
mod compared;
mod course;
mod drawing;
mod error_numbers;
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
pub mod range;
pub mod report;
mod score_tables;
mod scores;
mod steps;
mod stretches;
mod tables;
mod tiles;
