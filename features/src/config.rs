//! The settings of `features` and their limits.

use crate::{
    dataset::{Columns, TASKS, Task},
    message::{MESSAGE_MAX_BYTES, batch_max},
};
use glue::amqp::{self, Broker, PARTITIONS_MAX, Partition};
use glue::settings::{Setting, Values, setting};
use std::{path::PathBuf, time::Duration};

pub const ABOUT: &str = "Publishes samples of a data set to the queues y_true and features, in place of a deployed model's application.";

pub const TABLE: &[Setting] = &[
    amqp::URL,
    amqp::CA,
    amqp::CERT,
    amqp::KEY,
    amqp::QUEUE_PREFIX,
    amqp::QUEUE_TYPE,
    setting(
        "interval",
        "FEATURES_INTERVAL",
        "10",
        "SECONDS",
        "between two messages; 0: as fast as confirmed",
    ),
    setting("count", "FEATURES_COUNT", "", "N", "stop once this many samples are confirmed"),
    setting("order", "FEATURES_ORDER", "random", "ORDER", "of the rows: random, or sequential"),
    setting("seed", "FEATURES_SEED", "", "N", "makes the random order repeatable"),
    setting(
        "partitions",
        "FEATURES_PARTITIONS",
        "",
        "P",
        "publish each sample to the queues of its partition, of P: p0.y_true and so on; none: to y_true and features",
    ),
    setting("batch", "FEATURES_BATCH", "1", "N", "samples per message, 1 to 10000, at most 1 MiB in all"),
    setting(
        "task",
        "TASK",
        "regression",
        "TASK",
        "what true values are: regression: numbers; binary: 0 or 1; classes: names",
    ),
    setting(
        "dataset",
        "FEATURES_DATASET",
        "",
        "FILE",
        "CSV with a header, or .csv.gz; none: the task's embedded one",
    ),
    setting("target", "FEATURES_TARGET", "", "COLUMN", "column of the true values; none: the last one"),
    setting(
        "group",
        "FEATURES_GROUP",
        "",
        "COLUMN",
        "column whose text is each sample's group; none: no groups",
    ),
    setting(
        "drop-index",
        "FEATURES_DROP_INDEX",
        "no",
        "YES|NO",
        "yes: leave out columns without a name, as an index of pandas has none",
    ),
    setting(
        "shift-after",
        "FEATURES_SHIFT_AFTER",
        "",
        "N",
        "from sample N on, counted from 0 since the start, true values are shifted by --shift",
    ),
    setting(
        "shift",
        "FEATURES_SHIFT",
        "",
        "S",
        "by how far: S population standard deviations of the target in the data set, below 0: down",
    ),
    setting("log-dir", "LOG_DIR", "./logs", "DIR", "which process --healthcheck asks; nothing is written"),
];

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Order {
    Random,
    Sequential,
}

/// Makes the true values change, so that one can see a monitor notice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// The first sample that is shifted, counted from 0 since the start of the process.
    pub after: u64,
    /// Finite, in population standard deviations of the target.
    pub deviations: f64,
}

pub struct Config {
    pub log_dir: PathBuf,
    pub broker: Broker,
    pub interval: Duration,
    /// `None`: no end.
    pub count: Option<u64>,
    pub order: Order,
    pub seed: Option<u64>,
    pub batch: u64,
    /// `None`: queues without partitions.
    pub partitions: Option<u32>,
    pub task: Task,
    /// `None`: the embedded one of the task.
    pub dataset: Option<PathBuf>,
    pub columns: Columns,
    /// `None`: true values are those of the data set.
    pub shift: Option<Shift>,
    /// All settings as they were given, without secrets.
    pub line: String,
}

impl Config {
    /// # Errors
    /// One line that names the flag or variable, its value and what is allowed.
    pub fn new(values: &Values) -> Result<Config, String> {
        let whole_number = |flag| match values.optional(flag) {
            None => Ok(None),
            Some(_) => values.parse(flag, "a whole number", |text| text.parse::<u64>().ok()).map(Some),
        };
        let batch = |text: &str| text.parse().ok().filter(|n| (1..=10_000).contains(n));
        let partitions = |text: &str| text.parse().ok().filter(|of| (1..=PARTITIONS_MAX).contains(of));
        let task = values.choose("task", &TASKS)?;
        Ok(Config {
            log_dir: values.text("log-dir").into(),
            broker: Broker::read(values)?,
            interval: values.parse(
                "interval",
                "seconds from 0 to 1000000000, fractions allowed",
                interval,
            )?,
            count: whole_number("count")?,
            order: values.choose("order", &[("random", Order::Random), ("sequential", Order::Sequential)])?,
            seed: whole_number("seed")?,
            batch: values.parse("batch", "1 to 10000", batch)?,
            partitions: match values.optional("partitions") {
                None => None,
                Some(_) => Some(values.parse("partitions", format!("1 to {PARTITIONS_MAX}"), partitions)?),
            },
            task,
            dataset: values.optional("dataset").map(PathBuf::from),
            columns: Columns {
                target: values.optional("target").map(str::to_owned),
                group: values.optional("group").map(str::to_owned),
                drop_index: values.choose("drop-index", &[("yes", true), ("no", false)])?,
            },
            shift: shift(values, whole_number("shift-after")?, task)?,
            line: values.to_string(),
        })
    }

