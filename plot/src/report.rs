//! The run with `--report`: reads the logs once and to their end, writes a page of them and the same as PNG, SVG and JSON, and judges rules.
//! Never computes a number, and never writes before all is read.

use crate::alert::verdict::Facts;
use crate::chosen_task::ChosenTask;
use crate::config::Config;
use crate::logs::follow::{State, plain};
use crate::logs::format::Format;
use crate::logs::lines::Event;
use crate::logs::source::Source;
use crate::logs::task::Task;
use crate::logs::{statuses, stream};
use crate::progress::Progress;
use crate::report_settings::{Report, STDIN};
use crate::stats::backlog::Backlog;
use crate::stats::statistics::Statistics;
use crate::stats::summary::Summary;
use crate::unix_time::now_s;
use crate::view::moment::Moment;
use crate::view::picture;
use crate::view::report::{self as pages, Judged};
use crate::words::number::{faults, rows, short};
use crate::words::terms::terms;
use crate::{counting, descriptors, replace};
use anyhow::{Context, Result, anyhow, bail};
use glue::program::Failure;
use log::{info, log, warn};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Exit code where a rule of `--fail-on` holds.
const A_RULE_HOLDS: u8 = 3;

/// Runs until all is written.
///
/// # Errors
/// A log cannot be read or has no row, a file cannot be written, a rule has no number with the task, or a rule holds.
pub fn run(config: &Config, report: &Report) -> Result<(), Failure> {
    let directory = directory(&report.path)?;
    picture::register()?;
    let task = task(config);
    if let Some(rule) = report.fail_on.iter().find(|rule| !rule.has_number(task)) {
        let (rule, task) = (&rule.text, task.name());
        return Err(Failure::Setting(format!("--fail-on has {rule:?}; task {task} has no such number")));
    }
    let logs = if is_stdin(config) { "standard input".to_owned() } else { config.logs.join(", ") };
    let statistics = count(config, task, &logs)?;
    let not_rows = faults(&statistics.faults());
    if statistics.n() == 0 {
        let instead = match not_rows.as_str() {
            "" => String::new(),
            _ => format!("; lines that are not rows: {not_rows}"),
        };
        return Err(anyhow!("{logs} has no rows{instead}").into());
    }
    if !not_rows.is_empty() {
        warn!("lines that are not rows: {not_rows}");
    }
    let (moment, rules) = judge(report, &statistics);
    write(config, report, directory, &moment, &logs, &rules)?;
    let (path, n, mae) = (report.path.display(), rows(statistics.n()), short(moment.summary.all.mae));
    info!("{path}: {n} of {logs}, {} {mae}. {}", terms(task).mae, moment.verdict.text);
    end(&rules)
}

/// Where the report is to be. That it is there is known before a long read, not after it.
fn directory(path: &Path) -> Result<&Path> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let metadata = directory.metadata();
    let metadata =
        metadata.map_err(|e| anyhow!("{}: {}: {}", path.display(), directory.display(), plain(&e)))?;
    if !metadata.is_dir() {
        bail!("{}: {} is not a directory", path.display(), directory.display());
    }
    if path.is_dir() {
        bail!("{} is a directory", path.display());
    }
    Ok(directory)
}

fn is_stdin(config: &Config) -> bool {
    config.logs.iter().any(|log| log == STDIN)
}

/// That of `--task`, or the one that `metric` has named beside the log.
fn task(config: &Config) -> Task {
    let mut task = ChosenTask::new(config.task);
    let status = if is_stdin(config) { Ok(None) } else { statuses::read(&config.statuses, now_s()) };
    match status.map(|status| status.and_then(|status| status.task)) {
        Ok(named) => named
            .and_then(|named| task.take(&named))
            .into_iter()
            .for_each(|(level, line)| log!(level, "{line}")),
        Err(trouble) => warn!("{trouble}: rows are read as {}", task.task.name()),
    }
    task.task
}

/// Counts all rows.
fn count(config: &Config, task: Task, logs: &str) -> Result<Statistics> {
    let mut statistics =
        Statistics::new(config.window).with_baseline(config.baseline).with_task(task, config.threshold);
    let progress = Progress::start(logs.to_owned());
    counting::count(&mut statistics, |send| {
        let mut report = |event: Event| {
            progress.count(&event);
            send(event)
        };
        if is_stdin(config) {
            let format = Format::new(task, &config.columns);
            return stream::read(io::stdin().lock(), &format, report)
                .map_err(|e| anyhow!("standard input: {}", plain(&e)));
        }
        let mut source = config.source(descriptors::quarter(), task);
        match source.follow(|| false, &mut report) {
            State::Trouble(reason) => bail!("{reason}"),
            // Its rotated logs may have rows.
            State::Waiting(_) if config.with_rotated => {}
            State::Waiting(name) => bail!("{name}: there is no such file"),
            State::Starting | State::Following => {}
        }
        match &mut source {
            Source::Named(logs) => logs.finish(report).map_err(|reason| anyhow!(reason)),
            // A line of `metric` counts once it ends with a line break.
            Source::Directory(_) => Ok(()),
        }
    })?;
    Ok(statistics)
}

/// What is shown, and what the rules find.
fn judge(report: &Report, statistics: &Statistics) -> (Moment, Vec<Judged>) {
    let summary = Arc::new(Summary::of(statistics));
    let (state, backlog) = (State::Following, Backlog::default());
    // Of no day: each time has its date.
    let facts = Facts { summary: &summary, state: &state, backlog: &backlog, last_rows_s: None, now_s: 0.0 };
    let rules = report.fail_on.iter().map(|rule| (rule.text.clone(), rule.judge_file(&facts))).collect();
    let verdict = facts.verdict_of_rows();
    (Moment { verdict, state: State::Following, ..Moment::starting(Arc::clone(&summary)) }, rules)
}

/// Writes all files, the page last.
fn write(
    config: &Config,
    report: &Report,
    directory: &Path,
    moment: &Moment,
    logs: &str,
    rules: &[Judged],
) -> Result<()> {
    let write = |path: PathBuf, bytes: &[u8]| -> Result<()> {
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        replace::remove_temporary(directory, &name);
        replace::replace(directory, &name, bytes).map_err(|e| anyhow!("{}: {}", path.display(), plain(&e)))
    };
    let numbers = serde_json::to_vec_pretty(&pages::numbers(moment, &config.logs, rules));
    write(report.path.with_extension("json"), &numbers.context("writing JSON")?)?;
    write(report.path.with_extension("svg"), picture::svg(&moment.summary, config.size)?.as_bytes())?;
    write(report.path.with_extension("png"), &picture::png(&moment.summary, config.size)?)?;
    write(report.path.clone(), pages::document(moment, logs, rules).as_bytes())
}

/// The end, by what the rules found.
fn end(rules: &[Judged]) -> Result<(), Failure> {
    let mut holding = Vec::new();
    for (rule, finding) in rules {
        match finding {
            Some(finding) if finding.is_bad => holding.push(format!("{rule} holds: {}", finding.text)),
            Some(_) => {}
            None => warn!("{rule} was not judged: the rows have no such number"),
        }
    }
    if holding.is_empty() {
        return Ok(());
    }
    Err(Failure::Found(holding.join("; "), A_RULE_HOLDS))
}
