//! Reads `metric_status.json`, in which `metric` says how it is (CONTRACT.md).
//! Never judges what it says.

use crate::logs::small_file;
use serde_json::Value;
use std::path::Path;

pub const NAME: &str = "metric_status.json";

const VERSION: u64 = 1;

/// A longer file is none of `metric`'s.
const BYTES_MAX: u64 = 64 * 1024;

/// A count for each of the two kinds of halves.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Halves<T = u64> {
    pub y_true: T,
    pub y_pred: T,
}

/// What `metric` said last. Counts are those of the log directory, times are Unix seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    pub at_s: f64,
    /// `consuming`, `reconnecting`, `waiting_for_room`, `recovering` or `stopped`; of partitions also `missing`: one has written nothing.
    pub state: String,
    /// Why it does not consume.
    pub reason: Option<String>,
    /// As it is named there; None where there is none, as in the file of an earlier `metric`.
    pub task: Option<String>,
    /// Which partition it takes, counted from 0, and of how many. None where there are none.
    pub partition: Option<(u64, u64)>,
    /// Of which `metric` state, reason and time are, where there are several.
    pub whose: Option<String>,
    pub rows: u64,
    pub duplicates: u64,
    pub conflicts: u64,
    pub rejected: u64,
    pub unmatched: Halves,
    pub waiting: Halves,
    pub oldest_waiting_s: Halves<Option<f64>>,
    pub last_rejection: Option<(f64, String)>,
}

impl Status {
    /// `metric`, or which one it is.
    pub fn metric(&self) -> String {
        self.whose.as_ref().map_or("metric".to_owned(), |whose| format!("metric of {whose}"))
    }
}

/// Reads the file. None where there is none, as beside a log that another program writes.
///
/// # Errors
/// Why it cannot be read, or what is wrong with it.
pub fn read(path: &Path) -> Result<Option<Status>, String> {
    let name = path.display();
    let Some(text) = small_file::read(path, BYTES_MAX).map_err(|trouble| format!("{name}: {trouble}"))?
    else {
        return Ok(None);
    };
    let value: Value = serde_json::from_str(&text).map_err(|e| format!("{name} is not JSON: {e}"))?;
    match value.get("version").and_then(Value::as_u64) {
        Some(VERSION) => Ok(Some(status(&value))),
        Some(version) => Err(format!("{name} is of version {version}; this plot reads version {VERSION}")),
        None => Err(format!("{name} has no version")),
    }
}

/// A key that is missing counts as 0 or none.
fn status(value: &Value) -> Status {
    let text = |value: &Value, key| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let time_s = |value: &Value, key| value.get(key).and_then(Value::as_f64);
    let count = |value: &Value, key| value.get(key).and_then(Value::as_u64).unwrap_or(0);
    let part = |key| value.get(key).unwrap_or(&Value::Null);
    let halves = |key| Halves { y_true: count(part(key), "y_true"), y_pred: count(part(key), "y_pred") };
    let (oldest, last) = (part("oldest_waiting_at"), part("last_rejection"));
    Status {
        at_s: time_s(value, "at").unwrap_or(0.0),
        state: text(value, "state").unwrap_or_default(),
        reason: text(value, "reason"),
        task: text(value, "task"),
        partition: text(value, "partition").and_then(|text| {
            let (number, of) = text.split_once('/')?;
            Some((number.parse().ok()?, of.parse().ok()?))
        }),
        whose: None,
        rows: count(value, "rows"),
        duplicates: count(value, "duplicates"),
        conflicts: count(value, "conflicts"),
        rejected: count(value, "rejected"),
        unmatched: halves("unmatched"),
        waiting: halves("waiting"),
        oldest_waiting_s: Halves { y_true: time_s(oldest, "y_true"), y_pred: time_s(oldest, "y_pred") },
        last_rejection: time_s(last, "at").zip(text(last, "reason")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glue::testing::Directory;

    #[test]
    fn what_is_no_status_is_named() {
        let directory = Directory::new();
        let path = directory.file(NAME);
        assert_eq!(read(&path), Ok(None));
        assert_eq!(read(&directory.file("nowhere/x")), Ok(None));
        for (text, complaint) in [
            ("", "is not JSON"),
            ("{\"version\": 1", "is not JSON"),
            ("[]", "has no version"),
            ("{\"version\": 2}", "is of version 2; this plot reads version 1"),
            (&"x".repeat(70_000), "has more than 65536 bytes"),
        ] {
            directory.write(NAME, text);
            let error = read(&path).unwrap_err();
            assert!(error.contains(complaint) && error.contains(NAME), "{error}");
        }
        directory.write(NAME, "{\"version\": 1, \"at\": 5.5, \"waiting\": {\"y_pred\": 17}}");
        let waiting = Halves { y_true: 0, y_pred: 17 };
        assert_eq!(read(&path), Ok(Some(Status { at_s: 5.5, waiting, ..Status::default() })));
    }
}
