//! The settings of `plot` as one plain struct of checked values.
//! Never reads a file.

use crate::{
    alert::{
        message::Format,
        rules::{self, Rule},
        send::Receiver,
    },
    calendar, first_line,
    http::hosts,
    logs::{
        follow::Logs,
        format::{self, COLUMNS},
        row::VALID_S,
        sequence::Sequence,
        source::Source,
        statuses,
        task::Task,
    },
    report_settings::{self, Report},
    stats::drift::Baseline,
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
    /// What their columns are called, in the order of [`COLUMNS`].
    pub columns: [String; COLUMNS.len()],
    /// Read the logs once and exit.
    pub report: Option<Report>,
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
    let task = task(values)?;
    let report = report_settings::read(values, &logs, rules(values, "fail-on", task)?)?;
    Ok(Config {
        line: first_line::of(values, &logs),
        statuses: statuses::beside(&logs),
        log_dir,
        logs,
        with_rotated,
        columns: report_settings::columns(values)?,
        interval: values.parse("interval", "seconds from 0.1 to 86400", interval)?,
        size: values.parse("size", "WIDTHxHEIGHT from 400x300 to 1920x1440", size)?,
        window: values.parse("window", "1 to 100000", |text| {
            text.parse().ok().filter(|rows| (1..=100_000).contains(rows))
        })?,
        task,
        threshold: values
            .parse("threshold", "0 to 1", |text| text.parse().ok().filter(|p| (0.0..=1.0).contains(p)))?,
        baseline: baseline(values)?,
        listen: values.parse("listen", "HOST:PORT, or 'none'", listen)?,
        hosts: values.parse("hosts", "host names, without ports, with commas between them", hosts::parse)?,
        alert: rules(values, "alert", task)?,
        receiver: receiver(values)?,
        report,
        as_owner: values.parse("run-as", "owner", owner::parse)?,
    })
}

impl Config {
    /// What is read, at most `most` logs at once.
    pub fn source(&self, most: usize, task: Task) -> Source {
        let format = format::Format::new(task, &self.columns);
        match self.logs.first() {
            Some(log) if self.with_rotated => {
                Source::Directory(Box::new(Sequence::new(PathBuf::from(log), format)))
            }
            _ => Source::Named(Logs::new(self.logs.clone(), most, format)),
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
            calendar::parse_s(text).filter(|time_s| VALID_S.contains(time_s))
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

/// Those of `--alert` or `--fail-on`.
fn rules(values: &Values, flag: &str, task: Option<Task>) -> Result<Vec<Rule>, String> {
    let rules = rules::parse(values.text(flag)).and_then(|rules| {
        let Some(task) = task else { return Ok(rules) };
        match rules.iter().find(|rule| !rule.has_number(task)) {
            Some(Rule { text, .. }) => {
                Err(format!("what task {} has a number for; {text:?} is not", task.name()))
            }
            None => Ok(rules),
        }
    });
    let allowed = rules.as_ref().err().cloned().unwrap_or_default();
    values.parse(flag, allowed, |_| rules.ok())
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
mod tests;
