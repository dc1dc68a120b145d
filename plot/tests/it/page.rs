//! The page in a real browser: how it follows the log, and how it looks.

use crate::browser::{Browser, MISPLACED};
use crate::process::{Directory, HEADER, Plot};
use serde_json::json;
use std::fs;
use std::ops::Range;

const LOG: &str = "metric_log.csv";

/// All charts are drawn.
const CHARTS: &str = "document.querySelectorAll('svg[role=img]').length === 5";

const VERDICT: &str = "document.querySelector('#verdict').textContent";

/// The line below the verdict.
const STATE: &str = "document.querySelector('#state').textContent";

fn rows(numbers: Range<u32>) -> String {
    numbers.map(|i| format!("{i},{i},{},{}\n", i + 7 + i % 3, 7 + i % 3)).collect()
}

#[test]
fn the_page_says_how_it_goes() {
    let directory = Directory::new();
    let plot = Plot::start(&directory, &[]);
    let mut browser = Browser::open(&directory, &plot);
    let log = directory.file(LOG);
    browser.until(&format!("{STATE}.includes('which does not exist')"));
    directory.write(LOG, HEADER);
    browser
        .until(&format!("{STATE}.includes('Following') && {VERDICT}.includes('No rows yet, and no metric')"));
    browser.screenshot("nothing-yet");
    fs::remove_file(&log).unwrap();
    fs::create_dir(&log).unwrap();
    let unreadable = "includes('not all logs can be read') && ";
    browser.until(&format!(
        "{VERDICT}.{unreadable}{VERDICT}.includes('is not a regular file') && {STATE} === ''"
    ));
    fs::remove_dir(&log).unwrap();
    directory.write(LOG, &(HEADER.to_owned() + &rows(0..500) + "x,1,2,9\n"));
    browser.until(&format!("{STATE}.includes('Following')"));
    browser.until(CHARTS);
    browser.until("document.querySelector('#faults').textContent === '1 contradictory'");
    // A screen reader says the state whenever it changes: it must not change with every row. The name of the log may hold any digits.
    let state = format!("{STATE}.replaceAll({:?}, '')", log.display().to_string());
    assert_eq!(browser.evaluate(&format!("/\\d/.test({state})")), false);
    fs::remove_file(&log).unwrap();
    browser.until(&format!("{STATE}.includes('does not exist now. The page shows')"));
    fs::create_dir(&log).unwrap();
    browser.until(&format!("{VERDICT}.{unreadable}{STATE}.includes('shows the rows that could be read')"));
    browser.screenshot("unreadable");
    let tiles = "document.querySelector('#tiles').getBoundingClientRect().top";
    let before = browser.evaluate(tiles);
    drop(plot);
    browser.until("!document.querySelector('#gone').hidden");
    assert_eq!(browser.evaluate(tiles), before);
    let seen = "['#live', '#gone'].map(id => getComputedStyle(document.querySelector(id)).visibility).join()";
    assert_eq!(browser.evaluate(seen), "hidden,visible");
    browser.screenshot("gone");
}

#[test]
fn the_page_says_when_lines_are_not_rows() {
    let directory = Directory::new();
    directory.write(LOG, &(HEADER.to_owned() + &"x,1,2,9\n".repeat(500)));
    let plot = Plot::start(&directory, &[]);
    let mut browser = Browser::open(&directory, &plot);
    browser.until(&format!("{STATE}.includes('has lines, and none is a row')"));
    let warning = "document.querySelector('#warning').textContent";
    browser.until(&format!("{warning}.includes('100.0 % of all lines are not rows: 500 contradictory')"));
    browser.screenshot("no-row");
    directory.append(LOG, rows(0..9_500));
    browser.until(&format!("{warning}.includes('5.00 % of all lines are not rows: 500')"));
    browser.screenshot("warning");
    directory.append(LOG, rows(0..50_000));
    browser.until(&format!("{warning} === ''"));
}

