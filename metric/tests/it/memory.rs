//! The most memory that `metric` takes, whatever lies in its queues.

use crate::{metric, rows};
use glue::testing::{Directory, Peer, count, figure, prefix, shared_broker, wait_for};

/// What the broker may send ahead grows with these; the large messages behind them then come all at once.
const SMALL_MESSAGES: usize = 20_000;
/// Some hundred MB in all.
const LARGE_MESSAGES: usize = 100;
/// The largest body that the contract allows.
const LARGE_BYTES: usize = 1 << 20;
const RESIDENT_MAX_MB: usize = 64;

/// Publishes small messages, then large ones, to both queues, lets `metric` work them off, and checks its peak.
fn check_peak(kind: &str, large: usize, body: impl Fn(usize) -> String) {
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    let queues = ["y_true", "y_pred"].map(|queue| format!("{prefix}{queue}"));
    let mut peer = Peer::connect(&url);
    for queue in &queues {
        peer.declare_transient(queue);
        for i in 0..SMALL_MESSAGES {
            peer.publish(queue, format!("{{\"id\": {i}, \"body\": 1}}").as_bytes());
        }
        for i in 0..large {
            let body = body(i);
            assert!(body.len() <= LARGE_BYTES && body.len() > LARGE_BYTES - 20_000, "{} bytes", body.len());
            peer.publish(queue, body.as_bytes());
            if i % 10 == 0 {
                // Else the test itself holds them all in memory.
                peer.confirmed();
            }
        }
        peer.publish(queue, b"{\"id\": \"last\", \"body\": 1}");
        peer.confirmed();
    }
    let settings = [("predictions", "y_pred"), ("queue-type", "existing")];
    let service = metric(&url, &prefix, &directory, &settings);
    wait_for("row of the last pair", || {
        directory.read_end("metric_log.csv", 4096).contains("\nlast,").then_some(())
    });
    let peak_mb = (service.peak_resident_bytes() >> 20) as usize;
    assert_eq!(service.count_lines("connected to"), 1, "the connection was lost: {:?}", service.lines());
    let max_mb = count("METRIC_RESIDENT_MAX_MB", RESIDENT_MAX_MB);
    assert!(peak_mb <= max_mb, "{kind}: {peak_mb} MB resident, more than {max_mb}");
    assert_eq!(service.terminate(), Some(0));
    figure("memory of metric", &format!("{large} messages of 1 MiB a queue, {kind}: {peak_mb} MB"), 0);
    assert!(rows(&directory).len() > SMALL_MESSAGES);
}

fn padded(len: usize, begin: &str, end: &str) -> String {
    format!("{begin}{}{end}", "x".repeat(len - begin.len() - end.len()))
}

#[test]
fn large_batches_of_few_samples_take_little_memory() {
    check_peak("padded", count("CHAOS_LARGE_MESSAGES", LARGE_MESSAGES), |i| {
        let begin =
            format!("[{{\"id\": \"a{i}\", \"body\": 1}}, {{\"id\": \"b{i}\", \"body\": 2, \"pad\": \"");
        padded(LARGE_BYTES, &begin, "\"}]")
    });
}

#[test]
fn large_invalid_messages_take_little_memory() {
    check_peak("invalid", count("CHAOS_LARGE_MESSAGES", LARGE_MESSAGES), |i| {
        padded(LARGE_BYTES, &format!("[{{\"id\": \"a{i}\", \"body\": "), "")
    });
}

#[test]
fn large_batches_of_many_samples_take_little_memory() {
    check_peak("10,000 samples", count("CHAOS_LARGE_MESSAGES", LARGE_MESSAGES) / 4, |i| {
        let samples = (0..10_000).map(|j| format!("{{\"id\":\"{i:040}{j:045}\",\"body\":1}}"));
        format!("[{}]", samples.collect::<Vec<_>>().join(","))
    });
}
