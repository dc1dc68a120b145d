//! How large messages, and the process, become at most.

use crate::{data_sets::gzip, features};
use glue::testing::{Directory, Peer, Service, prefix, shared_broker, wait_for};
use std::{fs, path::Path};

/// CONTRACT.md.
const MESSAGE_MAX_BYTES: usize = 1_048_576;
/// docs/deploy.md.
const RESIDENT_MAX_BYTES: u64 = 32_000_000;

/// The largest batch that is allowed with `settings`, by the line that says so.
fn batch_max(settings: &[(&str, &str)]) -> usize {
    let mut settings = settings.to_vec();
    settings.push(("batch", "10000"));
    let mut service = Service::start(env!("CARGO_BIN_EXE_features"), &settings);
    assert_eq!(service.wait().code(), Some(2));
    let line = service.wait_for_line("--batch (FEATURES_BATCH) is 10000; allowed: 1 to ");
    line.split_once(" to ").unwrap().1.split(' ').next().unwrap().parse().unwrap()
}

/// A data set of one row of long numbers.
fn write_row(file: &Path, columns: usize) {
    let header: Vec<String> = (0..columns).map(|column| format!("c{column}")).collect();
    let row = vec!["-0.12345678901234567"; columns];
    fs::write(file, format!("{}\n{}\n", header.join(","), row.join(","))).unwrap();
}

/// The sizes of the bodies in both queues after a run.
fn message_bytes(settings: &[(&str, &str)]) -> Vec<usize> {
    let (url, prefix) = (shared_broker(), prefix());
    let mut service = features(&url, &prefix, settings);
    assert!(service.wait().success(), "{:?}", service.lines());
    let peer = Peer::connect(&url);
    let queues = ["y_true", "features"].map(|queue| peer.drain(&format!("{prefix}{queue}")));
    queues.iter().flatten().map(|message| message.body.len()).collect()
}

/// What a test without a count has published would stay.
fn delete_queues(peer: &Peer, prefix: &str) {
    for queue in ["y_true", "features"] {
        let queue = format!("{prefix}{queue}");
        peer.channel.queue_delete(queue.as_str(), amiquip::QueueDeleteOptions::default()).unwrap();
    }
}

#[test]
fn the_largest_batch_makes_messages_of_1_mib_at_most_and_one_more_is_refused() {
    let directory = Directory::new();
    let file = directory.file("wide.csv");
    let dataset = ("dataset", file.to_str().unwrap());
    // Up to one sample that is nearly a message.
    for columns in [20, 1000, 45_000] {
        write_row(&file, columns);
        let most = batch_max(&[dataset]);
        let (batch, count) = (most.to_string(), (2 * most).to_string());
        let sizes = message_bytes(&[dataset, ("batch", &batch), ("count", &count), ("interval", "0")]);
        let largest = *sizes.iter().max().unwrap();
        assert_eq!(sizes.len(), 4);
        assert!(largest <= MESSAGE_MAX_BYTES, "{largest}");
        // A further sample, and its comma, would not have fitted.
        assert!(largest + largest.div_ceil(most) + 1 > MESSAGE_MAX_BYTES, "{largest} with {most}");
    }
}

#[test]
fn a_sample_larger_than_a_message_is_refused() {
    let directory = Directory::new();
    let file = directory.file("wide.csv");
    write_row(&file, 60_000);
    let settings = [("dataset", file.to_str().unwrap()), ("count", "1")];
    let mut service = Service::start(env!("CARGO_BIN_EXE_features"), &settings);
    assert_eq!(service.wait().code(), Some(2));
    service.wait_for_line("--batch (FEATURES_BATCH) is 1; allowed: none");
}

#[test]
fn memory_is_bounded_whatever_is_on_its_way() {
    let largest = batch_max(&[]).to_string();
    for (batch, interval, messages) in
        [("1", "0", 20_000), ("100", "0", 2_000), (&largest, "0", 60), (&largest, "0.000001", 60)]
    {
        let (url, prefix) = (shared_broker(), prefix());
        let settings = [("batch", batch), ("interval", interval), ("queue-type", "classic")];
        let service = features(&url, &prefix, &settings);
        service.wait_for_line(" sent, ");
        let peer = Peer::connect(&url);
        let queue = format!("{prefix}features");
        wait_for("messages", || (peer.depth(&queue) > messages).then_some(()));
        // The broker gives back what no queue takes, bodies and all, and the rest is published again over another connection.
        peer.channel.queue_delete(queue.as_str(), amiquip::QueueDeleteOptions::default()).unwrap();
        wait_for("second connection", || (service.count_lines("connected to") > 1).then_some(()));
        wait_for("further messages", || (peer.depth(&queue) > messages / 4).then_some(()));
        let peak_bytes = service.peak_resident_bytes();
        assert!(peak_bytes <= RESIDENT_MAX_BYTES, "{peak_bytes} with --batch {batch} --interval {interval}");
        println!("peak {peak_bytes} bytes with --batch {batch} --interval {interval}");
        assert_eq!(service.terminate(), Some(0));
        delete_queues(&peer, &prefix);
    }
}

#[test]
fn a_data_set_takes_eight_bytes_a_field_on_top() {
    const ROWS: u64 = 1_000_000;
    let directory = Directory::new();
    let file = directory.file("long.csv.gz");
    fs::write(&file, gzip(&format!("a,y\n{}", "1.25,7\n".repeat(ROWS as usize)))).unwrap();
    let (url, prefix) = (shared_broker(), prefix());
    let dataset = ("dataset", file.to_str().unwrap());
    let settings = [dataset, ("batch", "100"), ("interval", "0"), ("queue-type", "classic")];
    let service = features(&url, &prefix, &settings);
    let peer = Peer::connect(&url);
    service.wait_for_line(" sent, ");
    let queue = format!("{prefix}features");
    wait_for("messages", || (peer.depth(&queue) > 2_000).then_some(()));
    let peak_bytes = service.peak_resident_bytes();
    assert_eq!(service.terminate(), Some(0));
    delete_queues(&peer, &prefix);
    let most = RESIDENT_MAX_BYTES + 2 * 8 * ROWS;
    assert!(peak_bytes <= most, "{peak_bytes}");
    println!("peak {peak_bytes} bytes with a data set of {ROWS} rows");
}
