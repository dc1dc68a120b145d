//! The numbers of binary classifiers and of classes against those of scikit-learn (tests/golden/make_tasks.py).

use crate::{
    drift::uniforms,
    process::{Directory, HEADER, Plot},
};
use serde_json::{Value, json};
use std::{fmt::Write, iter::zip};

fn golden(task: &str, name: &str) -> Value {
    let golden: Value = serde_json::from_str(include_str!("../golden/tasks.json")).unwrap();
    golden[task][name].clone()
}

/// `relative` to the golden value, or to 1e-3 if that is more: rounding adds up to absolute errors.
fn near(what: &str, found: &Value, golden: &Value) {
    match (found.as_f64(), golden.as_f64()) {
        (Some(found), Some(golden)) => {
            assert!(
                (found - golden).abs() <= 1e-12 * golden.abs().max(1e-3),
                "{what}: {found}, golden {golden}"
            );
        }
        (None, None) => {}
        _ => panic!("{what}: {found}, golden {golden}"),
    }
}

/// y_true with the probability 0.1 + 0.8 p of 1.
fn with_drawn(p: impl IntoIterator<Item = f64>, seed: u64, n: usize) -> Vec<(u8, f64)> {
    zip(p, uniforms(seed, n)).map(|(p, u)| (u8::from(u < 0.1 + 0.8 * p), p)).collect()
}

/// As make_tasks.py makes them.
fn binary_rows(name: &str) -> Vec<(u8, f64)> {
    let n = 3000;
    let drawn = |p: &dyn Fn(f64) -> f64, seed| with_drawn(uniforms(seed, n).map(p), seed + 1, n);
    match name {
        "docs_log_loss" => vec![(1, 0.9), (0, 0.1), (0, 0.2), (1, 0.65)],
        "docs_auc" => vec![(0, 0.1), (0, 0.4), (1, 0.35), (1, 0.8)],
        "only_ones" => vec![(1, 0.25), (1, 0.5), (1, 1.0)],
        "only_zeros" => vec![(0, 0.75), (0, 0.0)],
        "one_row" => vec![(1, 0.3)],
        "all_tied" => (0..3000).map(|i| ((i % 2) as u8, 0.5)).collect(),
        "ties" => drawn(&|u| (u * 11.0).floor() / 10.0, 1),
        "no_positive_predicted" => drawn(&|u| u * 0.49, 3),
        "every_positive_predicted" => drawn(&|u| 0.5 + u * 0.5, 5),
        "certain" => {
            let row =
                |i: u16| ((i % 2) as u8, f64::from(if i.is_multiple_of(7) { 1 - i % 2 } else { i % 2 }));
            (0..3000).map(row).collect()
        }
        "close" => drawn(&|u| 0.5 - u * 1e-5, 7),
        "around_half" => drawn(&|u| 0.49 + u * 0.02, 9),
        "near_0_and_1" => {
            let low = |i: i32| format!("1e-{}", i % 40).parse().unwrap();
            let row = |i: i32| ((i % 2) as u8, if i % 3 == 0 { low(i) } else { 1.0 - 2_f64.powi(-(i % 60)) });
            (0..3000).map(row).collect()
        }
        "another_threshold" => drawn(&|u| u, 11),
        "a_million" => with_drawn(uniforms(13, 1_000_000), 14, 1_000_000),
        _ => panic!("{name}"),
    }
}

fn check_binary(name: &str) {
    let rows = binary_rows(name);
    let golden = golden("binary", name);
    let mut log = HEADER.to_owned();
    for (y, p) in &rows {
        writeln!(log, "x,{y},{p},{}", (p - f64::from(*y)).abs()).unwrap();
    }
    let directory = Directory::new();
    directory.write("metric_log.csv", log);
    let threshold = golden["threshold"].to_string();
    let plot =
        Plot::start(&directory, &["--task", "binary", "--threshold", &threshold, "--window", "100000"]);
    let stats = plot.rows(golden["n"].as_u64().unwrap());
    assert_eq!((&stats["task"], &stats["threshold"]), (&json!("binary"), &golden["threshold"]));
    assert!(stats["not_rows"].as_object().unwrap().values().all(|n| n == 0), "{name}");
    let (all, window) = (&stats["all"], &stats["window"]);
    let error = all["roc_auc_error"].as_f64();
    match (all["roc_auc"].as_f64(), golden["roc_auc"].as_f64()) {
        (Some(found), Some(golden)) => {
            let error = error.unwrap();
            assert!((found - golden).abs() <= error + 1e-12, "{name}: {found} ± {error}, golden {golden}");
        }
        (None, None) => assert_eq!(error, None, "{name}"),
        _ => panic!("{name}: {}, golden {}", all["roc_auc"], golden["roc_auc"]),
    }
    // Of few digits each bucket holds one probability.
    let is_exact = matches!(name, "docs_auc" | "docs_log_loss" | "all_tied" | "ties" | "certain");
    assert!(!is_exact || error == Some(0.0), "{name}: {error:?}");
    assert!(name != "a_million" || error.unwrap() < 1e-4, "{name}: {error:?}");
    // The window holds the last 100,000.
    let is_all = rows.len() <= 100_000;
    for (part, numbers) in [("all", all), ("window", window)].into_iter().take(1 + usize::from(is_all)) {
        for key in ["accuracy", "precision", "recall", "f1", "specificity", "log_loss", "brier"] {
            near(&format!("{name} {part} {key}"), &numbers[key], &golden[key]);
        }
        assert_eq!(numbers["confusion"], golden["confusion"], "{name} {part}");
        let bins = numbers["calibration"].as_array().unwrap();
        assert_eq!(bins.len(), 10);
        for (bin, golden) in zip(bins, golden["calibration"].as_array().unwrap()) {
            assert_eq!(bin["n"], golden["n"], "{name} {part}");
            near(name, &bin["mean_probability"], &golden["mean_probability"]);
            near(name, &bin["share"], &golden["share"]);
        }
    }
    if is_all {
        near(&format!("{name} window"), &window["roc_auc"], &golden["roc_auc"]);
        let exact = json!(golden["roc_auc"].as_f64().map(|_| 0.0));
        assert_eq!(window["roc_auc_error"], exact, "{name}");
    }
}

