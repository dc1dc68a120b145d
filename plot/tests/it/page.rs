//! The page in a real browser: headless Chromium, driven through its DevTools protocol over a pair of pipes.

use crate::process::{Directory, HEADER, Plot, until};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

const LOG: &str = "metric_log.csv";

/// All charts are drawn.
const CHARTS: &str = "document.querySelectorAll('svg[role=img]').length === 5";

struct Browser {
    child: Child,
    to: File,
    from: BufReader<File>,
    session: Option<String>,
    number: u64,
}

impl Browser {
    fn open(directory: &Directory, plot: &Plot) -> Self {
        let (to, from) = (directory.path("to"), directory.path("from"));
        let made = Command::new("mkfifo").args([&to, &from]).status().unwrap();
        assert!(made.success());
        let known = Command::new("chromium").arg("--version").stdout(Stdio::null()).status();
        assert!(
            known.is_ok_and(|status| status.success()),
            "this test needs `chromium` in PATH (Debian: apt-get install chromium)"
        );
        // Chromium reads commands at descriptor 3 and answers at 4.
        let child = Command::new("sh")
            .args(["-c", "exec 3<\"$1\" 4>\"$2\"; shift 2; exec chromium \"$@\"", "sh"])
            .args([&to, &from])
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", directory.path("profile").display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let to = File::options().write(true).open(to).unwrap();
        let from = BufReader::new(File::open(from).unwrap());
        let mut browser = Browser { child, to, from, session: None, number: 0 };
        let target = browser
            .call("Target.createTarget", &json!({ "url": format!("http://{}/", plot.address) }))["targetId"]
            .clone();
        let attached = browser.call("Target.attachToTarget", &json!({ "targetId": target, "flatten": true }));
        browser.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        browser.until("document.querySelector('#state') !== null");
        browser
    }

    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.number += 1;
        let mut message = json!({ "id": self.number, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let mut answer = Vec::new();
            self.from.read_until(0, &mut answer).unwrap();
            answer.pop();
            let answer: Value = serde_json::from_slice(&answer).expect("an answer of the browser");
            if answer["id"] == self.number {
                assert!(answer["error"].is_null(), "{answer}");
                return answer["result"].clone();
            }
        }
    }

    fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true });
        self.call("Runtime.evaluate", &params)["result"]["value"].clone()
    }

    fn until(&mut self, expression: &str) {
        until(expression, || self.evaluate(expression) == true);
    }

    /// Tab, Shift+Tab or Enter.
    fn press(&mut self, key: &str) {
        let (shift, key) = key.strip_prefix("Shift+").map_or((0, key), |key| (8, key));
        let (code, text) = if key == "Enter" { (13, "\r") } else { (9, "") };
        for kind in ["keyDown", "keyUp"] {
            let event = json!({ "type": kind, "key": key, "windowsVirtualKeyCode": code, "modifiers": shift, "text": text });
            self.call("Input.dispatchKeyEvent", &event);
        }
    }

    /// Of the whole page, for a person to look at, where SCREENSHOTS names a directory.
    fn screenshot(&mut self, name: &str) {
        let Ok(directory) = std::env::var("SCREENSHOTS") else { return };
        let answer = self.call("Page.captureScreenshot", &json!({ "captureBeyondViewport": true }));
        let file = File::create(format!("{directory}/{name}.png")).unwrap();
        let mut decode = Command::new("base64").arg("-d").stdin(Stdio::piped()).stdout(file).spawn().unwrap();
        decode.stdin.take().unwrap().write_all(answer["data"].as_str().unwrap().as_bytes()).unwrap();
        assert!(decode.wait().unwrap().success());
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What an operator reads first.
const STATE: &str = "document.querySelector('#state').textContent";

fn rows(numbers: Range<u32>) -> String {
    numbers.map(|i| format!("{i},{i},{},{}\n", i + 7 + i % 3, 7 + i % 3)).collect()
}

#[test]
fn the_page_says_how_it_goes() {
    let directory = Directory::new();
    let plot = Plot::start(&directory, &[]);
    let mut browser = Browser::open(&directory, &plot);
    let log = directory.path(LOG);
    browser.until(&format!("{STATE}.includes('which is not there')"));
    directory.write(LOG, HEADER);
    browser.until(&format!("{STATE}.includes('has no rows')"));
    browser.screenshot("nothing-yet");
    fs::remove_file(&log).unwrap();
    fs::create_dir(&log).unwrap();
    browser.until(&format!("{STATE}.includes('can be read') && {STATE}.includes('is not a regular file')"));
    fs::remove_dir(&log).unwrap();
    directory.write(LOG, &(HEADER.to_owned() + &rows(0..500) + "x,1,2,9\n"));
    browser.until(&format!("{STATE}.includes('Following')"));
    browser.until(CHARTS);
    browser.until("document.querySelector('#faults').textContent === '1 contradictory'");
    // A screen reader says the state whenever it changes: it must not change with every row.
    assert_eq!(browser.evaluate(&format!("/501?/.test({STATE})")), false);
    fs::remove_file(&log).unwrap();
    browser.until(&format!("{STATE}.includes('is not there. What is shown')"));
    fs::create_dir(&log).unwrap();
    browser.until(&format!("{STATE}.includes('Not all there is can be read')"));
    browser.screenshot("unreadable");
    drop(plot);
    browser.until("!document.querySelector('#gone').hidden");
    browser.screenshot("gone");
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
        window.place = () => JSON.stringify([scrollY, document.documentElement.scrollHeight]);
        window.before = place();
        new MutationObserver(() => {
            if (document.querySelector('#tiles').textContent.includes('501')) window.seen ??= Date.now();
        }).observe(document.querySelector('#tiles'), { childList: true, subtree: true })",
    );
    let appended = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as f64;
    directory.append(LOG, "x,1,900,899\n");
    browser.until("window.seen > 0");
    let seen = browser.evaluate("window.seen").as_f64().unwrap();
    println!("a new row was on the page after {} ms", seen - appended);
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
    directory.write(LOG, &(HEADER.to_owned() + &rows(0..500)));
    let plot = Plot::start(&directory, &[]);
    let mut browser = Browser::open(&directory, &plot);
    browser.until(CHARTS);
    let focused = "(() => { const e = document.activeElement, style = getComputedStyle(e);
        return [e.tagName, e.id || e.textContent, style.outlineStyle, style.outlineWidth].join(' ') })()";
    let mut places = Vec::new();
    for _ in 0..8 {
        browser.press("Tab");
        places.push(browser.evaluate(focused).as_str().unwrap().to_owned());
    }
    let expected = ["SUMMARY Numbers"; 5].into_iter().chain(["A All numbers", "A PNG", "A SVG"]);
    assert_eq!(places, expected.map(|place| format!("{place} solid 2px")).collect::<Vec<_>>());
    for _ in 0..7 {
        browser.press("Shift+Tab");
    }
    browser.press("Enter");
    assert_eq!(browser.evaluate("document.querySelector('details').open"), true);
    browser.press("Tab");
    assert_eq!(browser.evaluate(focused), "DIV absolute-numbers solid 2px");

    let tree = browser.call("Accessibility.getFullAXTree", &json!({}));
    let nodes = tree["nodes"].as_array().unwrap();
    let named = |role: &str| -> Vec<&str> {
        let nodes = nodes.iter().filter(|node| node["ignored"] == false && node["role"]["value"] == role);
        nodes.map(|node| node["name"]["value"].as_str().unwrap()).collect()
    };
    let images = [named("image"), named("img")].concat();
    let charts = [
        "Histogram of absolute error: ",
        "Histogram of error ",
        "Error over rows: ",
        "Rolling MAE ",
        "Predicted ",
    ];
    assert_eq!(images.len(), charts.len(), "{images:?}");
    for (image, chart) in images.iter().zip(charts) {
        assert!(image.starts_with(chart) && image.chars().any(|c| c.is_ascii_digit()), "{image}");
    }
    assert_eq!((named("heading").len(), named("status").len()), (6, 1));
    assert_eq!(named("region"), ["Numbers of the absolute error"]);
}
