//! The live page: one HTML document, and its parts that change, as HTML by the id of their element.
//! Never computes a number.

use crate::alert::verdict::Standing;
use crate::stats::buckets::RELATIVE_ERROR;
use crate::stats::past::{Range, Span};
use crate::stats::summary::Summary;
use crate::view::asked::Asked;
use crate::view::moment::Moment;
use crate::view::range::{self, RangeView};
use crate::view::{alerts, compared, figures, groups, head, steps, tiles};
use crate::words::clock;
use crate::words::number::percent;
use serde_json::Value;
use std::sync::LazyLock;

/// Path where the page fetches the parts that change.
pub const PARTS: &str = "/parts.json";

/// Without comments and indents.
pub static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let lines = include_str!("page.html").lines().map(str::trim_start);
    lines.filter(|line| !line.starts_with("/*")).flat_map(|line| [line, "\n"]).collect()
});

/// What only the page of all rows has, and only that of a range, is between these.
const OF_ALL: [&str; 2] = ["<!--of-all-->", "<!--/of-all-->"];
const OF_RANGE: [&str; 2] = ["<!--of-range-->", "<!--/of-range-->"];

/// What is true of a live page only is between these.
pub const LIVE: [&str; 2] = ["<!--live-->", "<!--/live-->"];

/// The whole page as of now, readable without scripts.
pub fn document(moment: &Moment, logs: &str, is_stalled: bool) -> String {
    of_all_rows(&DOCUMENT, moment, parts(moment, logs, is_stalled))
}

/// `text`, which is [`DOCUMENT`] or a part of it, with all that it has of all rows.
pub fn of_all_rows(text: &str, moment: &Moment, parts: Parts) -> String {
    let text = without(text, OF_RANGE)
        .replace("<!--figures-->", &figures::frames(moment.summary.task))
        .replace("<!--quantiles-->", &percent(RELATIVE_ERROR))
        .replace("<!--tiles-label-->", "Numbers of all rows, and of the last ones")
        .replace("<!--range-->", "");
    filled(text, Asked::All, ["", ""], moment, parts)
}

/// The page of a range of time.
pub fn range_document(view: &RangeView, moment: &Moment, logs: &str, is_stalled: bool) -> String {
    let Span { from_s, to_s } = view.range.range.span;
    let text = without(&DOCUMENT, OF_ALL)
        .replace("<!--figures-->", figures::SLICES)
        .replace("<!--tiles-label-->", "Numbers of the range, and their change");
    let bounds = [from_s, to_s].map(clock::minute);
    let parts = range_parts(view, moment, logs, is_stalled);
    filled(text, view.asked, bounds.each_ref().map(String::as_str), moment, parts)
}

pub fn parts_json(moment: &Moment, logs: &str, is_stalled: bool) -> String {
    Value::from_iter(parts(moment, logs, is_stalled)).to_string()
}

pub fn range_parts_json(view: &RangeView, moment: &Moment, logs: &str, is_stalled: bool) -> String {
    Value::from_iter(range_parts(view, moment, logs, is_stalled)).to_string()
}

