//! `metric --healthcheck` against a process that works, waits, hangs, or is gone.

use crate::{HEADER, metric};
use glue::testing::{Directory, Peer, Proxy, Service, healthcheck, prefix, shared_broker, wait_for};
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
    service.wait_for_line("consuming");
    wait_for("health", || health(directory).starts_with("ok: ").then_some(()));
    service
}

#[test]
fn it_is_well_while_connected_and_not_while_the_broker_is_away() {
    let (proxy, directory) = (Proxy::start(&shared_broker(), false), Directory::new());
    let service = healthy(&proxy.url, &prefix(), &directory);
    proxy.set_away(true);
    wait_for_health(&directory, "unhealthy: no connection to amqp://");
    proxy.set_away(false);
    wait_for("health", || health(&directory).starts_with("ok: ").then_some(()));
    assert_eq!(service.terminate(), Some(0));
    assert_eq!(health(&directory), "unhealthy: no process with these settings runs");
}

#[test]
fn it_says_what_was_done_and_warns_of_the_first_rejection() {
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    let service = healthy(&url, &prefix, &directory);
    let mut peer = Peer::connect(&url);
    for id in 0..37 {
        peer.publish(&format!("{prefix}y_true"), format!("not JSON {id}").as_bytes());
    }
    peer.publish(&format!("{prefix}y_true"), b"{\"id\": 1, \"body\": 2}");
    peer.publish(&format!("{prefix}y_pred"), b"{\"id\": 1, \"body\": 3}");
    peer.publish(&format!("{prefix}y_pred"), b"{\"id\": 1, \"body\": 4}");
    wait_for_health(&directory, "ok: 1 row written, 0 halves waiting, 0 duplicates, 1 conflict, 37 rejected");
    let line = service.wait_for_line(" rejected, written to ");
    assert!(line.contains("WARN") && line.contains("rejected.jsonl; the last: queue"), "{line}");
    assert!(line.contains(&format!("queue {prefix}y_")), "{line}");
    assert_eq!(service.count_lines(" rejected, written to "), 1, "one in a minute at most");
    assert_eq!(service.terminate(), Some(0));
}

/// A million rows take some seconds to be read.
#[test]
fn a_start_that_reads_a_long_log_is_well_says_how_far_it_is_and_can_be_stopped() {
    const ROWS: usize = 1_000_000;
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    let row = |id: usize| format!("id {id},1,2.5,1.5,1732341600.000\n");
    let text = HEADER.to_owned() + &(0..ROWS).map(row).collect::<String>();
    fs::write(directory.file("metric_log.csv"), &text).unwrap();
    let mut service = metric(&url, &prefix, &directory, &[]);
    wait_for_health(&directory, "ok: reading ");
    let doing = health(&directory);
    assert!(doing.contains("metric_log.csv: ") && doing.contains(" % of "), "{doing}");
    service.signal("TERM");
    assert_eq!(service.wait().code(), Some(0));
    service.wait_for_line("stopped while the log was being read");
    assert_eq!(service.lines().len(), 2, "the settings and that line: {:?}", service.lines());
    // The next start goes on from there.
    let service = metric(&url, &prefix, &directory, &[]);
    let adopted = service.wait_for_line("rows from the log");
    assert!(!adopted.contains(&format!(" {ROWS} rows")), "{adopted}");
    assert!(directory.read("metric_log.csv") == text);
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn a_killed_process_and_one_that_hangs_are_not_taken_for_well() {
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    healthy(&url, &prefix, &directory).kill();
    assert_eq!(health(&directory), "unhealthy: no process with these settings runs");
    let service = healthy(&url, &prefix, &directory);
    service.signal("STOP");
    wait_for_health(&directory, "the process hangs");
    service.signal("CONT");
    wait_for("health", || health(&directory).starts_with("ok: ").then_some(()));
}

#[test]
fn instances_are_told_apart_by_their_directories() {
    let (url, one, other) = (shared_broker(), Directory::new(), Directory::new());
    let _one = healthy(&url, &prefix(), &one);
    assert_eq!(health(&other), "unhealthy: no process with these settings runs");
    let mut other_service = healthy(&url, &prefix(), &other);
    other_service.kill();
    assert!(health(&one).starts_with("ok: "));
}

#[test]
fn a_batch_that_finds_no_room_on_the_disk_is_the_reason() {
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    // Whatever is written there, the system answers that the disk is full. With no half allowed to wait, each is given up.
    let unmatched = directory.file("unmatched.csv");
    symlink("/dev/full", &unmatched).unwrap();
    let settings = [("predictions", "y_pred"), ("pending-max", "0")];
    let service = metric(&url, &prefix, &directory, &settings);
    service.wait_for_line("consuming");
    wait_for("health", || health(&directory).starts_with("ok: ").then_some(()));
    let mut peer = Peer::connect(&url);
    peer.publish(&format!("{prefix}y_true"), b"{\"id\": 1, \"body\": 2}");
    wait_for_health(&directory, "No space left on device");
    let reason = health(&directory);
    assert!(reason.contains("unmatched.csv") && reason.ends_with("waiting for room"), "{reason}");
    fs::remove_file(&unmatched).unwrap();
    wait_for("health", || health(&directory).starts_with("ok: ").then_some(()));
    service.wait_for_line("there is room again");
    assert!(directory.read("unmatched.csv").contains("1,y_true,2,"));
    assert_eq!(service.terminate(), Some(0));
}
