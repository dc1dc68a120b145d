//! The settings of `plot` as one plain struct of checked values.
//! Never reads a file.

use crate::{
    alert::{
        message::Format,
        rules::{self, Rule},
        send::Receiver,
    },
    first_line,
    http::hosts,
    logs::{follow::Logs, row::VALID_S, sequence::Sequence, source::Source, statuses, task::Task},
    stats::drift::Baseline,
    words::clock,
};
use glue::{owner, settings::Values};
use std::{
    net::{SocketAddr, ToSocketAddrs},
    path::PathBuf,
    time::Duration,
};

/// The checked settings.
#[derive(Debug)]
pub struct Config {
    pub log_dir: PathBuf,
    /// Paths or patterns; never empty.
    pub logs: Vec<String>,
    /// Without `--log`: the one log is that of the directory, and what was renamed of it is read too.
    pub with_rotated: bool,
    /// Where `metric` says how it is: paths or patterns.
    pub statuses: Vec<String>,
    pub interval: Duration,
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// In rows.
    pub window: usize,
    /// None: that of the status file.
    pub task: Option<Task>,
    /// Of [`Task::Binary`]: y_pred at or above it predicts 1.
    pub threshold: f64,
    pub baseline: Baseline,
    pub listen: Option<SocketAddr>,
    /// Host names that requests may be sent to, see [`hosts::check`].
    pub hosts: Vec<String>,
    /// What alerts.
    pub alert: Vec<Rule>,
    /// Who hears of it besides the log and the page.
    pub receiver: Option<Receiver>,
    pub as_owner: bool,
    /// The settings as given, for the first line of the log.
    pub line: String,
}

/// Checks the settings.
///
/// # Errors
/// One line that names the flag or variable at fault.
pub fn read(values: &Values) -> Result<Config, String> {
    let log_dir = PathBuf::from(values.text("log-dir"));
    let with_rotated = values.text("log").is_empty();
    let logs = if with_rotated {
        vec![log_dir.join("metric_log.csv").to_string_lossy().into_owned()]
    } else {
        values.parse("log", "paths or patterns with commas between them", logs)?
    };
    Ok(Config {
        line: first_line::of(values, &logs),
        statuses: statuses::beside(&logs),
        log_dir,
        logs,
        with_rotated,
        interval: values.parse("interval", "seconds from 0.1 to 86400", interval)?,
        size: values.parse("size", "WIDTHxHEIGHT from 400x300 to 1920x1440", size)?,
        window: values.parse("window", "1 to 100000", |text| {
            text.parse().ok().filter(|rows| (1..=100_000).contains(rows))
        })?,
        task: task(values)?,
        threshold: values
            .parse("threshold", "0 to 1", |text| text.parse().ok().filter(|p| (0.0..=1.0).contains(p)))?,
        baseline: baseline(values)?,
        listen: values.parse("listen", "HOST:PORT, or 'none'", listen)?,
        hosts: values.parse("hosts", "host names, without ports, with commas between them", hosts::parse)?,
        alert: alert(values, task(values)?)?,
        receiver: receiver(values)?,
        as_owner: values.parse("run-as", "owner", owner::parse)?,
    })
}

impl Config {
    /// What is read, at most `most` logs at once.
    pub fn source(&self, most: usize, task: Task) -> Source {
        match self.logs.first() {
            Some(log) if self.with_rotated => Source::Directory(Sequence::new(PathBuf::from(log), task)),
            _ => Source::Named(Logs::new(self.logs.clone(), most, task)),
        }
    }
}

fn logs(text: &str) -> Option<Vec<String>> {
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    names.iter().all(|name| !name.is_empty() && glob::Pattern::new(name).is_ok()).then_some(names)
}

fn interval(text: &str) -> Option<Duration> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.1..=86_400.0).contains(seconds))?;
    Some(Duration::from_secs_f64(seconds))
}

fn size(text: &str) -> Option<(u32, u32)> {
    let (width, height) = text.split_once('x')?;
    let (width, height) = (width.parse().ok()?, height.parse().ok()?);
    ((400..=1920).contains(&width) && (300..=1440).contains(&height)).then_some((width, height))
}

fn task(values: &Values) -> Result<Option<Task>, String> {
    if values.text("task").is_empty() {
        return Ok(None);
    }
    values.choose("task", Task::NAMES).map(Some)
}

fn baseline(values: &Values) -> Result<Baseline, String> {
    let since = "a time in UTC from 2000 to 2099, such as 2024-11-23, 2024-11-23T06:00 or Unix seconds";
    Ok(Baseline {
        rows: values.parse("baseline-rows", "1 to 100000", |text| {
            text.parse().ok().filter(|rows| (1..=100_000).contains(rows))
        })?,
        since_s: optional(values, "baseline-since", since, |text| {
            clock::parse_s(text).filter(|time_s| VALID_S.contains(time_s))
        })?,
        mae: optional(values, "baseline-mae", "0 or a positive number", |text| {
            text.parse().ok().filter(|mae| (0.0..=f64::MAX).contains(mae))
        })?,
    })
}

