//! SIGKILL at random instants. The oracle is a ledger of what was confirmed to have been published; after every restart
//! no row seen before may be gone or changed, and in the end there is exactly one row per id.

use crate::{
    metric,
    testing::{Directory, Peer, prefix, shared_broker, wait_for},
};
use std::{collections::HashMap, thread, time::Duration};

const PAIRS: usize = 50_000;
const KILLS: usize = 50;
/// The second half of a pair comes up to so many pairs after the first.
const APART: usize = 10_000;

/// Messages in the order of publication, as (queue, id); one in ten is repeated.
fn schedule(rng: &mut fastrand::Rng) -> Vec<(&'static str, usize)> {
    let mut timed = Vec::new();
    for id in 0..PAIRS {
        let (first, second) = if rng.bool() { ("y_true", "y_pred") } else { ("y_pred", "y_true") };
        for (queue, at) in [(first, id), (second, id + rng.usize(..APART))] {
            timed.push((at, queue, id));
            if rng.u8(..10) == 0 {
                timed.push((at + rng.usize(..APART), queue, id));
            }
        }
    }
    timed.sort_by_key(|&(at, ..)| at);
    timed.into_iter().map(|(_, queue, id)| (queue, id)).collect()
}

fn value(queue: &str, id: usize) -> f64 {
    if queue == "y_true" { id as f64 * 0.1 } else { 1000.0 - id as f64 / 3.0 }
}

#[test]
fn every_pair_gives_exactly_one_row_whatever_is_killed() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    let settings = [("predictions", "y_pred"), ("prefetch", "500")];
    let service = metric(&url, &prefix, &directory, &settings);
    service.wait_for_line("consuming");
    let messages = schedule(&mut rng);
    let publisher = {
        let (url, prefix) = (url.clone(), prefix.clone());
        thread::spawn(move || {
            let mut peer = Peer::connect(&url);
            for (queue, id) in messages {
                let body = serde_json::json!({"id": format!("k{id}"), "body": value(queue, id)}).to_string();
                peer.publish(&format!("{prefix}{queue}"), body.as_bytes());
            }
            peer.confirmed();
        })
    };
    let mut running = Some(service);
    let mut seen = String::new();
    for _ in 0..KILLS {
        // The instant is what is random here; nothing depends on its length.
        thread::sleep(Duration::from_micros(rng.u64(..150_000)));
        running.take().unwrap().kill();
        let now = directory.read("metric_log.csv");
        let whole = &now[..now.rfind('\n').map_or(0, |end| end + 1)];
        assert!(whole.starts_with(&seen), "a row that was seen is gone or changed");
        seen = whole.to_owned();
        running = Some(metric(&url, &prefix, &directory, &settings));
    }
    publisher.join().unwrap();
    let peer = Peer::connect(&url);
    wait_for("log of all pairs", || (crate::rows(&directory).len() >= PAIRS).then_some(()));
    wait_for("empty queues", || {
        (peer.depth(&format!("{prefix}y_true")) + peer.depth(&format!("{prefix}y_pred")) == 0).then_some(())
    });
    assert_eq!(running.unwrap().terminate(), Some(0));
    let rows = crate::rows(&directory);
    let by_id: HashMap<&str, _> = rows.iter().map(|row| (row.0.as_str(), row)).collect();
    assert_eq!((rows.len(), by_id.len()), (PAIRS, PAIRS));
    for id in 0..PAIRS {
        let (_, y_true, y_pred, error) = by_id[format!("k{id}").as_str()];
        assert_eq!((*y_true, *y_pred), (value("y_true", id), value("y_pred", id)));
        assert_eq!(*error, (y_pred - y_true).abs());
    }
    assert!(directory.read("metric_log.csv").starts_with(&seen));
    assert_eq!(directory.read("rejected.jsonl"), "");
}
