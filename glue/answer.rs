//! Prints what the command line asked for, such as `--help`, to stdout. Never panics over a stdout that takes nothing.

use std::{
    io::{self, ErrorKind, Write},
    process::ExitCode,
};

/// Prints `text`, which ends with a line break. A closed pipe (`features --help | head -1`) is no failure; exit code 1 with a line on
/// stderr where stdout cannot be written for another reason.
pub fn print(text: &str) -> ExitCode {
    let mut stdout = io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) if e.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(e) => {
            // Not logged, as a log may be off. Nobody is left to hear of a stderr that fails too.
            let _ = writeln!(io::stderr(), "cannot write to stdout: {e}");
            ExitCode::FAILURE
        }
    }
}
