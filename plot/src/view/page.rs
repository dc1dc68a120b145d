//! The live page: one HTML document, and its parts that change, as HTML by the id of their element.
//! Never computes a number.

use crate::logs::follow::State;
use crate::stats::summary::{Histogram, Numbers, Over, Summary};
use crate::view::bars::Mark;
use crate::view::moment::{Moment, STALLED};
use crate::view::{chart, course};
use crate::words::clock;
use crate::words::number::{self, count, cut, percent, rows, short};
use serde_json::Value;

/// Path where the page fetches the parts that change.
pub const PARTS: &str = "/parts.json";

/// The page warns if more than one in this many lines is not a row.
const NOTABLE: u64 = 100;

const DOCUMENT: &str = include_str!("page.html");

/// The whole page as of now, readable without scripts.
pub fn document(moment: &Moment, logs: &str, is_stalled: bool) -> String {
    let mut text = DOCUMENT.to_owned();
    for (id, html) in parts(moment, logs, is_stalled) {
        text = text.replace(&format!("<!--{id}-->"), &html);
    }
    text
}

pub fn parts_json(moment: &Moment, logs: &str, is_stalled: bool) -> String {
    Value::from_iter(parts(moment, logs, is_stalled)).to_string()
}

fn parts(moment: &Moment, logs: &str, is_stalled: bool) -> Vec<(&'static str, String)> {
    let summary: &Summary = &moment.summary;
    let empty = match summary.all.n {
        0 => "<p class=none>No rows yet.</p>",
        _ => "<p class=none>Not drawn: no axis of round numbers holds these values.</p>",
    };
    let chart = |svg: Option<String>| svg.filter(|svg| !svg.is_empty()).unwrap_or_else(|| empty.to_owned());
    let numbers = &summary.all;
    let absolute = summary.absolute.as_ref();
    let signed = summary.signed.as_ref();
    let mark = |name, value| Mark { name, value };
    let marks = [mark("median", numbers.p50), mark("p95", numbers.p95)];
    let mean = [mark("mean", numbers.bias)];
    vec![
        ("state", state(moment, logs, is_stalled)),
        ("warning", warning(moment)),
        ("news", news(moment)),
        ("tiles", tiles(summary)),
        ("absolute", chart(absolute.map(|h| chart::histogram(h, "absolute error", &marks)))),
        ("absolute-cut", absolute.map_or(String::new(), cut_text)),
        ("absolute-numbers", absolute.map_or(String::new(), histogram_table)),
        ("signed", chart(signed.map(|h| chart::histogram(h, "error = y_pred − y_true", &mean)))),
        ("signed-cut", signed.map_or(String::new(), cut_text)),
        ("signed-numbers", signed.map_or(String::new(), histogram_table)),
        ("over", chart(Some(course::over(&summary.over)))),
        ("over-numbers", over_table(&summary.over)),
        ("rolling", chart(Some(chart::rolling(&summary.rolling, summary.window_rows)))),
        ("rolling-numbers", rolling_table(&summary.rolling)),
        ("density", chart(summary.density.as_ref().map(chart::density))),
        ("density-numbers", density_table(summary)),
        ("faults", if not_rows(summary) > 0 { faults(summary) } else { "none".to_owned() }),
    ]
}

/// First line of the page: whether it follows the logs, waits, or cannot read.
fn state(moment: &Moment, logs: &str, is_stalled: bool) -> String {
    let (n, not_rows) = (moment.summary.all.n, not_rows(&moment.summary));
    // Not the seconds so far: screen readers read out every change.
    let stalled_s = STALLED.as_secs();
    let (class, text) = match &moment.state {
        _ if is_stalled => (
            "bad",
            format!("{logs} was not looked at for more than {stalled_s} s. The page shows old numbers."),
        ),
        State::Starting => ("wait", format!("Reading {logs} for the first time.")),
        State::Trouble(reason) if n == 0 => {
            ("bad", format!("No rows yet. Some logs cannot be read: {reason}."))
        }
        State::Trouble(reason) => {
            ("bad", format!("Some logs cannot be read: {reason}. The page shows the rest."))
        }
        State::Waiting(name) if n == 0 => {
            ("wait", format!("No rows yet: waiting for {name}, which does not exist."))
        }
        State::Waiting(name) => {
            ("wait", format!("{name} does not exist now. The page shows what was read before."))
        }
        State::Following if n > 0 => ("good", format!("Following {logs}.")),
        State::Following if not_rows > 0 => {
            let (lines, kinds) = (count(not_rows), faults(&moment.summary));
            ("bad", format!("No rows yet: {logs} has {lines} lines, and none is a row: {kinds}."))
        }
        State::Following => ("wait", format!("No rows yet in {logs}.")),
    };
    format!("<p class={class}>{}</p>", escape(&text))
}

