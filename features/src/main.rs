//! `features`: see Cargo.toml.

fn main() {}
