//! `/metrics`: the numbers of the page for Prometheus, in its text format 0.0.4. docs/monitoring.md describes them.
//! Never computes a number. What has no value is left out, as NaN would be a value.

use crate::{
    alert::verdict::Standing,
    logs::{follow::State, row::Fault, status::Halves},
    stats::{
        binary::BinaryNumbers,
        class_numbers::{ClassNumbers, ClassesNumbers},
        groups::GroupNumbers,
        numbers::Numbers,
        summary::Summary,
        task::TaskNumbers,
    },
    view::moment::{Metric, Moment},
};
use std::fmt::Write;

pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A label's name and value.
type Label<'a> = (&'a str, &'a str);

/// Before the logs were read for the first time there are no numbers: counters that begin at 0 with each start would look like many
/// new rows. `is_stalled`: the logs were not looked at for a while, so what the moment says may no longer hold.
pub fn metrics(moment: &Moment, is_stalled: bool) -> String {
    let mut text = Text::default();
    let version = Some(("version", env!("CARGO_PKG_VERSION")));
    text.family("build_info", Kind::Gauge, "Version of plot", [(version, 1.0)]);
    if moment.state == State::Starting {
        return text.0;
    }
    let standing = if is_stalled { Standing::Blind } else { moment.verdict.state };
    let verdicts = Standing::ALL.map(|state| (Some(("state", state.name())), f64::from(state == standing)));
    let help = "1 for the state that model and monitor are in, 0 for the others";
    text.family("verdict", Kind::Gauge, help, verdicts);
    errors(&mut text, &moment.summary);
    match (&moment.summary.all.of_task, &moment.summary.window.of_task) {
        (_, TaskNumbers::Binary(window)) => binary(&mut text, window),
        (TaskNumbers::Classes(all), TaskNumbers::Classes(window)) => classes(&mut text, all, window),
        _ => {}
    }
    delays(&mut text, &moment.summary);
    groups(&mut text, &moment.summary);
    if let Some(metric) = &moment.metric {
        of_metric(&mut text, metric);
    }
    text.0
}

fn errors(text: &mut Text, summary: &Summary) {
    let Summary { all, window, absolute_cumulative, baseline_mae, changes_found, faults, last_row_s, .. } =
        summary;
    let help = "Absolute errors of all rows, in the unit of y_true";
    text.histogram("absolute_error", help, absolute_cumulative, all.n, all.absolute_error_sum);
    let Numbers { n, mae, rmse, bias, .. } = window;
    text.gauge("window_rows", "Rows that the window of last rows holds", Some(*n as f64));
    text.gauge("window_mae", "Mean absolute error of the last rows, in the unit of y_true", *mae);
    text.gauge("window_rmse", "Root mean squared error of the last rows, in the unit of y_true", *rmse);
    let help = "Mean of y_pred - y_true of the last rows, in the unit of y_true";
    text.gauge("window_mean_error", help, *bias);
    let help = "Mean absolute error that changes are measured by, in the unit of y_true";
    text.gauge("baseline_mae", help, *baseline_mae);
    let found = changes_found.map(|(direction, n)| (Some(("direction", direction.name())), n as f64));
    text.family("drift_changes_total", Kind::Counter, "Changes of the error that were found", found);
    let faults = faults.map(|(fault, n)| (Some(("kind", Fault::name(fault))), n as f64));
    text.family("not_rows_total", Kind::Counter, "Lines of the log that are not rows", faults);
    text.gauge("last_row_timestamp_seconds", "Unix time of the last row", *last_row_s);
}

fn binary(text: &mut Text, window: &BinaryNumbers) {
    text.gauge("window_accuracy", "Share of the last rows whose class is right", window.accuracy);
    let help = "Share of the last rows with y_true 1, of those at or above the threshold";
    text.gauge("window_precision", help, window.precision);
    let help = "Share of the last rows at or above the threshold, of those with y_true 1";
    text.gauge("window_recall", help, window.recall);
    text.gauge("window_f1", "Harmonic mean of window_precision and window_recall", window.f1);
    let help = "Share of the last rows below the threshold, of those with y_true 0";
    text.gauge("window_specificity", help, window.specificity);
    text.gauge("window_log_loss", "Log loss of the last rows, in nats", window.log_loss);
    let help = "Mean of (y_pred - y_true)^2 of the last rows";
    text.gauge("window_brier", help, window.brier);
    text.gauge("window_roc_auc", "Area under the ROC curve of the last rows", window.roc_auc);
}

