//! What the running service says of changes of the error, against River and numpy (tests/golden/make_drift.py).

use crate::process::{Directory, Plot, until};
use serde_json::{Value, json};
use std::iter::repeat_n;

/// Time of a log's first row; one follows each second.
const START_S: usize = 1_732_341_600;

/// splitmix64 (Steele, Lea, Flood 2014), as in the script: numbers above 0 and below 1.
pub fn uniforms(seed: u64, n: usize) -> impl Iterator<Item = f64> {
    let mut state = seed;
    let next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    };
    std::iter::repeat_with(next).take(n)
}

/// The errors that the script makes under a name.
fn errors(name: &str) -> Vec<f64> {
    let course = [1.0, 1.2, 1.2, 0.8, 2.0, 2.0, 100.0, 1.0, 0.01, 1.1];
    let course = course.into_iter().flat_map(|factor| repeat_n(factor, 6000));
    match name {
        "light" => {
            let sums = uniforms(7, 60_000).zip(uniforms(8, 60_000)).map(|(u, v)| (u + v) * 20.0);
            sums.zip(course).map(|(sum, factor)| sum * factor).collect()
        }
        "heavy" => {
            let heavy = uniforms(9, 60_000).map(|u| (1.0 / u.sqrt() - 1.0) * 40.0);
            heavy.zip(course).map(|(error, factor)| error * factor).collect()
        }
        "perfect" => {
            let middle = uniforms(10, 3000).map(|u| 0.5 * u);
            repeat_n(0.0, 3000).chain(middle).chain(repeat_n(0.0, 3000)).collect()
        }
        "huge" => {
            let then = uniforms(12, 3000).map(|u| u * 1e307);
            uniforms(11, 3000).map(|u| u * 1e308).chain(then).collect()
        }
        "early" => uniforms(13, 3000).zip(0..).map(|(u, i)| if i < 600 { u } else { u * 4.0 }).collect(),
        "bursts" => {
            let parts =
                [(1.0, 5000), (2.0, 40), (1.0, 9000), (2.0, 9000), (1.2, 60), (2.0, 9000), (1.0, 3000)];
            let factors = parts.into_iter().flat_map(|(factor, rows)| repeat_n(factor, rows));
            uniforms(25, usize::MAX).zip(factors).map(|(u, factor)| u * factor).collect()
        }
        "equal" => vec![0.3; 20_000],
        "few" => vec![0.3; 999],
        _ => panic!("{name}"),
    }
}

fn golden(name: &str) -> Value {
    let golden: Value = serde_json::from_str(include_str!("../golden/drift.json")).unwrap();
    golden["changes"][name].clone()
}

/// A log of the rows for which `is_here`, every second error negative.
fn log_of(errors: &[f64], is_here: impl Fn(usize) -> bool) -> String {
    let mut log = "id,y_true,y_pred,absolute_error,logged_at\n".to_owned();
    for (row, error) in errors.iter().enumerate().filter(|(row, _)| is_here(*row)) {
        let sign = if row % 2 == 0 { "" } else { "-" };
        log += &format!("x,0,{sign}{error:e},{error:e},{}\n", START_S + row);
    }
    log
}

fn assert_golden(name: &str, drift: &Value, has_times: bool) {
    let golden = golden(name);
    near(&format!("{name} baseline"), &drift["baseline_mae"], &golden["baseline_mae"]);
    let (found, golden) = (drift["changes"].as_array().unwrap(), golden["changes"].as_array().unwrap());
    assert_eq!(found.len(), golden.len(), "{name}: {found:?}");
    for (found, golden) in found.iter().zip(golden) {
        for key in ["row", "found_row", "direction", "over_row"] {
            assert_eq!(found[key], golden[key], "{name}: {found}, golden {golden}");
        }
        for key in ["mae_before", "mae_after"] {
            near(&format!("{name} {key} of {golden}"), &found[key], &golden[key]);
        }
        let time_s = START_S as f64 + golden["row"].as_f64().unwrap();
        assert_eq!(found["at"], if has_times { json!(time_s) } else { Value::Null }, "{name}: {found}");
    }
}

fn near(what: &str, found: &Value, golden: &Value) {
    match (found.as_f64(), golden.as_f64()) {
        (Some(found), Some(golden)) => {
            assert!((found - golden).abs() <= 1e-12 * golden, "{what}: {found}, golden {golden}");
        }
        (None, None) => {}
        _ => panic!("{what}: {found}, golden {golden}"),
    }
}

#[test]
fn changes_are_the_golden_ones_with_and_without_times() {
    for name in ["light", "heavy", "perfect", "huge", "early", "bursts", "equal", "few"] {
        let (directory, errors) = (Directory::new(), errors(name));
        directory.write("metric_log.csv", log_of(&errors, |_| true));
        let plot = Plot::start(&directory, &[]);
        assert_golden(name, &plot.rows(errors.len() as u64)["drift"], true);
        let directory = Directory::new();
        directory.write("metric_log.csv", log_of(&errors, |_| true).replace(",logged_at", ",other"));
        let plot = Plot::start(&directory, &[]);
        assert_golden(name, &plot.rows(errors.len() as u64)["drift"], false);
    }
}

