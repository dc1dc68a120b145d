//! The verdict in a real browser: page and tab change without a reload, with marks, tiles and the next step; a receiver gets the alert.

use crate::browser::Browser;
use crate::process::{Directory, Plot, now_s};
use crate::receiver::{OK, Receiver};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::ops::Range;

const LOG: &str = "metric_log.csv";
const STATUS: &str = "metric_status.json";
const HEADER: &str = "id,y_true,y_pred,absolute_error,logged_at,label_delay\n";

const TITLE: &str = "document.title";
const ICON: &str = "document.querySelector('#icon').href";
const VERDICT: &str = "document.querySelector('#verdict').textContent";

/// Ten rows a second from `start_s` on, with absolute errors around `mae`, either sign in turn. Every tenth truth comes first.
fn rows(numbers: Range<u32>, mae: f64, start_s: f64) -> String {
    let row = |i: u32| {
        let error = mae * [0.5, -1.5, 1.0, -0.75, 1.25][i as usize % 5];
        let y_true = f64::from(i % 97);
        let delay_s = if i % 10 == 9 { -1.5 } else { f64::from(i % 40) * 30.0 };
        let time_s = start_s + f64::from(i) / 10.0;
        format!("{i},{y_true},{},{},{time_s:.3},{delay_s}\n", y_true + error, error.abs())
    };
    numbers.map(row).collect()
}

/// A status that does not grow old while the test runs.
fn status(state: &str, more: Value) -> String {
    let mut status = json!({ "version": 1, "at": now_s() + 1e6, "state": state, "rows": 1800 });
    status.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    status.to_string()
}

/// Puts a file in place whole, as `metric` does.
fn put(directory: &Directory, name: &str, text: &str) {
    directory.write("new", text);
    std::fs::rename(directory.file("new"), directory.file(name)).unwrap();
}

/// Marks of one class on both charts along the log.
fn flags(class: &str) -> String {
    format!(
        "['#over', '#rolling'].map(chart => document.querySelectorAll(chart + ' .flag.{class}').length).join()"
    )
}

#[test]
fn the_page_turns_from_steady_to_worse_and_better_without_a_reload() {
    let (directory, start_s, receiver) = (Directory::new(), now_s() - 600.0, Receiver::start(OK));
    directory.write(LOG, &(HEADER.to_owned() + &rows(0..800, 4.0, start_s)));
    let url = format!("http://{}/", receiver.address);
    let plot = Plot::start(&directory, &["--alert-url", &url, "--alert-format", "json"]);
    let mut browser = Browser::open(&directory, &plot);
    browser.until(&format!("{TITLE} === '○ learning – Model error'"));
    browser.until(&format!("{VERDICT}.includes('Learning what is usual: 800 of 1,000 rows')"));
    // A reload would lose what a screen reader has said so far.
    browser.evaluate(
        "window.said = []; window.live = document.querySelector('[role=status]');
        new MutationObserver(() => said.push(live.textContent.trim()))
            .observe(live, { childList: true, subtree: true, characterData: true })",
    );
    let mut icons = BTreeSet::from([browser.evaluate(ICON).to_string()]);
    let mut turn = |numbers: Range<u32>, mae: f64, title: &str, verdict: &str| {
        let n = numbers.end;
        directory.append(LOG, rows(numbers, mae, start_s));
        browser.until(&format!(
            "{TITLE} === '{title} – Model error' && /^{verdict}\\.$/.test({VERDICT}.trim())"
        ));
        browser
            .until(&format!("document.querySelector('#tiles dd').firstChild.data.replace(',', '') == {n}"));
        icons.insert(browser.evaluate(ICON).to_string());
        let state = title.split(' ').next_back().unwrap();
        assert_eq!(browser.evaluate(&format!("document.querySelectorAll('.verdict.{state}').length")), 1);
        // The word alone, once, however many rows have come and whatever the numbers are.
        let said = browser.evaluate("JSON.stringify(said.splice(0))");
        (said, browser.evaluate(&flags("worse")), browser.evaluate(&flags("better")))
    };
    let log = directory.file(LOG).display().to_string();
    let said = |state: &str| json!(json!([format!("Verdict: {state}. Following {log}.")]).to_string());
    let steady = "Steady: MAE 4 over the last 1,000 rows; baseline 4";
    assert_eq!(turn(800..1500, 4.0, "● steady", steady), (said("steady"), json!("0,0"), json!("0,0")));
    assert_eq!(turn(1500..1600, 4.0, "● steady", steady), (json!("[]"), json!("0,0"), json!("0,0")));
    // With the day, where it is another one than today.
    let worse = "Worse since (\\d{4}-\\d\\d-\\d\\d )?\\d\\d:\\d\\d UTC: MAE [34][.\\d]* → [78][.\\d]* \\(\\+\\d+\\s%\\)";
    assert_eq!(turn(1600..1900, 8.0, "▲ worse", worse), (said("worse"), json!("1,1"), json!("0,0")));
    assert_eq!(receiver.changes(1), ["drift firing"]);
    let better = "Better since (\\d{4}-\\d\\d-\\d\\d )?\\d\\d:\\d\\d UTC: MAE [78][.\\d]* → [12][.\\d]* \\(−\\d+\\s%\\)";
    assert_eq!(turn(1900..2300, 1.0, "▼ better", better), (said("better"), json!("1,1"), json!("1,1")));
    assert_eq!(receiver.changes(2)[1..], ["drift resolved"]);
    assert_eq!(icons.len(), 4, "{icons:?}");
    assert!(icons.iter().all(|icon| icon.starts_with("\"data:image/svg+xml,")), "{icons:?}");
    // Better and worse differ in shape and stroke, and in words.
    let look = "JSON.stringify(['worse', 'better'].map(name => [
        getComputedStyle(document.querySelector('#over .flag.' + name)).strokeDasharray,
        document.querySelector('#over .sign.' + name).getAttribute('d').replace(/^M[\\d.]+ /, ''),
        [...document.querySelectorAll('#over text')].some(text => text.textContent === name)]))";
    assert_eq!(
        browser.evaluate(look),
        json!([["none", "25.0l6 10h-12z", true], ["2px, 3px", "35.0l6 -10h-12z", true]]).to_string()
    );
    let words = "JSON.stringify(['over', 'rolling'].map(id => [
        /2 changes of the error marked; the last one: better since .* UTC, MAE [78].*, then [12]/
            .test(document.querySelector('#' + id + ' svg').getAttribute('aria-label')),
        [...document.querySelectorAll('#' + id + '-numbers table:first-child tbody tr')]
            .map(row => row.cells[2].textContent).join()]))";
    assert_eq!(browser.evaluate(words), json!([[true, "better,worse"], [true, "better,worse"]]).to_string());
    browser.screenshot("better");
}

