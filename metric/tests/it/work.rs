//! `features` and two `metric`s that work while brokers fail: one has the samples of `features`, the other the pairs of a ledger. In the end
//! nothing is lost or doubled.

use crate::{
    ledger::{Ledger, Seen},
    metric, rows,
};
use glue::testing::{Directory, Service, wait_for};
use std::collections::HashSet;

/// A log directory, the `metric` at work on it, and what was seen of its log.
pub struct Work {
    pub directory: Directory,
    pub service: Service,
    pub seen: Seen,
}

impl Work {
    /// Waits until it consumes.
    pub fn start(urls: &str, prefix: &str, predictions: &str) -> Work {
        let directory = Directory::new();
        let service = metric(urls, prefix, &directory, &[("predictions", predictions)]);
        service.wait_for_line("consuming");
        Work { directory, service, seen: Seen::default() }
    }
}

/// To be called once nothing fails any more: ends all, and checks that each sample and each pair has one row. Returns how many samples
/// `features` counts as sent.
pub fn finish(
    url: &str,
    ledger: &Ledger,
    mut features: Service,
    mut samples: Work,
    mut pairs: Work,
) -> usize {
    ledger.finish(url, &pairs.directory);
    features.signal("TERM");
    assert_eq!(features.wait().code(), Some(0));
    let sent = samples_in_line(&features, "stopped; ");
    let unconfirmed = samples_in_line(&features, "not counted as sent");
    wait_for("row of every sample", || (rows(&samples.directory).len() >= sent).then_some(()));
    for work in [&mut samples, &mut pairs] {
        work.seen.look(&work.directory);
        assert!(work.service.is_running(), "{:?}", work.service.lines());
    }
    assert_eq!([samples.service.terminate(), pairs.service.terminate()], [Some(0), Some(0)]);
    ledger.check(&pairs.directory);
    let ids: Vec<String> = rows(&samples.directory).into_iter().map(|row| row.0).collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "an id has two rows");
    assert!((sent..=sent + unconfirmed).contains(&ids.len()), "{sent} sent, {} rows", ids.len());
    assert_eq!(samples.directory.read("rejected.jsonl"), "");
    sent
}

/// How many samples the last line with `text` says; none without such a line.
fn samples_in_line(service: &Service, text: &str) -> usize {
    let lines = service.lines();
    let words = |line: &String| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let line = lines.iter().rev().find(|line| line.contains(text)).map(words).unwrap_or_default();
    let before = line.windows(2).find(|pair| pair[1].starts_with("sample"));
    before.map_or(0, |pair| pair[0].parse().unwrap())
}
