//! `/stats.json`: every number of the page for a program. Its keys are documented in plot/STATS.md.
//! Never rounds a number. A missing number, or one that overflowed, is null.

use crate::{
    alert::message::Alert,
    logs::{follow::State, row::Fault, status::Halves, task::Task},
    stats::{
        binary::{BinaryNumbers, CalibrationBin},
        class_numbers::{ClassNumbers, ClassesNumbers},
        delay::DelayNumbers,
        drift::Change,
        groups::GroupNumbers,
        histogram::Counts,
        numbers::Numbers,
        past::{Point, Range, Stretch},
        slices::Slices,
        summary::{Histogram, Over, Summary},
        task::TaskNumbers,
    },
    view::{
        moment::{Metric, Moment},
        range::RangeView,
    },
};
use serde_json::{Map, Value, json};

pub fn stats(moment: &Moment) -> Value {
    let summary: &Summary = &moment.summary;
    let Summary { all, window, window_rows, absolute, signed, over, rolling, density, .. } = summary;
    let Summary { baseline_mae, changes, faults, delay, window_delay, delays, groups, .. } = summary;
    let verdict = &moment.verdict;
    let faults: Map<_, _> =
        faults.iter().map(|(fault, n)| (Fault::name(*fault).to_owned(), json!(n))).collect();
    let (state, reason) = match &moment.state {
        State::Starting => ("starting", None),
        State::Following => ("following", None),
        State::Waiting(name) => ("waiting", Some(format!("{name} is not there"))),
        State::Trouble(reason) => ("trouble", Some(reason.clone())),
    };
    json!({
        "verdict": {
            "state": verdict.state.name(),
            "since": verdict.since_s,
            "mae_before": verdict.mae_before,
            "mae_after": verdict.mae_after,
            "text": verdict.text,
        },
        "alerts": moment.alerts.iter().map(Alert::json).collect::<Vec<_>>(),
        "state": state,
        "reason": reason,
        "picture_trouble": moment.picture_trouble,
        "last_rows_at": moment.last_rows_s,
        "gone_logs": moment.gone_logs,
        "task": summary.task.name(),
        "threshold": (summary.task == Task::Binary).then_some(summary.threshold),
        "window_rows": window_rows,
        "quantile_relative_error": crate::stats::buckets::RELATIVE_ERROR,
        "all": numbers(all),
        "window": numbers(window),
        "absolute_error_histogram": absolute.as_ref().map(histogram),
        "error_histogram": signed.as_ref().map(histogram),
        "error_over_time": match over { Over::Time(slices) => Some(self::slices(slices, 1000.0)), Over::Rows(_) => None },
        "error_over_rows": match over { Over::Rows(slices) => Some(self::slices(slices, 1.0)), Over::Time(_) => None },
        "rolling_mae": rolling.iter().map(|(n, mae)| json!([n, mae])).collect::<Vec<_>>(),
        "density": density.as_ref().map(|density| json!({
            "edges": (0..=density.cells).map(|cell| density.edge(cell)).collect::<Vec<_>>(),
            "cells": density.counts,
            "sampled_rows": density.sampled,
            "outside": density.outside,
        })),
        "label_delay": {
            "all": delay_numbers(delay),
            "window": delay_numbers(window_delay),
            "histogram": delays.as_ref().map(histogram),
        },
        "groups": groups.large().map(group).collect::<Vec<_>>(),
        "groups_pooled": { "groups": groups.pooled_groups, "rows": groups.pooled_rows },
        "groups_dropped": groups.dropped_rows,
        "metric": moment.metric.as_ref().map(metric),
        "drift": { "baseline_mae": baseline_mae, "changes": changes.iter().map(change).collect::<Vec<_>>() },
        "not_rows": faults,
    })
}

/// The same with the numbers of a range, and of the one before it.
pub fn range_stats(view: &RangeView, moment: &Moment) -> Value {
    let Range { range, before, points, .. } = &view.range;
    let points: Vec<Value> = points.iter().map(point).collect();
    let range = with(stretch(range), json!({ "points": points }));
    with(stats(moment), json!({ "range": range, "before": stretch(before) }))
}

