//! `/metrics` of the running service, read as Prometheus reads it.

use crate::process::{Directory, Plot, until};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

const HEADER: &str = "id,y_true,y_pred,absolute_error,logged_at,label_delay\n";

/// Time of a log's first row.
const START_S: u64 = 1_732_341_600;

/// Values of all series, by name and labels as they are written, without `model_monitor_`.
type Series = BTreeMap<String, f64>;

/// Checks the form on the way: HELP and TYPE before the samples of each family, all of which are together.
fn metrics(plot: &Plot) -> Series {
    let (status, head, body) = plot.ask("GET", "/metrics");
    assert_eq!(status, 200);
    assert!(head.contains("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{head}");
    let text = String::from_utf8(body).unwrap();
    assert!(text.ends_with('\n'));
    let (mut series, mut families, mut family) = (Series::new(), BTreeSet::new(), "");
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP model_monitor_") {
            family = help.split(' ').next().unwrap();
            assert!(families.insert(family), "{family} comes twice");
            assert!(help.len() > family.len() + 10, "{line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE model_monitor_") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(name == family && ["gauge", "counter", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
        } else {
            let (name, value) = line.strip_prefix("model_monitor_").unwrap().rsplit_once(' ').unwrap();
            let base = name.split('{').next().unwrap();
            assert!(
                base == family
                    || base
                        .strip_prefix(family)
                        .is_some_and(|end| { ["_bucket", "_sum", "_count"].contains(&end) }),
                "{line} is not of {family}"
            );
            let value: f64 = value.parse().unwrap();
            assert!(!value.is_nan(), "{line}");
            assert!(series.insert(name.to_owned(), value).is_none(), "{line} comes twice");
        }
    }
    series
}

/// (limit, count) of a histogram, whose last bucket holds all.
fn buckets(series: &Series, name: &str) -> Vec<(f64, f64)> {
    let prefix = format!("{name}_bucket{{le=\"");
    let limits = series.iter().filter_map(|(key, count)| {
        let limit = key.strip_prefix(&prefix)?.strip_suffix("\"}")?;
        Some((limit.parse().unwrap(), *count))
    });
    let mut buckets: Vec<(f64, f64)> = limits.collect();
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert!(buckets.is_sorted_by(|a, b| a.1 <= b.1), "{buckets:?}");
    assert_eq!(buckets.pop(), Some((f64::INFINITY, series[&format!("{name}_count")])));
    buckets
}

/// Rows with these absolute errors, one each second.
fn log_of(errors: &[f64]) -> String {
    let row = |(n, error): (usize, &f64)| format!("x,0,{error},{error},{},\n", START_S + n as u64);
    errors.iter().enumerate().map(row).collect()
}

fn write_status(directory: &Directory, state: &str) {
    // Of a time to come, so that it is never too old.
    let status = format!(
        r#"{{"version": 1, "at": 4000000000, "state": "{state}", "reason": null, "task": "regression", "rows": 60,
        "duplicates": 5, "conflicts": 6, "rejected": 7, "unmatched": {{"y_true": 8, "y_pred": 9}},
        "waiting": {{"y_true": 10, "y_pred": 11}}, "oldest_waiting_at": {{"y_true": null, "y_pred": null}},
        "last_rejection": null}}"#
    );
    directory.write("new_status", status);
    fs::rename(directory.file("new_status"), directory.file("metric_status.json")).unwrap();
}

