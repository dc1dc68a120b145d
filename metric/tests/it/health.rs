//! `metric --healthcheck` against a process that works, waits, hangs, or is gone.

use crate::{
    metric,
    testing::{Directory, Node, Peer, Service, healthcheck, prefix, shared_broker, wait_for},
};
use std::{fs, os::unix::fs::symlink};

/// What is asked of the `metric` on a directory. It goes by the directory alone.
fn health(directory: &Directory) -> String {
    healthcheck(env!("CARGO_BIN_EXE_metric"), &[("log-dir", directory.0.to_str().unwrap())])
}

fn wait_for_health(directory: &Directory, part: &str) {
    wait_for(&format!("health with {part:?}"), || health(directory).contains(part).then_some(()));
}

fn healthy(url: &str, prefix: &str, directory: &Directory) -> Service {
    let service = metric(url, prefix, directory, &[("predictions", "y_pred")]);
    wait_for("health", || (health(directory) == "ok").then_some(()));
    service
}

#[test]
fn it_is_well_while_connected_and_not_while_the_broker_is_away() {
    let (node, directory) = (Node::start(), Directory::new());
    let service = healthy(&node.url, "", &directory);
    node.command("stop");
    wait_for_health(&directory, "unhealthy: no connection to amqp://");
    node.command("start");
    wait_for("health", || (health(&directory) == "ok").then_some(()));
    assert_eq!(service.terminate(), Some(0));
    assert_eq!(health(&directory), "unhealthy: no process with these settings runs");
}

#[test]
fn a_killed_process_and_one_that_hangs_are_not_taken_for_well() {
    let (url, directory) = (shared_broker(), Directory::new());
    healthy(&url, &prefix(), &directory).kill();
    assert_eq!(health(&directory), "unhealthy: no process with these settings runs");
    let service = healthy(&url, &prefix(), &directory);
    service.signal("STOP");
    wait_for_health(&directory, "the process hangs");
    service.signal("CONT");
    wait_for("health", || (health(&directory) == "ok").then_some(()));
}

#[test]
fn instances_are_told_apart_by_their_directories() {
    let (url, one, other) = (shared_broker(), Directory::new(), Directory::new());
    let _one = healthy(&url, &prefix(), &one);
    assert_eq!(health(&other), "unhealthy: no process with these settings runs");
    let mut other_service = healthy(&url, &prefix(), &other);
    other_service.kill();
    assert_eq!(health(&one), "ok");
}

#[test]
fn a_batch_that_finds_no_room_on_the_disk_is_the_reason() {
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    // Whatever is written there, the system answers that the disk is full. With no half allowed to wait, each is given up.
    let unmatched = directory.file("unmatched.csv");
    symlink("/dev/full", &unmatched).unwrap();
    let settings = [("predictions", "y_pred"), ("pending-max", "0")];
    let service = metric(&url, &prefix, &directory, &settings);
    wait_for("health", || (health(&directory) == "ok").then_some(()));
    let mut peer = Peer::connect(&url);
    peer.publish(&format!("{prefix}y_true"), b"{\"id\": 1, \"body\": 2}");
    wait_for_health(&directory, "No space left on device");
    let reason = health(&directory);
    assert!(reason.contains("unmatched.csv") && reason.ends_with("it waits for room"), "{reason}");
    fs::remove_file(&unmatched).unwrap();
    wait_for("health", || (health(&directory) == "ok").then_some(()));
    service.wait_for_line("there is room again");
    assert!(directory.read("unmatched.csv").contains("1,y_true,2,"));
    assert_eq!(service.terminate(), Some(0));
}