#[test]
fn binary_examples_of_the_documentation() {
    ["docs_log_loss", "docs_auc"].into_iter().for_each(check_binary);
    // The figures that are printed there.
    assert_eq!(golden("binary", "docs_log_loss")["log_loss"], 0.216_161_874_680_579_12);
    assert_eq!(golden("binary", "docs_auc")["roc_auc"], 0.75);
}

#[test]
fn binary_rows_of_one_class_ties_and_certainties() {
    ["only_ones", "only_zeros", "one_row", "all_tied", "ties", "certain"].into_iter().for_each(check_binary);
}

#[test]
fn binary_probabilities_on_one_side_close_together_and_near_the_ends() {
    ["no_positive_predicted", "every_positive_predicted", "close", "around_half"]
        .into_iter()
        .for_each(check_binary);
    ["near_0_and_1", "another_threshold"].into_iter().for_each(check_binary);
}

#[test]
fn a_million_binary_rows() {
    check_binary("a_million");
}

fn of_many(n: usize, classes: f64, seed: u64) -> Vec<[String; 2]> {
    let place = |u: f64| (classes * u * u).floor();
    let (y, other) = (uniforms(seed, n).map(place), uniforms(seed + 1, n).map(place));
    let name = |number: f64| format!("class {number}");
    zip(zip(y, other), uniforms(seed + 2, n))
        .map(|((y, other), u)| [name(y), name(if u < 0.5 { y } else { other })])
        .collect()
}

fn class_rows(name: &str) -> Vec<[String; 2]> {
    let rows = |y: &str, p: &str| {
        zip(y.split(','), p.split(',')).map(|(y, p)| [y.to_owned(), p.to_owned()]).collect()
    };
    match name {
        "docs_scores" => rows("0,1,2,0,1,2", "0,2,1,0,0,1"),
        "docs_matrix" => rows("cat,ant,cat,cat,ant,bird", "ant,ant,cat,cat,ant,cat"),
        "docs_report" => {
            rows("class 0,class 1,class 2,class 2,class 2", "class 0,class 0,class 2,class 2,class 1")
        }
        "one_class" => rows("a,a,a", "a,a,a"),
        "none_right" => rows("a,b", "b,c"),
        "many" => of_many(3000, 60.0, 20),
        "a_million" => of_many(1_000_000, 12.0, 30),
        _ => panic!("{name}"),
    }
}

fn check_classes(name: &str) {
    let rows = class_rows(name);
    let golden = golden("classes", name);
    let mut log = HEADER.to_owned();
    for [y, p] in &rows {
        writeln!(log, "x,{y},{p},{}", u8::from(y != p)).unwrap();
    }
    let directory = Directory::new();
    directory.write("metric_log.csv", log);
    let plot = Plot::start(&directory, &["--task", "classes", "--window", "100000"]);
    let stats = plot.rows(golden["n"].as_u64().unwrap());
    assert_eq!((&stats["task"], &stats["threshold"]), (&json!("classes"), &Value::Null));
    let parts = if rows.len() <= 100_000 { &["all", "window"][..] } else { &["all"] };
    for part in parts {
        let numbers = &stats[part];
        for key in ["accuracy", "macro_precision", "macro_recall", "macro_f1", "weighted_f1"] {
            near(&format!("{name} {part} {key}"), &numbers[key], &golden[key]);
        }
        near(name, &json!(1.0 - numbers["mae"].as_f64().unwrap()), &golden["accuracy"]);
        let (found, expected) =
            (numbers["classes"].as_array().unwrap(), golden["classes"].as_array().unwrap());
        assert_eq!(found.len(), expected.len());
        for (found, golden) in zip(found, expected) {
            for key in ["name", "support", "predicted"] {
                assert_eq!(found[key], golden[key], "{name} {part}");
            }
            for key in ["precision", "recall", "f1"] {
                near(&format!("{name} {part} {key}"), &found[key], &golden[key]);
            }
        }
        assert_eq!(numbers["confusion_matrix"], golden["confusion_matrix"], "{name} {part}");
        assert_eq!((&numbers["classes_pooled"], &numbers["r2"]), (&json!(0), &Value::Null));
    }
}

#[test]
fn classes_of_the_documentation_few_and_many() {
    ["docs_scores", "docs_matrix", "docs_report", "one_class", "none_right", "many"]
        .into_iter()
        .for_each(check_classes);
}

#[test]
fn a_million_rows_of_classes() {
    check_classes("a_million");
}
