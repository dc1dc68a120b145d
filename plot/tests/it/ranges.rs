//! Ranges of time over HTTP: what they are asked by, and their numbers against those of the rows themselves.

use crate::process::{Directory, Plot, exchange, now_s, until};
use serde_json::{Value, json};

const LOG: &str = "metric_log.csv";
const HEADER: &str = "id,y_true,y_pred,absolute_error,logged_at\n";

/// Paths that take a range.
const PATHS: [&str; 3] = ["/", "/parts.json", "/stats.json"];

/// y_true, y_pred and `logged_at` in Unix seconds.
type Row = (f64, f64, f64);

fn log_of<'a>(rows: impl IntoIterator<Item = &'a Row>) -> String {
    let line = |(y_true, y_pred, time_s): &Row| {
        format!("x,{y_true},{y_pred},{},{time_s}\n", (y_pred - y_true).abs())
    };
    HEADER.to_owned() + &rows.into_iter().map(line).collect::<String>()
}

/// One row an hour for 120 days, then one or two a minute for 66 hours, up to half a minute ago: so there are slices of each width.
fn rows(mut uniform: impl FnMut() -> f64) -> Vec<Row> {
    let end_s = now_s().floor() - 30.0;
    let hours = (0..2_880).map(|hour| end_s - 66.0 * 3600.0 - f64::from(2_880 - hour) * 3600.0);
    let minutes = (0..6_000).map(|n| end_s - f64::from(5_999 - n) * 39.6);
    let mut row = |time_s: f64| {
        let y_true = (uniform() * 321.0).floor() + 25.0;
        (y_true, y_true + (uniform() - 0.45) * 100.0, time_s.floor())
    };
    hours.chain(minutes).map(&mut row).collect()
}

fn ask(plot: &Plot, path: &str) -> Value {
    let (status, _, body) = plot.ask("GET", path);
    assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).unwrap()
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("{key} of {value}"))
}

/// The numbers of a range are those of the rows within its bounds.
fn is_of(found: &Value, rows: &[Row], what: &str) {
    let bounds = number(found, "from")..number(found, "to");
    let inside: Vec<&Row> = rows.iter().filter(|(_, _, time_s)| bounds.contains(time_s)).collect();
    assert_eq!(found["n"], inside.len(), "{what}: {found}");
    if inside.is_empty() {
        assert_eq!(found["mae"], Value::Null, "{what}");
        return;
    }
    let n = inside.len() as f64;
    let errors: Vec<f64> = inside.iter().map(|(y_true, y_pred, _)| y_pred - y_true).collect();
    let mean = |of: &dyn Fn(f64) -> f64| errors.iter().map(|error| of(*error)).sum::<f64>() / n;
    let near = |key: &str, expected: f64, relative: f64| {
        let found = number(found, key);
        assert!(
            (found - expected).abs() <= relative * expected.abs() + 1e-11,
            "{what}: {key} is {found}, not {expected}"
        );
    };
    near("mae", mean(&f64::abs), 1e-12);
    near("mean_error", mean(&|error| error), 1e-12);
    near("rmse", mean(&|error| error * error).sqrt(), 1e-12);
    let mut absolute: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
    absolute.sort_by(f64::total_cmp);
    near("absolute_error_max", absolute[absolute.len() - 1], 0.0);
    for (key, q) in [("absolute_error_p50", 0.5), ("absolute_error_p95", 0.95)] {
        let place = q * (n - 1.0);
        let (below, above) = (absolute[place.floor() as usize], absolute[place.ceil() as usize]);
        near(key, below + (above - below) * place.fract(), number(found, "quantile_relative_error"));
    }
}