/// What the page shows first, in its three places.
fn signs(browser: &mut Browser) -> [String; 3] {
    let shape = "document.querySelector('.verdict path').getAttribute('d')";
    [TITLE, ICON, shape].map(|place| browser.evaluate(place).as_str().unwrap().to_owned())
}

#[test]
fn every_state_has_its_own_sign_and_the_next_step_is_said() {
    let directory = Directory::new();
    let plot = Plot::start(&directory, &[]);
    let mut browser = Browser::open(&directory, &plot);
    let waiting = json!({ "rows": 0, "waiting": { "y_true": 0, "y_pred": 17 } });
    let refused = json!({ "rows": 0, "reason": "connection refused" });
    let (start_s, consuming) = (now_s() - 600.0, status("consuming", json!({})));
    let steady = HEADER.to_owned() + &rows(0..1500, 4.0, start_s);
    let long_ago = HEADER.to_owned() + &rows(0..1500, 4.0, start_s - 86_400.0);
    let next = |mae| rows(1500..1900, mae, start_s);
    let mut seen = [(); 3].map(|()| BTreeSet::new());
    for (name, log, status, state, text) in [
        (
            "no-metric",
            "",
            String::new(),
            "learning",
            "No rows yet, and no metric has written here: start metric",
        ),
        (
            "no-broker",
            "",
            status("reconnecting", refused),
            "learning",
            "No rows yet: metric waits for the broker: connection refused; see that it runs",
        ),
        (
            "nothing",
            "",
            status("consuming", json!({ "rows": 0 })),
            "learning",
            "No rows yet: nothing was received; publish to",
        ),
        (
            "waiting",
            "",
            status("consuming", waiting),
            "learning",
            "17 predictions wait, no truth has come: publish to y_true.",
        ),
        (
            "learning",
            &(HEADER.to_owned() + &rows(0..800, 4.0, start_s)),
            consuming.clone(),
            "learning",
            "Learning what is usual: 800",
        ),
        ("steady", &steady, consuming.clone(), "steady", "Steady: MAE 4"),
        ("worse", &(steady.clone() + &next(8.0)), consuming.clone(), "worse", "Worse since"),
        ("better", &(steady.clone() + &next(1.0)), consuming.clone(), "better", "Better since"),
        ("silent", &long_ago, consuming, "silent", "Silent since"),
        ("blind", &steady, status("stopped", json!({})), "blind", "Blind since"),
    ] {
        for (file, text) in [(LOG, log), (STATUS, &status)] {
            if !text.is_empty() {
                put(&directory, file, text);
            }
        }
        browser
            .until(&format!("{VERDICT}.trim().startsWith({}) && {TITLE}.includes('{state}')", json!(text)));
        // The line below the verdict does not say it again.
        let below = browser.evaluate("document.querySelector('#state').textContent");
        assert!(!below.as_str().unwrap().contains("No rows"), "{name}: {below}");
        for (seen, sign) in seen.iter_mut().zip(signs(&mut browser)) {
            seen.insert((state, sign));
        }
        // The first HTML has the same, without scripts.
        let html = String::from_utf8(plot.ask("GET", "/").2).unwrap();
        let [title, icon, shape] = signs(&mut browser);
        for part in [
            format!(">{title}</title>"),
            format!("href=\"{icon}\""),
            format!("d=\"{shape}\""),
            text.to_owned(),
        ] {
            assert!(html.contains(&part), "{name}: {part} is not in {html}");
        }
        assert!(html.len() < 70_000, "{name}: {} bytes", html.len());
        browser.looks(name);
    }
    // One of each kind for a state, and no two states share one.
    for seen in seen {
        let signs: BTreeSet<_> = seen.iter().map(|(_, sign)| sign).collect();
        assert_eq!((seen.len(), signs.len()), (6, 6), "{seen:?}");
    }
    drop(plot);
    browser.until(&format!(
        "{TITLE} === '× no answer – Model error' && !document.querySelector('#gone').hidden"
    ));
}

