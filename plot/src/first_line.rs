//! The first line of the log: the settings as they were given.
//! Never checks a value.

use glue::settings::Values;

/// `logs`: of `--log`, or what it is without one.
pub fn of(values: &Values, logs: &[String]) -> String {
    let text = |flag| values.text(flag);
    let listen = if text("listen").is_empty() { "none" } else { text("listen") };
    let hosts = if text("hosts").is_empty() { String::new() } else { format!(", hosts {}", text("hosts")) };
    let since = text("baseline-since");
    let since = if since.is_empty() { String::new() } else { format!(" since {since}") };
    let task = match text("task") {
        "" => "of metric_status.json".to_owned(),
        "binary" => format!("binary with threshold {}", text("threshold")),
        task => task.to_owned(),
    };
    let baseline = match text("baseline-mae") {
        "" => format!("baseline {} rows{since}", text("baseline-rows")),
        mae => format!("baseline MAE {mae}{since}"),
    };
    let rules = if text("alert").is_empty() { "none" } else { text("alert") };
    let sent = if text("alert-url").is_empty() {
        String::new()
    } else {
        format!(", sent as {}", text("alert-format"))
    };
    let alerts = format!("alerts {rules}{sent}");
    let rotated = if text("log").is_empty() { " and rotated ones" } else { "" };
    format!(
        "logs {}{rotated}, pictures in {} every {} s, {}, window {} rows, task {task}, {baseline}, listen {listen}{hosts}, {alerts}",
        logs.join(","),
        text("log-dir"),
        text("interval"),
        text("size"),
        text("window"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::TABLE;
    use glue::settings::{self, Request};
    use std::ffi::OsString;

    fn given(args: &[&str], env: &[(&str, &str)]) -> String {
        let variable =
            |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
        match settings::read(TABLE, args.iter().map(OsString::from), variable).unwrap() {
            Request::Run(values) => of(&values, &["a.csv".to_owned(), "b*.csv".to_owned()]),
            _ => panic!("not to run"),
        }
    }

    #[test]
    fn settings_print_as_they_are_given() {
        assert_eq!(
            given(&[], &[]),
            "logs a.csv,b*.csv and rotated ones, pictures in ./logs every 10 s, 800x600, window 1000 rows, task of metric_status.json, baseline 1000 rows, listen 127.0.0.1:8080, alerts drift,silence,blind"
        );
        let args = ["--interval", "0.50", "--listen", "localhost:8081", "--hosts", "A.example"];
        assert_eq!(
            given(&args, &[("LOG_DIR", "/d/"), ("PLOT_SIZE", "0400x300")]),
            "logs a.csv,b*.csv and rotated ones, pictures in /d/ every 0.50 s, 0400x300, window 1000 rows, task of metric_status.json, baseline 1000 rows, listen localhost:8081, hosts A.example, alerts drift,silence,blind"
        );
        assert!(given(&["--listen", ""], &[]).contains("listen none, "));
        let args = ["--alert", "", "--alert-format", "json"];
        let line = given(&args, &[("PLOT_ALERT_URL", "https://s3cr3t/")]);
        assert!(line.ends_with("alerts none, sent as json"), "{line}");
        let line = given(&["--baseline-rows", "50"], &[("PLOT_BASELINE_SINCE", "2024-11-23")]);
        assert!(line.contains(", baseline 50 rows since 2024-11-23, "), "{line}");
        let line = given(&["--task", "binary", "--threshold", "0.250"], &[]);
        assert!(line.contains(", task binary with threshold 0.250, "), "{line}");
        let line = given(&["--baseline-mae", "4.20"], &[]);
        assert!(line.contains(", baseline MAE 4.20, "), "{line}");
    }
}
