//! The numbers of the running service against those of numpy and scikit-learn (tests/golden/make_golden.py).

use crate::process::{Directory, HEADER, Plot};
use serde_json::Value;

const SUMS: [&str; 5] = ["mae", "mae_standard_error", "rmse", "mean_error", "r2"];
const QUANTILES: [&str; 3] = ["absolute_error_p50", "absolute_error_p95", "absolute_error_p99"];

fn golden(name: &str) -> Value {
    let golden: Value = serde_json::from_str(include_str!("../golden/golden.json")).unwrap();
    golden[name].clone()
}

fn log_of(rows: impl IntoIterator<Item = (f64, f64)>) -> String {
    let line = |(y_true, y_pred): (f64, f64)| format!("x,{y_true},{y_pred},{}\n", (y_pred - y_true).abs());
    HEADER.to_owned() + &rows.into_iter().map(line).collect::<String>()
}

fn check(name: &str, log: &str) {
    let directory = Directory::new();
    directory.write("metric_log.csv", log);
    let plot = Plot::start(&directory, &["--window", "100000"]);
    let golden = golden(name);
    let stats = plot.rows(golden["n"].as_u64().unwrap());
    for part in ["all", "window"] {
        for key in SUMS {
            near(&format!("{name} {part} {key}"), &stats[part][key], &golden[key], 1e-12);
        }
        for key in QUANTILES {
            near(&format!("{name} {part} {key}"), &stats[part][key], &golden[key], 0.0005);
        }
        assert_eq!(stats[part]["absolute_error_max"], golden["absolute_error_max"], "{name} {part}");
        assert_eq!(stats["absolute_error_histogram"][part]["bins"], golden["bins"], "{name} {part}");
        assert_eq!(stats["absolute_error_histogram"][part]["above"], golden["above"], "{name} {part}");
    }
    assert_eq!(stats["absolute_error_histogram"]["edges"], golden["edges"], "{name}");
}

/// `relative` to the golden value; for what is a difference of nearly equal sums, to one.
fn near(what: &str, found: &Value, golden: &Value, relative: f64) {
    match (found.as_f64(), golden.as_f64()) {
        (Some(found), Some(golden)) => {
            let allowed = relative * golden.abs().max(if golden.abs() < 1e-12 { 1.0 } else { 0.0 });
            assert!((found - golden).abs() <= allowed, "{what}: {found}, golden {golden}");
        }
        (None, None) => {}
        _ => panic!("{what}: {found}, golden {golden}"),
    }
}

#[test]
fn diabetes_errors() {
    check("diabetes", include_str!("../golden/diabetes.csv"));
}

#[test]
fn heavy_tailed_errors() {
    let rows = (0..100_000_u64).map(|i| {
        let u = ((i * 2_654_435_761 % (1 << 32)) as f64 + 0.5) / 4_294_967_296.0;
        let y_true = (i * 7919 % 1000) as f64 / 8.0;
        (y_true, y_true + (u / (1.0 - u)) * if i % 2 == 0 { 1.0 } else { -1.0 })
    });
    check("heavy", &log_of(rows));
}

#[test]
fn errors_from_1e_minus_12_to_1e12() {
    let rows = (0..2500_i32).map(|i| {
        let value: f64 = format!("{}e{}", i * 37 % 900 + 100, i % 25 - 14).parse().unwrap();
        (0.0, if i % 3 != 0 { value } else { -value })
    });
    check("wide", &log_of(rows));
}

#[test]
fn values_and_errors_far_from_zero() {
    let truth = (0..5000_i32).map(|i| {
        let y_true = 1e9 + f64::from(i * 7919 % 2001 - 1000) / 1024.0;
        (y_true, y_true + f64::from(i * 104_729 % 997 - 498) / 2048.0)
    });
    check("far_truth", &log_of(truth));
    let errors = (0..5000_i32).map(|i| (0.0, 1e6 + f64::from(i * 7919 % 1025 - 512) / 1024.0));
    check("far_error", &log_of(errors));
}

#[test]
fn equal_zero_and_single_errors() {
    check("equal", &log_of([(0.1, 0.4); 50]));
    check("zero", &log_of([(0.1, 0.1); 50]));
    check("one", &log_of([(151.0, 206.117_069_79)]));
}