#[test]
fn what_is_over_stays_in_the_list_and_the_verdict_is_that_of_before() {
    let (directory, errors) = (Directory::new(), errors("bursts"));
    // Up to the row with which the second burst is over. Without times, as with them it would be silent.
    let log = log_of(&errors, |row| row <= 25_340);
    directory.write("metric_log.csv", log.replace(",logged_at", ",other"));
    let plot = Plot::start(&directory, &[]);
    let stats = plot.rows(25_341);
    let text = stats["verdict"]["text"].as_str().unwrap();
    assert!(text.starts_with("Worse since row 14,042: MAE 0.49"), "{text}");
    let all_since = errors[14_041..=25_340].iter().sum::<f64>() / (25_341 - 14_041) as f64;
    near("mae_after", &stats["verdict"]["mae_after"], &json!(all_since));
    let page = String::from_utf8(plot.ask("GET", "/").2).unwrap();
    // In the tables of two charts, and in what they say of their marks.
    for what in ["worse, over", "better, over", ", and as before by now."] {
        assert_eq!(page.matches(what).count(), 2, "{what}");
    }
}

#[test]
fn rows_of_several_logs_are_taken_in_time_order_and_as_they_come() {
    let (directory, errors) = (Directory::new(), errors("light"));
    let part = |row: usize, n: usize| (row * 7919) % 3 == n && row < 40_000;
    for n in 0..3 {
        directory.write(&format!("{n}.csv"), log_of(&errors, |row| part(row, n)));
    }
    let pattern = directory.file("*.csv").display().to_string();
    let plot = Plot::start(&directory, &["--log", &pattern]);
    plot.rows(40_000);
    let rest = log_of(&errors, |row| row >= 40_000);
    directory.append("1.csv", rest.split_once('\n').unwrap().1);
    assert_golden("light", &plot.rows(errors.len() as u64)["drift"], true);
}

fn replace(directory: &Directory, name: &str) {
    directory.write("new", log_of(&errors(name), |_| true));
    std::fs::rename(directory.file("new"), directory.file("metric_log.csv")).unwrap();
}

#[test]
fn a_log_that_is_replaced_starts_over_with_the_same_settings() {
    let directory = Directory::new();
    directory.write("metric_log.csv", log_of(&errors("light"), |_| true));
    let (plot, other) = (Plot::start(&directory, &[]), Plot::start(&directory, &["--baseline-mae", "0.75"]));
    assert_golden("light", &plot.rows(60_000)["drift"], true);
    other.rows(60_000);
    for (name, rows) in [("early", 3000), ("few", 999)] {
        replace(&directory, name);
        assert_golden(name, &plot.rows(rows)["drift"], true);
        assert_eq!(other.rows(rows)["drift"]["baseline_mae"], json!(0.75));
    }
}

#[test]
fn a_baseline_can_be_of_other_rows_or_a_number() {
    let (directory, errors) = (Directory::new(), errors("light"));
    directory.write("metric_log.csv", log_of(&errors, |_| true));
    let drift = |args: &[&str]| Plot::start(&directory, args).rows(60_000)["drift"].clone();
    let mean = |rows: &[f64]| json!(rows.iter().sum::<f64>() / rows.len() as f64);
    let rows = |drift: &Value| -> Vec<u64> {
        let changes = drift["changes"].as_array().unwrap();
        changes.iter().map(|change| change["row"].as_u64().unwrap()).collect()
    };
    let found = drift(&["--baseline-rows", "500"]);
    near("500 rows", &found["baseline_mae"], &mean(&errors[..500]));
    // 2024-11-23 06:00 and 20,000 seconds.
    let found = drift(&["--baseline-since", "2024-11-23T11:33:20Z"]);
    near("since", &found["baseline_mae"], &mean(&errors[20_000..21_000]));
    assert!(rows(&found)[0].abs_diff(24_000) < 5, "{found}");
    assert_eq!(found["changes"][0]["at"], json!(START_S as f64 + rows(&found)[0] as f64));
    near("before", &found["changes"][0]["mae_before"], &mean(&errors[20_000..rows(&found)[0] as usize]));
    let found = drift(&["--baseline-mae", "19.5", "--baseline-since", "1732361600"]);
    assert_eq!(found["baseline_mae"], json!(19.5));
    assert!(rows(&found)[0].abs_diff(24_000) < 5, "{found}");
    let found = drift(&["--baseline-since", "2099-12-31"]);
    assert_eq!(found, json!({ "baseline_mae": null, "changes": [] }));
}

#[test]
fn a_change_is_said_while_the_log_grows() {
    let (directory, errors) = (Directory::new(), errors("early"));
    directory.write("metric_log.csv", log_of(&errors, |row| row < 900));
    let plot = Plot::start(&directory, &[]);
    assert_eq!(plot.rows(900)["drift"], json!({ "baseline_mae": null, "changes": [] }));
    let rest = log_of(&errors, |row| row >= 900);
    directory.append("metric_log.csv", rest.split_once('\n').unwrap().1);
    until("the change is said", || !plot.stats()["drift"]["changes"].as_array().unwrap().is_empty());
    assert_golden("early", &plot.rows(3000)["drift"], true);
}
