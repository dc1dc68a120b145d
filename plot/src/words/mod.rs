//! How numbers and times are written for people.
//! Never knows where the words are shown.

pub mod clock;
pub mod number;
pub mod terms;
