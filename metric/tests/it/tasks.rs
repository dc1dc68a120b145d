//! Binary tasks and classes: their values in every file, their models, and what belongs to another task.

use crate::{HEADER, metric, records_of, rows, scene::Scene, status::wait_for_status, unguarded};
use glue::testing::{Directory, Peer, Service, prefix, shared_broker, wait_for};
use serde_json::{Value, json};
use std::fs;

const CLASSES: (&str, &str) = ("task", "classes");
const BINARY: (&str, &str) = ("task", "binary");

impl Scene {
    fn values(&mut self, id: &str, y_true: impl Into<Value>, y_pred: impl Into<Value>) {
        self.publish("y_true", &json!({"id": id, "body": y_true.into()}));
        self.publish("y_pred", &json!({"id": id, "body": y_pred.into()}));
    }

    /// Waits until the log has the rows: id, y_true, y_pred and absolute error, in this order.
    fn wait_for_rows(&self, expected: &[[&str; 4]]) {
        let found = || {
            let records = records_of(&self.directory.read("metric_log.csv")).into_iter();
            records.map(|record| [0, 1, 2, 3].map(|at| unguarded(&record[at]))).collect::<Vec<_>>()
        };
        wait_for(&format!("log of {expected:?}, but {:?}", found()), || (found() == expected).then_some(()));
    }

    /// Waits for a line of `rejected.jsonl` with the reason, and returns its body.
    fn wait_for_reject(&self, reason: &str) -> String {
        wait_for(&format!("reject: {reason}"), || {
            let text = self.directory.read("rejected.jsonl");
            let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            let mut lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
            let line = lines.find(|line| line["reason"].as_str().unwrap().starts_with(reason))?;
            Some(line["body"].as_str().unwrap().to_owned())
        })
    }
}

