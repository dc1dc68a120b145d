//! The page's tiles: a name, and values, each with what it is of. One group is about errors, one about messages.
//! Never computes a number.

use crate::{
    logs::{status::Status, task::Task},
    stats::{binary::BinaryNumbers, class_numbers::ClassesNumbers, numbers::Numbers, summary::Summary},
    view::{
        html::escape,
        moment::{Metric, Moment},
    },
    words::{
        clock,
        number::{count, percent, rows, short},
        terms::terms,
    },
};

/// The window of `metric`'s counts.
const SINCE: &str = "since the log directory began";

/// The first value is the large one.
fn tile<const N: usize>(name: &str, values: [(String, &str); N]) -> String {
    let values: String =
        values.iter().map(|(value, of)| format!("<dd>{value} <span>{of}</span></dd>")).collect();
    format!("<div class=tile><dt>{name}</dt>{values}</div>")
}

/// Of the list of [`errors`], for its number of columns.
pub fn class(task: Task) -> &'static str {
    if task == Task::Regression { "" } else { "four" }
}

/// Numbers of all rows, and of the last ones.
pub fn errors(summary: &Summary) -> String {
    let (all, window) = (&summary.all, &summary.window);
    let last = last(summary);
    let pair = |name: &str, all, window| tile(name, [(all, "all rows"), (window, &last)]);
    let number =
        |name: &str, of: &dyn Fn(&Numbers) -> Option<f64>| pair(name, short(of(all)), short(of(window)));
    let mae = || {
        let mae = |numbers: &Numbers| with_bound(numbers.mae, numbers.mae_standard_error);
        let name = format!("{} ± standard error", terms(summary.task).mae);
        pair(&name, mae(all), mae(window))
    };
    let first = tile("rows", [(count(all.n), "all rows")])
        + &number("rows per minute", &|numbers| numbers.rows_per_minute);
    let others = match summary.task {
        Task::Regression => [
            mae(),
            number("RMSE", &|numbers| numbers.rmse),
            number("mean error (bias)", &|numbers| numbers.bias),
            number("R²", &|numbers| numbers.r2),
            number("p50 of |error|", &|numbers| numbers.p50),
            number("p95 of |error|", &|numbers| numbers.p95),
            number("p99 of |error|", &|numbers| numbers.p99),
            number("max of |error|", &|numbers| numbers.max),
        ]
        .concat(),
        Task::Binary => {
            let score = |name: &str, of: fn(&BinaryNumbers) -> Option<f64>| {
                number(name, &|numbers| numbers.of_task.binary().and_then(of))
            };
            let auc = |numbers: &Numbers| {
                numbers.of_task.binary().map_or((None, None), |binary| (binary.roc_auc, binary.roc_auc_error))
            };
            let ((auc, bound), (auc_of_window, _)) = (auc(all), auc(window));
            [
                score("accuracy", |binary| binary.accuracy),
                score("precision", |binary| binary.precision),
                score("recall", |binary| binary.recall),
                score("F1", |binary| binary.f1),
                score("specificity", |binary| binary.specificity),
                // Over the window it is exact.
                pair("ROC AUC ± bound", with_bound(auc, bound), short(auc_of_window)),
                score("log loss (nats)", |binary| binary.log_loss),
                score("Brier score", |binary| binary.brier),
                mae(),
                number("mean p − y (bias)", &|numbers| numbers.bias),
            ]
            .concat()
        }
        Task::Classes => {
            let score = |name: &str, of: fn(&ClassesNumbers) -> Option<f64>| {
                number(name, &|numbers| numbers.of_task.classes().and_then(of))
            };
            [
                mae(),
                score("accuracy", |classes| classes.accuracy),
                score("macro precision", |classes| classes.macro_precision),
                score("macro recall", |classes| classes.macro_recall),
                score("macro F1", |classes| classes.macro_f1),
                score("weighted F1", |classes| classes.weighted_f1),
            ]
            .concat()
        }
    };
    first + &others
}

fn with_bound(value: Option<f64>, bound: Option<f64>) -> String {
    match bound {
        Some(_) => format!("{} <small>± {}</small>", short(value), short(bound)),
        None => short(value),
    }
}

/// Label delays, and what `metric` counts.
pub fn messages(moment: &Moment) -> String {
    let summary: &Summary = &moment.summary;
    let last = last(summary);
    let delay = |name, all, window| tile(name, [(duration(all), "all rows"), (duration(window), &last)]);
    let (all, window) = (&summary.delay, &summary.window_delay);
    let delays = delay("p50 of label delay", all.p50_s, window.p50_s)
        + &delay("p95 of label delay", all.p95_s, window.p95_s);
    delays + &moment.metric.as_ref().map_or(String::new(), counts)
}

/// One line where `metric` says nothing.
pub fn no_counts(moment: &Moment) -> &'static str {
    match moment.metric {
        Some(_) => "",
        None => {
            "No metric_status.json beside the log: nothing is known of coverage, waiting, duplicate and conflicting halves, and rejected messages."
        }
    }
}

fn counts(metric: &Metric) -> String {
    let Status { waiting, oldest_waiting_s, duplicates, conflicts, .. } = &metric.status;
    let coverage = metric.coverage.map_or("–".to_owned(), percent);
    let waits = |name, n, oldest_s: Option<f64>| {
        let oldest = oldest_s.map_or(String::new(), |at_s| format!("; the oldest since {}", stamp(at_s)));
        tile(name, [(count(n), &format!("when metric last wrote{oldest}"))])
    };
    let tiles = [
        tile("coverage", [(coverage, &format!("of all predictions have their truth, {SINCE}"))]),
        waits("predictions that wait", waiting.y_pred, oldest_waiting_s.y_pred),
        waits("truths that wait", waiting.y_true, oldest_waiting_s.y_true),
        tile("duplicate halves", [(count(*duplicates), SINCE)]),
        tile("conflicting halves", [(count(*conflicts), SINCE)]),
        rejected(metric),
    ];
    tiles.concat()
}

fn rejected(metric: &Metric) -> String {
    let Status { rejected, last_rejection, .. } = &metric.status;
    let share = metric.rejected_share.map_or("–".to_owned(), percent);
    let values = [(count(*rejected), SINCE), (share, "of all messages of the last 10 min")];
    let last = last_rejection.as_ref().map_or(String::new(), |(at_s, reason)| {
        let (at, reason) = (stamp(*at_s), escape(reason));
        format!("<div class=\"tile wide\"><dt>last rejected message</dt><dd>{at}: {reason}</dd></div>")
    });
    tile("rejected messages", values) + &last
}

fn last(summary: &Summary) -> String {
    format!("last {}", rows(summary.window.n))
}

fn duration(seconds: Option<f64>) -> String {
    seconds.map_or("–".to_owned(), clock::duration)
}

fn stamp(time_s: f64) -> String {
    format!("{} UTC", clock::stamp_s(time_s))
}
