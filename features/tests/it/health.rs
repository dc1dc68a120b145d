//! `features --healthcheck`, and what the operator is told, while the broker confirms and while it does not.

use crate::features;
use glue::testing::{
    Node, Proxy, command_line::healthcheck_codes, healthcheck, prefix, shared_broker, wait_for,
};

pub fn health(url: &str, prefix: &str) -> String {
    healthcheck(env!("CARGO_BIN_EXE_features"), &[("amqp-url", url), ("queue-prefix", prefix)])
}

pub fn wait_for_health(url: &str, prefix: &str, part: &str) {
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
    let (proxy, prefix) = (Proxy::start(&shared_broker(), false), prefix());
    let service = features(&proxy.url, &prefix, &[("interval", "0.05")]);
    service.wait_for_line(" sent, ");
    proxy.set_away(true);
    wait_for_health(&proxy.url, &prefix, "unhealthy: no connection to amqp://");
    proxy.set_away(false);
    wait_for("health", || health(&proxy.url, &prefix).starts_with("ok: ").then_some(()));
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn a_queue_that_confirms_nothing_is_reported_once_and_becomes_the_reason() {
    let (node, prefix) = (Node::shared(), prefix());
    // So rarely that the other queue confirms all the time: no limit stops publishing.
    let service = features(&node.url, &prefix, &[("interval", "2")]);
    service.wait_for_line(" sent, ");
    // As one without a leader: it takes no messages, and the connection lives on.
    let queue = format!("whereis(list_to_atom(\"%2F_{prefix}features\"))");
    node.eval(&format!("sys:suspend({queue})."));
    service.wait_for_line("a message has been unconfirmed for 1");
    wait_for_health(&node.url, &prefix, "without a leader");
    node.eval(&format!("sys:resume({queue})."));
    service.wait_for_line("the broker confirms again");
    wait_for("health", || health(&node.url, &prefix).starts_with("ok: ").then_some(()));
    assert_eq!(service.count_lines("a message has been unconfirmed"), 1);
    assert_eq!(service.terminate(), Some(0));
}
