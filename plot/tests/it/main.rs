//! Runs the real `plot` on real files and looks at what it makes: pictures, page and numbers.

mod follow;
mod golden;
mod http;
mod page;
mod process;
