//! Brokers that are absent, restart, are killed or were set up by somebody else.

use crate::{metric, rows};
use glue::testing::{Directory, Node, Peer, Proxy, Service, healthcheck, prefix, shared_broker, wait_for};
use std::{
    collections::HashSet,
    fs,
    time::{Duration, Instant},
};

fn publish_pairs(peer: &mut Peer, prefix: &str, ids: std::ops::Range<u32>) {
    for id in ids {
        peer.publish(&format!("{prefix}y_true"), format!("{{\"id\": {id}, \"body\": {id}}}").as_bytes());
        peer.publish(&format!("{prefix}y_pred"), format!("{{\"id\": {id}, \"body\": 0.5}}").as_bytes());
    }
    peer.confirmed();
}

fn wait_for_rows(directory: &Directory, count: usize) {
    wait_for("row of every pair", || (rows(directory).len() >= count).then_some(()));
    let mut ids: Vec<String> = rows(directory).into_iter().map(|row| row.0).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), rows(directory).len()), (count, count));
}

#[test]
fn a_broker_that_restarts_or_dies_loses_and_doubles_nothing() {
    let node = Node::start();
    let directory = Directory::new();
    let service = metric(&node.url, "", &directory, &[("predictions", "y_pred")]);
    service.wait_for_line("consuming");
    for (round, outage) in ["stop", "kill", "stop"].into_iter().enumerate() {
        let begin = round as u32 * 1000;
        node.sync_queues();
        publish_pairs(&mut Peer::connect(&node.url), "", begin..begin + 1000);
        let connections = service.count_lines("connected to");
        node.command(outage);
        node.command("start");
        wait_for("reconnection", || (service.count_lines("connected to") > connections).then_some(()));
    }
    publish_pairs(&mut Peer::connect(&node.url), "", 3000..3100);
    wait_for_rows(&directory, 3100);
    assert!(service.lines().iter().any(|line| line.contains("WARN") && line.contains("connection lost")));
    assert_eq!(service.count_lines("other consumer"), 0, "those of before a restart count");
    assert_eq!(service.terminate(), Some(0));
}

/// The three together: what the store has not synced when the connection ends it must not lack for as long as the outage lasts.
#[test]
fn a_log_that_is_renamed_in_an_outage_before_a_kill_stays_done() {
    const PAIRS: u32 = 3000;
    let (node, directory) = (Node::start(), Directory::new());
    let settings = [("predictions", "y_pred"), ("queue-type", "classic")];
    let mut service = metric(&node.url, "", &directory, &settings);
    service.wait_for_line("consuming");
    publish_pairs(&mut Peer::connect(&node.url), "", 0..PAIRS);
    wait_for("rows", || (!rows(&directory).is_empty()).then_some(()));
    node.command("kill");
    service.wait_for_line("no connection to");
    // To where it is not looked for.
    let elsewhere = Directory::new();
    fs::rename(directory.file("metric_log.csv"), elsewhere.file("metric_log.csv")).unwrap();
    service.kill();
    node.command("start");
    let service = metric(&node.url, "", &directory, &settings);
    // All of them again, as who did not hear of a confirm sends them.
    publish_pairs(&mut Peer::connect(&node.url), "", 0..PAIRS + 1);
    wait_for("last row", || rows(&directory).iter().any(|row| row.0 == PAIRS.to_string()).then_some(()));
    let all: Vec<String> =
        [rows(&elsewhere), rows(&directory)].concat().into_iter().map(|row| row.0).collect();
    assert_eq!(all.len(), PAIRS as usize + 1, "an id has two rows or none");
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    assert_eq!(service.terminate(), Some(0));
}