fn stretch(Stretch { span, numbers: of_rows, quantile_relative_error }: &Stretch) -> Value {
    let bounds =
        json!({ "from": span.from_s, "to": span.to_s, "quantile_relative_error": quantile_relative_error });
    with(numbers(of_rows), bounds)
}

/// An object with the keys of another one.
fn with(mut value: Value, more: Value) -> Value {
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    value
}

fn point(point: &Point) -> Value {
    let Point { span, n, mae, bias } = point;
    json!({ "from": span.from_s, "to": span.to_s, "n": n, "mae": mae, "mean_error": bias })
}

fn numbers(numbers: &Numbers) -> Value {
    let value = json!({
        "n": numbers.n,
        "rows_per_minute": numbers.rows_per_minute,
        "mae": numbers.mae,
        "mae_standard_error": numbers.mae_standard_error,
        "rmse": numbers.rmse,
        "mean_error": numbers.bias,
        "r2": numbers.r2,
        "absolute_error_p50": numbers.p50,
        "absolute_error_p95": numbers.p95,
        "absolute_error_p99": numbers.p99,
        "absolute_error_max": numbers.max,
    });
    let of_task = match &numbers.of_task {
        TaskNumbers::Regression => Value::Null,
        TaskNumbers::Binary(numbers) => binary(numbers),
        TaskNumbers::Classes(numbers) => classes(numbers),
    };
    with(value, of_task)
}

fn binary(numbers: &BinaryNumbers) -> Value {
    let bin =
        |bin: &CalibrationBin| json!({ "n": bin.n, "mean_probability": bin.mean_p, "share": bin.share });
    json!({
        "accuracy": numbers.accuracy,
        "precision": numbers.precision,
        "recall": numbers.recall,
        "f1": numbers.f1,
        "specificity": numbers.specificity,
        "log_loss": numbers.log_loss,
        "brier": numbers.brier,
        "roc_auc": numbers.roc_auc,
        "roc_auc_error": numbers.roc_auc_error,
        "confusion": {
            "true_positives": numbers.confusion.true_positives,
            "false_positives": numbers.confusion.false_positives,
            "true_negatives": numbers.confusion.true_negatives,
            "false_negatives": numbers.confusion.false_negatives,
        },
        "calibration": numbers.calibration.iter().map(bin).collect::<Vec<_>>(),
    })
}

fn classes(numbers: &ClassesNumbers) -> Value {
    let class = |class: &ClassNumbers| {
        json!({
            "name": &*class.name,
            "precision": class.precision,
            "recall": class.recall,
            "f1": class.f1,
            "support": class.support,
            "predicted": class.predicted,
        })
    };
    let names: Vec<&str> = numbers.confusion.names.iter().map(|name| &**name).collect();
    json!({
        "accuracy": numbers.accuracy,
        "macro_precision": numbers.macro_precision,
        "macro_recall": numbers.macro_recall,
        "macro_f1": numbers.macro_f1,
        "weighted_f1": numbers.weighted_f1,
        "classes": numbers.classes.iter().map(class).collect::<Vec<_>>(),
        "classes_pooled": numbers.pooled_rows,
        "confusion_matrix": { "names": names, "counts": numbers.confusion.counts },
    })
}

fn histogram(histogram: &Histogram) -> Value {
    let counts =
        |counts: &Counts| json!({ "bins": counts.bins, "below": counts.left, "above": counts.right });
    json!({ "edges": histogram.bins.edges(), "all": counts(&histogram.all), "window": counts(&histogram.window) })
}

/// `unit`: the output's unit, in units of the slices.
fn slices(slices: &Slices, unit: f64) -> Value {
    let rows = slices.filled().map(|(start, slice)| {
        json!({ "start": start as f64 / unit, "n": slice.n, "mean": slice.mean, "standard_deviation": slice.deviation() })
    });
    json!({ "width": slices.width as f64 / unit, "slices": rows.collect::<Vec<_>>() })
}

fn delay_numbers(delay: &DelayNumbers) -> Value {
    json!({ "n": delay.n, "truths_first": delay.truths_first, "p50": delay.p50_s, "p95": delay.p95_s })
}