    /// The broker with the prefix of the queues of each partition; as it is if there are none.
    pub fn brokers(&self) -> Vec<Broker> {
        let Some(of) = self.partitions else { return vec![self.broker.clone()] };
        let broker = |number| {
            let mut broker = self.broker.clone();
            broker.queue_prefix = Partition { number, of }.queue_prefix(&self.broker.queue_prefix);
            broker
        };
        (0..of).map(broker).collect()
    }

    /// Checks that a message can hold a batch. The largest sample has `sample_bytes_max` bytes.
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

fn shift(values: &Values, after: Option<u64>, task: Task) -> Result<Option<Shift>, String> {
    let finite = |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite());
    let deviations = match values.optional("shift") {
        None => None,
        Some(_) => Some(values.parse("shift", "a finite number of standard deviations", finite)?),
    };
    let alone = |set: &str, value: &str, unset: &str| {
        Err(format!("{set} is {value:?}, and {unset} is not set; allowed: both or neither"))
    };
    let (after_name, name) = ("--shift-after (FEATURES_SHIFT_AFTER)", "--shift (FEATURES_SHIFT)");
    match (after, deviations) {
        (Some(_), Some(_)) if task != Task::Regression => Err(format!(
            "{name} is {:?}, and --task (TASK) is {:?}; allowed: a shift with the task regression",
            values.text("shift"),
            values.text("task")
        )),
        (Some(after), Some(deviations)) => Ok(Some(Shift { after, deviations })),
        (Some(_), None) => alone(after_name, values.text("shift-after"), name),
        (None, Some(_)) => alone(name, values.text("shift"), after_name),
        (None, None) => Ok(None),
    }
}

fn interval(text: &str) -> Option<Duration> {
    let seconds: f64 = text.parse().ok()?;
    if (0.0..=1e9).contains(&seconds) { Duration::try_from_secs_f64(seconds).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glue::settings::{Request, read};

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
        assert_eq!((config.shift, config.task, config.columns.drop_index), (None, Task::Regression, false));
    }

    #[test]
    fn a_task_and_the_columns_are_read() {
        let env = [("TASK", "classes"), ("FEATURES_DROP_INDEX", "yes"), ("FEATURES_TARGET", "species")];
        let config = config(&["--group", "site"], &env).unwrap();
        assert_eq!((config.task, config.columns.drop_index), (Task::Classes, true));
        assert_eq!(config.columns.target.as_deref(), Some("species"));
        assert_eq!(config.columns.group.as_deref(), Some("site"));
    }

    #[test]
    fn a_shift_is_a_pair() {
        let shift = config(&["--shift=-0.5"], &[("FEATURES_SHIFT_AFTER", "2000")]).unwrap().shift;
        assert_eq!(shift, Some(Shift { after: 2000, deviations: -0.5 }));
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
            (&["--shift-after", "-1", "--shift", "1"], "--shift-after is \"-1\"; allowed: a whole number"),
            (&["--shift-after", "1", "--shift", "inf"], "--shift is \"inf\"; allowed: a finite number"),
            (
                &["--shift-after", "2000"],
                "--shift-after (FEATURES_SHIFT_AFTER) is \"2000\", and --shift (FEATURES_SHIFT) is not",
            ),
            (
                &["--shift", "-1.5"],
                "--shift (FEATURES_SHIFT) is \"-1.5\", and --shift-after (FEATURES_SHIFT_AFTER) is not",
            ),
            (&["--task", "both"], "--task is \"both\"; allowed: regression or binary or classes"),
            (&["--drop-index", "1"], "--drop-index is \"1\"; allowed: yes or no"),
            (
                &["--task", "binary", "--shift", "1", "--shift-after", "0"],
                "--shift (FEATURES_SHIFT) is \"1\", and --task (TASK) is \"binary\"; allowed: a shift with",
            ),
            (&["--task", "classes", "--shift", "1"], "--shift-after (FEATURES_SHIFT_AFTER) is not"),
            (&["--sede", "1"], "--sede"),
        ] {
            let error = config(args, &[]).err().unwrap();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn settings_print_as_they_are_given() {
        for (order, queue_type) in [("random", "quorum"), ("sequential", "existing")] {
            let line = config(&["--order", order, "--queue-type", queue_type], &[]).unwrap().line;
            assert!(line.contains(&format!("order {order},")), "{line}");
            assert!(line.contains(&format!("queue-type {queue_type},")), "{line}");
        }
    }

    #[test]
    fn a_batch_that_may_not_fit_is_refused_with_the_largest_that_does() {
        let check = |args: &[&str], sample_bytes| config(args, &[]).unwrap().check_batch(sample_bytes);
        // Three samples of this size, three commas or brackets behind them, and one bracket before them.
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
