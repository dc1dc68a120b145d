//! A column of the data set is each sample's group: in both its messages, and on the page.

use crate::{binary, features};
use glue::testing::{Directory, Peer, Service, free_address, prefix, shared_broker, wait_for};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
};

/// How many rows of the data set each value of its column `sex` has.
fn sexes() -> BTreeMap<String, usize> {
    let mut reader = csv::Reader::from_reader(include_bytes!("../../data/diabetes.csv").as_slice());
    let place = reader.headers().unwrap().iter().position(|column| column == "sex").unwrap();
    let mut sexes = BTreeMap::new();
    reader.records().for_each(|record| *sexes.entry(record.unwrap()[place].to_owned()).or_default() += 1);
    sexes
}

#[test]
fn both_halves_have_the_group_and_the_column_stays_a_feature() {
    let (url, prefix) = (shared_broker(), prefix());
    let settings = [("interval", "0"), ("count", "442"), ("batch", "100"), ("order", "sequential")];
    let mut service = features(&url, &prefix, &[&settings[..], &[("group", "sex")]].concat());
    assert!(service.wait().success(), "{:?}", service.lines());
    let peer = Peer::connect(&url);
    let [y_true, x] = ["y_true", "features"].map(|queue| -> Vec<Value> {
        let messages = peer.drain(&format!("{prefix}{queue}")).into_iter();
        messages.flat_map(|message| serde_json::from_slice::<Vec<Value>>(&message.body).unwrap()).collect()
    });
    let mut found = BTreeMap::<String, usize>::new();
    for (y_true, x) in y_true.iter().zip(&x) {
        assert_eq!((&y_true["id"], &y_true["group"]), (&x["id"], &x["group"]));
        let group = x["group"].as_str().unwrap();
        assert_eq!(x["body"].as_array().unwrap().len(), 10);
        assert_eq!(x["body"][1].as_f64(), group.parse().ok());
        *found.entry(group.to_owned()).or_default() += 1;
    }
    assert_eq!(found, sexes());
}

#[test]
fn metric_and_plot_keep_the_groups_apart() {
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    let address = free_address();
    let log_dir = directory.0.to_str().unwrap();
    let broker = [("amqp-url", url.as_str()), ("queue-prefix", &prefix), ("log-dir", log_dir)];
    let _metric = Service::start(binary("metric"), &broker);
    let _plot = Service::start(binary("plot"), &[("log-dir", log_dir), ("listen", &address)]);
    let settings = [("interval", "0"), ("count", "442"), ("order", "sequential"), ("group", "sex")];
    assert!(features(&url, &prefix, &settings).wait().success());
    let groups = wait_for("all rows are counted", || {
        let mut stream = TcpStream::connect(&address).ok()?;
        stream.write_all(b"GET /stats.json HTTP/1.0\r\nHost: x\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let stats: Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
        (stats["all"]["n"] == 442).then(|| stats["groups"].clone())
    });
    let groups = groups.as_array().unwrap().iter();
    let found: BTreeMap<String, usize> = groups
        .map(|group| (group["group"].as_str().unwrap().to_owned(), group["n"].as_u64().unwrap() as usize))
        .collect();
    assert_eq!(found, sexes());
}