fn group(numbers: &GroupNumbers) -> Value {
    json!({
        "group": numbers.group.as_deref(),
        "n": numbers.n,
        "mae": numbers.mae,
        "mae_standard_error": numbers.mae_standard_error,
        "mean_error": numbers.mean_error,
        "z": numbers.z,
    })
}

fn metric(metric: &Metric) -> Value {
    let Metric { status, coverage, rejected_share } = metric;
    let halves = |halves: &Halves| json!({ "y_true": halves.y_true, "y_pred": halves.y_pred });
    json!({
        "state": status.state,
        "reason": status.reason,
        "rows": status.rows,
        "coverage": coverage,
        "duplicates": status.duplicates,
        "conflicts": status.conflicts,
        "rejected": status.rejected,
        "rejected_share": rejected_share,
        "unmatched": halves(&status.unmatched),
        "waiting": halves(&status.waiting),
        "oldest_waiting_at": {
            "y_true": status.oldest_waiting_s.y_true,
            "y_pred": status.oldest_waiting_s.y_pred,
        },
        "last_rejection": status.last_rejection.as_ref().map(|(at_s, reason)| json!({ "at": at_s, "reason": reason })),
    })
}

fn change(change: &Change) -> Value {
    json!({
        "row": change.row,
        "at": change.time_s,
        "found_row": change.found_row,
        "direction": change.direction.name(),
        "mae_before": change.mae_before,
        "mae_after": change.mae_after,
        "over_row": change.over_row,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::message::Phase;
    use crate::logs::lines::{Event, Lines};
    use crate::logs::row::Row;
    use crate::logs::status::Status;
    use crate::stats::statistics::Statistics;
    use crate::view::asked::Asked;
    use std::collections::BTreeSet;

    fn keys(value: &Value, all: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| {
                all.insert(key.clone());
                keys(value, all);
            }),
            Value::Array(values) => values.iter().for_each(|value| keys(value, all)),
            _ => {}
        }
    }

    #[test]
    fn every_key_is_documented() {
        let documented = include_str!("../../STATS.md");
        let mut all = BTreeSet::new();
        for time_s in [None, Some(1_732_341_600.0)] {
            let mut statistics = Statistics::new(10);
            // The error changes, as only then all keys of drift are there.
            let error = |n| if n < 1500 { 1.0 } else { 5.0 };
            let row = |n| Row::new(f64::from(n % 7), f64::from(n % 7) + error(n), time_s);
            let rows = (0..2000).map(|n| row(n).with_label_delay(Some(f64::from(n)))).collect();
            let mut lines = Lines { rows, ..Lines::default() };
            lines.groups.add(0, b"v2");
            statistics.apply(&Event::Lines(lines));
            let mut moment = Moment::starting(Summary::of(&statistics).into());
            moment.metric = Some(Metric { status: Status::default(), coverage: None, rejected_share: None });
            let (id, rule, text) = (String::new(), String::new(), String::new());
            let (phase, value, limit, since_s) = (Phase::Firing, None, None, 0.0);
            moment.alerts = vec![Alert { id, rule, phase, value, limit, since_s, text }];
            let between = Asked::Between { from_s: Some(1_732_300_000), to_s: Some(1_732_400_000) };
            let view = RangeView::of(&mut statistics.past.lock().unwrap(), between, 1_732_400_000);
            keys(&range_stats(&view.unwrap(), &moment), &mut all);
        }
        for task in [Task::Binary, Task::Classes] {
            let mut statistics = Statistics::new(10).with_task(task, 0.5);
            let mut lines = Lines { rows: vec![Row::new(1.0, 0.5, None)], ..Lines::default() };
            assert!(lines.classes.add([b"a", b"b"]));
            statistics.apply(&Event::Lines(lines));
            keys(&stats(&Moment::starting(Summary::of(&statistics).into())), &mut all);
        }
        assert!(
            all.len() > 40 && ["mae_after", "z", "before", "points"].iter().all(|key| all.contains(*key)),
            "{all:?}"
        );
        assert!(all.contains("brier") && all.contains("weighted_f1"), "{all:?}");
        let missing: Vec<_> = all.iter().filter(|key| !documented.contains(&format!("`{key}`"))).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
