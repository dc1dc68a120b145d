//! `metric_status.json`, and the columns of the log that say how late the truth came and to which group a sample belongs.

use crate::{HEADER, all_logs, metric, records_of, rows, scene::Scene, status};
use glue::testing::{Directory, Proxy, prefix, shared_broker, wait_for};
use serde_json::{Value, json};
use std::{fs, net::TcpListener};

/// Waits until the status has what `expected` has.
pub fn wait_for_status(directory: &Directory, expected: &Value) -> Value {
    wait_for(&format!("status with {expected}, but {:?}", status(directory)), || {
        let has =
            |status: &Value| expected.as_object().unwrap().iter().all(|(key, value)| status[key] == *value);
        status(directory).filter(has)
    })
}

#[test]
fn what_was_done_and_what_waits_is_known_after_kills_and_of_renamed_logs() {
    let mut scene = Scene::new();
    let mut service = scene.metric(&[]);
    (0..3).for_each(|id| scene.pair(&format!("pair {id}")));
    scene.publish("y_true", &json!({"id": "pair 0", "body": 2}));
    scene.half("y_true", "pair 1");
    scene.publish("y_true", &json!("not a sample"));
    (0..4).for_each(|id| scene.half("y_pred", &format!("prediction {id}")));
    (0..2).for_each(|id| scene.half("y_true", &format!("truth {id}")));
    let counts = json!({
        "version": 1, "task": "regression", "rows": 3, "duplicates": 1, "conflicts": 1, "rejected": 1, "groups_dropped": 0,
        "unmatched": {"y_true": 0, "y_pred": 0}, "waiting": {"y_true": 2, "y_pred": 4},
    });
    let before = wait_for_status(&scene.directory, &counts);
    assert_eq!((&before["state"], &before["reason"]), (&"consuming".into(), &Value::Null));
    let last = before["last_rejection"]["reason"].as_str().unwrap();
    assert!(last.starts_with(&format!("queue {}y_true: ", scene.prefix)), "{last}");
    let at = before["at"].as_f64().unwrap();
    for of_side in ["y_true", "y_pred"] {
        let oldest = before["oldest_waiting_at"][of_side].as_f64().unwrap();
        assert!((1.7e9..=at).contains(&oldest), "{before}");
    }
    service.kill();
    // The log is renamed, and rows that the store may not know yet are in it.
    fs::rename(scene.directory.file("metric_log.csv"), scene.directory.file("metric_log.1.csv")).unwrap();
    fs::remove_file(scene.directory.file("metric_status.json")).unwrap();
    let mut service = scene.metric(&[]);
    let mut after = wait_for_status(&scene.directory, &json!({"rows": 3}));
    for key in ["waiting", "oldest_waiting_at", "unmatched", "groups_dropped"] {
        assert_eq!(after[key], before[key], "{key}");
    }
    for key in ["duplicates", "conflicts", "rejected"] {
        assert!(after[key].as_u64() >= before[key].as_u64(), "{key}");
    }
    // The oldest of a side is another one once the oldest has its row.
    scene.half("y_true", "prediction 0");
    after = wait_for_status(&scene.directory, &json!({"rows": 4, "waiting": {"y_true": 2, "y_pred": 3}}));
    assert!(after["oldest_waiting_at"]["y_pred"].as_f64() >= before["oldest_waiting_at"]["y_pred"].as_f64());
    assert_eq!(after["oldest_waiting_at"]["y_true"], before["oldest_waiting_at"]["y_true"]);
    service.kill();
    // Without the store: the rows of the log that is read, and nothing waits.
    fs::remove_file(scene.directory.file("metric.redb")).unwrap();
    fs::remove_file(scene.directory.file("metric_status.json")).unwrap();
    let service = scene.metric(&[]);
    let without = wait_for_status(&scene.directory, &json!({"rows": 1}));
    assert_eq!(without["waiting"], json!({"y_true": 0, "y_pred": 0}));
    assert_eq!(without["oldest_waiting_at"], json!({"y_true": null, "y_pred": null}));
    assert_eq!(service.terminate(), Some(0));
    assert_eq!(status(&scene.directory).unwrap()["state"], "stopped");
    assert_eq!(all_logs(&scene.directory).iter().map(|log| records_of(log).len()).sum::<usize>(), 4);
}