/// By the id of their element.
pub type Parts = Vec<(&'static str, String)>;

/// `bounds`: in the form, as its fields have them.
fn filled(text: String, asked: Asked, [from, to]: [&str; 2], moment: &Moment, parts: Parts) -> String {
    let mut text = text
        .replace("<!--gone-icon-->", &head::icon(Standing::Blind))
        .replace("<!--meaning-->", &head::meaning(&moment.summary))
        .replace("<!--tiles-class-->", tiles::class(moment.summary.task))
        .replace("<!--ranges-->", &range::links(asked))
        .replace("<!--query-->", &asked.query())
        .replace("<!--from-->", from)
        .replace("<!--to-->", to);
    for mark in [OF_ALL, OF_RANGE, LIVE].as_flattened() {
        text = text.replace(mark, "");
    }
    for (id, html) in parts {
        text = text.replace(&format!("<!--{id}-->"), &html);
    }
    text
}

/// A text without each part from one mark to the other.
pub fn without(text: &str, [begin, end]: [&str; 2]) -> String {
    let mut parts = text.split(begin);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.filter_map(|part| part.split_once(end)).fold(first, |text, (_, behind)| text + behind)
}

/// What every page has.
fn of_now(moment: &Moment, logs: &str, is_stalled: bool) -> Parts {
    let summary: &Summary = &moment.summary;
    let (state, text, since_s) = head::verdict(moment, logs, is_stalled);
    vec![
        // The script loads the page anew where it changes.
        ("task", summary.task.name().to_owned()),
        ("title", head::title(state)),
        ("icon", head::icon(state)),
        ("verdict", head::line(state, &text, since_s)),
        // Screen readers read this out at every change.
        ("told", format!("Verdict: {}.", state.name())),
        ("state", if is_stalled { String::new() } else { head::following(moment, logs) }),
        ("alerts", alerts::list(&moment.alerts)),
        ("warning", head::warning(moment)),
        ("news", head::news(moment)),
        ("faults", head::faults(summary)),
    ]
}

pub fn parts(moment: &Moment, logs: &str, is_stalled: bool) -> Parts {
    let summary: &Summary = &moment.summary;
    let mut parts = of_now(moment, logs, is_stalled);
    parts.extend([
        ("tiles", tiles::errors(summary)),
        ("messages", tiles::messages(moment)),
        ("no-metric", tiles::no_counts(moment).to_owned()),
        ("groups", groups::part(summary)),
    ]);
    parts.extend(figures::parts(summary, moment.last_rows_s));
    parts
}

fn range_parts(view: &RangeView, moment: &Moment, logs: &str, is_stalled: bool) -> Parts {
    let summary: &Summary = &moment.summary;
    let Range { range, before, points, .. } = &view.range;
    let (words, is_as_long) = (view.before_in_words(), view.is_as_long());
    let tiles = compared::compared(summary.task, &range.numbers, &before.numbers, &words, is_as_long);
    let mut parts = of_now(moment, logs, is_stalled);
    parts.extend([
        ("range", view.words()),
        ("tiles", tiles),
        ("quantiles", percent(range.quantile_relative_error)),
        ("slices-note", steps::note(points, range.span)),
        (
            "slices",
            figures::drawn(
                range.numbers.n,
                steps::charts(points, range.span, &summary.changes, summary.task),
            ),
        ),
    ]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::follow::State;
    use crate::logs::lines::{Event, Lines};
    use crate::logs::row::Row;
    use crate::stats::statistics::Statistics;
    use crate::view::{json, picture};

    #[test]
    fn the_document_is_small_and_needs_nothing_from_outside() {
        assert!(DOCUMENT.len() < 70_000);
        let outside = ["http:", "https:", "//cdn", "src=", "@import", "url("];
        for word in outside {
            assert!(!DOCUMENT.contains(word), "{word}");
        }
    }

    #[test]
    fn a_loop_that_hangs_is_said_first() {
        let moment = Moment::starting(Summary::of(&Statistics::new(10)).into());
        assert!(!document(&moment, "log.csv", false).contains("looked at"));
        let page = document(&moment, "log.csv", true);
        let (_, page) = page.split_once("id=\"verdict\"").unwrap();
        let (verdict, _) = page.split_once("</p>").unwrap();
        assert!(verdict.contains("not looked at for more than 30 s"), "{verdict}");
    }

    /// Whether every point of a line is inside its drawing, up to the width of a line.
    fn is_drawn(page: &str) -> bool {
        let places = page.split("points=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let steps = page.split("class=line d=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let numbers = places.flat_map(|points| points.split([' ', ',']));
        let of_steps =
            steps.flat_map(|path| path.split([' ', 'M', 'H', 'V']).filter(|part| !part.is_empty()));
        numbers
            .chain(of_steps)
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
            statistics.apply(&Event::Lines(Lines { rows, ..Lines::default() }));
            let summary = Summary::of(&statistics).into();
            let moment = Moment { state: State::Following, ..Moment::starting(summary) };
            let page = document(&moment, "log.csv", false);
            let svg = if n > 0 { picture::svg(&moment.summary, (400, 300)).unwrap() } else { String::new() };
            let shown = page.split("<script>").next().unwrap().to_owned() + &svg;
            for word in ["NaN", "inf", "Infinity"] {
                assert!(!shown.contains(word), "{word} for {case:?}: {shown}");
            }
            assert!(is_drawn(&page), "{case:?}: {page}");
            // The range of these rows, if they have times.
            let asked = Asked::Between { from_s: Some(1_732_341_600), to_s: Some(1_732_341_720) };
            let view = RangeView::of(&mut statistics.past.lock().unwrap(), asked, 1_732_341_600).unwrap();
            let of_range = range_document(&view, &moment, "log.csv", false);
            let shown = of_range.split("<script>").next().unwrap();
            for word in ["NaN", "inf", "Infinity", "<!--"] {
                assert!(!shown.contains(word), "{word} for {case:?}: {shown}");
            }
            assert!(is_drawn(&of_range), "{case:?}: {of_range}");
            assert_eq!(shown.contains("<p class=none>"), n == 0 || number % 2 == 1, "{case:?}: {shown}");
            assert_eq!(page.contains("No rows yet"), n == 0, "{case:?}");
            let stats = json::stats(&moment);
            assert_eq!(stats["all"]["n"], n);
        }
    }
}
