//! The command line: what it answers, what it refuses, and what it never says.

use crate::features;
use glue::testing::{Service, command_line, prefix, shared_broker};

const BINARY: &str = env!("CARGO_BIN_EXE_features");

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
    command_line::no_log_holds_the_password(BINARY, &[("interval", "0.05")]);
}

#[test]
fn settings_print_as_they_are_given() {
    let (url, prefix) = (shared_broker(), prefix());
    let settings = [("count", "0"), ("queue-type", "classic"), ("order", "sequential")];
    let mut service = features(&url, &prefix, &settings);
    assert_eq!(service.wait().code(), Some(0));
    service.wait_for_line("queue-type classic, ");
    service.wait_for_line("order sequential, ");
    service.wait_for_line("stopped; 0 samples sent");
}

#[test]
fn the_answer_to_bad_settings_is_one_line_and_exit_code_2() {
    for (flag, value, part) in [
        ("interval", "-1", "--interval"),
        ("shift", "1", "--shift-after (FEATURES_SHIFT_AFTER) is not set"),
        ("colour", "red", "--colour"),
        ("amqp-url", "http://u:secret@h", "--amqp-url"),
        ("batch", "10001", "--batch"),
        ("batch", "5000", "--batch"),
        ("task", "regresion", "--task is \"regresion\"; allowed: regression or binary or classes"),
        ("drop-index", "", "--drop-index"),
    ] {
        let mut service = Service::start(BINARY, &[(flag, value)]);
        assert_eq!(service.wait().code(), Some(2));
        let line = service.wait_for_line(part);
        assert!(!line.contains("secret"));
        assert_eq!(service.lines().len(), 1, "{:?}", service.lines());
    }
}

#[test]
fn a_shift_of_labels_or_names_is_refused() {
    for task in ["binary", "classes"] {
        let settings = [("task", task), ("shift", "1"), ("shift-after", "0")];
        let mut service = Service::start(BINARY, &settings);
        assert_eq!(service.wait().code(), Some(2));
        let line = service.wait_for_line("--shift (FEATURES_SHIFT) is \"1\", and --task (TASK) is ");
        assert!(line.contains(task) && service.lines().len() == 1, "{line}");
    }
}

#[test]
fn without_a_broker_the_tests_say_what_to_run() {
    // Some want the shared broker, some one of their own.
    command_line::without_a_broker_tests_say_what_to_run(&["samples::", "outages::"]);
}
