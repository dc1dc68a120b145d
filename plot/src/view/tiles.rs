//! The page's tiles: a name, and values, each with what it is of. One group is about errors, one about messages.
//! Never computes a number.

use crate::{
    logs::{status::Status, task::Task},
    stats::{numbers::Numbers, summary::Summary},
    view::{
        error_numbers::{Change, ErrorNumber, error_numbers},
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
fn tile<const N: usize>(name: &str, values: [(String, &str); N]) -> String {
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

/// Numbers of a range of time, each with its change against the range `before`. `words`: of that range, `the day before`; `is_as_long`:
/// whether its rows may be compared too.
pub fn compared(task: Task, range: &Numbers, before: &Numbers, words: &str, is_as_long: bool) -> String {
    let against = |number: &ErrorNumber, value: Option<f64>| {
        let (value, earlier) = match (value, (number.of)(before)) {
            (_, None) if before.n == 0 => return ("–".to_owned(), "no rows before".to_owned()),
            (Some(value), Some(earlier)) => (value, earlier),
            (_, earlier) => return ("–".to_owned(), format!("against {}, {words}", short(earlier))),
        };
        (change(value, earlier, number.change), format!("against {}, {words}", short(Some(earlier))))
    };
    let numbers = error_numbers(task).into_iter().map(|number| {
        let value = (number.of)(range);
        let (changed, against) = against(&number, value);
        tile(&number.name, [(with_bound(value, (number.bound)(range)), ""), (changed, &against)])
    });
    let changed = match before.n {
        0 => ("–".to_owned(), "no rows before".to_owned()),
        n if is_as_long => {
            (change(range.n as f64, n as f64, Change::Percent), format!("against {}, {words}", count(n)))
        }
        n => (count(n), words.to_owned()),
    };
    tile("rows", [(count(range.n), ""), (changed.0, &changed.1)]) + &numbers.collect::<String>()
}

/// `+12.3 %`, `−0.02`, `× 150`.
fn change(value: f64, earlier: f64, change: Change) -> String {
    let share = value / earlier - 1.0;
    let signed = |text: String, is_less: bool| format!("{}{text}", if is_less { "−" } else { "+" });
    match change {
        _ if value == earlier => "±0".to_owned(),
        Change::Percent if share.abs() < 10.0 => signed(percent(share.abs()), share < 0.0),
        Change::Percent if share.is_finite() => format!("× {}", short(Some(value / earlier))),
        // Against zero there is no share.
        Change::Percent | Change::Difference => signed(short(Some((value - earlier).abs())), value < earlier),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_has_its_sign() {
        use Change::{Difference, Percent};
        let cases = [
            (52.1, 46.5, Percent, "+12.0 %"),
            (46.5, 52.1, Percent, "−10.7 %"),
            (1.0, 1.0, Percent, "±0"),
            (1e9, 2.0, Percent, "× 5e8"),
            (3.0, 0.0, Percent, "+3"),
            (0.0, 3.0, Percent, "−100.0 %"),
            (0.5, -0.25, Difference, "+0.75"),
            (-3.0, 1.0, Difference, "−4"),
        ];
        for (value, earlier, kind, text) in cases {
            assert_eq!(change(value, earlier, kind), text, "{value} {earlier}");
        }
    }
}
