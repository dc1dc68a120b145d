//! Brokers that are absent, die in the middle, refuse messages or were set up by somebody else.

use crate::{
    drain, features,
    health::{health, wait_for_health},
};
use glue::testing::{Node, Peer, Service, prefix, shared_broker, wait_for};
use std::collections::BTreeSet;

/// The distinct ids in a queue.
fn ids(peer: &Peer, queue: &str) -> BTreeSet<String> {
    drain(peer, queue).into_iter().map(|(id, _)| id).collect()
}

#[test]
fn a_broker_that_dies_in_the_middle_gets_the_unconfirmed_again_under_their_ids() {
    let node = Node::start();
    let mut service = features(&node.url, "", &[("interval", "0"), ("count", "60000")]);
    for outage in ["stop", "kill"] {
        service.wait_for_line(" sent, ");
        // Else it may have sent all before the outage.
        service.signal("STOP");
        node.sync_queues();
        service.signal("CONT");
        let peer = Peer::connect(&node.url);
        let depth = peer.depth("features");
        wait_for("progress", || (peer.depth("features") > depth + 500).then_some(()));
        drop(peer);
        let connections = service.count_lines("connected to");
        node.command(outage);
        node.command("start");
        wait_for("reconnection", || (service.count_lines("connected to") > connections).then_some(()));
    }
    assert!(service.wait().success(), "{:?}", service.lines());
    service.wait_for_line("stopped; 60000 samples sent");
    let peer = Peer::connect(&node.url);
    let (y_true, x) = (ids(&peer, "y_true"), ids(&peer, "features"));
    assert_eq!(y_true.len(), 60_000, "a sample that counted as sent is gone");
    assert_eq!(y_true, x, "half a sample");
}

#[test]
fn a_broker_that_is_not_there_yet_is_waited_for() {
    let node = Node::prepare();
    let mut service = features(&node.url, "", &[("interval", "0"), ("count", "3")]);
    service.wait_for_line("no connection to");
    node.command("start");
    assert!(service.wait().success());
    assert_eq!(service.count_lines("Connection refused"), 1, "one line per change of state");
}

#[test]
fn an_alarm_is_reported_becomes_the_reason_and_is_waited_for() {
    let node = Node::start();
    let service = features(&node.url, "", &[("interval", "0.01")]);
    service.wait_for_line("connected to");
    node.alarm(true);
    service.wait_for_line("the broker has blocked publishing");
    wait_for_health(&node.url, "", "the broker has blocked publishing");
    node.alarm(false);
    service.wait_for_line("the broker takes messages again");
    wait_for("health", || health(&node.url, "").starts_with("ok: ").then_some(()));
    let peer = Peer::connect(&node.url);
    let depth = peer.depth("features");
    wait_for("further samples", || (peer.depth("features") > depth).then_some(()));
    // An end while the broker does not listen must not hang.
    node.alarm(true);
    wait_for("second alarm", || (service.count_lines("has blocked publishing: ") == 2).then_some(()));
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn a_queue_that_was_deleted_is_declared_again_and_nothing_sent_into_the_void() {
    let (url, prefix) = (shared_broker(), prefix());
    let mut service = features(&url, &prefix, &[("interval", "0.02"), ("count", "300")]);
    service.wait_for_line("connected to");
    let peer = Peer::connect(&url);
    let [y_true, x] = ["y_true", "features"].map(|queue| format!("{prefix}{queue}"));
    wait_for("samples", || (peer.depth(&x) > 3).then_some(()));
    // Else many more may come to the queue between the look at it and its end.
    service.signal("STOP");
    let mut taken = ids(&peer, &x);
    peer.channel.queue_delete(x.as_str(), amiquip::QueueDeleteOptions::default()).unwrap();
    let before = ids(&peer, &y_true);
    service.signal("CONT");
    // It returns the messages or, while a quorum queue is going away, closes the connection.
    service.wait_for_line("trying again");
    assert!(service.wait().success());
    taken.extend(ids(&peer, &x));
    let mut all = ids(&peer, &y_true);
    all.extend(before.iter().cloned());
    assert_eq!(all.len(), 300);
    // What came to the queue before it was deleted went with it.
    let lost: BTreeSet<String> = all.difference(&taken).cloned().collect();
    assert!(lost.is_subset(&before) && taken.is_subset(&all), "{lost:?} are gone, of {before:?}");
}

#[test]
fn queues_that_somebody_else_declared_are_used_as_they_are() {
    let (url, prefix) = (shared_broker(), prefix());
    let peer = Peer::connect(&url);
    let settings = [("interval", "0"), ("count", "5"), ("queue-type", "existing")];
    let mut waiting = features(&url, &prefix, &settings);
    waiting.wait_for_line("y_true does not exist");
    for queue in ["y_true", "features"] {
        peer.declare_transient(&format!("{prefix}{queue}"));
    }
    assert!(waiting.wait().success());
    let mut service = features(&url, &prefix, &settings[..2]);
    assert!(service.wait().success());
    assert_eq!(service.count_lines("was declared by another program"), 2, "one line per queue");
    assert_eq!(ids(&peer, &format!("{prefix}features")).len(), 10);
}

#[test]
fn a_signal_ends_it_once_what_counts_as_sent_is_confirmed() {
    let (url, prefix) = (shared_broker(), prefix());
    let service = features(&url, &prefix, &[("interval", "0")]);
    service.wait_for_line(" sent, ");
    service.signal("INT");
    let mut service = service;
    assert_eq!(service.wait().code(), Some(0));
    let line = service.wait_for_line("stopped; ");
    let number = |line: &str| line.split_whitespace().find_map(|word| word.parse::<usize>().ok()).unwrap();
    let sent = number(&line);
    // A broker that is slow confirms the last ones too late, and has them all the same.
    let unconfirmed = service
        .lines()
        .iter()
        .find(|line| line.contains("not counted as sent"))
        .map_or(0, |line| number(line));
    let peer = Peer::connect(&url);
    for queue in ["y_true", "features"] {
        let found = ids(&peer, &format!("{prefix}{queue}")).len();
        assert!(
            (sent..=sent + unconfirmed).contains(&found),
            "{found} in {queue}, {sent} sent, {unconfirmed} unconfirmed"
        );
    }
}

#[test]
fn it_outlives_its_terminal_under_nohup() {
    let (url, prefix) = (shared_broker(), prefix());
    let settings = [("amqp-url", url.as_str()), ("queue-prefix", &prefix), ("interval", "0.01")];
    let service = Service::start_with_nohup(env!("CARGO_BIN_EXE_features"), &settings);
    service.wait_for_line(" sent, ");
    service.signal("HUP");
    let peer = Peer::connect(&url);
    let depth = || peer.depth(&format!("{prefix}features"));
    // More than it would send in the time that an orderly end has.
    let enough = depth() + 300;
    wait_for("further samples", || (depth() > enough).then_some(()));
    assert_eq!(service.terminate(), Some(0));
}
