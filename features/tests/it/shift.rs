//! All three programs together: true values shift, a browser shows the new verdict, and a receiver gets the alert.

use crate::{binary, features};
use glue::testing::{Directory, Service, free_address, prefix, shared_broker, wait_for};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    process::Command,
    sync::mpsc::{Receiver, channel},
    thread,
};

#[test]
fn a_shift_of_the_truth_turns_the_verdict_from_steady_to_worse() {
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    let log_dir = directory.0.to_str().unwrap();
    let broker = [("amqp-url", url.as_str()), ("queue-prefix", &prefix), ("log-dir", log_dir)];
    let _metric = Service::start(binary("metric"), &broker);
    let (receiver, alerts) = receive();
    let page = free_address();
    let alerting = [("alert", "drift"), ("alert-format", "json"), ("alert-url", receiver.as_str())];
    let settings = [("log-dir", log_dir), ("listen", page.as_str()), ("interval", "0.2")];
    let plot = Service::start(binary("plot"), &[settings, alerting].concat());
    let publish = |settings: &[(&str, &str)]| {
        let mut features = features(&url, &prefix, &[&[("interval", "0")], settings].concat());
        assert!(features.wait().success(), "{:?}", features.lines());
        features
    };
    publish(&[("count", "1500")]);
    plot.wait_for_line("Steady: MAE ");
    wait_for("a steady page", || browse(&page).contains("Steady: MAE ").then_some(()));
    assert!(alerts.try_recv().is_err());
    let features = publish(&[("count", "2000"), ("shift-after", "500"), ("shift", "1")]);
    features.wait_for_line("from here on true values are shifted by +77.0");
    let line = plot.wait_for_line("Worse since ");
    let [before, after] = maes(&line);
    // The model's MAE is 43; of normal errors that are one deviation of the target off it is about 80.
    assert!((38.0..48.0).contains(&before) && (60.0..100.0).contains(&after), "{line}");
    wait_for("a page that is worse", || {
        let dom = browse(&page);
        (dom.contains(">▲ worse") && dom.contains("Worse since ")).then_some(())
    });
    let alert = alerts.recv().unwrap();
    assert_eq!((&alert["rule"], &alert["state"]), (&"drift".into(), &"firing".into()), "{alert}");
    assert!(alert["text"].as_str().unwrap().starts_with("Worse since "), "{alert}");
    assert!(alerts.try_recv().is_err(), "it comes once");
}

/// The page as a real browser has it, once it is loaded.
fn browse(address: &str) -> String {
    let flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom"];
    let output = Command::new("chromium").args(flags).arg(format!("http://{address}/")).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// A receiver of alerts: its URL, and the bodies that it takes.
fn receive() -> (String, Receiver<serde_json::Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (send, bodies) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let head = stream.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty());
            let length = head
                .filter_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok())
                .last();
            let mut body = vec![0; length.unwrap()];
            stream.read_exact(&mut body).unwrap();
            stream
                .get_mut()
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .unwrap();
            let _ = send.send(serde_json::from_slice(&body).unwrap());
        }
    });
    (url, bodies)
}

/// Of `Worse since 02:13 UTC: MAE 42.4 → 81 (+91 %)`.
fn maes(line: &str) -> [f64; 2] {
    let (_, maes) = line.split_once("MAE ").unwrap();
    let (before, after) = maes.split_once(" → ").unwrap();
    [before, after.split(' ').next().unwrap()].map(|mae| mae.parse().unwrap())
}
