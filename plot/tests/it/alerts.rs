//! What fires and what resolves: in the log, on the page, in `/stats.json` and at a receiver.

use crate::process::{Directory, HEADER, Plot, command, now_s, until};
use crate::receiver::{LOG, OK, Receiver, bad_log, log_has, remembered, resolve, rows, start, with_receiver};
use serde_json::{Value, json};

#[test]
fn every_change_is_sent_once_in_order_logged_and_shown() {
    let (directory, receiver) = (bad_log(), Receiver::start(OK));
    let plot = start(&directory, "mae>60,rmse>60,p95>1e3,bias>60.5", &receiver);
    assert_eq!(receiver.changes(3), ["mae>60 firing", "rmse>60 firing", "bias>60.5 firing"]);
    let fired = plot.rows(200)["alerts"].clone();
    assert_eq!(fired.as_array().unwrap().len(), 3);
    resolve(&directory, &plot);
    let changes = receiver.changes(6);
    assert_eq!(changes[3..], ["mae>60 resolved", "rmse>60 resolved", "bias>60.5 resolved"]);
    let bodies = receiver.requests(6, |request| request.body.clone());
    assert_eq!(fired, json!(bodies[..3]));
    let first = &bodies[0];
    assert_eq!((&first["value"], &first["limit"]), (&json!(61.0), &json!(60.0)));
    assert!((now_s() - first["since"].as_f64().unwrap()).abs() < 3600.0);
    assert_eq!(first["text"], "MAE 61 over the last 200 rows, above 60");
    let text = bodies[3]["text"].as_str().unwrap();
    assert!(text.starts_with("MAE 1 over the last 200 rows, not above 60; fired at "), "{text}");
    let mut ids = receiver.ids(6);
    for (request, id) in receiver.requests(6, |request| request.head.clone()).iter().zip(&ids) {
        assert!(request.starts_with("post /hook http/1.1\r\n"), "{request}");
        assert!(request.contains("\r\ncontent-type: application/json\r\n"), "{request}");
        assert!(request.contains(&format!("\r\nidempotency-key: {id}\r\n")), "{request}");
    }
    let log = directory.read("stderr");
    for (body, line) in bodies.iter().zip(["WARN", "WARN", "WARN", "INFO", "INFO", "INFO"]) {
        let start =
            format!("[{line} ] alert {}: {} ", body["id"].as_str().unwrap(), body["rule"].as_str().unwrap());
        let lines: Vec<_> = log.lines().filter(|line| line.starts_with(&start)).collect();
        assert!(lines.len() == 1 && lines[0].ends_with(body["text"].as_str().unwrap()), "{lines:?}");
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 6);
    let shown = plot.stats()["alerts"].clone();
    assert_eq!(shown, json!([bodies[5], bodies[4], bodies[3]]));
    let page = String::from_utf8(plot.ask("GET", "/").2).unwrap();
    assert!(page.contains("Alert mae&gt;60 has resolved at ") && !page.contains("fires since"), "{page}");
    // What was delivered is not sent again.
    until("nothing waits", || remembered(&directory, &plot.address)["waiting"] == json!([]));
    assert_eq!(receiver.changes(6).len(), 6);
}