/// A broker that hangs holds up the end of a connection, and not what must be on the disk by then.
#[test]
fn a_stop_while_the_broker_hangs_leaves_nothing_behind() {
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    let proxy = Proxy::start(&url, false);
    let settings = [("predictions", "y_pred")];
    let mut service = metric(&proxy.url, &prefix, &directory, &settings);
    service.wait_for_line("consuming");
    let mut peer = Peer::connect(&url);
    publish_pairs(&mut peer, &prefix, 0..50);
    wait_for("rows", || (rows(&directory).len() == 50).then_some(()));
    proxy.freeze();
    service.signal("TERM");
    assert_eq!(service.wait().code(), Some(0));
    let elsewhere = Directory::new();
    fs::rename(directory.file("metric_log.csv"), elsewhere.file("metric_log.csv")).unwrap();
    let service = metric(&url, &prefix, &directory, &settings);
    publish_pairs(&mut peer, &prefix, 0..51);
    wait_for("last row", || rows(&directory).iter().any(|row| row.0 == "50").then_some(()));
    assert_eq!(rows(&directory).len(), 1, "an id has two rows");
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn a_broker_that_is_not_there_yet_is_waited_for() {
    let node = Node::prepare();
    let directory = Directory::new();
    let service = metric(&node.url, "", &directory, &[("predictions", "y_pred")]);
    service.wait_for_line("no connection to");
    node.command("start");
    service.wait_for_line("consuming");
    publish_pairs(&mut Peer::connect(&node.url), "", 0..10);
    wait_for_rows(&directory, 10);
    assert_eq!(service.count_lines("Connection refused"), 1, "one line per change of state");
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn queues_that_somebody_else_declared_are_used_as_they_are() {
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    let mut peer = Peer::connect(&url);
    peer.declare_transient(&format!("{prefix}y_true"));
    peer.declare_transient(&format!("{prefix}y_pred"));
    let service = metric(&url, &prefix, &directory, &[("predictions", "y_pred")]);
    service.wait_for_line("consuming");
    publish_pairs(&mut peer, &prefix, 0..10);
    wait_for_rows(&directory, 10);
    assert_eq!(service.count_lines("was declared by another program"), 2, "one line per queue");
    assert_eq!(service.terminate(), Some(0));
}

/// As Python services declare theirs. The broker takes them along when it restarts, and whoever declares first decides.
#[test]
fn a_queue_that_was_somebody_elses_is_waited_for_and_never_declared_otherwise() {
    let (node, directory) = (Node::start(), Directory::new());
    let settings = [("predictions", "y_pred")];
    Peer::connect(&node.url).declare_transient("y_true");
    let mut service = metric(&node.url, "", &directory, &settings);
    service.wait_for_line("queue y_true was declared by another program, with other arguments");
    service.wait_for_line("consuming");
    let gone = "queue y_true was declared by another program and is gone";
    for restarts in [false, true] {
        if restarts {
            service.kill();
        }
        node.command("restart");
        if restarts {
            service = metric(&node.url, "", &directory, &settings);
        }
        service.wait_for_line(gone);
        let mut peer = Peer::connect(&node.url);
        let is_declared = peer.channel.queue_declare_passive("y_true").is_ok();
        assert!(!is_declared, "metric has declared it");
        // The Python side comes back.
        peer = Peer::connect(&node.url);
        peer.declare_transient("y_true");
        let connections = usize::from(!restarts);
        wait_for("connection", || (service.count_lines("connected to") > connections).then_some(()));
        let ids = if restarts { 10..20 } else { 0..10 };
        publish_pairs(&mut peer, "", ids.clone());
        wait_for_rows(&directory, ids.end as usize);
    }
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn one_metric_at_a_time_consumes_the_queues() {
    let (url, prefix) = (shared_broker(), prefix());
    let directories = [Directory::new(), Directory::new()];
    let [first, second] = directories
        .each_ref()
        .map(|directory| metric(&url, &prefix, directory, &[("predictions", "y_pred")]));
    let consumes = |service: &Service| service.count_lines("consuming") > 0;
    wait_for("one that consumes", || (consumes(&first) || consumes(&second)).then_some(()));
    let is_first = consumes(&first);
    let ((mut at_work, its), (waiting, others)) = match is_first {
        true => ((first, &directories[0]), (second, &directories[1])),
        false => ((second, &directories[1]), (first, &directories[0])),
    };
    let taken = format!(
        "another metric consumes {prefix}y_true and {prefix}y_pred (it holds the queue {prefix}metric_lock)"
    );
    waiting.wait_for_line(&taken);
    let settings = [("log-dir", others.0.to_str().unwrap())];
    assert_eq!(healthcheck(env!("CARGO_BIN_EXE_metric"), &settings), format!("unhealthy: {taken}"));
    let mut peer = Peer::connect(&url);
    publish_pairs(&mut peer, &prefix, 0..2000);
    wait_for_rows(its, 2000);
    assert_eq!(waiting.count_lines("consuming"), 0);
    // Gone without a word.
    at_work.kill();
    waiting.wait_for_line("consuming");
    publish_pairs(&mut peer, &prefix, 2000..2010);
    wait_for("rows", || (rows(others).len() >= 10).then_some(()));
    assert_eq!(waiting.terminate(), Some(0));
}

/// Somebody else's consumer is warned of, whether it is there at the start or comes later.
#[test]
fn other_consumers_of_a_queue_are_warned_of() {
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    let settings = [("predictions", "y_pred")];
    let [y_true, y_pred] = ["y_true", "y_pred"].map(|name| format!("{prefix}{name}"));
    assert_eq!(started(&url, &prefix, &directory, &settings).terminate(), Some(0));
    let peer = Peer::connect(&url);
    let there = peer.channel.basic_consume(y_true.as_str(), amiquip::ConsumerOptions::default()).unwrap();
    let service = started(&url, &prefix, &directory, &settings);
    service.wait_for_line(&format!("queue {y_true} has 1 other consumer:"));
    let _later = peer.channel.basic_consume(y_pred.as_str(), amiquip::ConsumerOptions::default()).unwrap();
    service.wait_for_line(&format!("queue {y_pred} has 1 other consumer:"));
    there.cancel().unwrap();
    service.wait_for_line(&format!("queue {y_true} has no other consumer any more"));
    assert_eq!(service.terminate(), Some(0));
}

fn started(url: &str, prefix: &str, directory: &Directory, settings: &[(&str, &str)]) -> Service {
    let service = metric(url, prefix, directory, settings);
    service.wait_for_line("consuming");
    service
}

/// A lock needs a right on one more queue; without it the rest works.
#[test]
fn where_the_lock_is_not_permitted_it_goes_on_with_a_warning() {
    let (node, prefix, directory) = (Node::shared(), prefix(), Directory::new());
    let user = format!("{prefix}narrow");
    node.ctl(&["add_user", &user, "secret"]);
    let queues = format!("^{}(y_true|y_pred|dead_letters)$", prefix.replace('.', "[.]"));
    node.ctl(&["set_permissions", &user, &queues, ".*", ".*"]);
    let url = node.url.replace("guest:guest", &format!("{user}:secret"));
    let service = started(&url, &prefix, &directory, &[("predictions", "y_pred")]);
    service.wait_for_line("is not permitted, so a second metric");
    publish_pairs(&mut Peer::connect(&node.url), &prefix, 0..10);
    wait_for_rows(&directory, 10);
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn with_queue_type_existing_the_queues_are_waited_for() {
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    let settings = [("predictions", "y_pred"), ("queue-type", "existing")];
    let service = metric(&url, &prefix, &directory, &settings);
    service.wait_for_line("y_true does not exist");
    let mut peer = Peer::connect(&url);
    peer.declare_transient(&format!("{prefix}y_true"));
    service.wait_for_line("y_pred does not exist");
    peer.declare_transient(&format!("{prefix}y_pred"));
    service.wait_for_line("consuming");
    publish_pairs(&mut peer, &prefix, 0..10);
    wait_for_rows(&directory, 10);
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn a_queue_deleted_under_the_consumer_is_declared_again() {
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    let service = metric(&url, &prefix, &directory, &[("predictions", "y_pred")]);
    service.wait_for_line("consuming");
    let mut peer = Peer::connect(&url);
    peer.channel.queue_delete(format!("{prefix}y_true"), amiquip::QueueDeleteOptions::default()).unwrap();
    wait_for("reconnection", || (service.count_lines("connected to") > 1).then_some(()));
    publish_pairs(&mut peer, &prefix, 0..10);
    wait_for_rows(&directory, 10);
    service.wait_for_line("was the queue deleted?");
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn wrong_credentials_a_missing_vhost_and_permissions_are_named_and_not_asked_for_in_a_busy_loop() {
    let (node, prefix, directory) = (Node::shared(), prefix(), Directory::new());
    let proxy = Proxy::start(&node.url, false);
    let user = format!("{prefix}watcher");
    node.ctl(&["add_user", &user, "secret"]);
    let url = proxy.url.replace("guest:guest", &format!("{user}:secret"));
    for (url, part) in [
        (url.replace(":secret@", ":wrong@"), "invalid credentials"),
        (proxy.url.replace("%2f", "nowhere"), "vhost nowhere not found"),
        (url.clone(), "access to vhost"),
    ] {
        let (before, begun) = (proxy.connections(), Instant::now());
        let service = metric(&url, &prefix, &directory, &[]);
        service.wait_for_line(part);
        wait_for("further attempts", || (proxy.connections() >= before + 5).then_some(()));
        // What the backoff waits at least before the second to the fifth: 125, 250, 500 and 1000 ms.
        assert!(begun.elapsed() >= Duration::from_millis(1875));
        assert_eq!(service.count_lines("trying again"), 1, "one line per change of state");
        assert_eq!(service.count_lines("secret") + service.count_lines("wrong"), 0);
        assert_eq!(service.terminate(), Some(0));
    }
    node.ctl(&["set_permissions", &user, ".*", ".*", "none"]);
    let service = metric(&url, &prefix, &directory, &[("predictions", "y_pred")]);
    service.wait_for_line("ACCESS_REFUSED");
    node.ctl(&["set_permissions", &user, ".*", ".*", ".*"]);
    service.wait_for_line("consuming");
    // Taken away from a consumer at work: RabbitMQ asks for them when it connects again.
    node.ctl(&["clear_permissions", &user]);
    node.ctl(&["close_all_user_connections", &user, "maintenance"]);
    service.wait_for_line("access to vhost");
    node.ctl(&["set_permissions", &user, ".*", ".*", ".*"]);
    wait_for("reconnection", || (service.count_lines("connected to") > 1).then_some(()));
    publish_pairs(&mut Peer::connect(&node.url), &prefix, 0..10);
    wait_for_rows(&directory, 10);
    assert_eq!(service.count_lines("secret"), 0);
    assert_eq!(service.terminate(), Some(0));
}

/// A broker that accepts and then says nothing, as one behind a dead link does.
#[test]
fn a_silent_peer_does_not_hold_up_the_end() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("amqp://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let directory = Directory::new();
    let service: Service = metric(&url, "", &directory, &[]);
    let _held = listener.accept().unwrap();
    assert_eq!(service.terminate(), Some(0));
}
