//! `plot`: see Cargo.toml.

fn main() {}
