//! The command line: what it answers, what it refuses, and what it never says.

use crate::metric;
use glue::testing::{Directory, command_line, prefix, shared_broker, wait_for};

const BINARY: &str = env!("CARGO_BIN_EXE_metric");

#[test]
fn a_stdout_that_takes_nothing_is_no_panic() {
    command_line::answers_reach_no_panic(BINARY);
}

#[test]
fn variables_that_are_not_utf_8_are_named() {
    command_line::variables_that_are_not_utf_8_are_named(BINARY);
}

#[test]
fn no_log_holds_the_password() {
    let directory = Directory::new();
    command_line::no_log_holds_the_password(BINARY, &[("log-dir", directory.0.to_str().unwrap())]);
}

#[test]
fn settings_print_as_they_are_given() {
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    let service = metric(&url, &prefix, &directory, &[("queue-type", "classic")]);
    service.wait_for_line("queue-type classic, ");
    let settings = [("log-dir", directory.0.to_str().unwrap())];
    let is_well = || command_line::healthcheck_codes(BINARY, &settings) == [Some(0), Some(0)];
    wait_for("health", || is_well().then_some(()));
    assert_eq!(service.terminate(), Some(0));
}
