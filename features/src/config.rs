//! The settings of `features` and what each may be.

use crate::broker::{AmqpUrl, QueueType};
use crate::message::{MESSAGE_MAX_BYTES, batch_max};
use crate::settings::{Setting, Values};
use std::{fmt, path::PathBuf, time::Duration};

pub const ABOUT: &str = "Publishes samples of a data set to queues y_true and features, as a deployed model's surroundings would.";

pub const TABLE: &[Setting] = &[
    row("amqp-url", "AMQP_URL", "amqp://guest:guest@localhost:5672/%2f", "URL", "the broker"),
    row("queue-prefix", "QUEUE_PREFIX", "", "TEXT", "goes before the name of every queue"),
    row(
        "queue-type",
        "QUEUE_TYPE",
        "quorum",
        "TYPE",
        "quorum, classic, or existing: wait until somebody else declares it",
    ),
    row(
        "interval",
        "FEATURES_INTERVAL",
        "10",
        "SECONDS",
        "from one message to the next; 0: as fast as the broker confirms",
    ),
    row("count", "FEATURES_COUNT", "", "N", "samples, then exit once all are confirmed"),
    row("order", "FEATURES_ORDER", "random", "ORDER", "random, or sequential: rows in turn"),
    row("seed", "FEATURES_SEED", "", "N", "makes the random order repeatable"),
    row("batch", "FEATURES_BATCH", "1", "N", "samples per message, 1 to 10000, of at most 1 MiB together"),
    row(
        "dataset",
        "FEATURES_DATASET",
        "",
        "FILE",
        "CSV of numbers with a header; without it the diabetes data",
    ),
    row("target", "FEATURES_TARGET", "", "COLUMN", "the column of the true values; without it the last one"),
    row(
        "log-dir",
        "LOG_DIR",
        "./logs",
        "DIR",
        "tells several of these apart for --healthcheck; nothing is written there",
    ),
];

const fn row(
    flag: &'static str,
    variable: &'static str,
    default: &'static str,
    value: &'static str,
    help: &'static str,
) -> Setting {
    Setting { flag, variable, default, value, help }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Order {
    Random,
    Sequential,
}

pub struct Config {
    pub log_dir: PathBuf,
    pub amqp_url: AmqpUrl,
    pub queue_prefix: String,
    pub queue_type: QueueType,
    pub interval: Duration,
    /// No end where absent.
    pub count: Option<u64>,
    pub order: Order,
    pub seed: Option<u64>,
    pub batch: u64,
    /// The embedded one where absent.
    pub dataset: Option<PathBuf>,
    pub target: Option<String>,
}

impl Config {
    /// # Errors
    /// One line that names the flag or variable, its value and what is allowed.
    pub fn new(values: &Values) -> Result<Config, String> {
        let amqp_url = AmqpUrl::from_setting(values.text("amqp-url"))?;
        let optional = |flag| Some(values.text(flag)).filter(|text| !text.is_empty());
        let whole_number = |flag| match optional(flag) {
            None => Ok(None),
            Some(_) => values.parse(flag, "a whole number", |text| text.parse::<u64>().ok()).map(Some),
        };
        Ok(Config {
            log_dir: values.text("log-dir").into(),
            amqp_url,
            queue_prefix: values.text("queue-prefix").to_owned(),
            queue_type: values.parse("queue-type", "quorum, classic or existing", QueueType::parse)?,
            interval: values.parse(
                "interval",
                "seconds from 0 to 1000000000, fractions allowed",
                interval,
            )?,
            count: whole_number("count")?,
            order: values.parse("order", "random or sequential", |text| match text {
                "random" => Some(Order::Random),
                "sequential" => Some(Order::Sequential),
                _ => None,
            })?,
            seed: whole_number("seed")?,
            batch: values
                .parse("batch", "1 to 10000", |t| t.parse().ok().filter(|n| (1..=10_000).contains(n)))?,
            dataset: optional("dataset").map(PathBuf::from),
            target: optional("target").map(str::to_owned),
        })
    }

    /// Whether each message can hold its samples, of which the largest has `sample_bytes_max` bytes.
    ///
    /// # Errors
    /// One line with the largest `batch` that always fits.
    pub fn check_batch(&self, sample_bytes_max: usize) -> Result<(), String> {
        let most = batch_max(sample_bytes_max);
        // No message holds more than `count`.
        if self.batch.min(self.count.unwrap_or(u64::MAX)) <= most {
            return Ok(());
        }
        let allowed = if most == 0 { "none".to_owned() } else { format!("1 to {most}") };
        Err(format!(
            "--batch (FEATURES_BATCH) is {}; allowed: {allowed} with this data set: a sample has up to {sample_bytes_max} bytes, and a message at most {MESSAGE_MAX_BYTES}",
            self.batch
        ))
    }
}

/// As it is given.
impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Order::Random => "random",
            Order::Sequential => "sequential",
        })
    }
}

