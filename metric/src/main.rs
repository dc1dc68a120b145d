//! `metric`. Its code is in the library of the same name, where the fuzz target can use the decoder.

use std::process::ExitCode;

fn main() -> ExitCode {
    metric::main()
}
