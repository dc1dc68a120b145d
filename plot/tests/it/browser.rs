//! A real browser: headless Chromium, driven through its DevTools protocol over a pair of pipes.

use crate::process::{Directory, Plot, until};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

/// Texts that are outside of their chart, or over another one.
pub const MISPLACED: &str = "JSON.stringify([...document.querySelectorAll('svg[role]')].flatMap(svg => {
    const inside = (a, b) => a.left > b.left - .5 && a.right < b.right + .5 && a.top > b.top - .5 && a.bottom < b.bottom + .5;
    const apart = (a, b) => a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
    const texts = [...svg.querySelectorAll('text')].map(e => [e.textContent, e.getBoundingClientRect()]);
    const outside = texts.filter(([, box]) => !inside(box, svg.getBoundingClientRect())).map(([text]) => text);
    const over = texts.flatMap(([text, box], i) => texts.slice(0, i).filter(([, other]) => !apart(box, other))
        .map(([other]) => text + ' over ' + other));
    return [...outside, ...over];
}))";

pub struct Browser {
    child: Child,
    to: File,
    from: BufReader<File>,
    session: Option<String>,
    number: u64,
}

impl Browser {
    pub fn open(directory: &Directory, plot: &Plot) -> Self {
        let (to, from) = (directory.file("to"), directory.file("from"));
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
            .arg(format!("--user-data-dir={}", directory.file("profile").display()))
            // It hangs with a clock that is set.
            .env_remove("LD_PRELOAD")
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
        // Not while the document is still on its way.
        browser.until("document.readyState === 'complete' && document.querySelector('#state') !== null");
        browser
    }

    pub fn call(&mut self, method: &str, params: &Value) -> Value {
        self.try_call(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn try_call(&mut self, method: &str, params: &Value) -> Result<Value, Value> {
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
                let error = &answer["error"];
                return if error.is_null() { Ok(answer["result"].clone()) } else { Err(error.clone()) };
            }
        }
    }

    pub fn evaluate(&mut self, expression: &str) -> Value {
        self.try_evaluate(expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    fn try_evaluate(&mut self, expression: &str) -> Result<Value, Value> {
        let params = json!({ "expression": expression, "returnByValue": true });
        Ok(self.try_call("Runtime.evaluate", &params)?["result"]["value"].clone())
    }

    /// Also while a click leads to another page: it may take the place of the one that was asked.
    pub fn until(&mut self, expression: &str) {
        until(expression, || match self.try_evaluate(expression) {
            Err(error) if error["message"] == "Inspected target navigated or closed" => false,
            answer => answer.unwrap_or_else(|error| panic!("{expression}: {error}")) == true,
        });
    }

    /// Waits for the page that an address of `plot` has, and for its parts.
    pub fn go(&mut self, plot: &Plot, path: &str) {
        self.call("Page.navigate", &json!({ "url": format!("http://{}{path}", plot.address) }));
        let here =
            format!("location.pathname + location.search === {path:?} && document.readyState === 'complete'");
        self.until(&here);
    }

    /// Clicks into the middle of the first element that a selector finds; of its first line, where it is broken.
    pub fn click(&mut self, selector: &str) {
        let place = format!(
            "(() => {{ const e = document.querySelector({selector:?}); e.scrollIntoView({{ block: 'center' }});
            const box = e.getClientRects()[0]; return [box.x + box.width / 2, box.y + box.height / 2]; }})()"
        );
        let place = self.evaluate(&place);
        for kind in ["mousePressed", "mouseReleased"] {
            let event =
                json!({ "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", &event);
        }
    }

    /// Tab, Shift+Tab or Enter.
    pub fn press(&mut self, key: &str) {
        let (shift, key) = key.strip_prefix("Shift+").map_or((0, key), |key| (8, key));
        let (code, text) = if key == "Enter" { (13, "\r") } else { (9, "") };
        for kind in ["keyDown", "keyUp"] {
            let event = json!({ "type": kind, "key": key, "windowsVirtualKeyCode": code, "modifiers": shift, "text": text });
            self.call("Input.dispatchKeyEvent", &event);
        }
    }

    /// No part is wider than the window, on a phone, on a screen and on paper, and a screenshot of each.
    pub fn looks(&mut self, name: &str) {
        for (width, mobile, media, scheme) in [
            (360, true, "", "light"),
            (1280, false, "", "light"),
            (1280, false, "", "dark"),
            (718, false, "print", "dark"),
        ] {
            let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": mobile });
            self.call("Emulation.setDeviceMetricsOverride", &size);
            let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
            self.call("Emulation.setEmulatedMedia", &json!({ "media": media, "features": features }));
            let fits = format!("document.documentElement.scrollWidth <= {width}");
            assert_eq!(self.evaluate(&fits), true, "{name}, {width} wide {media}");
            self.screenshot(&format!("{name}-{width}-{scheme}{media}"));
        }
        self.call("Emulation.setEmulatedMedia", &json!({ "media": "", "features": [] }));
        self.call("Emulation.clearDeviceMetricsOverride", &json!({}));
    }

    /// Of the whole page, for a person to look at, where SCREENSHOTS names a directory.
    pub fn screenshot(&mut self, name: &str) {
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