#[test]
fn halves_that_expire_are_counted_by_their_kind() {
    let mut scene = Scene::new();
    let mut service = scene.metric(&[("pending-max", "2")]);
    (0..3).for_each(|id| scene.half("y_pred", &format!("prediction {id}")));
    let two = json!({"waiting": {"y_true": 0, "y_pred": 2}, "unmatched": {"y_true": 0, "y_pred": 1}});
    wait_for_status(&scene.directory, &two);
    (0..3).for_each(|id| scene.half("y_true", &format!("truth {id}")));
    let expired = json!({"waiting": {"y_true": 2, "y_pred": 0}, "unmatched": {"y_true": 1, "y_pred": 3}});
    wait_for_status(&scene.directory, &expired);
    service.kill();
    fs::remove_file(scene.directory.file("metric_status.json")).unwrap();
    let service = scene.metric(&[("pending-max", "2")]);
    wait_for_status(&scene.directory, &expired);
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn it_is_written_anew_while_nothing_happens_and_while_the_broker_is_away() {
    let (proxy, directory) = (Proxy::start(&shared_broker(), false), Directory::new());
    let service = metric(&proxy.url, &prefix(), &directory, &[("predictions", "y_pred")]);
    let mut before = wait_for_status(&directory, &json!({"state": "consuming", "reason": null}));
    let is_newer = |before: &Value| {
        let before = before["at"].as_f64();
        wait_for("a newer file", || status(&directory).filter(|status| status["at"].as_f64() > before))
    };
    before = is_newer(&before);
    assert_eq!(before["state"], "consuming");
    proxy.set_away(true);
    before = wait_for_status(&directory, &json!({"state": "reconnecting"}));
    before = is_newer(&before);
    assert!(before["reason"].as_str().unwrap().contains("no connection to amqp://"), "{before}");
    assert!(!before["reason"].as_str().unwrap().contains("guest:guest"), "{before}");
    proxy.set_away(false);
    wait_for_status(&directory, &json!({"state": "consuming", "reason": null}));
    assert_eq!(service.terminate(), Some(0));
    assert_eq!(status(&directory).unwrap()["state"], "stopped");
}

#[test]
fn a_stop_is_written_also_where_the_broker_hangs() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("amqp://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let directory = Directory::new();
    let service = metric(&url, "", &directory, &[]);
    let _held = listener.accept().unwrap();
    wait_for_status(&directory, &json!({"state": "reconnecting", "reason": "not connected yet"}));
    assert_eq!(service.terminate(), Some(0));
    let last = status(&directory).unwrap();
    assert_eq!((&last["state"], &last["reason"]), (&"stopped".into(), &Value::Null));
}

#[test]
fn a_failure_is_its_reason() {
    let mut scene = Scene::new();
    let mut service = scene.metric(&[]);
    scene.pair("a");
    wait_for_status(&scene.directory, &json!({"state": "consuming", "rows": 1}));
    fs::remove_file(scene.directory.file("metric.redb")).unwrap();
    scene.half("y_true", "b");
    assert_eq!(service.wait().code(), Some(1));
    let failed = status(&scene.directory).unwrap();
    assert_eq!((&failed["state"], &failed["rows"]), (&"stopped".into(), &1.into()));
    assert!(failed["reason"].as_str().unwrap().contains("metric.redb was deleted or replaced"), "{failed}");
}

#[test]
fn the_rows_of_a_log_that_is_read_are_counted() {
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    let row = |id: usize| format!("id {id},1,2.5,1.5,1732341600.000\n");
    directory.write("metric_log.csv", HEADER.to_owned() + &(0..1000).map(row).collect::<String>());
    let service = metric(&url, &prefix, &directory, &[]);
    wait_for_status(&directory, &json!({"state": "consuming", "rows": 1000}));
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn metric_goes_on_where_the_status_cannot_be_written_and_says_so_once() {
    let mut scene = Scene::new();
    let file = scene.directory.file("metric_status.json");
    fs::create_dir(&file).unwrap();
    let service = scene.metric(&[]);
    let line = service.wait_for_line("metric_status.json: ");
    assert!(line.contains("WARN") && line.contains("Is a directory"), "{line}");
    scene.pair("a");
    wait_for("row", || (rows(&scene.directory).len() == 1).then_some(()));
    fs::remove_dir(&file).unwrap();
    wait_for_status(&scene.directory, &json!({"state": "consuming", "rows": 1}));
    assert_eq!(service.count_lines("metric_status.json: "), 1);
    assert!(!scene.directory.file("metric_status.json.new").exists());
    assert_eq!(service.terminate(), Some(0));
}

/// Over a restart, as the first halves wait in the store.
#[test]
fn a_row_has_its_group_and_the_time_between_its_halves() {
    let mut scene = Scene::new();
    let service = scene.metric(&[]);
    scene.publish("y_pred", &json!({"id": "prediction first", "body": 1, "group": "=1+1, \"x\""}));
    scene.publish("y_true", &json!({"id": "truth first", "body": 1, "group": "of the truth"}));
    scene.publish("y_pred", &json!({"id": "dropped", "body": 1, "group": "x".repeat(65)}));
    wait_for_status(&scene.directory, &json!({"waiting": {"y_true": 1, "y_pred": 2}, "groups_dropped": 1}));
    let line = service.wait_for_line("dropped 1 group");
    assert!(line.contains("WARN") && line.contains("at most 64 bytes"), "{line}");
    assert_eq!(service.terminate(), Some(0));
    let service = scene.metric(&[]);
    scene.publish("y_true", &json!({"id": "prediction first", "body": 2, "group": "of the truth"}));
    scene.publish("y_pred", &json!({"id": "truth first", "body": 2, "group": null}));
    scene.publish("y_true", &json!({"id": "dropped", "body": 2, "group": 3.5}));
    wait_for("three rows", || (rows(&scene.directory).len() == 3).then_some(()));
    let mut found: Vec<_> = records_of(&scene.directory.read("metric_log.csv"))
        .into_iter()
        .map(|record| (record[0].to_owned(), record[5].parse::<f64>().unwrap(), record[6].to_owned()))
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let groups: Vec<&str> = found.iter().map(|(_, _, group)| group.as_str()).collect();
    assert_eq!(groups, ["3.5", "'=1+1, \"x\"", "of the truth"]);
    assert!(found[0].1 > 0.0 && found[1].1 > 0.0 && found[2].1 < 0.0, "{found:?}");
    assert_eq!(service.terminate(), Some(0));
}

/// A log that exists keeps its columns, and only a new one has the others.
#[test]
fn a_log_is_continued_with_its_columns_and_the_next_one_has_all() {
    let mut scene = Scene::new();
    let old = "id,y_true,y_pred,absolute_error,logged_at\nold,1,2,1,1.000\n";
    fs::write(scene.directory.file("metric_log.csv"), old).unwrap();
    let service = scene.metric(&[]);
    scene.pair("a");
    wait_for("row", || (rows(&scene.directory).len() == 2).then_some(()));
    let log = scene.directory.read("metric_log.csv");
    assert!(log.starts_with(old) && log.lines().all(|line| line.split(',').count() == 5), "{log}");
    fs::rename(scene.directory.file("metric_log.csv"), scene.directory.file("metric_log.1.csv")).unwrap();
    scene.pair("b");
    wait_for("row", || (rows(&scene.directory).len() == 1).then_some(()));
    let log = scene.directory.read("metric_log.csv");
    assert!(log.starts_with(HEADER) && log.lines().all(|line| line.split(',').count() == 7), "{log}");
    assert_eq!(service.terminate(), Some(0));
    let last = status(&scene.directory).unwrap();
    assert_eq!(last["rows"], 3, "{last}");
}