#[test]
fn a_range_has_the_numbers_of_its_rows() {
    let (mut random, seed) = glue::testing::random();
    let rows = rows(|| random.f64());
    let directory = Directory::new();
    directory.write(LOG, log_of(&rows));
    let plot = Plot::start(&directory, &[]);
    plot.rows(rows.len() as u64);
    let (first_s, last_s) = (rows[0].2 as i64, rows[rows.len() - 1].2 as i64);
    let mut widths = Vec::new();
    let mut random_time = || random.i64(first_s - 86_400..last_s + 600);
    let mut queries: Vec<String> = (0..60)
        .map(|_| (random_time(), random_time()))
        .filter(|(a, b)| a != b)
        .map(|(a, b)| format!("from={}&to={}", a.min(b), a.max(b)))
        .collect();
    queries.extend((0..20).map(|n| format!("from={}&to={}", last_s - 600 * (n + 1), last_s - 60 * n)));
    queries.extend(["range=1h", "range=24h", "range=7d", "range=30d", "to=2100-01-01"].map(str::to_owned));
    queries.push(format!("from={first_s}"));
    for query in queries {
        let what = format!("{query}, TEST_SEED={seed}");
        let asked_s = now_s();
        let stats = ask(&plot, &format!("/stats.json?{query}"));
        let (range, before) = (&stats["range"], &stats["before"]);
        is_of(range, &rows, &what);
        is_of(before, &rows, &what);
        assert_eq!(before["to"], range["from"], "{what}");
        let answered_s = now_s();
        let (from_s, to_s) = (number(range, "from"), number(range, "to"));
        // Bounds that go with the clock lie between those of before the request and of after it.
        let now = (asked_s, answered_s + 2.0);
        let exactly = |time_s: &str| time_s.parse().map_or(now, |time_s: f64| (time_s, time_s));
        let (from, to) = match query.split_once('=').unwrap() {
            ("range", name) => {
                let hours = [("1h", 1.0), ("24h", 24.0), ("7d", 168.0), ("30d", 720.0)];
                let (_, hours) = hours.iter().find(|(known, _)| *known == name).unwrap();
                ((now.0 - hours * 3600.0, now.1 - hours * 3600.0), now)
            }
            ("from", times) => {
                let (from, to) = times.split_once("&to=").unwrap_or((times, ""));
                (exactly(from), exactly(to))
            }
            _ => ((first_s as f64, first_s as f64), (4_102_444_800.0, 4_102_444_800.0)),
        };
        assert!(from_s <= from.1 && from.0 - from_s < 86_400.0, "{what}: from {from_s}, not {from:?}");
        assert!(to_s >= to.0 && to_s - to.1 < 86_400.0, "{what}: to {to_s}, not {to:?}");
        let points = range["points"].as_array().unwrap();
        assert!(points.len() <= 242, "{what}: {}", points.len());
        let sum = |key: &str| {
            points
                .iter()
                .map(|point| number(point, "n") * if key == "n" { 1.0 } else { number(point, key) })
                .sum::<f64>()
        };
        assert_eq!(sum("n"), number(range, "n"), "{what}");
        for key in ["mae", "mean_error"] {
            let all = range[key].as_f64().unwrap_or_default() * sum("n");
            assert!((sum(key) - all).abs() <= 1e-9 * all.abs().max(1.0), "{what}: {key}");
        }
        assert!(points.windows(2).all(|two| number(&two[0], "to") <= number(&two[1], "from")), "{what}");
        widths.extend(points.iter().map(|point| number(point, "to") - number(point, "from")));
        let page = String::from_utf8(plot.ask("GET", &format!("/?{query}")).2).unwrap();
        assert!(page.len() < 70_000, "{what}: {} bytes", page.len());
        assert_eq!(page.contains("No rows here."), range["n"] == 0, "{what}");
    }
    assert!([60.0, 3600.0, 86_400.0].iter().all(|width| widths.contains(width)), "{seed}");
    // All rows are as ever, and have no range.
    let stats = ask(&plot, "/stats.json?range=all");
    assert_eq!((&stats["all"]["n"], &stats["range"]), (&json!(rows.len()), &Value::Null));
}

/// What a range of classifiers has is what a log of its rows alone has.
#[test]
fn a_range_of_a_classifier_is_as_a_log_of_its_rows() {
    let (mut random, seed) = glue::testing::random();
    let start_s = now_s() as i64 / 3600 * 3600 - 40 * 3600;
    for task in ["binary", "classes"] {
        let mut line = |n: i64| {
            let time_s = start_s + n * 30;
            let line = match task {
                "binary" => {
                    let (y, p) = (random.u32(0..2), f64::from(random.u32(0..1000)) / 1000.0);
                    format!("x,{y},{p},{}", (p - f64::from(y)).abs())
                }
                _ => {
                    let [y, p] = [random.u32(0..5).min(random.u32(0..5)), random.u32(0..5)];
                    format!("x,c{y},c{p},{}", u32::from(y != p))
                }
            };
            (time_s, format!("{line},{time_s}\n"))
        };
        let lines: Vec<(i64, String)> = (0..4_000).map(&mut line).collect();
        let whole = |lines: &mut dyn Iterator<Item = &(i64, String)>| {
            HEADER.to_owned() + &lines.map(|(_, line)| line.as_str()).collect::<String>()
        };
        let directory = Directory::new();
        directory.write(LOG, whole(&mut lines.iter()));
        let plot = Plot::start(&directory, &["--task", task]);
        plot.rows(4_000);
        let (from_s, to_s) = (start_s + 3 * 3600, start_s + 11 * 3600);
        let found = ask(&plot, &format!("/stats.json?from={from_s}&to={to_s}"));
        for (part, bounds) in [("range", from_s..to_s), ("before", from_s - 8 * 3600..from_s)] {
            let other = Directory::new();
            other.write(LOG, whole(&mut lines.iter().filter(|(time_s, _)| bounds.contains(time_s))));
            let alone = Plot::start(&other, &["--task", task]);
            let n = lines.iter().filter(|(time_s, _)| bounds.contains(time_s)).count() as u64;
            let (expected, found) = (&alone.rows(n)["all"], &found[part]);
            for (key, expected) in expected.as_object().unwrap() {
                let what = format!("{task} {part} {key}, TEST_SEED={seed}");
                match (key.as_str(), found[key].as_f64(), expected.as_f64()) {
                    // Single rows are not kept: see STATS.md.
                    ("confusion_matrix" | "roc_auc_error", ..) => {}
                    ("roc_auc", Some(found_auc), Some(expected)) => {
                        let bound = number(found, "roc_auc_error") + 1e-12;
                        assert!((found_auc - expected).abs() <= bound, "{what}: {found_auc}, {expected}");
                    }
                    (_, Some(found), Some(expected)) => {
                        let relative = if key.contains("_p") { 0.02 } else { 1e-9 };
                        assert!(
                            (found - expected).abs() <= relative * expected.abs() + 1e-12,
                            "{what}: {found}, {expected}"
                        );
                    }
                    _ => assert_eq!(&found[key], expected, "{what}"),
                }
            }
        }
        let page = String::from_utf8(plot.ask("GET", &format!("/?from={from_s}&to={to_s}")).2).unwrap();
        let name = if task == "binary" { "<dt>ROC AUC ± bound</dt>" } else { "<dt>macro F1</dt>" };
        assert!(page.contains(name) && page.contains(", the 8 h before</span>"), "{page}");
    }
}

