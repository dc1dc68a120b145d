//! The page of a range of time in a real browser: its links, form and charts, with scripts and without, and the viewer's own zone.

use crate::browser::{Browser, MISPLACED};
use crate::process::{Directory, Plot, now_s, until};
use serde_json::json;
use std::fmt::Write;

const LOG: &str = "metric_log.csv";
const HEADER: &str = "id,y_true,y_pred,absolute_error,logged_at\n";

/// 2024-11-23 06:00:00.
const START_S: i64 = 1_732_341_600;

const HEADING: &str = "document.querySelector('#range h2')?.textContent";
const SLICES: &str = "document.querySelectorAll('.zoom a').length";

/// Rows at even distances, whose error grows.
fn log(from_s: i64, every_s: i64, n: i64) -> String {
    let row = |i: i64| {
        let error = 10 + i % 7 + 40 * i64::from(i * 2 > n);
        let sign = if i % 3 == 0 { -1 } else { 1 };
        format!("{i},100,{},{error},{}\n", 100 + sign * error, from_s + i * every_s)
    };
    HEADER.to_owned() + &(0..n).map(row).collect::<String>()
}

fn started(directory: &Directory, text: &str) -> (Plot, Browser) {
    directory.write(LOG, text);
    let plot = Plot::start(directory, &[]);
    plot.rows(text.lines().count() as u64 - 1);
    let browser = Browser::open(directory, &plot);
    (plot, browser)
}

#[test]
fn ranges_and_slices_are_opened_with_scripts_and_without() {
    let directory = Directory::new();
    // 20 days, so that a day is of hours, and its minutes are gone.
    let (plot, mut browser) = started(&directory, &log(START_S, 120, 14_400));
    for is_without in [true, false] {
        browser.call("Emulation.setScriptExecutionDisabled", &json!({ "value": is_without }));
        browser.go(&plot, "/");
        browser.click("nav a[href='/?range=24h']");
        browser.until(&format!("location.search === '?range=24h' && {HEADING} === 'Last 24 hours'"));
        browser.until("document.querySelector('[aria-current]').textContent === '24 hours'");
        browser.until("document.querySelector('#range .note').textContent.includes('No rows here')");
        browser.click("#range .note a");
        browser.until(&format!("{HEADING} === '2024-11-23 06:00 to 2024-12-13 05:59 UTC' && {SLICES} > 100"));
        // The form has the bounds, and other ones can be set.
        browser.until("document.querySelector('input[name=to]').value === '2024-12-13T05:59'");
        browser.evaluate("document.querySelector('input[name=from]').value = '2024-11-24T00:10'");
        browser.evaluate("document.querySelector('input[name=to]').value = '2024-11-28T00:00'");
        browser.click("nav button");
        browser.until("location.search === '?from=2024-11-24T00%3A10&to=2024-11-28T00%3A00'");
        browser.until(&format!("{HEADING} === '2024-11-24 to 2024-11-28 UTC'"));
        browser.until("document.querySelector('#range p').textContent.includes(', widened to whole hours: 2,880 rows.')");
        let slice = "document.querySelector('.zoom a').textContent";
        browser.until(&format!("{slice} === '2024-11-24 00:00 to 01:00: MAE 12.9, bias 4.5, 30 rows'"));
        browser.click(".zoom a:nth-child(30)");
        browser.until("location.search === '?from=2024-11-25T05:00&to=2024-11-25T06:00'");
        // Hours are the finest that is kept of that time: there is nothing to open.
        browser.until(&format!("{HEADING} === '2024-11-25 05:00 to 06:00 UTC' && {SLICES} === 0"));
        browser.until("document.querySelector('#slices-note').textContent.includes('One slice of 1 h')");
        browser.screenshot("range-one-slice");
        browser.click("#range a:last-of-type");
        browser.until(&format!("{HEADING} === '2024-11-25 UTC' && {SLICES} === 24"));
        browser.click("#range a:last-of-type");
        browser.until(&format!("{HEADING} === '2024-11-22 to 2024-11-29 UTC'"));
        // To the finest of the last days: a minute.
        browser.go(&plot, "/?from=2024-12-13T05:00&to=2024-12-13T06:00");
        browser.until(&format!("{SLICES} === 30"));
        browser.click(".zoom a:nth-child(2)");
        browser.until(&format!("{HEADING} === '2024-12-13 05:02 to 05:03 UTC'"));
        browser.until("document.querySelector('#tiles dd').textContent === '1'");
        browser.go(&plot, "/");
        browser.click("#over-note a");
        browser.until("location.search === '?from=2024-11-23T06:00'");
    }
}