#[test]
fn classes_have_their_names_in_every_file_and_keep_them_over_kills_and_without_the_store() {
    let mut scene = Scene::new();
    let mut service = scene.metric(&[CLASSES]);
    let mut expected = vec![
        ["a", "cat", "dog", "1"],
        ["b", "a, \"b\"", "a, \"b\"", "0"],
        ["c", "=1+1", "3", "1"],
        ["d", "3.0", "3", "1"],
        ["e", "3", "3", "0"],
    ];
    for [id, y_true, y_pred, _] in expected.clone() {
        scene.values(id, y_true, y_pred);
    }
    // A number is the class of its text.
    scene.values("f", json!(3), json!("3"));
    scene.publish("y_true", &json!({"id": "waits", "body": ["horse"]}));
    expected.push(["f", "3", "3", "0"]);
    scene.wait_for_rows(&expected);
    let text = scene.directory.read("metric_log.csv");
    assert!(
        text.contains("\nb,\"a, \"\"b\"\"\",\"a, \"\"b\"\"\",0,") && text.contains("\nc,'=1+1,3,1,"),
        "{text}"
    );
    let waiting = json!({"task": "classes", "rows": 6, "waiting": {"y_true": 1, "y_pred": 0}});
    wait_for_status(&scene.directory, &waiting);

    service.kill();
    let service = scene.metric(&[CLASSES]);
    scene.publish("y_pred", &json!({"id": "waits", "body": "horse"}));
    expected.push(["waits", "horse", "horse", "0"]);
    scene.wait_for_rows(&expected);
    scene.values("a", "dog", "dog");
    let body = scene.wait_for_reject("conflict: \"dog\" differs from \"cat\", which is in the log");
    assert_eq!(body, r#"{"body":"dog","id":"a"}"#);
    scene.publish("y_pred", &json!({"id": "g", "body": null}));
    scene.wait_for_reject("the body is null, not a class: a string of 1 to 64 bytes");
    assert_eq!(service.terminate(), Some(0));

    // The names are numbered anew, in the order of the log.
    fs::remove_file(scene.directory.file("metric.redb")).unwrap();
    let service = scene.metric(&[CLASSES]);
    service.wait_for_line("recovered 7 rows from the log");
    for [id, y_true, y_pred, _] in expected.clone() {
        scene.values(id, y_true, y_pred);
    }
    scene.values("c", "=1+1", "3.0");
    scene.wait_for_reject("conflict: \"3.0\" differs from \"3\", which is in the log");
    scene.values("h", "bird", "horse");
    expected.push(["h", "bird", "horse", "1"]);
    scene.wait_for_rows(&expected);
    wait_for_status(&scene.directory, &json!({"rows": 8, "duplicates": 15, "conflicts": 1}));
    assert_eq!(service.terminate(), Some(0));

    // A half that expires, of a class that only it has.
    let service = scene.metric(&[CLASSES, ("pending-max", "0")]);
    scene.publish("y_true", &json!({"id": "alone", "body": "=mouse"}));
    wait_for("expired half", || {
        scene.directory.read("unmatched.csv").contains("\nalone,y_true,'=mouse,").then_some(())
    });
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn a_truth_and_its_probability_are_logged_as_numbers() {
    let mut scene = Scene::new();
    let service = scene.metric(&[BINARY]);
    scene.values("a", true, 0.75);
    scene.values("b", 0, json!([0.5]));
    scene.values("c", "1", 1);
    scene.values("d", json!([false]), "1e-7");
    let expected = [
        ["a", "1", "0.75", "0.25"],
        ["b", "0", "0.5", "0.5"],
        ["c", "1", "1", "0"],
        ["d", "0", "1e-7", "1e-7"],
    ];
    scene.wait_for_rows(&expected);
    scene.values("e", 2, 1.5);
    scene.wait_for_reject("the body is the number 2, neither 0 nor 1");
    scene.wait_for_reject("the body is the number 1.5, not a probability from 0 to 1");
    scene.values("a", 0, 0.75);
    let body = scene.wait_for_reject("conflict: 0 differs from 1, which is in the log");
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), json!({"id": "a", "body": 0.0}));
    wait_for_status(&scene.directory, &json!({"task": "binary", "rows": 4, "rejected": 2, "conflicts": 1}));
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn a_class_beyond_the_most_is_rejected_by_name_and_known_ones_are_used() {
    let mut scene = Scene::new();
    let service = scene.metric(&[CLASSES]);
    let half = |id: usize| json!({"id": id.to_string(), "body": id});
    let batch: Vec<Value> = (0..10_000).map(half).collect();
    scene.publish("y_true", &json!(batch));
    scene.publish("y_pred", &json!(batch));
    wait_for("rows", || (rows(&scene.directory).len() == 10_000).then_some(()));
    scene.values("a", "one more", 7);
    scene.wait_for_reject("the body is the string \"one more\", one class too many: there are 10000 already");
    scene.publish("y_true", &json!({"id": "a", "body": 7}));
    wait_for("row of known classes", || (rows(&scene.directory).len() == 10_001).then_some(()));
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn a_directory_of_another_task_is_refused_by_name() {
    for (first, second) in [("regression", "classes"), ("binary", "regression"), ("classes", "binary")] {
        let mut scene = Scene::new();
        let service = scene.metric(&[("task", first)]);
        scene.values("a", 1, 0);
        scene.wait_for_rows(&[["a", "1", "0", "1"]]);
        assert_eq!(service.terminate(), Some(0));
        let mut service = metric(&scene.url, &scene.prefix, &scene.directory, &[("task", second)]);
        assert_eq!(service.wait().code(), Some(1));
        service
            .wait_for_line(&format!("metric.redb belongs to task {first}, not {second}; give this metric"));
        let service = scene.metric(&[("task", first)]);
        scene.values("b", 0, 0);
        scene.wait_for_rows(&[["a", "1", "0", "1"], ["b", "0", "0", "0"]]);
        assert_eq!(service.terminate(), Some(0));
    }
}

/// Begun by another program, or by a task whose store is gone.
#[test]
fn of_a_log_without_a_store_the_rows_of_the_task_count() {
    for (task, foreign, row) in [
        (CLASSES, "x,1,2.5,1.5,1.000,,\n", ["known", "'cat'", "a,b", "1"]),
        (BINARY, "x,cat,dog,1,1.000,,\n", ["known", "1", "0.75", "0.25"]),
    ] {
        let mut scene = Scene::new();
        let [id, y_true, y_pred, error] = row;
        let begin = format!("{HEADER}{foreign}{id},\"'{y_true}\",\"{y_pred}\",{error},2.000,,\n");
        let begin = if task == BINARY { begin.replace("\"'", "\"") } else { begin };
        fs::write(scene.directory.file("metric_log.csv"), &begin).unwrap();
        let service = scene.metric(&[task]);
        service.wait_for_line("recovered 1 row from the log");
        service.wait_for_line("ignored 1 line of the log");
        scene.values(id, y_true, y_pred);
        scene.values("x", y_true, y_true);
        let log = wait_for("row of x", || {
            let log = scene.directory.read("metric_log.csv");
            log.strip_prefix(&begin).filter(|added| added.ends_with('\n')).map(str::to_owned)
        });
        assert!(log.starts_with("x,") && log.lines().count() == 1, "{log}");
        wait_for_status(&scene.directory, &json!({"rows": 2, "duplicates": 2}));
        assert_eq!(service.terminate(), Some(0));
    }
}

/// `contract/model_predictions.json` is what scikit-learn says of rows of the data sets.
#[test]
fn embedded_models_predict_what_scikit_learn_predicts() {
    let golden: Value =
        serde_json::from_str(include_str!("../../../contract/model_predictions.json")).unwrap();
    for task in ["binary", "classes"] {
        let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
        let service = metric(&url, &prefix, &directory, &[("task", task)]);
        service.wait_for_line("consuming");
        let mut peer = Peer::connect(&url);
        let cases = golden[task].as_array().unwrap();
        for (id, case) in cases.iter().enumerate() {
            let publish = |peer: &mut Peer, queue: &str, body: &Value| {
                let body = json!({"id": id.to_string(), "body": body}).to_string();
                peer.publish(&format!("{prefix}{queue}"), body.as_bytes());
            };
            publish(&mut peer, "features", &case["features"]);
            publish(&mut peer, "y_true", &case["predict"]);
        }
        peer.confirmed();
        let records = || records_of(&directory.read("metric_log.csv"));
        wait_for("row of every case", || (records().len() == cases.len()).then_some(()));
        for record in records() {
            let case = &cases[record[0].parse::<usize>().unwrap()];
            if task == "classes" {
                assert_eq!((&record[2], &record[3]), (case["predict"].as_str().unwrap(), "0"));
            } else {
                let of_1 = case["predict_proba"][1].as_f64().unwrap();
                assert!((record[2].parse::<f64>().unwrap() - of_1).abs() < 1e-9, "{record:?}, not {of_1}");
            }
        }
        assert_eq!(service.terminate(), Some(0));
    }
}

#[test]
fn a_model_of_another_task_is_a_wrong_setting() {
    let directory = Directory::new();
    let regression = r#"{"intercept": 1, "coefficients": [1]}"#;
    let classes = r#"{"intercepts": [1, 2], "coefficients": [[1], [2]], "classes": ["a", "b"]}"#;
    for (task, model, reason) in [
        ("regression", classes, "task regression takes a model without \"link\" and \"classes\""),
        ("binary", regression, "task binary takes a model with \"link\": \"logit\""),
        ("classes", regression, "task classes takes a model with \"classes\""),
        ("classes", "not JSON", "expected"),
    ] {
        directory.write("model.json", model);
        let model = directory.file("model.json");
        let settings =
            [("task", task), ("model", model.to_str().unwrap()), ("log-dir", directory.0.to_str().unwrap())];
        let mut service = Service::start(env!("CARGO_BIN_EXE_metric"), &settings);
        assert_eq!(service.wait().code(), Some(2));
        let line = service.wait_for_line(reason);
        assert!(line.contains(&format!("model {}", model.display())), "{line}");
    }
    assert!(!directory.file("metric.redb").exists());
}
