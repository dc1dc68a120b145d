//! All three programs together: true values shift, and the verdict turns.

use crate::{binary, features};
use glue::testing::{Directory, Service, prefix, shared_broker};

#[test]
fn a_shift_of_the_truth_turns_the_verdict_from_steady_to_worse() {
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    let log_dir = directory.0.to_str().unwrap();
    let broker = [("amqp-url", url.as_str()), ("queue-prefix", &prefix), ("log-dir", log_dir)];
    let _metric = Service::start(binary("metric"), &broker);
    let plot =
        Service::start(binary("plot"), &[("log-dir", log_dir), ("listen", "none"), ("interval", "0.2")]);
    let publish = |settings: &[(&str, &str)]| {
        let mut features = features(&url, &prefix, &[&[("interval", "0")], settings].concat());
        assert!(features.wait().success(), "{:?}", features.lines());
        features
    };
    publish(&[("count", "1500")]);
    plot.wait_for_line("Steady: MAE ");
    let features = publish(&[("count", "2000"), ("shift-after", "500"), ("shift", "1")]);
    features.wait_for_line("from here on true values are shifted by +77.0");
    let line = plot.wait_for_line("Worse since ");
    let [before, after] = maes(&line);
    // The model's MAE is 43; of normal errors that are one deviation of the target off it is about 80.
    assert!((38.0..48.0).contains(&before) && (60.0..100.0).contains(&after), "{line}");
}

/// Of `Worse since 02:13 UTC: MAE 42.4 → 81 (+91 %)`.
fn maes(line: &str) -> [f64; 2] {
    let (_, maes) = line.split_once("MAE ").unwrap();
    let (before, after) = maes.split_once(" → ").unwrap();
    [before, after.split(' ').next().unwrap()].map(|mae| mae.parse().unwrap())
}
