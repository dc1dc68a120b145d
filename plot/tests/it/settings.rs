//! Variables that cannot be read.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Output, Stdio};

const TIMEOUT_SECONDS: &str = "30";

/// Ends it where it would run.
fn plot(variable: &str, value: &[u8], args: &[&str]) -> Output {
    let mut command = Command::new("timeout");
    command.arg(TIMEOUT_SECONDS).arg(env!("CARGO_BIN_EXE_plot")).args(args).stdin(Stdio::null());
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env(variable, OsStr::from_bytes(value)).output().unwrap()
}

#[test]
fn a_variable_that_is_not_utf_8_is_named() {
    let help = String::from_utf8(plot("NONE", b"", &["--help"]).stdout).unwrap();
    let lines = help.lines().filter(|line| line.starts_with("  --") && line.ends_with(']'));
    let mut variables: Vec<&str> = lines.map(|line| line.split_whitespace().nth(2).unwrap()).collect();
    assert!(variables.contains(&"LOG_DIR") && variables.contains(&"PLOT_LISTEN"), "{variables:?}");
    variables.push("RUST_LOG");
    for variable in variables {
        let output = plot(variable, b"/x\xff", &[]);
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{variable}: {line}");
        assert_eq!(line, format!("[ERROR] {variable} is not UTF-8\n"));
    }
}
