//! Samples in partitions: `features` publishes each to its own, a `metric` of each takes them, and none takes another one's.

use crate::{metric, pipeline::binary, rows};
use glue::{
    amqp::Partition,
    testing::{Directory, Peer, Service, prefix, shared_broker, wait_for},
};
use serde_json::{Value, json};

const PARTITIONS: u32 = 3;

#[test]
fn each_partition_has_the_rows_of_its_ids_and_no_other() {
    let (url, prefix) = (shared_broker(), prefix());
    let directories: Vec<Directory> = (0..PARTITIONS).map(|_| Directory::new()).collect();
    let partitions: Vec<String> = (0..PARTITIONS).map(|number| format!("{number}/{PARTITIONS}")).collect();
    let start =
        |number: usize| metric(&url, &prefix, &directories[number], &[("partition", &partitions[number])]);
    let mut services: Vec<Service> = (0..PARTITIONS as usize).map(start).collect();
    for batch in ["1", "100"] {
        let of = PARTITIONS.to_string();
        let settings = [("amqp-url", url.as_str()), ("queue-prefix", &prefix), ("partitions", &of)];
        let how = [("interval", "0"), ("count", "1500"), ("batch", batch)];
        let mut features = Service::start(binary("features"), &[&settings[..], &how].concat());
        assert!(features.wait().success(), "{:?}", features.lines());
    }
    let n = || directories.iter().map(|directory| rows(directory).len()).sum::<usize>();
    wait_for("row of every sample", || (n() == 3000).then_some(()));
    for (number, directory) in directories.iter().enumerate() {
        let rows = rows(directory);
        // Of 1,000 expected, which have a standard deviation of 26.
        assert!(rows.len() > 800, "{}", rows.len());
        let is_here = |id: &str| Partition::of_id(id, PARTITIONS).number as usize == number;
        assert!(rows.iter().all(|row| is_here(&row.0)));
        assert_eq!(directory.read("rejected.jsonl"), "");
        let status: Value = serde_json::from_str(&directory.read("metric_status.json")).unwrap();
        assert_eq!(status["partition"], partitions[number]);
    }
    // The directory of another partition is refused by name.
    assert_eq!(services.remove(0).terminate(), Some(0));
    let mut wrong = metric(&url, &prefix, &directories[0], &[("partition", &partitions[1])]);
    assert!(!wrong.wait().success());
    let lines = wrong.lines().join("\n");
    assert!(lines.contains("p0.") && lines.contains("p1."), "{lines}");
}

#[test]
fn a_sample_of_another_partition_is_rejected_by_name() {
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    let settings = [("partition", "1/2"), ("predictions", "y_pred")];
    let service = metric(&url, &prefix, &directory, &settings);
    service.wait_for_line("consuming");
    let queue = |name: &str| format!("{prefix}p1.{name}");
    let mut peer = Peer::connect(&url);
    // One alone, which takes the fast way, and one in a batch whose other samples are used.
    let right: Vec<String> =
        (0..50).map(|n| format!("id{n}")).filter(|id| Partition::of_id(id, 2).number == 1).collect();
    let batch: Vec<Value> = right
        .iter()
        .map(|id| json!({"id": id, "body": 1}))
        .chain([json!({"id": "123456789", "body": 1})])
        .collect();
    peer.publish(&queue("y_true"), json!({"id": "1732341600.25", "body": 1}).to_string().as_bytes());
    peer.publish(&queue("y_true"), json!(batch).to_string().as_bytes());
    for id in &right {
        peer.publish(&queue("y_pred"), json!({"id": id, "body": 2}).to_string().as_bytes());
    }
    peer.confirmed();
    wait_for("rows", || (rows(&directory).len() == right.len()).then_some(()));
    let rejected = directory.read("rejected.jsonl");
    let reason = "the id belongs to partition 0/2, and this is 1/2: crc32(id) modulo 2 is 0";
    assert_eq!(rejected.matches(reason).count(), 2, "{rejected}");
    assert!(rejected.contains("123456789") && rejected.contains("1732341600.25"), "{rejected}");
}
