//! Messages of the contract, and messages made to do harm.

use crate::{metric, records_of, rows, unguarded};
use amiquip::{AmqpProperties, AmqpValue, FieldTable};
use base64::{Engine, engine::general_purpose::STANDARD};
use glue::testing::{Directory, Peer, prefix, shared_broker, wait_for};
use serde_json::Value;
use std::{fs, thread};

const BODY_BYTES_MAX: usize = 1 << 20;

fn golden(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The body of a case of `contract/rejected.jsonl`.
fn body(case: &Value) -> Vec<u8> {
    match case["body"].as_array() {
        None => STANDARD.decode(case["base64"].as_str().unwrap()).unwrap(),
        Some(parts) => parts
            .iter()
            .flat_map(|part| {
                part[0].as_str().unwrap().repeat(part[1].as_u64().unwrap() as usize).into_bytes()
            })
            .collect(),
    }
}

/// The whole lines of `rejected.jsonl`.
fn rejects(directory: &Directory) -> Vec<Value> {
    let text = directory.read("rejected.jsonl");
    golden(text.rfind('\n').map_or("", |end| &text[..end]))
}

/// The body that a line of `rejected.jsonl` keeps.
fn kept(line: &Value) -> Vec<u8> {
    let body = line["body"].as_str().unwrap();
    if line["encoding"] == "base64" { STANDARD.decode(body).unwrap() } else { body.into() }
}

/// The golden cases of a task.
fn golden_of(task: &str, text: &str) -> Vec<Value> {
    let cases = golden(text).into_iter();
    cases.filter(|case| case["task"].as_str().unwrap_or("regression") == task).collect()
}

#[test]
fn invalid_messages_are_set_aside_with_their_reason_and_the_rest_is_unharmed() {
    set_aside("regression", "features", "[0,0,0,0,0,0,0,0,0,0]");
    set_aside("binary", "y_pred", "1");
    set_aside("classes", "y_pred", "1");
}

/// `predicted` is a good body in the queue `other`.
fn set_aside(task: &str, other: &str, predicted: &str) {
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    let predictions = if other == "features" { "model" } else { "y_pred" };
    let service = metric(&url, &prefix, &directory, &[("task", task), ("predictions", predictions)]);
    service.wait_for_line("consuming");
    let mut peer = Peer::connect(&url);
    let cases = golden_of(task, include_str!("../../../contract/rejected.jsonl")).into_iter();
    let cases: Vec<Value> =
        cases.filter(|case| case["queue"] == "y_true" || case["queue"] == other).collect();
    for (i, case) in cases.iter().enumerate() {
        peer.publish(&format!("{prefix}{}", case["queue"].as_str().unwrap()), &body(case));
        let good = format!("{{\"id\": \"good-{i}\", \"body\": 1}}");
        peer.publish(&format!("{prefix}y_true"), good.as_bytes());
        let good = format!("{{\"id\": \"good-{i}\", \"body\": {predicted}}}");
        peer.publish(&format!("{prefix}{other}"), good.as_bytes());
    }
    peer.confirmed();
    wait_for("row of every good sample", || (rows(&directory).len() == cases.len()).then_some(()));
    let rejected = wait_for("reject of every bad one", || {
        let rejected = rejects(&directory);
        (rejected.len() >= cases.len()).then_some(rejected)
    });
    assert_eq!(rejected.len(), cases.len());
    for case in &cases {
        let (queue, body) = (format!("{prefix}{}", case["queue"].as_str().unwrap()), body(case));
        let reason = case["reason"].as_str().unwrap();
        let is_kept = |line: &Value| {
            let kept = kept(line);
            match line["index"].as_u64() {
                // One sample of a batch.
                Some(_) => {
                    line["body_bytes"] == kept.len() && body.windows(kept.len()).any(|part| part == kept)
                }
                None if body.len() > BODY_BYTES_MAX => {
                    line["body_bytes"] == BODY_BYTES_MAX + 1 && kept == body[..4096]
                }
                None => line["body_bytes"] == body.len() && kept == body,
            }
        };
        let found = rejected.iter().any(|line| {
            line["queue"] == queue.as_str()
                && line["reason"].as_str().unwrap().contains(reason)
                && is_kept(line)
        });
        assert!(found, "{}: no line with {reason:?}", case["name"]);
    }
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn golden_samples_are_joined_with_their_other_half() {
    let number = |value: &Value| value.as_f64().unwrap();
    joined("regression", 100, |value| (number(value) - 100.0).abs());
    joined("binary", 1, |value| (number(value) - 1.0).abs());
    joined("classes", 3, |value| f64::from(value != "3"));
}

/// `error` is that of a sample's value and `other_half`.
fn joined(task: &str, other_half: u8, error: impl Fn(&Value) -> f64) {
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    let service = metric(&url, &prefix, &directory, &[("task", task), ("predictions", "y_pred")]);
    service.wait_for_line("consuming");
    let mut peer = Peer::connect(&url);
    let mut expected = Vec::new();
    for case in golden_of(task, include_str!("../../../contract/accepted.jsonl")) {
        let queue = case["queue"].as_str().unwrap();
        let other = match queue {
            "y_true" => "y_pred",
            "y_pred" => "y_true",
            _ => continue,
        };
        peer.publish(&format!("{prefix}{queue}"), case["body"].as_str().unwrap().as_bytes());
        for sample in case["samples"].as_array().unwrap() {
            let half = serde_json::json!({"id": sample[0], "body": other_half});
            peer.publish(&format!("{prefix}{other}"), half.to_string().as_bytes());
            expected.push((sample[0].as_str().unwrap().to_owned(), error(&sample[1])));
        }
    }
    let records = || records_of(&directory.read("metric_log.csv"));
    wait_for("row of every sample", || (records().len() == expected.len()).then_some(()));
    let mut found: Vec<(String, f64)> =
        records().iter().map(|record| (unguarded(&record[0]), record[3].parse().unwrap())).collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(found, expected);
    assert_eq!(directory.read("rejected.jsonl"), "");
    assert_eq!(service.terminate(), Some(0));
}

/// amiquip reads and drops nested headers recursively, and with its threads' usual stack ends the process over these.
#[test]
fn headers_nested_as_deep_as_a_frame_allows_do_no_harm() {
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    let service = metric(&url, &prefix, &directory, &[("predictions", "y_pred")]);
    service.wait_for_line("consuming");
    let (y_true, y_pred) = (format!("{prefix}y_true"), format!("{prefix}y_pred"));
    let publish = move || {
        let mut peer = Peer::connect(&url);
        for depth in [10_000, 26_000] {
            let mut value = AmqpValue::FieldArray(Vec::new());
            for _ in 0..depth {
                value = AmqpValue::FieldArray(vec![value]);
            }
            let headers = FieldTable::from([("x".to_owned(), value)]);
            let properties = AmqpProperties::default().with_headers(headers);
            peer.publish_with(&y_true, format!("{{\"id\": {depth}, \"body\": 1}}").as_bytes(), properties);
            peer.publish(&y_pred, format!("{{\"id\": {depth}, \"body\": 1}}").as_bytes());
        }
        peer.publish(&y_true, br#"{"id": "next", "body": 1}"#);
        peer.publish(&y_pred, br#"{"id": "next", "body": 1}"#);
        peer.confirmed();
    };
    // Building, writing and dropping the table is as recursive here.
    thread::Builder::new().stack_size(1 << 30).spawn(publish).unwrap().join().unwrap();
    wait_for("row of every sample", || (rows(&directory).len() == 3).then_some(()));
    assert_eq!(service.count_lines("connected to"), 1);
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn a_body_of_100_mb_is_set_aside_and_the_next_ones_are_not_harmed() {
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    let service = metric(&url, &prefix, &directory, &[("predictions", "y_pred")]);
    service.wait_for_line("consuming");
    let mut peer = Peer::connect(&url);
    let body = format!("{{\"id\": \"large\", \"body\": 1, \"pad\": \"{}\"}}", "x".repeat(100_000_000));
    peer.publish(&format!("{prefix}y_true"), body.as_bytes());
    for queue in ["y_true", "y_pred"] {
        peer.publish(&format!("{prefix}{queue}"), br#"{"id": "next", "body": 1}"#);
    }
    peer.confirmed();
    wait_for("row of the next sample", || (rows(&directory).len() == 1).then_some(()));
    let rejected = wait_for("reject", || Some(rejects(&directory)).filter(|rejected| !rejected.is_empty()));
    assert_eq!((rejected.len(), &rejected[0]["body_bytes"]), (1, &Value::from(BODY_BYTES_MAX + 1)));
    assert_eq!(rejected[0]["body"].as_str().unwrap(), &body[..4096]);
    assert_eq!(rejected[0]["reason"], "the message has more than 1048576 bytes");
    assert_eq!(service.count_lines("connected to"), 1);
    assert_eq!(service.terminate(), Some(0));
}

/// As CONTRACT.md says how: taken out of `rejected.jsonl`, mended, published.
#[test]
fn a_refused_message_can_be_mended_and_sent_again() {
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    let service = metric(&url, &prefix, &directory, &[("predictions", "y_pred")]);
    service.wait_for_line("consuming");
    let mut peer = Peer::connect(&url);
    let batch = |ids: std::ops::Range<usize>| {
        let samples: Vec<String> =
            ids.map(|i| format!("{{\"id\": \"{i}\", \"body\": {i}, \"n\": \"é\"}}")).collect();
        format!("[{}]", samples.join(", ")).into_bytes()
    };
    let texts =
        [batch(0..5000), batch(5000..10_000), b"[{\"id\":\"\",\"\":\"\",\"\":\"\",\"\":\"\"]".to_vec()];
    let mut broken = texts.clone();
    let find = |text: &[u8], byte| text.iter().position(|other| *other == byte).unwrap();
    let (colon, of_e) = (find(&texts[0][100_000..], b':') + 100_000, find(&texts[1], "é".as_bytes()[0]));
    (broken[0][colon], broken[1][of_e]) = (b';', 0xff);
    for body in &broken {
        peer.publish(&format!("{prefix}y_true"), body);
    }
    peer.publish(&format!("{prefix}y_pred"), &texts[0]);
    peer.publish(&format!("{prefix}y_pred"), &texts[1]);
    peer.confirmed();
    let rejected = wait_for("rejects", || {
        let rejected = rejects(&directory);
        (rejected.len() == broken.len()).then_some(rejected)
    });
    for (line, body) in rejected.iter().zip(&broken) {
        assert_eq!(kept(line), *body);
    }
    assert_eq!(
        rejected.iter().map(|line| line["encoding"].as_str().unwrap()).collect::<Vec<_>>(),
        ["text", "base64", "base64"]
    );
    for (line, text) in rejected.iter().zip(&texts) {
        let at = kept(line).iter().zip(text).position(|(kept, right)| kept != right);
        let mut mended = kept(line);
        at.into_iter().for_each(|at| mended[at] = text[at]);
        peer.publish(line["queue"].as_str().unwrap(), &mended);
    }
    wait_for("row of every sample", || (rows(&directory).len() == 10_000).then_some(()));
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn refused_messages_that_the_bound_drops_are_counted_in_a_warning() {
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    let full = [vec![b'x'; (1 << 20) - 1], b"\n".to_vec()].concat().repeat(64);
    fs::write(directory.file("rejected.jsonl"), &full).unwrap();
    let service = metric(&url, &prefix, &directory, &[("predictions", "y_pred")]);
    service.wait_for_line("consuming");
    let mut peer = Peer::connect(&url);
    peer.publish(&format!("{prefix}y_true"), b"first");
    let line = service.wait_for_line("rejected.jsonl is full");
    assert!(line.contains("WARN") && !line.contains("dropped"), "{line}");
    assert_eq!(fs::metadata(directory.file("rejected.jsonl.1")).unwrap().len(), 64 << 20);
    wait_for("reject", || directory.read("rejected.jsonl").contains("first").then_some(()));
    fs::write(directory.file("rejected.jsonl"), &full).unwrap();
    peer.publish(&format!("{prefix}y_true"), b"second");
    let line = service.wait_for_line("dropped 64 rejects from there");
    assert!(line.contains("WARN"), "{line}");
    wait_for("reject", || directory.read("rejected.jsonl").contains("second").then_some(()));
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn the_answer_to_bad_settings_is_one_line_and_exit_code_2() {
    for (flag, value, part) in [
        ("prefetch", "0", "--prefetch"),
        ("colour", "red", "--colour"),
        ("amqp-url", "http://u:secret@h", "--amqp-url"),
    ] {
        let mut service = glue::testing::Service::start(env!("CARGO_BIN_EXE_metric"), &[(flag, value)]);
        assert_eq!(service.wait().code(), Some(2));
        let line = service.wait_for_line(part);
        assert!(!line.contains("secret"));
        assert_eq!(service.lines().len(), 1, "{:?}", service.lines());
    }
}