/// At most 50 classes, which never change.
fn classes(text: &mut Text, all: &ClassesNumbers, window: &ClassesNumbers) {
    text.gauge("window_accuracy", "Share of the last rows whose class is right", window.accuracy);
    let help = "Mean precision of the classes of the last rows";
    text.gauge("window_macro_precision", help, window.macro_precision);
    text.gauge("window_macro_recall", "Mean recall of the classes of the last rows", window.macro_recall);
    text.gauge("window_macro_f1", "Mean F1 of the classes of the last rows", window.macro_f1);
    let help = "Mean F1 of the classes of the last rows, each weighing as many rows as it has";
    text.gauge("window_weighted_f1", help, window.weighted_f1);
    let mut family = |name, kind, help, of: &[ClassNumbers], value: fn(&ClassNumbers) -> f64| {
        let exposed = of.iter().filter(|class| class.is_exposed);
        let samples: Vec<_> = exposed.map(|class| (Some(("class", &*class.name)), value(class))).collect();
        if !samples.is_empty() {
            text.family(name, kind, help, samples);
        }
    };
    let help = "Rows whose y_true is the class";
    family("class_rows_total", Kind::Counter, help, &all.classes, |class| class.support as f64);
    let help = "Precision of the class over the last rows";
    family("window_class_precision", Kind::Gauge, help, &window.classes, |class| class.precision);
    let help = "Recall of the class over the last rows";
    family("window_class_recall", Kind::Gauge, help, &window.classes, |class| class.recall);
    let help = "F1 of the class over the last rows";
    family("window_class_f1", Kind::Gauge, help, &window.classes, |class| class.f1);
}

fn delays(text: &mut Text, summary: &Summary) {
    let Summary { delay, delay_cumulative, .. } = summary;
    let help = "Time from a prediction to its truth, where the truth came later";
    text.histogram("label_delay_seconds", help, delay_cumulative, delay.n, delay.sum_s);
    text.counter("truths_first_total", "Truths that came before their prediction", delay.truths_first);
}

/// At most 50 groups, which change seldom. Rows without a group have an empty label, which Prometheus takes for none.
fn groups(text: &mut Text, summary: &Summary) {
    let exposed: Vec<&GroupNumbers> = summary.groups.all.iter().filter(|group| group.is_exposed).collect();
    let mut family = |name, kind, help, value: fn(&GroupNumbers) -> Option<f64>| {
        let samples = exposed.iter().filter_map(|group| {
            let value = value(group).filter(|value| value.is_finite())?;
            Some((Some(("group", group.group.as_deref().unwrap_or(""))), value))
        });
        let samples: Vec<_> = samples.collect();
        if !samples.is_empty() {
            text.family(name, kind, help, samples);
        }
    };
    family("group_rows_total", Kind::Counter, "Rows of the group", |group| Some(group.n as f64));
    let help = "Mean absolute error of all rows of the group, in the unit of y_true";
    family("group_mae", Kind::Gauge, help, |group| Some(group.mae));
    let help = "Standard error of group_mae, in the unit of y_true";
    family("group_mae_standard_error", Kind::Gauge, help, |group| group.mae_standard_error);
    let help = "Mean of y_pred - y_true of all rows of the group, in the unit of y_true";
    family("group_mean_error", Kind::Gauge, help, |group| group.mean_error);
    let help = "How far group_mae is above the MAE of all other rows, in standard errors";
    family("group_z", Kind::Gauge, help, |group| group.z);
}

