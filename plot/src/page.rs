//! The live page: one HTML document, and the parts of it that change, as HTML by the id of their element.
//! Never computes a number.

use crate::chart::{self, Mark};
use crate::live::{Live, Moment, STALLED, State};
use crate::number::{count, cut, percent, rows, short};
use crate::row::Fault;
use crate::summary::{Histogram, Over, Summary};
use crate::{clock, course};
use serde_json::{Map, Value};

/// Where the page asks for what changed.
pub const PARTS: &str = "/parts.json";

/// More than one of so many lines is not a row: worth a warning.
const NOTABLE: u64 = 100;

const DOCUMENT: &str = include_str!("page.html");

/// The whole page as of now, readable without scripts.
pub fn document(moment: &Moment, live: &Live) -> String {
    let mut text = DOCUMENT.to_owned();
    for (id, html) in parts(moment, live) {
        text = text.replace(&format!("<!--{id}-->"), &html);
    }
    text
}

pub fn parts_json(moment: &Moment, live: &Live) -> String {
    let parts = parts(moment, live).into_iter().map(|(id, html)| (id.to_owned(), Value::String(html)));
    Value::Object(parts.collect::<Map<_, _>>()).to_string()
}

fn parts(moment: &Moment, live: &Live) -> Vec<(&'static str, String)> {
    let summary = &moment.summary;
    let window_rows = live.config.window;
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
        ("state", state(moment, live)),
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
        ("rolling", chart(Some(chart::rolling(&summary.rolling, window_rows)))),
        ("rolling-numbers", rolling_table(&summary.rolling)),
        ("density", chart(summary.density.as_ref().map(chart::density))),
        ("density-numbers", density_table(summary)),
        ("faults", faults(summary).unwrap_or_else(|| "none".to_owned())),
    ]
}

/// What the page says first: whether it follows, waits, or cannot read.
fn state(moment: &Moment, live: &Live) -> String {
    let logs = escape(&live.config.logs.join(", "));
    let n = moment.summary.all.n;
    if live.stalled_s().is_some() {
        // No more seconds than that: screen readers say every change.
        let stalled_s = STALLED.as_secs();
        return format!(
            "<p class=bad>{logs} was not looked at for more than {stalled_s} s. What is shown is old.</p>"
        );
    }
    match &moment.state {
        State::Starting => format!("<p class=wait>Reading {logs} for the first time.</p>"),
        State::Trouble(reason) if n == 0 => {
            format!("<p class=bad>Nothing yet, and not all there is can be read: {}.</p>", escape(reason))
        }
        State::Trouble(reason) => {
            format!(
                "<p class=bad>Not all there is can be read: {}. What is shown could be.</p>",
                escape(reason)
            )
        }
        State::Waiting(name) if n == 0 => {
            format!("<p class=wait>Nothing yet: waiting for {}, which is not there.</p>", escape(name))
        }
        State::Waiting(name) => {
            format!("<p class=wait>{} is not there. What is shown was read before.</p>", escape(name))
        }
        State::Following if n == 0 => match faults(&moment.summary) {
            Some(kinds) => {
                let lines = count(not_rows(&moment.summary));
                format!(
                    "<p class=bad>Nothing yet: {logs} has {lines} lines, none of them a row: {kinds}.</p>"
                )
            }
            None => format!("<p class=wait>Nothing yet: {logs} has no rows.</p>"),
        },
        State::Following => format!("<p class=good>Following {logs}.</p>"),
    }
}

/// What is wrong although it follows.
fn warning(moment: &Moment) -> String {
    let (n, not_rows) = (moment.summary.all.n, not_rows(&moment.summary));
    let mut warnings = Vec::new();
    if n > 0 && not_rows * NOTABLE > n + not_rows {
        let share = percent(not_rows as f64 / (n + not_rows) as f64);
        warnings.push(format!(
            "{share} of the lines are not rows: {}.",
            faults(&moment.summary).unwrap_or_default()
        ));
    }
    if let Some(reason) = &moment.picture_trouble {
        warnings.push(format!("The picture cannot be written: {}. The last one stays.", escape(reason)));
    }
    if warnings.is_empty() { String::new() } else { format!("<span class=bad>{}</span>", warnings.join(" ")) }
}

/// How far it got. Apart from the state, which screen readers say whenever it changes.
fn news(moment: &Moment) -> String {
    match (moment.summary.all.n, moment.last_rows_s) {
        (n @ 1.., Some(last_s)) => {
            let at = clock::stamp((last_s * 1000.0) as i64);
            format!("{}, the last of them read at {at} UTC.", rows(n))
        }
        _ => String::new(),
    }
}