#[test]
fn words_in_charts_are_whole_and_apart() {
    let even = |i: u32| {
        f64::from(i.wrapping_add(1).wrapping_mul(2_654_435_761).rotate_left(16).wrapping_mul(2_246_822_519))
            / 4_294_967_296.0
    };
    let normal = |i: u32| (0..12).map(|k| even(i * 12 + k)).sum::<f64>() - 6.0;
    let log = |every_s: u32, errors: &dyn Fn(u32) -> f64, y_true: &dyn Fn(u32) -> f64, n: u32| -> String {
        let row = |i: u32| {
            let (y_true, y_pred) = (y_true(i), y_true(i) + errors(i));
            let time_s = 1_732_341_600 + i * every_s;
            let delay_s = 3.0 * even(i + 9000).ln().abs() * f64::from(every_s);
            format!("{i},{y_true},{y_pred},{},{time_s},{delay_s}\n", (y_pred - y_true).abs())
        };
        "id,y_true,y_pred,absolute_error,logged_at,label_delay\n".to_owned()
            + &(0..n).map(row).collect::<String>()
    };
    let spread_out = |i: u32| 100.0 * normal(i + 5000);
    let spread = |sd: f64, n: u32| log(7, &|i| sd * normal(i), &|i| 3.0 * sd * normal(i + 5000), n);
    let cases = [
        ("50", spread(50.0, 2000)),
        ("one", log(7, &|_| 3.0, &|_| 5.0, 1)),
        ("2e4", spread(2e4, 2001)),
        ("2e-4", spread(2e-4, 2002)),
        ("heavy", log(7, &|i| (even(i) - 0.5) / (even(i + 1) + 1e-4), &|i| even(i), 5000)),
        ("far", log(7, &|i| 1000.0 + normal(i), &|i| 1e9 + even(i), 2100)),
        ("seldom", log(5 * 3600, &normal, &even, 30)),
        // Its changes are close to each other, and some to an edge.
        ("changes", log(7, &|i| normal(i) * [1.0, 4.0, 1.0, 9.0][i as usize / 60 % 4], &even, 5100)),
        // All that are kept.
        ("hundred", log(7, &|i| 40.0 * normal(i) * [1.0, 6.0][i as usize / 600 % 2], &spread_out, 66_000)),
        ("years", log(86_400, &|i| -normal(i).exp() * 1e6, &even, 2200)),
    ];
    let directory = Directory::new();
    directory.write(LOG, HEADER);
    let plot = Plot::start(&directory, &[]);
    let mut browser = Browser::open(&directory, &plot);
    for (name, text) in cases {
        directory.write(LOG, &text);
        let n = text.lines().count() as u64 - 1;
        plot.rows(n);
        browser
            .until(&format!("document.querySelector('#tiles dd').firstChild.data.replace(',', '') == {n}"));
        let bytes = plot.ask("GET", "/").2.len();
        assert!(bytes < 70_000, "{name}: {bytes} bytes");
        for (width, mobile) in [(360, true), (800, false), (1280, false)] {
            let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": mobile });
            browser.call("Emulation.setDeviceMetricsOverride", &size);
            browser.screenshot(&format!("words-{name}-{width}"));
            assert_eq!(browser.evaluate(MISPLACED), "[]", "errors {name}, {width} wide");
        }
    }
}

#[test]
fn the_page_follows_new_rows_without_a_jump() {
    let directory = Directory::new();
    directory.write(LOG, &(HEADER.to_owned() + &rows(0..500)));
    let plot = Plot::start(&directory, &[]);
    let mut browser = Browser::open(&directory, &plot);
    browser.until(CHARTS);
    browser.screenshot("light");
    browser.evaluate(
        "document.querySelectorAll('details').forEach(d => d.open = true); scrollTo(0, 700);
        document.querySelector('#over-numbers').scrollTop = 50;
        document.querySelector('#over-numbers').focus({ preventScroll: true });
        window.place = () => JSON.stringify([scrollY, document.documentElement.scrollHeight,
            ...[...document.querySelectorAll('header > *, dl > *, figure > *, body > p')].map(part =>
                [part.id || part.tagName, part.offsetTop, part.offsetHeight])]);
        window.before = place();
        new MutationObserver(() => {
            if (document.querySelector('#tiles').textContent.includes('501')) window.seen = true;
        }).observe(document.querySelector('#tiles'), { childList: true, subtree: true })",
    );
    directory.append(LOG, "x,1,900,899\n");
    browser.until("window.seen");
    assert_eq!(browser.evaluate("scrollY"), 700);
    assert_eq!(browser.evaluate("place()"), browser.evaluate("before"));
    let kept =
        "document.querySelector('details').open && document.querySelector('#over-numbers').scrollTop === 50
        && document.activeElement.id === 'over-numbers'";
    assert_eq!(browser.evaluate(kept), true);
}

