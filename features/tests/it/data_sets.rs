//! Data sets: the embedded one of each task, and files as people have them.

use crate::{features, publish};
use flate2::{Compression, write::GzEncoder};
use glue::testing::{Directory, Service, shared_broker};
use serde_json::{Value, json};
use std::{fs, io::Write};

/// As gzip packs it.
pub fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// The true value, as `truth` has it, and the features of each row.
fn rows(text: &str, truth: impl Fn(&str) -> Value) -> Vec<(Value, Value)> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let row = |row: csv::StringRecord| {
        let (x, y) = (row.iter().take(row.len() - 1), row.iter().next_back().unwrap());
        (truth(y), x.map(|field| field.parse::<f64>().unwrap()).collect())
    };
    reader.records().map(|record| row(record.unwrap())).collect()
}

#[test]
fn each_task_publishes_its_embedded_data_set() {
    let label = |text: &str| json!(text.parse::<u8>().unwrap());
    let binary = rows(include_str!("../../data/breast_cancer.csv"), label);
    let classes = rows(include_str!("../../data/iris.csv"), |text| json!(text));
    for (task, rows, length) in [("binary", binary, 569), ("classes", classes, 150)] {
        let count = length.to_string();
        let settings = [("task", task), ("count", &count), ("order", "sequential"), ("batch", "7")];
        let [y_true, x] = publish(&[&settings[..], &[("interval", "0")]].concat());
        let published: Vec<(Value, Value)> =
            y_true.iter().zip(&x).map(|((_, y), (_, x))| (y.clone(), x.clone())).collect();
        assert!(published == rows && rows.len() == length, "{task}: {:?}", published.first());
        assert!(y_true.iter().zip(&x).all(|((id, _), (other, _))| id == other));
    }
}

#[test]
fn a_packed_file_with_an_index_and_decimal_commas_is_read_and_logged() {
    let directory = Directory::new();
    let file = directory.file("own.csv.gz");
    fs::write(&file, gzip("\u{feff};a;kind;b\r\n0;1,5;x y;2\r\n1;-0,25;z;3\r\n")).unwrap();
    let name = file.to_str().unwrap();
    let own = [("dataset", name), ("drop-index", "yes"), ("task", "classes"), ("target", "kind")];
    let settings = [&own[..], &[("interval", "0"), ("count", "2"), ("order", "sequential")]].concat();
    let [y_true, x] = publish(&settings);
    assert_eq!([&y_true[0].1, &y_true[1].1], [&json!("x y"), &json!("z")]);
    assert_eq!([&x[0].1, &x[1].1], [&json!([1.5, 2.0]), &json!([-0.25, 3.0])]);
    let mut service = features(&shared_broker(), "", &[&own[..], &[("count", "0")]].concat());
    assert!(service.wait().success());
    service.wait_for_line(&format!(
        "data set {name}: 2 rows, 2 features, target \"kind\" with 2 classes; semicolons between columns, decimal commas, packed by gzip"
    ));
}

#[test]
fn what_is_wrong_with_a_file_is_one_line() {
    let directory = Directory::new();
    let file = directory.file("own.csv");
    let name = file.to_str().unwrap();
    for (bytes, settings, part) in [
        ("".as_bytes(), &[][..], "it is empty"),
        (
            b"a,y,b\n1,2,3\n",
            &[("target", "z")],
            "--target (FEATURES_TARGET): no column \"z\"; there are a, y, b",
        ),
        (
            b"a,y,b\n1,2,3\n",
            &[("group", "z")],
            "--group (FEATURES_GROUP): no column \"z\"; there are a, y, b",
        ),
        (b",a,y\n0,1,2\n", &[], "line 1: column 1 is named \"\""),
        (b"5.1,3.5\n4.9,3.0\n", &[], "line 1 holds numbers, such as \"5.1\""),
        (b"a,y\n1,2\n1,NA\n", &[], "line 3, column y: \"NA\" is a missing value"),
        (
            b"a,y\n1,setosa\n",
            &[],
            "line 2, column y: \"setosa\" is not a finite number; --task classes (TASK)",
        ),
        (b"a,y\n1,151\n", &[("task", "binary")], "line 2, column y: \"151\" is no label of --task binary"),
        (b"a;y\n1,234;2\n", &[], "line 2: the comma in \"1,234\" may be"),
        (b"a,b;y\n1,2;3\n", &[], "line 1 holds commas and semicolons"),
        (b"\x1f\x8b\x08\x00", &[], "cannot be read"),
    ] {
        fs::write(&file, bytes).unwrap();
        let settings = [&[("dataset", name)], settings].concat();
        let mut service = Service::start(env!("CARGO_BIN_EXE_features"), &settings);
        assert_eq!(service.wait().code(), Some(1), "{part}");
        let lines = service.lines();
        assert!(
            lines.len() == 1 && lines[0].contains(&format!("data set {name}: {part}")),
            "{part}: {lines:?}"
        );
    }
}
