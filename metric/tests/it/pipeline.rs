//! All three programs together, from the data set to the picture.

use crate::{metric, records_of, rows};
use glue::testing::{Directory, Service, prefix, shared_broker, wait_for};
use serde_json::Value;
use std::{
    collections::HashSet,
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
};

const SAMPLES: usize = 200;

/// A sibling of this crate's binary; `cargo test --workspace` builds all of them.
pub fn binary(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_metric")).with_file_name(name);
    assert!(path.exists(), "{} is not built: run the tests with `make test`", path.display());
    path
}

/// For every row of the data set what the log must say of it: the true value and the model's prediction.
fn expected() -> Vec<(f64, f64)> {
    let model: Value = serde_json::from_str(include_str!("../../model.json")).unwrap();
    let coefficients: Vec<f64> =
        model["coefficients"].as_array().unwrap().iter().map(|w| w.as_f64().unwrap()).collect();
    let mut reader =
        csv::Reader::from_reader(include_bytes!("../../../features/data/diabetes.csv").as_slice());
    let rows = reader.deserialize().map(|row| {
        let row: Vec<f64> = row.unwrap();
        let sum: f64 = coefficients.iter().zip(&row).map(|(w, x)| w * x).sum();
        (row[10], model["intercept"].as_f64().unwrap() + sum)
    });
    rows.collect()
}

#[test]
fn from_samples_to_rows_to_a_picture() {
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    let log_dir = directory.0.to_str().unwrap();
    let metric = metric(&url, &prefix, &directory, &[]);
    let plot = Service::start(
        binary("plot"),
        &[("log-dir", log_dir), ("interval", "0.2"), ("size", "640x480"), ("listen", "none")],
    );
    plot.wait_for_line("pictures in");
    let count = SAMPLES.to_string();
    let settings =
        [("amqp-url", url.as_str()), ("queue-prefix", &prefix), ("interval", "0"), ("count", &count)];
    let mut features = Service::start(binary("features"), &settings);
    assert!(features.wait().success(), "{:?}", features.lines());
    features.wait_for_line("200 samples sent");

    wait_for("row of every sample", || (rows(&directory).len() == SAMPLES).then_some(()));
    let expected = expected();
    let rows = rows(&directory);
    assert_eq!(rows.iter().map(|row| &row.0).collect::<HashSet<_>>().len(), SAMPLES);
    for (id, y_true, y_pred, error) in &rows {
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.abs();
        assert!(
            expected.iter().any(|(t, p)| t == y_true && close(*y_pred, *p)),
            "{id} is no row of the data set"
        );
        assert_eq!(*error, (y_pred - y_true).abs());
    }

    let mean = rows.iter().map(|row| row.3).sum::<f64>() / SAMPLES as f64;
    let drawn = plot.wait_for_line("200 rows drawn");
    // Two decimals, of which a last zero is not printed.
    let mae = drawn.split_once("MAE ").unwrap().1.split(',').next().unwrap();
    assert!((mae.parse::<f64>().unwrap() - mean).abs() <= 0.005 + 1e-9, "{drawn} but the mean is {mean}");
    look_at(&directory.file("error_distribution.png"));
    assert_eq!(metric.terminate(), Some(0));
    assert_eq!(plot.terminate(), Some(0));
}

/// Sequentially, so that the rows in the order of their ids are those of the data set.
#[test]
fn of_each_classifier_the_samples_come_to_rows_and_most_are_right() {
    let cancer = include_str!("../../../features/data/breast_cancer.csv");
    let iris = include_str!("../../../features/data/iris.csv");
    for (task, data, samples) in [("binary", cancer, 569), ("classes", iris, 150)] {
        let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
        let metric = metric(&url, &prefix, &directory, &[("task", task)]);
        let count = samples.to_string();
        let broker = [("amqp-url", url.as_str()), ("queue-prefix", &prefix), ("task", task)];
        let how = [("interval", "0"), ("count", &count), ("order", "sequential"), ("batch", "10")];
        let mut features = Service::start(binary("features"), &[&broker[..], &how].concat());
        assert!(features.wait().success(), "{:?}", features.lines());
        let records = || records_of(&directory.read("metric_log.csv"));
        wait_for("row of every sample", || (records().len() == samples).then_some(()));
        let mut records = records();
        records.sort_by(|a, b| a[0].cmp(&b[0]));
        let truths: Vec<&str> = records.iter().map(|record| &record[1]).collect();
        let targets: Vec<&str> = data.lines().skip(1).map(|row| row.rsplit(',').next().unwrap()).collect();
        assert_eq!(truths, targets);
        let is_right = |record: &&csv::StringRecord| record[3].parse::<f64>().unwrap() < 0.5;
        let right = records.iter().filter(is_right).count();
        assert!(right * 100 > samples * 95 && right < samples, "{right} of {samples} are right");
        assert_eq!(directory.read("rejected.jsonl"), "");
        assert_eq!(metric.terminate(), Some(0));
    }
}

/// The size, more than one colour, and bars: columns of the same colour that rise from the same base to different heights.
fn look_at(path: &Path) {
    let mut reader = png::Decoder::new(BufReader::new(File::open(path).unwrap())).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height), (640, 480));
    let bytes = info.color_type.samples();
    let pixel = |x: usize, y: usize| &pixels[y * info.line_size + x * bytes..][..bytes];
    let mut counts = std::collections::HashMap::<&[u8], usize>::new();
    for (x, y) in (0..480).flat_map(|y| (0..640).map(move |x| (x, y))) {
        *counts.entry(pixel(x, y)).or_default() += 1;
    }
    let mut colours: Vec<_> = counts.into_iter().collect();
    colours.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    assert!(colours.len() > 2, "{} colours", colours.len());
    let bar = colours[1].0;
    let heights: HashSet<usize> =
        (0..640).map(|x| (0..480).filter(|&y| pixel(x, y) == bar).count()).collect();
    assert!(heights.len() >= 5, "bars of heights {heights:?}");
}
