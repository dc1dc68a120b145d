//! `features --healthcheck`, and what the operator is told, while the broker confirms and while it does not.

use crate::features;
use glue::testing::{Node, command_line::healthcheck_codes, healthcheck, prefix, shared_broker, wait_for};

fn health(url: &str, prefix: &str) -> String {
    healthcheck(env!("CARGO_BIN_EXE_features"), &[("amqp-url", url), ("queue-prefix", prefix)])
}

fn wait_for_health(url: &str, prefix: &str, part: &str) {
    wait_for(&format!("health with {part:?}"), || health(url, prefix).contains(part).then_some(()));
}

#[test]
fn waiting_for_the_next_interval_is_well() {
    let (url, prefix) = (shared_broker(), prefix());
    assert_eq!(health(&url, &prefix), "unhealthy: no process with these settings runs");
    let mut service = features(&url, &prefix, &[("interval", "3600")]);
    service.wait_for_line("1 sample sent");
    assert!(health(&url, &prefix).starts_with("ok: "));
    let settings = [("amqp-url", url.as_str()), ("queue-prefix", &prefix)];
    assert_eq!(healthcheck_codes(env!("CARGO_BIN_EXE_features"), &settings), [Some(0), Some(0)]);
    assert_eq!(health(&url, "another."), "unhealthy: no process with these settings runs");
    service.kill();
    assert_eq!(health(&url, &prefix), "unhealthy: no process with these settings runs");
}

#[test]
fn without_a_broker_it_is_not_well() {
    let node = Node::start();
    let service = features(&node.url, "", &[("interval", "0.05")]);
    service.wait_for_line(" sent, ");
    node.command("stop");
    wait_for_health(&node.url, "", "unhealthy: no connection to amqp://");
    node.command("start");
    wait_for("health", || health(&node.url, "").starts_with("ok: ").then_some(()));
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn a_queue_that_confirms_nothing_is_reported_once_and_becomes_the_reason() {
    let node = Node::start();
    // So rarely that the other queue confirms all the time: no limit stops publishing.
    let service = features(&node.url, "", &[("interval", "2")]);
    service.wait_for_line(" sent, ");
    // As one without a leader: it takes no messages, and the connection lives on.
    let queue = "whereis(list_to_atom(\"%2F_features\"))";
    node.eval(&format!("sys:suspend({queue})."));
    service.wait_for_line("a message has been unconfirmed for 1");
    wait_for_health(&node.url, "", "without a leader");
    node.eval(&format!("sys:resume({queue})."));
    service.wait_for_line("the broker confirms again");
    wait_for("health", || health(&node.url, "").starts_with("ok: ").then_some(()));
    assert_eq!(service.count_lines("a message has been unconfirmed"), 1);
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn a_resource_alarm_is_the_reason_when_it_lasts() {
    let node = Node::start();
    let service = features(&node.url, "", &[("interval", "0.05")]);
    service.wait_for_line(" sent, ");
    node.alarm(true);
    wait_for_health(&node.url, "", "the broker has blocked publishing");
    node.alarm(false);
    wait_for("health", || health(&node.url, "").starts_with("ok: ").then_some(()));
    assert_eq!(service.terminate(), Some(0));
}