/// What `metric` says of its log directory.
fn of_metric(text: &mut Text, metric: &Metric) {
    let Metric { status, coverage, .. } = metric;
    let kinds = |halves: Halves| {
        [("y_true", halves.y_true), ("y_pred", halves.y_pred)]
            .map(|(kind, n)| (Some(("kind", kind)), n as f64))
    };
    text.counter("rows_total", "Rows that metric has written", status.rows);
    text.gauge("coverage_ratio", "Share of all predictions that have their truth", *coverage);
    text.family("waiting", Kind::Gauge, "Halves that wait for the other one", kinds(status.waiting));
    let help = "Halves that were given up because the other one did not come";
    text.family("unmatched_total", Kind::Counter, help, kinds(status.unmatched));
    text.counter("duplicates_total", "Halves that came again with the same value", status.duplicates);
    text.counter("conflicts_total", "Halves that came again with another value", status.conflicts);
    let help = "Messages, or samples of a batch, that could not be used";
    text.counter("rejected_total", help, status.rejected);
}

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn gauge(&mut self, name: &str, help: &str, value: Option<f64>) {
        // An overflow has no value either.
        if let Some(value) = value.filter(|value| value.is_finite()) {
            self.family(name, Kind::Gauge, help, [(None, value)]);
        }
    }

    fn counter(&mut self, name: &str, help: &str, n: u64) {
        self.family(name, Kind::Counter, help, [(None, n as f64)]);
    }

    fn family<'a>(
        &mut self,
        name: &str,
        kind: Kind,
        help: &str,
        samples: impl IntoIterator<Item = (Option<Label<'a>>, f64)>,
    ) {
        self.head(name, kind, help);
        for (label, value) in samples {
            self.sample(name, label, value);
        }
    }

    /// `cumulative`: limits in ascending order, and how many values are at most each; `n` and `sum`: of all values.
    fn histogram(&mut self, name: &str, help: &str, cumulative: &[(f64, u64)], n: u64, sum: f64) {
        self.head(name, Kind::Histogram, help);
        for (limit, at_most) in cumulative {
            self.sample(&format!("{name}_bucket"), Some(("le", &number(*limit))), *at_most as f64);
        }
        self.sample(&format!("{name}_bucket"), Some(("le", "+Inf")), n as f64);
        self.sample(&format!("{name}_sum"), None, sum);
        self.sample(&format!("{name}_count"), None, n as f64);
    }

    fn head(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        // Writing to a String cannot fail.
        let _ = write!(self.0, "# HELP model_monitor_{name} {help}\n# TYPE model_monitor_{name} {kind}\n");
    }

    fn sample(&mut self, name: &str, label: Option<Label>, value: f64) {
        let label = label.map_or(String::new(), |(key, text)| format!("{{{key}=\"{}\"}}", escaped(text)));
        let _ = writeln!(self.0, "model_monitor_{name}{label} {}", number(value));
    }
}

/// As Go and Prometheus read it.
fn number(value: f64) -> String {
    if value == f64::INFINITY { "+Inf".to_owned() } else { value.to_string() }
}

/// The value of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::statistics::Statistics;

    #[test]
    fn before_the_first_look_there_are_no_numbers() {
        let starting = Moment::starting(Summary::of(&Statistics::new(10)).into());
        let text = metrics(&starting, false);
        assert!(text.lines().all(|line| line.contains("model_monitor_build_info")), "{text}");
        assert_eq!(text.lines().count(), 3);
    }

    #[test]
    fn a_moment_that_may_no_longer_hold_is_blind() {
        let summary = Summary::of(&Statistics::new(10)).into();
        let moment = Moment { state: State::Following, ..Moment::starting(summary) };
        for (is_stalled, state) in [(false, "learning"), (true, "blind")] {
            let text = metrics(&moment, is_stalled);
            let ones: Vec<_> =
                text.lines().filter(|line| line.contains("verdict{") && line.ends_with(" 1")).collect();
            assert_eq!(ones, [format!("model_monitor_verdict{{state=\"{state}\"}} 1")]);
        }
    }

    #[test]
    fn what_the_format_reserves_is_escaped() {
        let mut text = Text::default();
        text.sample("x", Some(("label", "a\"b\\c\nd")), f64::INFINITY);
        assert_eq!(text.0, "model_monitor_x{label=\"a\\\"b\\\\c\\nd\"} +Inf\n");
    }
}