/// A setting without a default.
fn optional<T>(
    values: &Values,
    flag: &str,
    allowed: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, String> {
    if values.text(flag).is_empty() {
        return Ok(None);
    }
    values.parse(flag, allowed, parse).map(Some)
}

fn alert(values: &Values, task: Option<Task>) -> Result<Vec<Rule>, String> {
    let rules = rules::parse(values.text("alert")).and_then(|rules| {
        let Some(task) = task else { return Ok(rules) };
        match rules.iter().find(|rule| !rule.has_number(task)) {
            Some(Rule { text, .. }) => {
                Err(format!("what task {} has a number for; {text:?} is not", task.name()))
            }
            None => Ok(rules),
        }
    });
    let allowed = rules.as_ref().err().cloned().unwrap_or_default();
    values.parse("alert", allowed, |_| rules.ok())
}

/// The error leaves the URL out.
fn receiver(values: &Values) -> Result<Option<Receiver>, String> {
    let format = values.choose("alert-format", Format::NAMES)?;
    let ca = values.optional("alert-ca").map(PathBuf::from);
    let wrong =
        || "--alert-url (PLOT_ALERT_URL) is not a URL; allowed: https://HOST/PATH or http://HOST/PATH";
    let url = values.optional("alert-url");
    url.map(|url| Receiver::new(url, format, ca).ok_or_else(|| wrong().to_owned())).transpose()
}

#[expect(clippy::option_option, reason = "parsed or not, and then an address or none")]
fn listen(text: &str) -> Option<Option<SocketAddr>> {
    if text.is_empty() || text == "none" {
        return Some(None);
    }
    Some(Some(text.to_socket_addrs().ok()?.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::TABLE;
    use glue::settings::{self, Request};
    use std::ffi::OsString;

    fn run(args: &[&str], env: &[(&str, &str)]) -> Result<Config, String> {
        let variable =
            |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
        match settings::read(TABLE, args.iter().map(OsString::from), variable)? {
            Request::Run(values) => read(&values),
            _ => panic!("not to run"),
        }
    }

    #[test]
    fn defaults_are_those_of_the_table() {
        let config = run(&[], &[]).unwrap();
        assert_eq!(config.logs, ["./logs/metric_log.csv"]);
        assert_eq!(config.interval, Duration::from_secs(10));
        assert_eq!((config.size, config.window), ((800, 600), 1000));
        assert_eq!(config.listen, Some(([127, 0, 0, 1], 8080).into()));
    }

    #[test]
    fn an_empty_address_means_no_page() {
        for (args, env) in [
            (vec!["--listen", ""], vec![]),
            (vec!["--listen", "none"], vec![]),
            (vec![], vec![("PLOT_LISTEN", "")]),
            (vec!["--listen", "", "--window", "5"], vec![("PLOT_LISTEN", "127.0.0.1:1")]),
        ] {
            assert_eq!(run(&args, &env).unwrap().listen, None, "{args:?} {env:?}");
        }
    }

    #[test]
    fn several_logs_are_named_with_commas() {
        assert_eq!(run(&["--log", "a.csv, b*.csv"], &[]).unwrap().logs, ["a.csv", "b*.csv"]);
        assert_eq!(run(&["--log-dir", "/d", "--log", ""], &[]).unwrap().logs, ["/d/metric_log.csv"]);
    }

    #[test]
    fn a_baseline_is_of_first_rows_or_a_number() {
        assert_eq!(run(&[], &[]).unwrap().baseline, Baseline { rows: 1000, since_s: None, mae: None });
        let env = [
            ("PLOT_BASELINE_ROWS", "100000"),
            ("PLOT_BASELINE_SINCE", "2024-11-23 06:00:00"),
            ("PLOT_BASELINE_MAE", "0"),
        ];
        let baseline = Baseline { rows: 100_000, since_s: Some(1_732_341_600.0), mae: Some(0.0) };
        assert_eq!(run(&[], &env).unwrap().baseline, baseline);
        let flags = ["--baseline-rows", "1", "--baseline-since", "", "--baseline-mae", "4.5e3"];
        assert_eq!(
            run(&flags, &env).unwrap().baseline,
            Baseline { rows: 1, since_s: None, mae: Some(4500.0) }
        );
    }

    #[test]
    fn a_task_is_set_or_that_of_metric() {
        let config = run(&[], &[]).unwrap();
        assert_eq!((config.task, config.threshold), (None, 0.5));
        let config = run(&["--threshold", "0.25"], &[("TASK", "binary")]).unwrap();
        assert_eq!((config.task, config.threshold), (Some(Task::Binary), 0.25));
        assert_eq!(run(&["--task", "classes"], &[]).unwrap().task, Some(Task::Classes));
    }

    #[test]
    fn a_rule_without_a_number_is_refused_where_the_task_is_set() {
        let rules = "mae>1,accuracy<0.9,auc<0.8,logloss>0.5";
        assert_eq!(run(&["--alert", rules], &[]).unwrap().alert.len(), 4);
        assert_eq!(run(&["--alert", rules, "--task", "binary"], &[]).unwrap().alert.len(), 4);
        for (task, rule) in [("regression", "accuracy<0.9"), ("classes", "auc<0.8")] {
            let error = run(&["--task", task], &[("PLOT_ALERT", rules)]).unwrap_err();
            assert!(error.starts_with("PLOT_ALERT is \"mae>1,"), "{error}");
            let what = format!("allowed: what task {task} has a number for; {rule:?} is not");
            assert!(error.ends_with(&what), "{error}");
        }
        assert!(run(&["--alert", "accuracy<0.9", "--task", "classes"], &[]).is_ok());
    }

    #[test]
    fn the_receiver_of_alerts_is_a_secret() {
        let config = run(&[], &[]).unwrap();
        assert_eq!((config.alert.len(), config.receiver.is_none()), (3, true));
        let args = ["--alert-url", "https://s3cr3t:s3cr3t@s3cr3t/s3cr3t", "--alert-ca", "/ca.pem"];
        let config = run(&args, &[("PLOT_ALERT", "mae>60"), ("PLOT_ALERT_FORMAT", "json")]).unwrap();
        let receiver = config.receiver.as_ref().unwrap();
        assert_eq!((receiver.format, receiver.ca.as_deref()), (Format::Json, Some(std::path::Path::new("/ca.pem"))));
        assert_eq!(config.alert[0].text, "mae>60");
        assert!(!format!("{config:?}").contains("s3cr3t"), "{config:?}");
        for url in
            ["s3cr3t", "ftp://s3cr3t", "http://", "https:///s3cr3t", "http://s3cr3t:x", "http://s3cr3t /"]
        {
            let error = run(&["--alert-url", url], &[]).unwrap_err();
            assert!(error.contains("PLOT_ALERT_URL") && error.contains("allowed: https://"), "{error}");
            assert!(!error.contains("s3cr3t"), "{error}");
        }
        for nothing in ["", "none"] {
            assert_eq!(run(&[], &[("PLOT_ALERT", nothing)]).unwrap().alert, [], "{nothing:?}");
        }
    }

    #[test]
    fn a_bad_value_is_named_with_what_is_allowed() {
        let cases = [
            ("--interval", "0"),
            ("--interval", "NaN"),
            ("--size", "800"),
            ("--size", "10x10"),
            ("--window", "0"),
            ("--window", "1e3"),
            ("--task", "ranks"),
            ("--task", "Binary"),
            ("--threshold", "1.5"),
            ("--threshold", "-0.5"),
            ("--threshold", "NaN"),
            ("--baseline-rows", "0"),
            ("--baseline-rows", "100001"),
            ("--baseline-since", "yesterday"),
            ("--baseline-since", "2024-02-30"),
            ("--baseline-since", "17323416"),
            ("--baseline-since", "1732341600000"),
            ("--baseline-mae", "-1"),
            ("--baseline-mae", "NaN"),
            ("--baseline-mae", "inf"),
            ("--listen", "8080"),
            ("--hosts", "a.b:80"),
            ("--alert", "drift,mae<60"),
            ("--alert", "mea>60"),
            ("--alert-format", "teams"),
            ("--log", "a,,b"),
            ("--log", "a[.csv"),
        ];
        for (flag, value) in cases {
            let message = run(&[flag, value], &[]).unwrap_err();
            assert!(
                message.contains(flag) && message.contains(value) && message.contains("allowed"),
                "{message}"
            );
        }
        assert!(run(&[], &[("PLOT_SIZE", "big")]).unwrap_err().contains("PLOT_SIZE"));
        assert!(run(&["--queue-type", "x"], &[]).unwrap_err().contains("--queue-type"));
    }

    #[test]
    fn the_health_check_goes_by_the_same_settings() {
        let args = ["--healthcheck", "--listen", "127.0.0.1:99"].map(OsString::from);
        match settings::read(TABLE, args, |_| None).unwrap() {
            Request::Healthcheck(values) => assert_eq!(read(&values).unwrap().listen.unwrap().port(), 99),
            _ => panic!("not to check"),
        }
    }
}
