//! The page's tiles: a name, and values, each with what it is of. One group is about errors, one about messages.
//! Never computes a number.

use crate::{
    logs::{status::Status, task::Task},
    stats::summary::Summary,
    view::{
        error_numbers::error_numbers,
        html::{escape, time},
        moment::{Metric, Moment},
    },
    words::{
        clock,
        number::{count, percent, rows, short},
    },
};

/// The window of `metric`'s counts.
const SINCE: &str = "since the log directory began";

/// The first value is the large one.
pub fn tile<const N: usize>(name: &str, values: [(String, &str); N]) -> String {
    let value = |(value, of): &(String, &str)| match *of {
        "" => format!("<dd>{value}</dd>"),
        of => format!("<dd>{value} <span>{of}</span></dd>"),
    };
    let values: String = values.iter().map(value).collect();
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
    let numbers = error_numbers(summary.task).into_iter().map(|number| {
        let of_all = with_bound((number.of)(all), (number.bound)(all));
        let of_window = with_bound((number.of)(window), (number.bound_of_window)(window));
        tile(&number.name, [(of_all, "all rows"), (of_window, &last)])
    });
    tile("rows", [(count(all.n), "all rows")]) + &numbers.collect::<String>()
}

/// A number, and what stands behind its ±.
pub fn with_bound(value: Option<f64>, bound: Option<f64>) -> String {
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
        let oldest = oldest_s.map_or(String::new(), |at_s| format!("; the oldest since {}", time(at_s)));
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
        let (at, reason) = (time(*at_s), escape(reason));
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
