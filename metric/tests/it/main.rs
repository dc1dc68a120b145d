//! The real binary against a real broker; the tests play the other side from `contract/`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

mod amqps;
mod broker_faults;
mod cluster;
mod command_line;
mod contract;
mod faults;
mod health;
mod history;
mod hostile;
mod kills;
mod ledger;
mod limits;
mod log_directory;
mod memory;
mod node;
mod outages;
mod partitions;
mod pipeline;
mod rotation;
mod scene;
mod several_brokers;
mod status;
mod tasks;
mod work;

use glue::testing::{Directory, Service};
use serde_json::Value;
use std::fs;

const HEADER: &str = "id,y_true,y_pred,absolute_error,logged_at,label_delay,group\n";

/// Starts `metric` on `directory` with a queue prefix and further settings.
fn metric(url: &str, prefix: &str, directory: &Directory, more: &[(&str, &str)]) -> Service {
    Service::start(env!("CARGO_BIN_EXE_metric"), &settings(url, prefix, directory, more))
}

fn settings<'a>(
    url: &'a str,
    prefix: &'a str,
    directory: &'a Directory,
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let directory = directory.0.to_str().unwrap();
    let mut settings = vec![("amqp-url", url), ("queue-prefix", prefix), ("log-dir", directory)];
    settings.extend_from_slice(more);
    settings
}

/// A row: id, y_true, y_pred, absolute error.
type Row = (String, f64, f64, f64);

/// Rows of `metric_log.csv`, whose classes have names that are numbers.
fn rows(directory: &Directory) -> Vec<Row> {
    rows_of(&directory.read("metric_log.csv"))
}

/// `metric_log.csv` and all that it was renamed to.
fn all_logs(directory: &Directory) -> Vec<String> {
    all_files(directory, "metric_log")
}

/// The texts of all files with this stem, as of one moment: another name means that one was renamed meanwhile.
fn all_files(directory: &Directory, stem: &str) -> Vec<String> {
    loop {
        let names = names(directory, stem);
        let texts = names.iter().map(|name| directory.read(name)).collect();
        if crate::names(directory, stem) == names {
            return texts;
        }
    }
}

/// The names of all files with this stem, in order.
fn names(directory: &Directory, stem: &str) -> Vec<String> {
    let names = fs::read_dir(&directory.0).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with(stem) && name.ends_with(".csv")).collect();
    names.sort();
    names
}

fn rows_of_all_logs(directory: &Directory) -> Vec<Row> {
    all_logs(directory).iter().flat_map(|log| rows_of(log)).collect()
}

fn rows_of(log: &str) -> Vec<Row> {
    let rows = records_of(log).into_iter().map(|record| {
        let number = |at: usize| unguarded(&record[at]).parse().unwrap();
        (unguarded(&record[0]), number(1), number(2), number(3))
    });
    rows.collect()
}

/// The fields of each whole line of a log behind its header.
fn records_of(log: &str) -> Vec<csv::StringRecord> {
    let whole = log.rfind('\n').map_or("", |end| &log[..end + 1]);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(whole.as_bytes());
    reader.records().map(Result::unwrap).collect()
}

/// An id, a group or a class without the apostrophe that keeps spreadsheets from taking it for a formula.
fn unguarded(field: &str) -> String {
    field.strip_prefix('\'').unwrap_or(field).to_owned()
}

/// `metric_status.json`, once there is one.
fn status(directory: &Directory) -> Option<Value> {
    let text = fs::read_to_string(directory.file("metric_status.json")).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}