#[test]
fn they_are_those_of_the_log_and_of_metric() {
    let directory = Directory::new();
    // Too high by 1, 2 and 5, and too low by 4.9 and 0.29 × 100, which is just below 29 in 64-bit floats.
    let rows = "a,0,1,1,1732341600,0.5\nb,0,2,2,1732341601,-0.25\nc,0,5,5,1732341602.5,2\nd,4.9,0,4.9,1732341603,60\n\
        e,28.999999999999996,0,29,1732341604.25,\nf,1,2\ng,1,NaN,NaN,,\n";
    directory.write("metric_log.csv", HEADER.to_owned() + rows);
    write_status(&directory, "consuming");
    let plot = Plot::start(&directory, &["--window", "4", "--baseline-rows", "2"]);
    plot.rows(5);
    let found = metrics(&plot);
    let version = format!("build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    let (sum, squares) = (41.9_f64, 4.0 + 25.0 + 4.9 * 4.9 + 29.0 * 29.0);
    let exactly = [
        (version.as_str(), 1.0),
        ("absolute_error_sum", sum),
        ("absolute_error_count", 5.0),
        ("window_rows", 4.0),
        ("window_mae", 40.9 / 4.0),
        ("window_rmse", (squares / 4.0_f64).sqrt()),
        ("window_mean_error", -26.9 / 4.0),
        ("baseline_mae", 1.5),
        ("drift_changes_total{direction=\"worse\"}", 0.0),
        ("drift_changes_total{direction=\"better\"}", 0.0),
        ("not_rows_total{kind=\"malformed\"}", 1.0),
        ("not_rows_total{kind=\"not_finite\"}", 1.0),
        ("not_rows_total{kind=\"negative_error\"}", 0.0),
        ("not_rows_total{kind=\"contradictory\"}", 0.0),
        ("last_row_timestamp_seconds", 1_732_341_604.25),
        ("label_delay_seconds_sum", 62.5),
        ("label_delay_seconds_count", 3.0),
        ("truths_first_total", 1.0),
        ("rows_total", 60.0),
        ("coverage_ratio", 0.75),
        ("waiting{kind=\"y_true\"}", 10.0),
        ("waiting{kind=\"y_pred\"}", 11.0),
        ("unmatched_total{kind=\"y_true\"}", 8.0),
        ("unmatched_total{kind=\"y_pred\"}", 9.0),
        ("duplicates_total", 5.0),
        ("conflicts_total", 6.0),
        ("rejected_total", 7.0),
    ];
    for (name, expected) in exactly {
        assert!(
            (found[name] - expected).abs() <= 1e-12 * expected.abs(),
            "{name} is {}, not {expected}",
            found[name]
        );
    }
    // Rows of 2024: silent. The others are 0.
    let states = ["learning", "steady", "worse", "better", "silent", "blind"];
    for state in states {
        assert_eq!(found[&format!("verdict{{state=\"{state}\"}}")], f64::from(state == "silent"), "{state}");
    }
    let errors = buckets(&found, "absolute_error");
    let limits: Vec<f64> =
        (-6..=9).flat_map(|n| ["1", "2", "5"].map(|digit| format!("{digit}e{n}").parse().unwrap())).collect();
    assert_eq!(errors.iter().map(|(limit, _)| *limit).collect::<Vec<_>>(), limits);
    // A limit holds what equals it.
    let at = |limit: f64| errors.iter().find(|bucket| bucket.0 == limit).unwrap().1;
    assert_eq!([0.5, 1.0, 2.0, 5.0, 20.0, 50.0, 5e9].map(at), [0.0, 1.0, 2.0, 4.0, 4.0, 5.0, 5.0]);
    let delays = buckets(&found, "label_delay_seconds");
    let at = |limit: f64| delays.iter().find(|bucket| bucket.0 == limit).unwrap().1;
    assert_eq!(
        [0.001, 0.2, 0.5, 1.0, 2.0, 50.0, 100.0, 5e6].map(at),
        [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0]
    );
    assert_eq!((delays[0].0, delays.len()), (0.001, 30));
    assert_eq!(found.len(), exactly.len() + states.len() + errors.len() + delays.len() + 2);
    are_documented(&found);
}

/// docs/monitoring.md has a row for each, with its labels.
fn are_documented(series: &Series) {
    let documents = include_str!("../../../docs/monitoring.md");
    for key in series.keys() {
        let (name, labels) = key.split_once('{').unwrap_or((key, ""));
        let family =
            ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        let label = labels.split('=').next().filter(|label| !label.is_empty() && *label != "le");
        let label = label.map_or(String::new(), |label| format!("{{{label}}}"));
        assert!(
            documents.contains(&format!("| `{family}{label}` |")),
            "docs/monitoring.md lacks {family}{label}"
        );
    }
}

#[test]
fn what_has_no_value_is_absent() {
    let directory = Directory::new();
    let plot = Plot::start(&directory, &[]);
    until("the directory is read", || metrics(&plot).len() > 1);
    let absent = |series: &Series, names: &[&str]| {
        let here: Vec<_> =
            series.keys().filter(|key| names.contains(&key.split('{').next().unwrap())).collect();
        assert!(here.is_empty(), "{here:?}");
    };
    let of_metric = [
        "rows_total",
        "coverage_ratio",
        "waiting",
        "unmatched_total",
        "duplicates_total",
        "conflicts_total",
        "rejected_total",
    ];
    let none = metrics(&plot);
    absent(&none, &of_metric);
    absent(
        &none,
        &["window_mae", "window_rmse", "window_mean_error", "baseline_mae", "last_row_timestamp_seconds"],
    );
    assert_eq!(
        (none["absolute_error_count"], none["absolute_error_sum"], none["window_rows"]),
        (0.0, 0.0, 0.0)
    );
    // Without times, and a sum of squares that overflows.
    directory.write("metric_log.csv", "id,y_true,y_pred,absolute_error\na,0,1e200,1e200\n");
    plot.rows(1);
    let one = metrics(&plot);
    absent(&one, &["window_rmse", "baseline_mae", "last_row_timestamp_seconds"]);
    assert_eq!((one["window_mae"], one["absolute_error_sum"]), (1e200, 1e200));
    assert_eq!(buckets(&one, "absolute_error").last(), Some(&(5e9, 0.0)));
}

#[test]
fn the_verdict_follows_metric() {
    let directory = Directory::new();
    directory.write("metric_log.csv", HEADER);
    write_status(&directory, "consuming");
    let plot = Plot::start(&directory, &[]);
    let is = |state: &str| metrics(&plot).get(&format!("verdict{{state=\"{state}\"}}")) == Some(&1.0);
    until("it learns", || is("learning"));
    write_status(&directory, "stopped");
    until("it is blind", || is("blind") && !is("learning"));
    write_status(&directory, "consuming");
    until("it learns again", || is("learning") && !is("blind"));
}

#[test]
fn all_changes_count_and_a_log_that_is_replaced_starts_over() {
    let directory = Directory::new();
    let errors: Vec<f64> =
        (0..240_u32).flat_map(|block| [if block % 2 == 0 { 1.0 } else { 5.0 }; 300]).collect();
    directory.write("metric_log.csv", HEADER.to_owned() + &log_of(&errors));
    let plot = Plot::start(&directory, &["--baseline-mae", "1"]);
    plot.rows(errors.len() as u64);
    let all = metrics(&plot);
    assert_eq!(all["drift_changes_total{direction=\"worse\"}"], 120.0);
    assert_eq!(all["drift_changes_total{direction=\"better\"}"], 119.0);
    directory.write("new", HEADER.to_owned() + &log_of(&errors[..400]));
    fs::rename(directory.file("new"), directory.file("metric_log.csv")).unwrap();
    plot.rows(400);
    let anew = metrics(&plot);
    assert_eq!(anew["drift_changes_total{direction=\"worse\"}"], 1.0);
    assert_eq!(anew["drift_changes_total{direction=\"better\"}"], 0.0);
    assert_eq!((anew["absolute_error_count"], anew["absolute_error_sum"]), (400.0, 800.0));
}
