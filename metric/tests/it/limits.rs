//! Halves whose other half does not come: given up by number or age, written down, and forgotten.

use crate::{metric, rows};
use glue::testing::{Directory, Peer, prefix, shared_broker, wait_for};

fn publish(peer: &mut Peer, queue: String, ids: std::ops::Range<u32>) {
    for id in ids {
        peer.publish(&queue, format!("{{\"id\": \"h{id}\", \"body\": {id}.5}}").as_bytes());
    }
    peer.confirmed();
}

/// Lines of `unmatched.csv` without the header: id, kind, value.
fn unmatched(directory: &Directory) -> Vec<(String, String, f64)> {
    let text = directory.read("unmatched.csv");
    assert!(text.is_empty() || text.starts_with("id,kind,value,received_at\n"));
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let lines = reader.deserialize().map(|line| {
        let (id, kind, value, received_at): (String, String, f64, f64) = line.unwrap();
        assert!(received_at > 1.7e9, "Unix seconds: {received_at}");
        (id, kind, value)
    });
    lines.collect()
}

fn expected(kind: &str, ids: std::ops::Range<u32>) -> Vec<(String, String, f64)> {
    ids.map(|id| (format!("h{id}"), kind.to_owned(), f64::from(id) + 0.5)).collect()
}

#[test]
fn halves_beyond_the_number_are_given_up_the_oldest_first_and_forgotten() {
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    let settings = [("predictions", "y_pred"), ("pending-max", "100"), ("prefetch", "64")];
    let service = metric(&url, &prefix, &directory, &settings);
    service.wait_for_line("consuming");
    let mut peer = Peer::connect(&url);
    publish(&mut peer, format!("{prefix}y_true"), 0..1000);
    wait_for("900 halves given up", || (unmatched(&directory).len() == 900).then_some(()));
    assert_eq!(unmatched(&directory), expected("y_true", 0..900));
    // Those that still wait are joined. One that was given up is forgotten: its other half waits for a new one.
    publish(&mut peer, format!("{prefix}y_pred"), 900..1000);
    publish(&mut peer, format!("{prefix}y_pred"), 0..1);
    // The row of one more pair says that all before it in the queue is done.
    publish(&mut peer, format!("{prefix}y_pred"), 2000..2001);
    publish(&mut peer, format!("{prefix}y_true"), 2000..2001);
    wait_for("rows of the last halves", || (rows(&directory).len() == 101).then_some(()));
    assert_eq!(service.terminate(), Some(0));
    assert_eq!(unmatched(&directory).len(), 900);
}

#[test]
fn halves_beyond_the_age_are_given_up_after_a_restart_too() {
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    let service = metric(&url, &prefix, &directory, &[("predictions", "y_pred")]);
    service.wait_for_line("consuming");
    let mut peer = Peer::connect(&url);
    publish(&mut peer, format!("{prefix}y_pred"), 0..10);
    wait_for("empty queue", || (peer.depth(&format!("{prefix}y_pred")) == 0).then_some(()));
    service.wait_for_line("10 halves waiting");
    assert_eq!(service.terminate(), Some(0));
    assert_eq!(directory.read("unmatched.csv"), "");
    // They are older than that by now, and no message needs to come for it to be noticed.
    let service = metric(&url, &prefix, &directory, &[("predictions", "y_pred"), ("pending-max-age", "0s")]);
    wait_for("all given up", || (unmatched(&directory).len() == 10).then_some(()));
    assert_eq!(unmatched(&directory), expected("y_pred", 0..10));
    assert_eq!(service.terminate(), Some(0));
}
