//! The real binary against a real broker; the tests play the other side from `contract/`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

mod broker_faults;
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
mod outages;
mod pipeline;

use glue::testing::{Directory, Service};
use std::fs;

const HEADER: &str = "id,y_true,y_pred,absolute_error,logged_at\n";

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

/// Rows of `metric_log.csv`.
fn rows(directory: &Directory) -> Vec<Row> {
    rows_of(&directory.read("metric_log.csv"))
}

/// Rows of `metric_log.csv` and of all that it was renamed to.
fn rows_of_all_logs(directory: &Directory) -> Vec<Row> {
    let names = fs::read_dir(&directory.0).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    let logs = names.filter(|name| name.starts_with("metric_log") && name.ends_with(".csv"));
    logs.flat_map(|name| rows_of(&directory.read(&name))).collect()
}

fn rows_of(log: &str) -> Vec<Row> {
    let whole = log.rfind('\n').map_or("", |end| &log[..end + 1]);
    let mut reader = csv::Reader::from_reader(whole.as_bytes());
    let rows = reader.deserialize().map(|row| {
        let (id, y_true, y_pred, error, _): (String, f64, f64, f64, f64) = row.unwrap();
        (id.strip_prefix('\'').map_or(id.clone(), str::to_owned), y_true, y_pred, error)
    });
    rows.collect()
}
