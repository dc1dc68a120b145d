//! `metric`: see Cargo.toml.

fn main() {}