/// What is wrong although the logs are followed.
fn warning(moment: &Moment) -> String {
    let (n, not_rows) = (moment.summary.all.n, not_rows(&moment.summary));
    let mut warnings = Vec::new();
    if n > 0 && not_rows * NOTABLE > n + not_rows {
        let share = percent(not_rows as f64 / (n + not_rows) as f64);
        warnings.push(format!("{share} of the lines are not rows: {}.", faults(&moment.summary)));
    }
    if let Some(reason) = &moment.picture_trouble {
        warnings.push(format!("The picture cannot be written: {}. The last picture stays.", escape(reason)));
    }
    if warnings.is_empty() { String::new() } else { format!("<span class=bad>{}</span>", warnings.join(" ")) }
}

/// Rows so far. Not part of the state: screen readers read that out at every change.
fn news(moment: &Moment) -> String {
    match (moment.summary.all.n, moment.last_rows_s) {
        (n @ 1.., Some(last_s)) => {
            let at = clock::stamp((last_s * 1000.0) as i64);
            format!("{}, the last ones read at {at} UTC.", rows(n))
        }
        _ => String::new(),
    }
}

fn tiles(summary: &Summary) -> String {
    let (all, window) = (&summary.all, &summary.window);
    let with_error = |numbers: &Numbers| match numbers.mae_standard_error {
        Some(_) => format!("{} <small>± {}</small>", short(numbers.mae), short(numbers.mae_standard_error)),
        None => short(numbers.mae),
    };
    let tiles = [
        ("rows", count(all.n), String::new()),
        ("rows per minute", short(all.rows_per_minute), short(window.rows_per_minute)),
        ("MAE ± standard error", with_error(all), with_error(window)),
        ("RMSE", short(all.rmse), short(window.rmse)),
        ("mean error (bias)", short(all.bias), short(window.bias)),
        ("R²", short(all.r2), short(window.r2)),
        ("p50 of |error|", short(all.p50), short(window.p50)),
        ("p95 of |error|", short(all.p95), short(window.p95)),
        ("p99 of |error|", short(all.p99), short(window.p99)),
        ("max of |error|", short(all.max), short(window.max)),
    ];
    let n = count(window.n);
    let tile = |(name, all, window)| {
        format!(
            "<div class=tile><dt>{name}</dt><dd>{all}</dd><dd class=last><span>last {n}</span> {window}</dd></div>"
        )
    };
    tiles.map(tile).concat()
}

fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let head = head.join("</th><th>");
    let row = |cells: [String; N]| format!("<tr><td>{}</td></tr>", cells.join("</td><td>"));
    let rows: String = rows.into_iter().map(row).collect();
    format!("<table><thead><tr><th>{head}</th></tr></thead><tbody>{rows}</tbody></table>")
}

fn histogram_table(histogram: &Histogram) -> String {
    let rows = histogram
        .shares()
        .into_iter()
        .map(|bar| [short(bar.from), short(bar.to), count(bar.n), percent(bar.all), percent(bar.window)]);
    table(["from", "below", "rows", "share", "of the window"], rows)
}

fn over_table(over: &Over) -> String {
    let (Over::Time(slices) | Over::Rows(slices)) = over;
    let is_time = matches!(over, Over::Time(_));
    let rows = slices.filled().map(|(start, slice)| {
        let start = if is_time { clock::stamp(start) } else { count(start.max(1) as u64) };
        [start, count(slice.n), short(Some(slice.mean)), short(Some(slice.deviation()))]
    });
    table(["from", "rows", "mean error", "standard deviation"], rows)
}

/// Every eighth point; `/stats.json` has them all.
fn rolling_table(points: &[(u64, f64)]) -> String {
    let rows = points.iter().rev().step_by(8).map(|(n, mae)| [count(*n), short(Some(*mae))]);
    table(["row", "MAE up to it"], rows)
}