fn interval(text: &str) -> Option<Duration> {
    let seconds: f64 = text.parse().ok()?;
    if (0.0..=1e9).contains(&seconds) { Duration::try_from_secs_f64(seconds).ok() } else { None }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dataset = self.dataset.as_ref().map_or("embedded".into(), |path| path.to_string_lossy());
        let or = |number: Option<u64>, text: &str| number.map_or(text.to_owned(), |n| n.to_string());
        write!(f, "broker {}, queue-prefix {:?}, ", self.amqp_url, self.queue_prefix)?;
        write!(f, "queue-type {}, interval {} s, ", self.queue_type, self.interval.as_secs_f64())?;
        write!(f, "count {}, order {}, ", or(self.count, "none"), self.order)?;
        write!(f, "seed {}, batch {}, ", or(self.seed, "none"), self.batch)?;
        write!(f, "dataset {dataset}, target {}", self.target.as_deref().unwrap_or("last column"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Request, read};

    fn config(args: &[&str], env: &[(&str, &str)]) -> Result<Config, String> {
        let env = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, v)| v.into());
        match read(TABLE, args.iter().map(Into::into), env)? {
            Request::Run(values) => Config::new(&values),
            _ => Err("help".to_owned()),
        }
    }

    #[test]
    fn settings_are_read() {
        let env = [("FEATURES_INTERVAL", "0.5"), ("FEATURES_COUNT", "7"), ("FEATURES_SEED", "")];
        let config = config(&["--order", "sequential", "--count=9"], &env).unwrap();
        assert_eq!((config.interval, config.count), (Duration::from_millis(500), Some(9)));
        assert_eq!((config.order, config.seed, config.batch), (Order::Sequential, None, 1));
    }

    #[test]
    fn bad_values_are_named() {
        for (args, part) in [
            (&["--interval", "-1"][..], "--interval is \"-1\"; allowed: seconds"),
            (&["--interval", "NaN"], "--interval is \"NaN\""),
            (&["--interval", "inf"], "--interval"),
            (&["--count", "many"], "--count is \"many\"; allowed: a whole number"),
            (&["--batch", "10001"], "--batch is \"10001\"; allowed: 1 to 10000"),
            (&["--order", "any"], "random or sequential"),
            (&["--sede", "1"], "--sede"),
        ] {
            let error = config(args, &[]).err().unwrap();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn settings_print_as_they_are_given() {
        for (order, queue_type) in [("random", "quorum"), ("sequential", "existing")] {
            let line = config(&["--order", order, "--queue-type", queue_type], &[]).unwrap().to_string();
            assert!(line.contains(&format!("order {order},")), "{line}");
            assert!(line.contains(&format!("queue-type {queue_type},")), "{line}");
        }
    }

    #[test]
    fn a_batch_that_may_not_fit_is_refused_with_the_largest_that_does() {
        let check = |args: &[&str], sample_bytes| config(args, &[]).unwrap().check_batch(sample_bytes);
        // 3 samples of so many bytes, 3 commas or brackets behind them and one before.
        let third = (MESSAGE_MAX_BYTES - 4) / 3;
        assert_eq!(check(&["--batch", "3"], third), Ok(()));
        for (args, sample_bytes, allowed) in [
            (["--batch", "4"], third, "allowed: 1 to 3 "),
            (["--batch", "3"], third + 1, "allowed: 1 to 2 "),
            (["--batch", "2"], MESSAGE_MAX_BYTES, "allowed: 1 to 1 "),
            (["--batch", "1"], MESSAGE_MAX_BYTES + 1, "allowed: none "),
        ] {
            let error = check(&args, sample_bytes).unwrap_err();
            let named = format!("--batch (FEATURES_BATCH) is {}; {allowed}", args[1]);
            assert!(error.starts_with(&named) && error.contains("1048576"), "{error}");
        }
        // The one message holds three.
        assert_eq!(check(&["--batch", "10000", "--count", "3"], third), Ok(()));
    }
}
