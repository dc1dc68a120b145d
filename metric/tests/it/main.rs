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
mod hostile;
mod kills;
mod ledger;
mod limits;
mod log_directory;
mod memory;
mod outages;
mod pipeline;
#[path = "../../../glue/testing.rs"]
mod testing;

use testing::{Directory, Service};

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

/// Rows of `metric_log.csv`: id, y_true, y_pred, absolute error.
fn rows(directory: &Directory) -> Vec<(String, f64, f64, f64)> {
    let text = directory.read("metric_log.csv");
    let whole = text.rfind('\n').map_or("", |end| &text[..end + 1]);
    let mut reader = csv::Reader::from_reader(whole.as_bytes());
    let rows = reader.deserialize().map(|row| {
        let (id, y_true, y_pred, error, _): (String, f64, f64, f64, f64) = row.unwrap();
        (id.strip_prefix('\'').map_or(id.clone(), str::to_owned), y_true, y_pred, error)
    });
    rows.collect()
}