#[test]
fn the_page_of_a_range_follows_new_rows_and_keeps_the_focus() {
    let directory = Directory::new();
    let now = now_s() as i64;
    let (plot, mut browser) = started(&directory, &log(now - 3_000, 3, 1_000));
    browser.go(&plot, "/?range=1h");
    browser.until(&format!("{SLICES} > 40"));
    let rows = "document.querySelector('#tiles dd').firstChild.data";
    browser.until(&format!("{rows} === '1,000'"));
    browser.evaluate("document.querySelectorAll('nav button')[0].focus()");
    // From the form to the link of the range before, to the wider one, to the slices.
    for _ in 0..4 {
        browser.press("Tab");
    }
    let focused = "document.activeElement.closest('.zoom') && document.activeElement.getAttribute('href')";
    let href = browser.evaluate(focused);
    assert!(href.as_str().is_some_and(|href| href.starts_with("/?from=")), "{href}");
    assert_eq!(browser.evaluate("getComputedStyle(document.activeElement).opacity"), "0.5");
    let row = format!("x,1,3,2,{}\n", now - 120);
    directory.append(LOG, &row);
    browser.until(&format!("{rows} === '1,001'"));
    assert_eq!(browser.evaluate(focused), href);
    // While the pointer is down, nothing is put in its place, and afterwards the page goes on.
    let place = browser.evaluate(
        "(() => { const box = document.querySelector('.zoom a:nth-child(9)').getBoundingClientRect();
        return [box.x + box.width / 2, box.y + box.height / 2]; })()",
    );
    let pointer = |browser: &mut Browser, kind: &str, x: &serde_json::Value| {
        let event = json!({ "type": kind, "x": x, "y": place[1], "button": "left", "clickCount": 1 });
        browser.call("Input.dispatchMouseEvent", &event);
    };
    browser.evaluate("window.pressed = document.querySelector('#slices svg')");
    pointer(&mut browser, "mousePressed", &place[0]);
    // The pointer takes the focus with it.
    let pressed = browser.evaluate(focused);
    assert_ne!(pressed, href);
    directory.append(LOG, &row);
    browser.until(&format!("{rows} === '1,002'"));
    assert_eq!(browser.evaluate("pressed === document.querySelector('#slices svg')"), true);
    pointer(&mut browser, "mouseReleased", &json!(1));
    browser.until("pressed !== document.querySelector('#slices svg')");
    browser.press("Enter");
    browser.until("location.search.startsWith('?from=')");
    assert_eq!(browser.evaluate("location.pathname + location.search"), pressed);
}

#[test]
fn times_are_in_the_zone_of_the_viewer_too() {
    let directory = Directory::new();
    let (plot, mut browser) = started(&directory, &log(START_S, 60, 60));
    let times = "[...document.querySelectorAll('#range p:first-of-type time')].slice(0, 2).map(e => e.textContent).join('|')";
    for (zone, query, expected) in [
        (
            "Europe/Berlin",
            "from=2024-11-23T06:00&to=2024-11-23T23:00",
            "2024-11-23 06:00 UTC (07:00 UTC+1)|2024-11-23 23:00 UTC (2024-11-24 00:00 UTC+1)",
        ),
        // The hour in which the clocks go back is there twice.
        (
            "Europe/Berlin",
            "from=2024-10-27T00:30&to=2024-10-27T01:30",
            "2024-10-27 00:30 UTC (02:30 UTC+2)|2024-10-27 01:30 UTC (02:30 UTC+1)",
        ),
        (
            "Asia/Kathmandu",
            "from=2024-07-01&to=2024-07-02",
            "2024-07-01 00:00 UTC (05:45 UTC+5:45)|2024-07-02 00:00 UTC (05:45 UTC+5:45)",
        ),
        (
            "America/New_York",
            "from=2024-07-01&to=2024-07-02",
            "2024-07-01 00:00 UTC (2024-06-30 20:00 UTC−4)|2024-07-02 00:00 UTC (2024-07-01 20:00 UTC−4)",
        ),
        ("UTC", "from=2024-07-01&to=2024-07-02", "2024-07-01 00:00 UTC|2024-07-02 00:00 UTC"),
    ] {
        browser.call("Emulation.setTimezoneOverride", &json!({ "timezoneId": zone }));
        browser.go(&plot, &format!("/?{query}"));
        browser.until("document.querySelector('#heard time') !== null");
        assert_eq!(browser.evaluate(times), expected, "{zone} {query}");
        let is_utc = zone == "UTC";
        for time in ["#news time", "#heard time"] {
            let text = browser.evaluate(&format!("document.querySelector('{time}').textContent"));
            assert_eq!(text.as_str().unwrap().ends_with(" UTC"), is_utc, "{zone}: {text}");
        }
    }
}