fn tiles(summary: &Summary) -> String {
    let (all, window) = (&summary.all, &summary.window);
    let with_error = |numbers: &crate::summary::Numbers| match numbers.mae_standard_error {
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
    let tile = |(name, all, window): (&str, String, String)| {
        format!(
            "<div class=tile><dt>{name}</dt><dd>{all}</dd><dd class=last><span>last {{N}}</span> {window}</dd></div>"
        )
    };
    tiles.map(tile).concat().replace("{N}", &count(window.n))
}

fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let cells = |tag: &str, cells: &[String]| -> String {
        cells.iter().map(|cell| format!("<{tag}>{cell}</{tag}>")).collect()
    };
    let head: Vec<String> = head.iter().map(|&name| name.to_owned()).collect();
    let rows: String = rows.into_iter().map(|row| format!("<tr>{}</tr>", cells("td", &row))).collect();
    format!("<table><thead><tr>{}</tr></thead><tbody>{rows}</tbody></table>", cells("th", &head))
}

fn histogram_table(histogram: &Histogram) -> String {
    let rows = histogram
        .shares()
        .into_iter()
        .map(|bar| vec![short(bar.from), short(bar.to), count(bar.n), percent(bar.all), percent(bar.window)]);
    table(&["from", "below", "rows", "share", "of the window"], rows)
}

fn over_table(over: &Over) -> String {
    let (Over::Time(slices) | Over::Rows(slices)) = over;
    let is_time = matches!(over, Over::Time(_));
    let rows = slices.filled().map(|(start, slice)| {
        let start = if is_time { clock::stamp(start) } else { count(start.max(1) as u64) };
        vec![start, count(slice.n), short(Some(slice.mean)), short(Some(slice.deviation()))]
    });
    table(&["from", "rows", "mean error", "standard deviation"], rows)
}

/// Every eighth point: the whole line is in `/stats.json`.
fn rolling_table(points: &[(u64, f64)]) -> String {
    let rows = points.iter().rev().step_by(8).map(|(n, mae)| vec![count(*n), short(Some(*mae))]);
    table(&["row", "MAE up to it"], rows)
}

fn density_table(summary: &Summary) -> String {
    let Some(density) = &summary.density else { return String::new() };
    let rows = (0..density.cells).filter_map(|column| {
        let cells: Vec<_> = density.counts.iter().filter(|(x, _, _)| *x == column).collect();
        let n: u64 = cells.iter().map(|(_, _, n)| n).sum();
        let sum: f64 =
            cells.iter().map(|(_, y, n)| (density.edge(*y) + density.edge(y + 1)) / 2.0 * *n as f64).sum();
        let row = || vec![short(Some(density.edge(column))), count(n), short(Some(sum / n as f64))];
        (n > 0).then(row)
    });
    table(&["y_true from", "rows of the sample", "mean y_pred, about"], rows)
}

/// What a grey bar is.
fn cut_text(histogram: &Histogram) -> String {
    let all = &histogram.all;
    match cut(all.left, all.right, all.total()) {
        Some(place) => format!("Grey: beyond the {place}."),
        None => String::new(),
    }
}

fn not_rows(summary: &Summary) -> u64 {
    summary.faults.iter().map(|(_, n)| n).sum()
}

/// How many lines are not rows, by kind. None where all are.
fn faults(summary: &Summary) -> Option<String> {
    let kinds = summary.faults.iter().filter(|(_, n)| *n > 0);
    let kinds: Vec<String> =
        kinds.map(|(fault, n)| format!("{} {}", count(*n), Fault::name(*fault).replace('_', " "))).collect();
    (!kinds.is_empty()).then(|| kinds.join(", "))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Command};
    use crate::lines::Lines;
    use crate::live::now_s;
    use crate::logs::Event;
    use crate::row::{Faults, Row};
    use crate::statistics::Statistics;
    use crate::{json, picture};

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
        let Ok(Command::Run(config)) = config::read([], |_| None) else { panic!("the defaults") };
        let live = Live::new(config, Summary::of(&Statistics::new(10)));
        assert!(!state(&live.moment(), &live).contains("looked at"));
        live.beat(now_s() - 40.0);
        assert!(state(&live.moment(), &live).contains("not looked at for more than 30 s"));
        assert!(live.health().is_err());
    }

    /// Every number of a drawing's places lies in it, but for the width of a line.
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
        let Ok(Command::Run(config)) = config::read([], |_| None) else { panic!("the defaults") };
        let live = Live::new(config, Summary::of(&Statistics::new(10)));
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
            let (state, summary) = (State::Following, Summary::of(&statistics));
            let moment = Moment { version: 1, summary, state, last_rows_s: None, picture_trouble: None };
            let page = document(&moment, &live);
            let svg = if n > 0 { picture::svg(&moment.summary, (400, 300)).unwrap() } else { String::new() };
            let shown = page.split("<script>").next().unwrap().to_owned() + &svg;
            for word in ["NaN", "inf", "Infinity"] {
                assert!(!shown.contains(word), "{word} for {case:?}: {shown}");
            }
            assert!(is_drawn(&page), "{case:?}: {page}");
            assert_eq!(page.contains("No rows yet"), n == 0, "{case:?}");
            let stats = json::stats(&moment, 10);
            assert_eq!(stats["all"]["n"], n);
        }
    }

    #[test]
    fn text_from_outside_cannot_become_markup() {
        assert_eq!(escape("<b a=\"&\">"), "&lt;b a=&quot;&amp;&quot;&gt;");
    }
}