fn density_table(summary: &Summary) -> String {
    let Some(density) = &summary.density else { return String::new() };
    let rows = (0..density.cells).filter_map(|column| {
        let cells: Vec<_> = density.counts.iter().filter(|(x, _, _)| *x == column).collect();
        let n: u64 = cells.iter().map(|(_, _, n)| n).sum();
        let sum: f64 =
            cells.iter().map(|(_, y, n)| (density.edge(*y) + density.edge(y + 1)) / 2.0 * *n as f64).sum();
        let row = || [short(Some(density.edge(column))), count(n), short(Some(sum / n as f64))];
        (n > 0).then(row)
    });
    table(["y_true from", "rows of the sample", "mean y_pred, about"], rows)
}

/// Says what a grey bar holds.
fn cut_text(histogram: &Histogram) -> String {
    let all = &histogram.all;
    let place = cut(all.left, all.right, all.total());
    place.map_or(String::new(), |place| format!("Grey: beyond the {place}."))
}

fn not_rows(summary: &Summary) -> u64 {
    summary.faults.iter().map(|(_, n)| n).sum()
}

fn faults(summary: &Summary) -> String {
    number::faults(&summary.faults).replace('_', " ")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::lines::{Event, Lines};
    use crate::logs::row::{Faults, Row};
    use crate::stats::statistics::Statistics;
    use crate::view::{json, picture};

    #[test]
    fn the_document_is_small_and_needs_nothing_from_outside() {
        assert!(DOCUMENT.len() < 60_000);
        let outside = ["http:", "https:", "//cdn", "src=", "@import", "url("];
        for word in outside {
            assert!(!DOCUMENT.contains(word), "{word}");
        }
    }

    #[test]
    fn a_loop_that_hangs_is_said_first() {
        let moment = Moment::starting(Summary::of(&Statistics::new(10)).into());
        assert!(!state(&moment, "log.csv", false).contains("looked at"));
        assert!(state(&moment, "log.csv", true).contains("not looked at for more than 30 s"));
    }

    /// Whether every point of a line is inside its drawing, up to the width of a line.
    fn is_drawn(page: &str) -> bool {
        let places = page.split("points=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let numbers = places.flat_map(|points| points.split([' ', ',']));
        numbers
            .into_iter()
            .all(|number| number.parse::<f64>().is_ok_and(|place| (-1.0..=521.0).contains(&place)))
    }

    #[test]
    fn every_finite_value_has_a_place_in_the_drawings() {
        picture::register().unwrap();
        let values =
            [0.0, 1.0, 123_456_789.0, 1e-59, 1e-300, 5e-324, -5e-324, 1e61, 1e155, 1e308, -1e308, f64::MAX];
        let pairs = (0..values.len()).flat_map(|a| (0..=a).map(move |b| (values[a], values[b])));
        // One row, equal ones, and enough of several for slices to be merged.
        let cases = pairs.flat_map(|(a, b)| {
            [vec![(a, b)], vec![(b, b), (b, b), (b, a)], [(a, 0.0), (0.0, b), (0.0, a), (b, b)].repeat(75)]
        });
        for (number, case) in cases.enumerate() {
            let mut statistics = Statistics::new(10);
            let row = |(n, &(y_true, y_pred)): (usize, &(f64, f64))| {
                let time_s = (number % 2 == 0).then_some(1_732_341_600.0 + n as f64 * 0.3);
                Row::new(y_true, y_pred, time_s)
            };
            // What overflows is no row.
            let rows = case.iter().enumerate().map(row).filter(|row| row.error().is_finite());
            let rows: Vec<Row> = rows.collect();
            let n = rows.len();
            statistics.apply(&Event::Lines(Lines { rows, faults: Faults::default() }));
            let summary = Summary::of(&statistics).into();
            let moment = Moment { state: State::Following, ..Moment::starting(summary) };
            let page = document(&moment, "log.csv", false);
            let svg = if n > 0 { picture::svg(&moment.summary, (400, 300)).unwrap() } else { String::new() };
            let shown = page.split("<script>").next().unwrap().to_owned() + &svg;
            for word in ["NaN", "inf", "Infinity"] {
                assert!(!shown.contains(word), "{word} for {case:?}: {shown}");
            }
            assert!(is_drawn(&page), "{case:?}: {page}");
            assert_eq!(page.contains("No rows yet"), n == 0, "{case:?}");
            let stats = json::stats(&moment);
            assert_eq!(stats["all"]["n"], n);
        }
    }

    #[test]
    fn text_from_outside_cannot_become_markup() {
        assert_eq!(escape("<b a=\"&\">"), "&lt;b a=&quot;&amp;&quot;&gt;");
    }
}
