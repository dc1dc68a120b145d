//! The settings of `metric` and their limits.

use crate::{journal::settings::Settings, wire::labels::Task};
use glue::amqp::{self, Broker, PARTITIONS_MAX, Partition};
use glue::owner;
use glue::settings::{Setting, Values, setting};
use std::path::PathBuf;

/// Deliveries that the broker sends ahead of their acknowledgement, per queue. Draining 200,000 messages of one sample on 2 cores,
/// RabbitMQ 3.10, medians of ten runs in turn: 1000 gave 82,000 messages/s and took 11.1 MB, 2000 89,000 and 12.5 MB, 3000 95,000 and
/// 15.6 MB. With large messages fewer are asked for (`flow.rs`).
const PREFETCH: &str = "2000";
/// Smaller files would mostly be a batch each.
const LOG_BYTES_MIN: u64 = 4096;
/// As ARCHITECTURE.md promises.
const DONE_IDS: u64 = 10_000_000;

pub const ABOUT: &str =
    "Joins true values and predictions by id and logs the absolute error of each, exactly once.";

pub const TABLE: &[Setting] = &[
    setting("log-dir", "LOG_DIR", "./logs", "DIR", "holds the log and its store"),
    amqp::URL,
    amqp::CA,
    amqp::CERT,
    amqp::KEY,
    amqp::QUEUE_PREFIX,
    amqp::QUEUE_TYPE,
    setting(
        "partition",
        "METRIC_PARTITION",
        "",
        "K/P",
        "take partition K of P, counted from 0: queues p{K}.y_true and so on; none: there are no partitions",
    ),
    setting("task", "TASK", "regression", "TASK", "what is predicted: regression, binary or classes"),
    setting(
        "predictions",
        "METRIC_PREDICTIONS",
        "model",
        "FROM",
        "model: compute them from queue features; y_pred: take them from queue y_pred",
    ),
    setting(
        "model",
        "METRIC_MODEL",
        "",
        "FILE",
        "JSON of intercept and coefficients; none: an example for the task",
    ),
    setting("prefetch", "METRIC_PREFETCH", PREFETCH, "N", "deliveries in memory per queue, 1 to 65535"),
    setting("pending-max", "METRIC_PENDING_MAX", "10000000", "N", "waiting halves; the oldest expire beyond"),
    setting(
        "pending-max-age",
        "METRIC_PENDING_MAX_AGE",
        "30d",
        "AGE",
        "waiting halves expire at this age: 90s, 15m, 12h or 30d",
    ),
    setting(
        "log-max-bytes",
        "METRIC_LOG_MAX_BYTES",
        "",
        "N",
        "rename the log, and unmatched.csv, to a number before it exceeds N bytes, 4096 or more; begin a new one",
    ),
    setting("run-as", "RUN_AS", "", "WHO", "owner: if started by root, run as the log directory's owner"),
];

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Predictions {
    Model,
    YPred,
}

#[derive(Clone)]
pub struct Config {
    pub log_dir: PathBuf,
    pub broker: Broker,
    /// The broker's prefix is that of its queues.
    pub partition: Option<Partition>,
    pub task: Task,
    pub predictions: Predictions,
    /// `None`: the embedded one.
    pub model: Option<PathBuf>,
    pub prefetch: u16,
    /// Limits of the halves that wait.
    pub pending_max: u64,
    pub pending_max_age_ms: u64,
    /// The log and `unmatched.csv` are rotated before they have more bytes. `u64::MAX`: never.
    pub log_max_bytes: u64,
    pub as_owner: bool,
    /// All settings as they were given, without secrets.
    pub line: String,
}

impl Config {
    /// # Errors
    /// One line that names the flag or variable, its value and what is allowed.
    pub fn new(values: &Values) -> Result<Config, String> {
        let predictions = [("model", Predictions::Model), ("y_pred", Predictions::YPred)];
        let predictions = values.choose("predictions", &predictions)?;
        let model = values.optional("model").map(PathBuf::from);
        if predictions == Predictions::YPred && model.is_some() {
            return Err("--model (METRIC_MODEL) goes with --predictions model, not y_pred".to_owned());
        }
        let partition = match values.optional("partition") {
            None => None,
            Some(_) => Some(values.parse("partition", partitions(), Partition::parse)?),
        };
        let mut broker = Broker::read(values)?;
        if let Some(partition) = partition {
            broker.queue_prefix = partition.queue_prefix(&broker.queue_prefix);
        }
        Ok(Config {
            log_dir: values.text("log-dir").into(),
            broker,
            partition,
            task: values.choose("task", &Task::ALL)?,
            predictions,
            model,
            prefetch: values.parse("prefetch", "1 to 65535", |t| t.parse().ok().filter(|&n| n > 0))?,
            pending_max: values.parse("pending-max", "a whole number", |t| t.parse().ok())?,
            pending_max_age_ms: values.parse(
                "pending-max-age",
                "a number and s, m, h or d, as in 30d",
                age_ms,
            )?,
            log_max_bytes: match values.optional("log-max-bytes") {
                None => u64::MAX,
                Some(_) => values.parse(
                    "log-max-bytes",
                    format!("a whole number of bytes, at least {LOG_BYTES_MIN}"),
                    |text| text.parse().ok().filter(|&n| n >= LOG_BYTES_MIN),
                )?,
            },
            as_owner: values.parse("run-as", "owner", owner::parse)?,
            line: values.to_string(),
        })
    }

