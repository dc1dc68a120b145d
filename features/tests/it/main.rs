//! The real binary against a real broker; the tests play the consuming side.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod amqps;
mod bounds;
mod command_line;
mod data_sets;
mod groups;
mod health;
mod kills;
mod outages;
mod samples;
mod shift;

use glue::testing::{Peer, Service, prefix, shared_broker};
use std::path::{Path, PathBuf};

/// Starts `features` with a queue prefix and further settings.
fn features(url: &str, prefix: &str, more: &[(&str, &str)]) -> Service {
    let mut settings = vec![("amqp-url", url), ("queue-prefix", prefix)];
    settings.extend_from_slice(more);
    Service::start(env!("CARGO_BIN_EXE_features"), &settings)
}

/// The samples in a queue, in order: their ids as they are and their bodies.
fn drain(peer: &Peer, queue: &str) -> Vec<(String, serde_json::Value)> {
    let mut samples = Vec::new();
    for message in peer.drain(queue) {
        let body: serde_json::Value = serde_json::from_slice(&message.body).unwrap();
        let batch = if let serde_json::Value::Array(batch) = body { batch } else { vec![body] };
        samples.extend(batch.into_iter().map(|s| (s["id"].as_str().unwrap().to_owned(), s["body"].clone())));
    }
    samples
}

/// Publishes with `settings` and gives what is in the queues `y_true` and `features` then.
fn publish(settings: &[(&str, &str)]) -> [Vec<(String, serde_json::Value)>; 2] {
    let (url, prefix) = (shared_broker(), prefix());
    let mut service = features(&url, &prefix, settings);
    assert!(service.wait().success(), "{:?}", service.lines());
    let peer = Peer::connect(&url);
    ["y_true", "features"].map(|queue| drain(&peer, &format!("{prefix}{queue}")))
}

/// A sibling of this crate's binary; `cargo test --workspace` builds all of them.
fn binary(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_features")).with_file_name(name);
    assert!(path.exists(), "{} is not built: run the tests with `make test`", path.display());
    path
}
