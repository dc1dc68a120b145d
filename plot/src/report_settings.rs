//! The settings for files of others: what their columns are called, and the report that is written of them.
//! Never reads a file.

use crate::{
    alert::rules::{Rule, Subject},
    logs::format::COLUMNS,
};
use glue::settings::Values;
use std::path::PathBuf;

/// What `--log` calls standard input.
pub const STDIN: &str = "-";

/// Their flags, in the order of [`COLUMNS`].
const FLAGS: [&str; COLUMNS.len()] =
    ["y-true", "y-pred", "absolute-error", "logged-at", "label-delay", "group"];

/// A page that is written once.
#[derive(Debug)]
pub struct Report {
    /// Ends with `.html`.
    pub path: PathBuf,
    /// Exit code 3 where one of these rules holds.
    pub fail_on: Vec<Rule>,
}

/// The names of the columns, in the order of [`COLUMNS`].
///
/// # Errors
/// Which name is none, or that of two columns.
pub fn columns(values: &Values) -> Result<[String; COLUMNS.len()], String> {
    let names = FLAGS.map(|flag| values.text(flag).trim().to_owned());
    for (flag, name) in FLAGS.iter().zip(&names) {
        let other = FLAGS.iter().zip(&names).find(|(other, text)| *other != flag && *text == name);
        let allowed = match other {
            Some((other, _)) => format!("another column than --{other}"),
            None => "the name of a column".to_owned(),
        };
        values.parse(flag, allowed, |_| (other.is_none() && !name.is_empty()).then_some(()))?;
    }
    Ok(names)
}

/// The report, if there is to be one of `logs`. `fail_on`: the rules of `--fail-on`.
///
/// # Errors
/// What only a report has, or what a report cannot have.
pub fn read(values: &Values, logs: &[String], fail_on: Vec<Rule>) -> Result<Option<Report>, String> {
    let is_stdin_allowed = values.optional("report").is_some() && logs.len() == 1;
    if logs.iter().any(|log| log == STDIN) && !is_stdin_allowed {
        values.parse("log", "'-', which is standard input, only alone and with --report", |_| None::<()>)?;
    }
    if values.optional("report").is_none() {
        if !fail_on.is_empty() {
            values.parse("fail-on", "rules with --report only", |_| None::<()>)?;
        }
        return Ok(None);
    }
    let of_metric = |rule: &&Rule| {
        matches!(rule.subject, Subject::Silence | Subject::Blind | Subject::Coverage | Subject::Rejected)
    };
    if let Some(rule) = fail_on.iter().find(of_metric) {
        let allowed = format!("rules about rows; {:?} is about a running metric", rule.text);
        values.parse("fail-on", allowed, |_| None::<()>)?;
    }
    let path = values.parse("report", "a file whose name ends with .html", |text| {
        let path = PathBuf::from(text);
        path.extension().is_some_and(|extension| extension == "html").then_some(path)
    })?;
    Ok(Some(Report { path, fail_on }))
}