#[test]
fn what_metric_counts_has_units_and_windows() {
    let (directory, start_s) = (Directory::new(), now_s() - 600.0);
    directory.write(LOG, &(HEADER.to_owned() + &rows(0..1500, 4.0, start_s)));
    let plot = Plot::start(&directory, &[]);
    let mut browser = Browser::open(&directory, &plot);
    browser.until("document.querySelectorAll('svg[role=img]').length === 6");
    let tiles = "JSON.stringify([...document.querySelectorAll('#messages .tile')].map(tile =>
        [...tile.children].map(part => part.innerText.replace(/\\s+/g, ' ').trim())))";
    let delays = [
        json!(["p50 of label delay", "9 min all rows", "9 min 30 s last 1,000 rows"]),
        json!(["p95 of label delay", "18 min 30 s all rows", "18 min 30 s last 1,000 rows"]),
    ];
    assert_eq!(browser.evaluate(tiles), json!(delays).to_string());
    let line = "document.querySelector('#no-metric').textContent";
    assert!(browser.evaluate(line).as_str().unwrap().starts_with("No metric_status.json beside the log"));
    // 150 of 1,500 truths came first.
    let note = "document.querySelector('#delay-note').textContent";
    let expected = "Bars: all 1,350 rows. Outline: the last 900 rows. 150 truths came before their prediction, and are not in the chart.";
    assert_eq!(browser.evaluate(note), expected);
    let head = "document.querySelector('#delay-numbers caption').textContent";
    assert_eq!(browser.evaluate(head), "Bins in seconds");

    let mut told = json!({
        "rows": 1500, "duplicates": 12, "conflicts": 1, "rejected": 37, "unmatched": { "y_true": 3, "y_pred": 41 },
        "waiting": { "y_true": 2, "y_pred": 117 },
        "oldest_waiting_at": { "y_true": 1_732_341_600.5, "y_pred": 1_732_255_200 },
        "last_rejection": { "at": 1_732_341_601, "reason": "\"body\" is <b>NaN</b>; a finite number is needed" },
    });
    put(&directory, STATUS, &status("consuming", told.clone()));
    browser.until(&format!("{line} === ''"));
    let since = "since the log directory began";
    let counts = [
        json!(["coverage", format!("90.5 % of all predictions have their truth, {since}")]),
        json!([
            "predictions that wait",
            "117 when metric last wrote; the oldest since 2024-11-22 06:00:00 UTC"
        ]),
        json!(["truths that wait", "2 when metric last wrote; the oldest since 2024-11-23 06:00:00 UTC"]),
        json!(["duplicate halves", format!("12 {since}")]),
        json!(["conflicting halves", format!("1 {since}")]),
        json!(["rejected messages", format!("37 {since}"), "– of all messages of the last 10 min"]),
        json!([
            "last rejected message",
            "2024-11-23 06:00:01 UTC: \"body\" is <b>NaN</b>; a finite number is needed"
        ]),
    ];
    assert_eq!(browser.evaluate(tiles), json!([&delays[..], &counts[..]].concat()).to_string());
    // 20 rows are 40 messages.
    (told["rows"], told["rejected"]) = (json!(1520), json!(38));
    put(&directory, STATUS, &status("consuming", told));
    browser.until(&format!("{tiles}.includes('2.44 % of all messages of the last 10 min')"));
    browser.looks("messages");
}