#[test]
fn a_log_that_is_rotated_changes_nothing_until_the_new_one_has_its_rows() {
    // The log alone, by its name: the rows of a renamed one no longer count.
    let (directory, receiver) = (bad_log(), Receiver::start(OK));
    let (url, log) = (format!("http://{}/", receiver.address), directory.file(LOG).display().to_string());
    let mut command = with_receiver(&directory, "mae>60,blind", &url);
    let plot = Plot::spawn(&directory, command.args(["--log", &log]));
    assert_eq!(receiver.changes(1), ["mae>60 firing"]);
    let fired = plot.rows(200)["alerts"].clone();
    let rotated = |n: usize, new: &str| {
        std::fs::rename(directory.file(LOG), directory.file(&format!("metric_log.{n}.csv"))).unwrap();
        until("the log is missed", || plot.stats()["state"] == "waiting");
        directory.write(LOG, HEADER.to_owned() + new);
    };
    rotated(1, &rows(199, 1.0));
    assert_eq!(plot.rows(199)["alerts"], fired);
    // The one after it is as bad as the first: nothing to say.
    rotated(2, &rows(300, 61.0));
    assert_eq!(plot.rows(300)["alerts"], fired);
    resolve(&directory, &plot);
    assert_eq!(receiver.changes(2)[1..], ["mae>60 resolved"]);
    plot.end("TERM");

    // Where plot reads the renamed ones as well, a rotation is none, and the counters go on.
    let mut command = with_receiver(&directory, "mae>60", &url);
    let pattern = directory.file("metric_log*.csv").display().to_string();
    let plot = Plot::spawn(&directory, command.args(["--log", &pattern]));
    plot.rows(200 + 199 + 600);
    std::fs::rename(directory.file(LOG), directory.file("metric_log.3.csv")).unwrap();
    directory.write(LOG, HEADER.to_owned() + &rows(1, 1.0));
    plot.rows(200 + 199 + 600 + 1);
    assert!(!directory.read("stderr").contains("reading all logs again"));
    assert_eq!(receiver.changes(2).len(), 2);
}

#[test]
fn drift_silence_and_blindness_alert_as_slack_wants_it() {
    let (directory, receiver) = (Directory::new(), Receiver::start(OK));
    let row =
        |n: usize, error: f64| format!("x,0,{error},{error},{:.3}\n", now_s() - 1e-6 * (2000.0 - n as f64));
    let part = |n: usize, error: f64| {
        (0..n).map(|i| row(i, error * (0.5 + (i % 5) as f64 / 4.0))).collect::<String>()
    };
    let log = "id,y_true,y_pred,absolute_error,logged_at\n".to_owned() + &part(1500, 40.0);
    directory.write(LOG, log);
    let status = |state: &str| {
        let status = json!({ "version": 1, "at": now_s() + 1e6, "state": state });
        directory.write("new", status.to_string());
        std::fs::rename(directory.file("new"), directory.file("metric_status.json")).unwrap();
    };
    status("consuming");
    let mut command = command(&directory);
    command.env("PLOT_ALERT_URL", format!("http://{}", receiver.address));
    command.env("PLOT_ALERT", "drift,silence>3s,blind");
    let plot = Plot::spawn(&directory, &mut command);
    plot.rows(1500);
    let texts = |n: usize| receiver.requests(n, |request| request.body.clone());
    let has = |start: &str| {
        until(start, || {
            let has = |body: &Value| body["text"].as_str().unwrap().starts_with(start);
            texts(0).iter().any(has)
        });
    };
    directory.append(LOG, part(300, 80.0));
    has("Alert: Worse since ");
    directory.append(LOG, part(300, 20.0));
    has("Resolved: Better since ");
    has("Alert: Silent since ");
    directory.append(LOG, part(1, 20.0));
    has("Resolved: Rows come again, the last one at ");
    status("stopped");
    has("Alert: Blind since ");
    status("consuming");
    has("Resolved: The monitor works again; fired at ");
    assert!(texts(6).iter().all(|body| body.as_object().unwrap().len() == 1), "{:?}", texts(6));
}

#[test]
fn without_a_receiver_alerts_are_logged_and_shown_and_nothing_is_written() {
    let directory = bad_log();
    let plot = Plot::start(&directory, &["--alert", "mae>60"]);
    plot.rows(200);
    assert_eq!(plot.stats()["alerts"][0]["rule"], "mae>60");
    log_has(&directory, ": mae>60 fires: MAE 61 over the last 200 rows, above 60");
    let page = String::from_utf8(plot.ask("GET", "/").2).unwrap();
    assert!(page.contains("Alert mae&gt;60 fires since "), "{page}");
    let files = std::fs::read_dir(&directory.0).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(files.into_iter().all(|name| !name.to_string_lossy().contains("alerts")));
    let silent = Plot::start(&directory, &["--alert", "none"]);
    assert_eq!(silent.rows(200)["alerts"], json!([]));
}