/// As many slices as there are at most, long numbers in each, and many changes.
fn full(task: &str, end_s: i64) -> String {
    let mut log = HEADER.to_owned();
    for i in 0..14_400_i64 {
        let (burst, time_s) = (i / 600 % 2, end_s - 14_400 + i);
        let part = (i * 7_919 % 1_000) as f64 / 1_000.0;
        match task {
            "binary" => {
                let near = part * 0.1 + 0.001;
                let p = if burst == 1 { part } else { ((i % 2) as f64 - near).abs() };
                writeln!(log, "{i},{},{p},{},{time_s}", i % 2, (p - (i % 2) as f64).abs()).unwrap();
            }
            "classes" => {
                let is_wrong = part < 0.05 + 0.5 * burst as f64;
                writeln!(
                    log,
                    "{i},cat,{},{},{time_s}",
                    if is_wrong { "dog" } else { "cat" },
                    u8::from(is_wrong)
                )
                .unwrap();
            }
            _ => {
                let error = -(part + 0.1) * if burst == 0 { 1.234e-9 } else { 7.654e-9 };
                writeln!(log, "{i},0,{error},{},{time_s}", error.abs()).unwrap();
            }
        }
    }
    log
}

#[test]
fn the_page_of_a_range_fits_phone_screen_and_paper() {
    for task in ["regression", "binary", "classes"] {
        let directory = Directory::new();
        let end_s = now_s() as i64 / 60 * 60;
        directory.write(LOG, full(task, end_s));
        let plot = Plot::start(&directory, &["--task", task]);
        plot.rows(14_400);
        let mut browser = Browser::open(&directory, &plot);
        let path = format!("/?from={}&to={end_s}", end_s - 14_400);
        browser.go(&plot, &path);
        browser.until(&format!("{SLICES} === 240"));
        let charts = if task == "classes" { 2 } else { 3 };
        assert_eq!(browser.evaluate("document.querySelectorAll('#slices [role=img]').length"), charts);
        until("the verdict is there", || {
            String::from_utf8_lossy(&plot.ask("GET", &path).2).contains("fires since")
        });
        let page = String::from_utf8(plot.ask("GET", &path).2).unwrap();
        assert!(page.len() < 70_000, "{task}: {} bytes", page.len());
        assert!(
            page.contains("class=\"flag worse\"")
                && !page.contains("id=\"messages\"")
                && !page.contains("<!--"),
            "{page}"
        );
        browser.looks(&format!("range-{task}"));
        for (width, mobile) in [(360, true), (390, true), (800, false), (1280, false)] {
            let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": mobile });
            browser.call("Emulation.setDeviceMetricsOverride", &size);
            assert_eq!(browser.evaluate(MISPLACED), "[]", "{task}, {width} wide");
            // A slice is as high as all charts together, and as wide as what it shows.
            let covers = "(() => { const svg = document.querySelector('#slices svg').getBoundingClientRect();
                const boxes = [...document.querySelectorAll('.zoom rect')].map(e => e.getBoundingClientRect());
                return boxes.every(box => Math.abs(box.height - svg.height) < 1 && box.left >= svg.left && box.right <= svg.right)
                    && Math.abs(boxes[239].right - boxes[0].left - 240 * boxes[5].width) < 2; })()";
            assert_eq!(browser.evaluate(covers), true, "{task}, {width} wide");
        }
        browser.call("Emulation.clearDeviceMetricsOverride", &json!({}));
        let tree = browser.call("Accessibility.getFullAXTree", &json!({}));
        let links = tree["nodes"].as_array().unwrap().iter();
        let links = links.filter(|node| node["ignored"] == false && node["role"]["value"] == "link");
        let slices = links.filter(|node| node["name"]["value"].as_str().unwrap().ends_with(" 60 rows"));
        assert_eq!(slices.count(), 240, "{task}");
    }
}