#[test]
fn the_page_fits_a_phone_and_the_dark() {
    let directory = Directory::new();
    directory.write(LOG, &(HEADER.to_owned() + &rows(0..500)));
    let plot = Plot::start(&directory, &[]);
    let mut browser = Browser::open(&directory, &plot);
    let size = json!({ "width": 360, "height": 640, "deviceScaleFactor": 2, "mobile": true });
    browser.call("Emulation.setDeviceMetricsOverride", &size);
    browser.until(CHARTS);
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)");
    assert_eq!(browser.evaluate("document.documentElement.scrollWidth"), 360);
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = false)");
    browser.screenshot("phone");
    browser.call("Emulation.clearDeviceMetricsOverride", &json!({}));
    let colours =
        "JSON.stringify([document.body, document.querySelector('.bar'), document.querySelector('text')]
        .map(e => getComputedStyle(e)).map(s => [s.backgroundColor, s.color, s.fill]))";
    let light = browser.evaluate(colours);
    let dark = json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
    browser.call("Emulation.setEmulatedMedia", &dark);
    assert_ne!(browser.evaluate(colours), light);
    browser.screenshot("dark");
}

#[test]
fn the_page_is_whole_for_keyboard_and_screen_reader() {
    let directory = Directory::new();
    let log = (HEADER.to_owned() + &rows(0..500)).replace('\n', ",30\n").replacen("30", "label_delay", 1);
    directory.write(LOG, &log);
    let plot = Plot::start(&directory, &[]);
    let mut browser = Browser::open(&directory, &plot);
    browser.until("document.querySelectorAll('svg[role=img]').length === 6");
    let focused = "(() => { const e = document.activeElement, style = getComputedStyle(e);
        return [e.tagName, e.tagName === 'DIV' ? e.id : e.textContent, style.outlineStyle, style.outlineWidth].join(' ') })()";
    let mut places = Vec::new();
    browser.evaluate("document.querySelector('nav button').focus()");
    for _ in 0..9 {
        browser.press("Tab");
        places.push(browser.evaluate(focused).as_str().unwrap().to_owned());
    }
    let tables = [
        "the error over time",
        "the rolling MAE",
        "the absolute error",
        "the signed error",
        "predicted against true",
        "the label delay",
    ];
    let tables = tables.map(|chart| format!("SUMMARY Numbers of {chart}"));
    let expected = tables.into_iter().chain(["A All numbers", "A PNG", "A SVG"].map(str::to_owned));
    assert_eq!(places, expected.map(|place| format!("{place} solid 2px")).collect::<Vec<_>>());
    for _ in 0..8 {
        browser.press("Shift+Tab");
    }
    browser.press("Enter");
    assert_eq!(browser.evaluate("document.querySelector('details').open"), true);
    browser.press("Tab");
    assert_eq!(browser.evaluate(focused), "DIV over-numbers solid 2px");

    let tree = browser.call("Accessibility.getFullAXTree", &json!({}));
    let nodes = tree["nodes"].as_array().unwrap();
    let named = |role: &str| -> Vec<&str> {
        let nodes = nodes.iter().filter(|node| node["ignored"] == false && node["role"]["value"] == role);
        nodes.map(|node| node["name"]["value"].as_str().unwrap()).collect()
    };
    let images = [named("image"), named("img")].concat();
    let charts = [
        "Error over rows: ",
        "Rolling MAE ",
        "Histogram of absolute error: ",
        "Histogram of error ",
        "Predicted ",
        "Histogram of label delay (s): ",
    ];
    assert_eq!(images.len(), charts.len(), "{images:?}");
    for (image, chart) in images.iter().zip(charts) {
        assert!(image.starts_with(chart) && image.chars().any(|c| c.is_ascii_digit()), "{image}");
    }
    assert_eq!((named("heading").len(), named("status").len()), (7, 1));
    assert_eq!((named("navigation").len(), named("button")[0]), (1, "Show"));
    assert_eq!(named("region"), ["Numbers of the error over time"]);
}
