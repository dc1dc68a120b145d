//! The page in a real browser: headless Chromium, driven through its DevTools protocol over a pair of pipes.

use crate::process::{Directory, HEADER, Plot, until};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

struct Browser {
    child: Child,
    to: File,
    from: BufReader<File>,
    session: Option<String>,
    number: u64,
}

impl Browser {
    fn open(directory: &Directory, url: &str) -> Self {
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
        let target = browser.call("Target.createTarget", &json!({ "url": url }))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", &json!({ "targetId": target, "flatten": true }));
        browser.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
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
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_page_follows_and_says_how_it_goes() {
    let directory = Directory::new();
    let plot = Plot::start(&directory, &[]);
    let mut browser = Browser::open(&directory, &format!("http://{}/", plot.address));
    browser.until("document.querySelector('#state')?.textContent.includes('which is not there') ?? false");
    let lines: String = (0..500).map(|i| format!("{i},{i},{},{}\n", i + 7 + i % 3, 7 + i % 3)).collect();
    directory.write("metric_log.csv", HEADER);
    browser.until("document.querySelector('#state').textContent.includes('Nothing yet')");
    directory.append("metric_log.csv", &lines);
    browser.until("document.querySelectorAll('svg[role=img]').length === 5");
    browser.until("document.querySelector('#tiles').textContent.includes('500')");

    let size = json!({ "width": 360, "height": 640, "deviceScaleFactor": 1, "mobile": true });
    browser.call("Emulation.setDeviceMetricsOverride", &size);
    browser.until("document.documentElement.scrollWidth <= 360");
    browser
        .evaluate("document.querySelector('details').open = true; scrollTo(0, 700); window.before = scrollY");
    directory.append("metric_log.csv", "x,1,900,899\n");
    browser.until("document.querySelector('#tiles').textContent.includes('501')");
    assert_eq!(browser.evaluate("scrollY === window.before && scrollY > 0"), true);
    assert_eq!(browser.evaluate("document.querySelector('details').open"), true);
    let labelled =
        "[...document.querySelectorAll('svg')].every(s => /[0-9]/.test(s.getAttribute('aria-label')))";
    assert_eq!(browser.evaluate(labelled), true);

    let dark = json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
    let background = "getComputedStyle(document.body).backgroundColor";
    let light = browser.evaluate(background);
    browser.call("Emulation.setEmulatedMedia", &dark);
    assert_ne!(browser.evaluate(background), light);

    drop(plot);
    browser.until("!document.querySelector('#gone').hidden");
}
