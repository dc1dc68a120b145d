//! Groups of rows: in `/stats.json`, on the page in a real browser, in `/metrics`, and in alerts.

use crate::browser::Browser;
use crate::process::{Directory, Plot, until};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;

const LOG: &str = "metric_log.csv";
const HEADER: &str = "id,y_true,y_pred,absolute_error,logged_at,label_delay,group\n";

/// Rows of one group, with absolute errors around `mae`. `field`: as the log has it.
fn rows(field: &str, n: usize, mae: f64) -> String {
    let row = |i: usize| {
        let error = mae * [0.5, 1.5, 1.0, 0.75, 1.25][i % 5];
        format!("x,10,{},{error},1732341600,0.5,{field}\n", 10.0 + error)
    };
    (0..n).map(row).collect()
}

fn text(plot: &Plot, path: &str) -> String {
    String::from_utf8(plot.ask("GET", path).2).unwrap()
}

/// What a group has over all rows, by two plain passes.
fn plain(all: &[(&str, f64)], group: &str) -> Value {
    let part = |errors: Vec<f64>| {
        let n = errors.len() as f64;
        let mean = errors.iter().map(|error| error.abs()).sum::<f64>() / n;
        let variance = errors.iter().map(|error| (error.abs() - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean, (variance / n).sqrt(), errors.iter().sum::<f64>() / n)
    };
    let of = |is: bool| all.iter().filter(|row| (row.0 == group) == is).map(|row| row.1).collect::<Vec<_>>();
    let n = of(true).len();
    let ((mae, error, bias), (rest, rest_error, _)) = (part(of(true)), part(of(false)));
    let z = (mae - rest) / (error * error + rest_error * rest_error).sqrt();
    json!({ "n": n, "mae": mae, "mae_standard_error": error, "mean_error": bias, "z": z })
}

#[test]
fn every_group_has_its_numbers_the_worst_first() {
    let directory = Directory::new();
    let names = ["v1", "v2", "=SUM(A1)", "a,b", ""];
    let all: Vec<(&str, f64)> = (0..50_000)
        .map(|i| {
            let error = f64::from(i * 7919 % 1009) / 64.0 - 5.0;
            (names[i as usize % 5], error * f64::from(i % 5 + 1))
        })
        .collect();
    let mut log = HEADER.to_owned();
    for (i, (name, error)) in all.iter().enumerate() {
        let field = name.replace('=', "'=").replace("a,b", "\"a,b\"");
        // The usual line, one that is quoted, and one with CRLF.
        let (quote, end) = (["", "\""][i % 7 / 6], ["\n", "\r\n"][i % 3 / 2]);
        let field = if field.starts_with('"') { field } else { format!("{quote}{field}{quote}") };
        write!(log, "x,0,{error},{},1732341600,0.5,{field}{end}", error.abs()).unwrap();
    }
    directory.write(LOG, &log);
    let plot = Plot::start(&directory, &[]);
    let stats = plot.rows(50_000);
    let groups = stats["groups"].as_array().unwrap();
    let order: Vec<_> = groups.iter().map(|found| found["group"].as_str()).collect();
    assert_eq!(order, [None, Some("a,b"), Some("=SUM(A1)"), Some("v2"), Some("v1")]);
    for found in groups {
        let expected = plain(&all, found["group"].as_str().unwrap_or(""));
        for (key, expected) in expected.as_object().unwrap() {
            let (found, expected) = (found[key].as_f64().unwrap(), expected.as_f64().unwrap());
            assert!((found / expected - 1.0).abs() < 1e-11, "{key}: {found}, not {expected}");
        }
    }
    assert_eq!(stats["groups_pooled"], json!({ "groups": 0, "rows": 0 }));
    // What can be none: too long, no UTF-8.
    let mut more = rows(&"x".repeat(65), 1, 1.0).into_bytes();
    more.extend(b"x,10,11,1,1732341600,0.5,\xff\n");
    directory.append(LOG, more);
    let stats = plot.rows(50_002);
    assert_eq!((&stats["groups_dropped"], &stats["groups"][0]["n"]), (&json!(2), &json!(10_002)));
    assert_eq!(stats["not_rows"]["malformed"], 0);
}

#[test]
fn logs_are_merged_by_group_and_a_new_log_has_groups_of_its_own() {
    let directory = Directory::new();
    let both = directory.file("*.csv").display().to_string();
    directory.write("a.csv", HEADER.to_owned() + &rows("v1", 30, 1.0) + &rows("v2", 30, 9.0));
    directory.write("b.csv", "group,y_pred,y_true,absolute_error\nv2,1,2,1\nv3,1,2,1\n,1,2,1\n");
    let plot = Plot::start(&directory, &["--log", &both]);
    let counts = |n: u64| -> BTreeSet<(String, u64)> {
        let stats = plot.rows(n);
        let groups = stats["groups"].as_array().unwrap().iter();
        groups.map(|found| (found["group"].to_string(), found["n"].as_u64().unwrap())).collect()
    };
    let expected = [("\"v1\"", 30), ("\"v2\"", 31), ("\"v3\"", 1), ("null", 1)];
    assert_eq!(counts(63), expected.map(|(name, n)| (name.to_owned(), n)).into());
    directory.write("new", "y_true,y_pred,absolute_error\n1,2,1\n");
    fs::rename(directory.file("new"), directory.file("a.csv")).unwrap();
    let expected = [("\"v2\"", 1), ("\"v3\"", 1), ("null", 2)];
    assert_eq!(counts(4), expected.map(|(name, n)| (name.to_owned(), n)).into());
    // No row has one any more.
    directory.write("new", "y_true,y_pred,absolute_error\n1,2,1\n");
    fs::rename(directory.file("new"), directory.file("b.csv")).unwrap();
    assert_eq!(counts(2), BTreeSet::new());
    assert!(!text(&plot, "/").contains("<h2>Groups"));
    assert!(!text(&plot, "/metrics").contains("_group_"));
}

#[test]
fn a_million_groups_are_pooled_in_little_memory() {
    let directory = Directory::new();
    let mut log = HEADER.to_owned() + &rows("usual", 500, 1.0);
    for i in 0..1_000_000 {
        writeln!(log, "x,0,1,1,1732341600,0.5,user-{i:059}").unwrap();
    }
    directory.write(LOG, &log);
    let plot = Plot::start(&directory, &[]);
    let stats = plot.rows(1_000_500);
    let groups = stats["groups"].as_array().unwrap();
    let listed: u64 = groups.iter().map(|found| found["n"].as_u64().unwrap()).sum();
    assert_eq!((groups.len(), listed, &groups[0]["group"]), (50, 549, &json!("usual")));
    assert_eq!(stats["groups_pooled"]["rows"], 1_000_500 - 549);
    let pooled = stats["groups_pooled"]["groups"].as_f64().unwrap();
    assert!((pooled / 999_951.0 - 1.0).abs() < 0.1, "{pooled}");
    let metrics = text(&plot, "/metrics");
    for name in ["rows_total", "mae", "mean_error"] {
        assert_eq!(metrics.matches(&format!("model_monitor_group_{name}{{")).count(), 50, "{name}");
    }
    assert!(text(&plot, "/").len() < 70_000);
    let peak = plot.peak_resident_bytes();
    assert!(peak < 32 << 20, "{peak} bytes");
}

#[test]
fn metrics_have_a_series_for_each_group() {
    let directory = Directory::new();
    let log = HEADER.to_owned() + &rows("v1", 50, 1.0) + &rows("\"a\\\"\"b\"", 10, 3.0) + &rows("", 20, 1.0);
    directory.write(LOG, log);
    let plot = Plot::start(&directory, &[]);
    let stats = plot.rows(80);
    let metrics = text(&plot, "/metrics");
    for (label, group) in [("v1", json!("v1")), ("a\\\\\\\"b", json!("a\\\"b")), ("", json!(null))] {
        let found = stats["groups"].as_array().unwrap().iter().find(|found| found["group"] == group).unwrap();
        for (name, key) in [
            ("rows_total", "n"),
            ("mae", "mae"),
            ("mae_standard_error", "mae_standard_error"),
            ("mean_error", "mean_error"),
            ("z", "z"),
        ] {
            let line =
                format!("model_monitor_group_{name}{{group=\"{label}\"}} {}\n", found[key].as_f64().unwrap());
            assert!(metrics.contains(&line), "{line}{metrics}");
        }
    }
    for (name, kind) in [("rows_total", "counter"), ("z", "gauge")] {
        assert!(metrics.contains(&format!("# TYPE model_monitor_group_{name} {kind}\n")), "{metrics}");
    }
    let documents = include_str!("../../../docs/monitoring.md");
    for name in ["rows_total", "mae", "mae_standard_error", "mean_error", "z"] {
        assert!(documents.contains(&format!("| `group_{name}{{group}}` |")), "{name}");
    }
}

#[test]
fn a_group_that_is_worse_alerts_until_it_is_not() {
    let directory = Directory::new();
    directory.write(LOG, HEADER.to_owned() + &rows("v1", 1000, 4.0) + &rows("v2", 199, 6.0));
    let plot = Plot::start(&directory, &["--alert", "group z > 5"]);
    assert_eq!(plot.rows(1199)["alerts"], json!([]));
    directory.append(LOG, rows("v2", 1, 6.0));
    plot.rows(1200);
    let alert = || plot.stats()["alerts"][0].clone();
    until("it fires", || alert()["state"] == "firing");
    let (fired, z) = (alert(), plot.stats()["groups"][0]["z"].as_f64().unwrap());
    assert_eq!(
        (&fired["rule"], &fired["limit"], &fired["value"]),
        (&json!("group z>5"), &json!(5.0), &json!(z))
    );
    let text_of = fired["text"].as_str().unwrap();
    assert!(text_of.starts_with("group \"v2\": MAE 5.9") && text_of.ends_with(", above 5"), "{text_of}");
    assert!(text(&plot, "/").contains("Alert group z&gt;5 fires since "));
    // As many good rows as it takes, and a hundred more that are still good.
    directory.append(LOG, rows("v2", 3000, 4.0));
    plot.rows(4200);
    directory.append(LOG, rows("v2", 100, 4.0));
    until("it resolves", || alert()["state"] == "resolved");
    assert!(alert()["text"].as_str().unwrap().contains(", not above 5; fired at "), "{}", alert());
}

#[test]
fn the_page_shows_them_to_everybody() {
    let directory = Directory::new();
    directory.write(LOG, HEADER.to_owned() + &rows("", 300, 2.0));
    let plot = Plot::start(&directory, &[]);
    plot.rows(300);
    let mut browser = Browser::open(&directory, &plot);
    browser.until("document.querySelectorAll('svg[role=img]').length === 6");
    assert_eq!(browser.evaluate("getComputedStyle(document.querySelector('#groups')).display"), "none");
    // The largest names there can be: each character of markup takes six, and there is none to break a line at.
    let wide = |i: usize| format!("\"{}\"", "\"\"".repeat(60) + &format!("{i:04}"));
    let log: String = (0..60).map(|i| rows(&wide(i), 40 + i, 2.0 + 0.01 * i as f64)).collect();
    directory.append(LOG, log + &rows("v1 <b>", 500, 1.0) + &rows("v2", 500, 8.0) + &rows("שלום", 90, 2.0));
    let n = 300 + (0..60).map(|i| 40 + i).sum::<usize>() as u64 + 1090;
    plot.rows(n);
    browser.until("document.querySelectorAll('#groups tbody tr').length === 50");
    let page = text(&plot, "/");
    assert!(page.len() < 70_000, "{} bytes", page.len());
    let cells =
        |row: &str| format!("[...document.querySelectorAll('#groups {row} > *')].map(e => e.textContent)");
    let first = browser.evaluate(&format!("{}.join('|')", cells("tbody tr:first-child")));
    let first = first.as_str().unwrap();
    assert!(first.starts_with("v2|500|8 ± 0.") && first.ends_with(" ▲ worse"), "{first}");
    let last = browser.evaluate(&format!("{}.join('|')", cells("tbody tr:last-child")));
    let last = last.as_str().unwrap();
    assert!(last.starts_with("v1 <b>|500|1 ± 0.") && last.ends_with(" ▼ better"), "{last}");
    let note = browser.evaluate("document.querySelector('#groups p').textContent");
    assert!(note.as_str().unwrap().contains("14 more have "), "{note}");
    for name in ["no group", "שלום"] {
        assert!(page.contains(name), "{name}");
    }
    let tree = browser.call("Accessibility.getFullAXTree", &json!({}));
    let nodes = tree["nodes"].as_array().unwrap();
    let named = |role: &str| -> Vec<&str> {
        let nodes = nodes.iter().filter(|node| node["ignored"] == false && node["role"]["value"] == role);
        nodes.map(|node| node["name"]["value"].as_str().unwrap()).collect()
    };
    assert!(named("region").contains(&"Groups") && named("heading").contains(&"Groups"));
    let heads = ["group", "rows", "MAE ± standard error", "mean error", "z"];
    assert!(heads.iter().all(|head| named("columnheader").contains(head)), "{:?}", named("columnheader"));
    // New rows leave it where it was scrolled to.
    browser.evaluate("document.querySelector('#groups').scrollTop = 60");
    directory.append(LOG, rows("v2", 7, 8.0));
    browser.until("document.querySelector('#groups td:nth-child(2)').textContent === '507'");
    assert_eq!(browser.evaluate("document.querySelector('#groups').scrollTop"), 60);
    browser.evaluate("document.querySelector('#groups').scrollTop = 0");
    let phone = json!({ "width": 360, "height": 640, "deviceScaleFactor": 2, "mobile": true });
    browser.call("Emulation.setDeviceMetricsOverride", &phone);
    let beyond = "(e => e.scrollWidth - e.clientWidth)(document.querySelector('#groups'))";
    assert_eq!(browser.evaluate(beyond), 0);
    browser.looks("groups");
}