#[test]
fn a_range_is_asked_for_by_the_address() {
    let directory = Directory::new();
    directory
        .write(LOG, log_of(&[(1.0, 2.0, now_s().floor() - 90.0), (1.0, 4.0, now_s().floor() - 90_000.0)]));
    let plot = Plot::start(&directory, &[]);
    plot.rows(2);
    for (query, n) in [
        ("range=1h", 1),
        ("range=24h", 1),
        ("range=7d", 2),
        ("range=1h&utm_source=mail&range=1h", 1),
        ("r%61nge=%31h", 1),
        ("from=2001-01-01+00%3A00&to=", 2),
        ("to=2001-01-01T00:00Z", 0),
    ] {
        assert_eq!(ask(&plot, &format!("/stats.json?{query}"))["range"]["n"], n, "{query}");
        // With the host in the target too.
        assert_eq!(ask(&plot, &format!("http://x/stats.json?{query}"))["range"]["n"], n, "{query}");
        let form = ask(&plot, &format!("/parts.json?{query}"));
        assert!(form["range"].as_str().unwrap().contains(": ") && form["density"].is_null(), "{form}");
    }
    for query in ["", "?", "?range=all", "?range=&from=&to=", "?fbclid=x", "?%ff=%zz"] {
        assert!(ask(&plot, &format!("/stats.json{query}"))["range"].is_null(), "{query}");
        assert_eq!(plot.ask("GET", &format!("/{query}")).2, plot.ask("GET", "/").2, "{query}");
        assert_eq!(plot.ask("GET", &format!("http://x{query}")).2, plot.ask("GET", "/").2, "{query}");
    }
    for (query, line) in [
        ("range=2h", "range is \"2h\"; allowed: 1h, 24h, 7d, 30d, all\n"),
        ("range=1h&range=7d", "range is \"1h\" and \"7d\"; allowed: one range\n"),
        (
            "from=soon",
            "from is \"soon\"; allowed: a time in UTC from 2000 to 2100, such as 2024-11-23, 2024-11-23T06:00 or Unix seconds\n",
        ),
        ("from=2024-11-23&to=%3Cb%3E", "to is \"<b>\"; allowed: a time in UTC"),
        (
            "from=2099-01-01",
            "from is \"2099-01-01\" and to is left out, which is now; allowed: a from before to\n",
        ),
    ] {
        for path in PATHS {
            let (status, head, body) = plot.ask("GET", &format!("{path}?{query}"));
            let body = String::from_utf8(body).unwrap();
            assert!(status == 400 && body.starts_with(line) && body.lines().count() == 1, "{query}: {body}");
            assert!(
                head.contains("Content-Type: text/plain") && head.contains("form-action 'self'"),
                "{head}"
            );
            assert_eq!(plot.ask("HEAD", &format!("{path}?{query}")).0, 400);
        }
    }
    // What has no range takes no part in this.
    assert_eq!((plot.ask("GET", "/metrics?range=2h").0, plot.ask("GET", "/healthz?from=x").0), (200, 200));
}

