//! Logs of binary classifiers and of classes: how their rows are read, whose task it is, and what /metrics and alerts make of it.

use crate::process::{Directory, Plot, until};
use serde_json::{Value, json};
use std::{fs, iter::repeat_n};

const HEADER: &str = "id,y_true,y_pred,absolute_error,logged_at,label_delay,group\n";

#[test]
fn names_are_read_as_metric_writes_them() {
    let directory = Directory::new();
    let long = "ä".repeat(32);
    let rows = [
        "1,\"a, b\",\"a, b\",0,1732341600,,v2",
        "2,\"say \"\"hi\"\"\",'=SUM(A1),1,1732341601,,\"v,2\"",
        "3,'=SUM(A1),'=SUM(A1),0,1732341602,,",
        "4,''quoted,'-1,1,1732341603,,",
        // Another program guards nothing.
        "5,-1,-1,0,1732341604,,\r",
        &format!("6,{long},3,1,1732341605,,"),
        "7,3,3.0,1,1732341606",
        "8, a ,\" a \",0,1732341607",
    ];
    let others = [
        "x,a,b,0,,,",
        "x,a,a,1,,,",
        "x,,a,1,,,",
        "x,',a,1,,,",
        "x,a,b,0.5,,,",
        "x,a,b,-1,,,",
        "x,a,\"b,1,,,",
        "x,a,b\tc,1,,,",
        &format!("x,{long}x,a,1,,,"),
        "x,a",
    ];
    directory
        .write("metric_log.csv", HEADER.to_owned() + &rows.join("\n") + "\n" + &others.join("\n") + "\n");
    let plot = Plot::start(&directory, &["--task", "classes"]);
    let stats = plot.rows(8);
    let class = |class: &Value| {
        let name = class["name"].as_str().unwrap().to_owned();
        (name, class["support"].as_u64().unwrap(), class["predicted"].as_u64().unwrap())
    };
    let mut found: Vec<_> = stats["all"]["classes"].as_array().unwrap().iter().map(class).collect();
    found.sort();
    let mut expected = [
        (" a ", 1, 1),
        ("'quoted", 1, 0),
        ("-1", 1, 2),
        ("3", 1, 1),
        ("3.0", 0, 1),
        ("=SUM(A1)", 1, 2),
        ("a, b", 1, 1),
        ("say \"hi\"", 1, 0),
        (&long, 1, 0),
    ]
    .map(|(name, support, predicted)| (name.to_owned(), support, predicted));
    expected.sort();
    assert_eq!(found, expected);
    let groups: Vec<_> = stats["groups"].as_array().unwrap().iter().map(|group| &group["group"]).collect();
    assert!(groups.contains(&&json!("v2")) && groups.contains(&&json!("v,2")), "{groups:?}");
    let kinds = json!({ "malformed": 5, "not_finite": 2, "negative_error": 1, "contradictory": 2 });
    assert_eq!(stats["not_rows"], kinds);
}

#[test]
fn rows_that_do_not_fit_the_task_are_malformed() {
    let directory = Directory::new();
    let rows = "x,1,0.25,0.75\nx,0,1,1\nx,2,0.5,1.5\nx,0.5,0.5,0\nx,1,1.5,0.5\nx,0,-0.1,0.1\nx,cat,cat,0\nx,-0,-0,0\n";
    directory.write("metric_log.csv", HEADER.to_owned() + rows);
    let stats = Plot::start(&directory, &["--task", "binary"]).rows(3);
    assert_eq!(stats["not_rows"]["malformed"], 5);
    assert_eq!(stats["all"]["confusion"]["true_negatives"], 1);
}

#[test]
fn several_logs_of_classes_are_merged_by_time() {
    let directory = Directory::new();
    let log = |offset: usize, names: [&str; 2]| {
        let row = |i: usize| {
            let (y, p) = (names[i % 2], names[(i / 2) % 2]);
            format!("x,{y},{p},{},{}\n", u8::from(y != p), 1_732_341_600 + 2 * i + offset)
        };
        HEADER.to_owned() + &(0..100).map(row).collect::<String>()
    };
    directory.write("a.csv", log(0, ["x", "y"]));
    directory.write("b.csv", log(1, ["y", "z"]));
    let logs = format!("{},{}", directory.file("a.csv").display(), directory.file("b.csv").display());
    let stats = Plot::start(&directory, &["--task", "classes", "--log", &logs]).rows(200);
    let matrix = json!({ "names": ["y", "x", "z"], "counts": [[50, 25, 25, 0], [25, 25, 0, 0], [25, 0, 25, 0], [0, 0, 0, 0]] });
    assert_eq!(stats["all"]["confusion_matrix"], matrix);
    assert_eq!(stats["all"]["accuracy"], 0.5);
}

fn write_status(directory: &Directory, task: &str) {
    let status = json!({ "version": 1, "at": 4e9, "state": "consuming", "task": task });
    directory.write("metric_status.json.new", status.to_string());
    fs::rename(directory.file("metric_status.json.new"), directory.file("metric_status.json")).unwrap();
}

fn log_of(directory: &Directory) -> String {
    fs::read_to_string(directory.file("stderr")).unwrap()
}