    /// The queues of true values and of the others, without their prefix.
    pub fn queue_names(&self) -> [&'static str; 2] {
        let other = match self.predictions {
            Predictions::Model => "features",
            Predictions::YPred => "y_pred",
        };
        ["y_true", other]
    }

    pub fn journal(&self) -> Settings {
        Settings {
            task: self.task,
            queue_prefix: self.broker.queue_prefix.clone(),
            queues: self.queue_names().map(|name| self.broker.queue(name)),
            compares_predictions: self.predictions == Predictions::YPred,
            halves_max: self.pending_max,
            age_max_ms: self.pending_max_age_ms,
            done_ids: DONE_IDS,
            log_max_bytes: self.log_max_bytes,
        }
    }
}

fn partitions() -> String {
    format!("K/P, as in 0/2, with P from 1 to {PARTITIONS_MAX} and K below P")
}

fn age_ms(text: &str) -> Option<u64> {
    let unit = text.chars().last()?;
    let unit_ms: u64 = match unit {
        's' => 1000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(unit_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use glue::amqp::QueueType;
    use glue::settings::{Request, read};

    fn config(args: &[&str], env: &[(&str, &str)]) -> Result<Config, String> {
        let env = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, v)| v.into());
        match read(TABLE, args.iter().map(Into::into), env)? {
            Request::Run(values) => Config::new(&values),
            _ => Err("help".to_owned()),
        }
    }

    #[test]
    fn flags_override_variables_and_empty_variables_count_as_unset() {
        let env = [("METRIC_PREFETCH", "7"), ("LOG_DIR", "/a"), ("QUEUE_TYPE", "")];
        let config = config(&["--log-dir", "/b", "--task", "classes"], &env).unwrap();
        assert_eq!((config.log_dir, config.prefetch), (PathBuf::from("/b"), 7));
        assert_eq!(config.task, Task::Classes);
        assert_eq!(config.broker.queue_type, QueueType::Quorum);
        assert_eq!((config.pending_max, config.pending_max_age_ms), (10_000_000, 30 * 86_400_000));
        assert_eq!(config.log_max_bytes, u64::MAX);
    }

    #[test]
    fn a_log_is_rotated_at_the_bytes_that_the_flag_or_the_variable_says() {
        let log_max_bytes = |args: &[&str], env: &[(&str, &str)]| config(args, env).unwrap().log_max_bytes;
        assert_eq!(log_max_bytes(&["--log-max-bytes", "4096"], &[]), 4096);
        assert_eq!(log_max_bytes(&[], &[("METRIC_LOG_MAX_BYTES", "100000000")]), 100_000_000);
        assert_eq!(log_max_bytes(&["--log-max-bytes", ""], &[("METRIC_LOG_MAX_BYTES", "9999")]), u64::MAX);
    }

    #[test]
    fn bad_values_are_named() {
        for (args, env, part) in [
            (&["--prefetch", "0"][..], &[][..], "--prefetch is \"0\"; allowed: 1 to 65535"),
            (&[], &[("METRIC_PREFETCH", "70000")], "METRIC_PREFETCH is \"70000\""),
            (&["--queue-type", "lazy"], &[], "quorum or classic or existing"),
            (&["--pending-max-age", "30"], &[], "--pending-max-age is \"30\""),
            (
                &["--log-max-bytes", "4095"],
                &[],
                "--log-max-bytes is \"4095\"; allowed: a whole number of bytes, at least 4096",
            ),
            (&[], &[("METRIC_LOG_MAX_BYTES", "100M")], "METRIC_LOG_MAX_BYTES is \"100M\"; allowed: a whole"),
            (&["--task", "ranking"], &[], "--task is \"ranking\"; allowed: regression or binary or classes"),
            (&[], &[("TASK", "Binary")], "TASK is \"Binary\""),
            (&["--predictions", "both"], &[], "model or y_pred"),
            (&["--predictions", "y_pred", "--model", "m"], &[], "--model"),
            (&["--colour", "red"], &[], "--colour"),
            (&["logs"], &[], "logs"),
            (&["--prefetch"], &[], "--prefetch"),
        ] {
            let error = config(args, env).err().unwrap();
            assert!(error.contains(part), "{error}");
        }
        let error = config(&["--amqp-url", "http://u:secret@h"], &[]).err().unwrap();
        assert!(error.contains("--amqp-url") && !error.contains("secret"), "{error}");
    }
}