#[test]
fn what_did_not_change_in_a_range_is_not_sent_again() {
    let directory = Directory::new();
    let time_s = now_s().floor() - 90_000.0;
    directory.write(LOG, log_of(&[(1.0, 2.0, time_s)]));
    let plot = Plot::start(&directory, &[]);
    plot.rows(1);
    let path = format!("/parts.json?from={}&to={}", time_s - 600.0, time_s + 600.0);
    let tag = || {
        let (_, head, _) = plot.ask("GET", &path);
        head.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap().to_owned()
    };
    let asked_with = |tag: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nIf-None-Match: {tag}\r\n\r\n");
        exchange(&plot.address, request.as_bytes())
    };
    until("nothing changes", || {
        let tag = tag();
        let (status, head, body) = asked_with(&tag);
        status == 304 && head.contains(&tag) && body.is_empty()
    });
    let before = tag();
    directory.append(LOG, log_of(&[(1.0, 5.0, time_s)]).replace(HEADER, ""));
    until("a row is in the range", || asked_with(&before).0 == 200 && tag() != before);
    until("it is counted", || ask(&plot, &path)["range"].as_str().unwrap().contains(": 2 rows."));
}

#[test]
fn what_is_in_no_range_is_said() {
    let directory = Directory::new();
    let now = now_s().floor();
    let page = |plot: &Plot, query: &str| String::from_utf8(plot.ask("GET", query).2).unwrap();
    // No row has a time.
    directory.write(LOG, "id,y_true,y_pred,absolute_error\na,1,2,1\nb,1,2,1\n");
    let plot = Plot::start(&directory, &[]);
    plot.rows(2);
    let all_of_them = page(&plot, "/?range=24h");
    assert!(all_of_them.contains("2 rows have no time (logged_at) and are in no range."), "{all_of_them}");
    assert!(all_of_them.contains("<p class=none>No rows") && !all_of_them.contains("NaN"), "{all_of_them}");
    drop(plot);
    // Some have none, and the clock of one was wrong.
    let rows = [(1.0, 2.0, now - 7_200.0), (1.0, 3.0, now - 60.0), (1.0, 4.0, 4_099_766_400.0)];
    directory.write(LOG, log_of(&rows) + "a,1,2,1,\n");
    let plot = Plot::start(&directory, &[]);
    plot.rows(4);
    let stats = ask(&plot, "/stats.json?range=24h");
    assert_eq!((&stats["range"]["n"], &stats["all"]["n"]), (&json!(2), &json!(4)));
    let day = page(&plot, "/?range=24h");
    assert!(day.contains("1 row has no time (logged_at) and is in no range."), "{day}");
    let ahead = "1 row dated later than today, up to <time datetime=\"2099-12-01T00:01Z\">2099-12-01 00:01 UTC</time>";
    assert!(day.contains(ahead), "{day}");
    // It can be seen.
    assert_eq!(ask(&plot, "/stats.json?from=2099-12-01&to=2099-12-02")["range"]["n"], 1);
    let future = page(&plot, "/?from=2099-12-31&to=2100-01-01");
    assert!(future.contains("No rows here. Rows that have a time are from"), "{future}");
    drop(plot);
    // A year with one row, and the days of summer time.
    let years: Vec<Row> =
        (0..20).map(|year| (1.0, 2.0, 1_000_000_000.0 + f64::from(year) * 31_557_600.0)).collect();
    directory.write(LOG, log_of(&years));
    let plot = Plot::start(&directory, &[]);
    plot.rows(20);
    let years = page(&plot, "/?from=2000-01-01");
    assert_eq!(
        years.matches("<a href=\"/?from=").count() - years.matches("before</a>").count(),
        20,
        "{years}"
    );
    assert!(years.contains("Days are those of UTC, each of 24 hours") && years.contains("r=3 />"), "{years}");
}

/// A row every ten minutes, whose errors are spread over eight decades, as those that take most room.
#[test]
fn ten_years_of_rows_take_little_memory() {
    let (directory, (mut random, _)) = (Directory::new(), glue::testing::random());
    let end_s = now_s().floor();
    let n = 10 * 365 * 24 * 6;
    let row = |number: u32| {
        let error = 10_f64.powf(random.f64() * 8.0 - 4.0);
        (0.0, error, end_s - f64::from(n - number) * 600.0)
    };
    directory.write(LOG, log_of(&(0..n).map(row).collect::<Vec<Row>>()));
    let plot = Plot::start(&directory, &[]);
    plot.rows(u64::from(n));
    for query in ["?range=1h", "?range=24h", "?range=7d", "?range=30d", "?from=2017-01-01"] {
        assert_eq!(plot.ask("GET", &format!("/{query}")).0, 200, "{query}");
        assert!(ask(&plot, &format!("/stats.json{query}"))["range"]["n"].as_u64().unwrap() > 0, "{query}");
    }
    let peak = plot.peak_resident_bytes();
    assert!(peak < 32_000_000, "{peak} bytes");
}