#[test]
fn without_a_setting_the_task_is_that_of_the_status_file() {
    let directory = Directory::new();
    write_status(&directory, "classes");
    directory.write("metric_log.csv", HEADER.to_owned() + "1,cat,dog,1\n2,0,0,0\n3,1,1,0\n");
    let plot = Plot::start(&directory, &[]);
    assert_eq!(plot.rows(3)["task"], "classes");
    // It changes while plot runs.
    write_status(&directory, "binary");
    assert_eq!(plot.rows(2)["task"], "binary");
    assert_eq!(plot.stats()["not_rows"]["malformed"], 1);
    // An earlier one names none, and one that is gone changes nothing.
    write_status(&directory, "ranks");
    until("it is said", || log_of(&directory).contains("says task ranks, which this plot does not know"));
    fs::remove_file(directory.file("metric_status.json")).unwrap();
    directory.append("metric_log.csv", "4,0,1,1\n");
    assert_eq!(plot.rows(3)["task"], "binary");
}

#[test]
fn a_status_file_that_comes_later_than_plot_says_the_task() {
    let directory = Directory::new();
    let rows: String = repeat_n("x,1,0.75,0.25\nx,0,0.25,0.25\n", 100).collect();
    directory.write("metric_log.csv", HEADER.to_owned() + &rows);
    let plot = Plot::start(&directory, &["--alert", "auc<0.8,accuracy<0.9,logloss>0.1"]);
    assert_eq!(plot.rows(200)["task"], "regression");
    for rule in ["auc<0.8", "accuracy<0.9", "logloss>0.1"] {
        assert!(
            log_of(&directory).contains(&format!("{rule} never fires: task regression has no such number"))
        );
    }
    assert_eq!(plot.stats()["alerts"], json!([]));
    write_status(&directory, "binary");
    until("the task is known", || plot.stats()["task"] == "binary");
    until("log loss fires", || plot.stats()["alerts"][0]["rule"] == "logloss>0.1");
    let stats = plot.rows(200);
    assert_eq!(stats["alerts"].as_array().unwrap().len(), 1, "{}", stats["alerts"]);
    assert_eq!(stats["all"]["roc_auc"], 1.0);
}

#[test]
fn a_setting_holds_against_the_status_file_and_that_is_said() {
    let directory = Directory::new();
    write_status(&directory, "classes");
    directory.write("metric_log.csv", HEADER.to_owned() + "1,1,0.75,0.25\n");
    let plot = Plot::start(&directory, &["--task", "binary"]);
    assert_eq!(plot.rows(1)["task"], "binary");
    let line = "metric_status.json says task classes, --task (TASK) says binary: rows are read as binary";
    assert_eq!(log_of(&directory).matches(line).count(), 1);
}

#[test]
fn prometheus_gets_the_numbers_of_the_task() {
    let metrics = |task: &str, rows: &str, n: u64| {
        let directory = Directory::new();
        directory.write("metric_log.csv", HEADER.to_owned() + rows);
        let plot = Plot::start(&directory, &["--task", task]);
        plot.rows(n);
        String::from_utf8(plot.ask("GET", "/metrics").2).unwrap()
    };
    let binary = metrics("binary", "x,0,0.1,0.1\nx,0,0.4,0.4\nx,1,0.35,0.65\nx,1,0.8,0.2\n", 4);
    for line in ["accuracy 0.75", "precision 1", "recall 0.5", "specificity 1", "roc_auc 0.75"] {
        assert!(binary.contains(&format!("\nmodel_monitor_window_{line}\n")), "{line}: {binary}");
    }
    for name in ["f1", "log_loss", "brier"] {
        let family = format!("# TYPE model_monitor_window_{name} gauge\nmodel_monitor_window_{name} 0.");
        assert!(binary.contains(&family), "{name}: {binary}");
    }
    let one_class = metrics("binary", "x,1,0.25,0.75\n", 1);
    assert!(!one_class.contains("roc_auc") && one_class.contains("window_log_loss"), "{one_class}");

    let rows: String = (0..120).map(|i| format!("x,c{i},c{},1\n", i + 1)).collect();
    let classes = metrics("classes", &(rows + "x,\"a\"\"b\\\",\"a\"\"b\\\",0\nx,c0,c0,0\nx,c0,c0,0\n"), 123);
    for line in [
        "class_rows_total{class=\"c0\"} 3",
        "window_class_recall{class=\"c0\"} 0.6666666666666666",
        "window_class_precision{class=\"c0\"} 1",
        "window_class_f1{class=\"c0\"} 0.8",
    ] {
        assert!(classes.contains(&format!("\nmodel_monitor_{line}\n")), "{line}: {classes}");
    }
    assert_eq!(classes.matches("\nmodel_monitor_class_rows_total{").count(), 50);
    for name in ["accuracy", "macro_precision", "macro_recall", "macro_f1", "weighted_f1"] {
        assert!(classes.contains(&format!("\nmodel_monitor_window_{name} 0.0")), "{name}: {classes}");
    }
    let regression = metrics("regression", "x,1,2,1\n", 1);
    assert!(!regression.contains("accuracy") && !regression.contains("class"), "{regression}");
}
