//! The live page: one HTML document, and its parts that change, as HTML by the id of their element.
//! Never computes a number.

use crate::alert::verdict::Standing;
use crate::stats::summary::Summary;
use crate::view::moment::Moment;
use crate::view::{alerts, figures, groups, head, tiles};
use serde_json::Value;

/// Path where the page fetches the parts that change.
pub const PARTS: &str = "/parts.json";

pub const DOCUMENT: &str = include_str!("page.html");

/// The whole page as of now, readable without scripts.
pub fn document(moment: &Moment, logs: &str, is_stalled: bool) -> String {
    filled(DOCUMENT, moment, parts(moment, logs, is_stalled))
}

/// A document with its parts in it.
pub fn filled(document: &str, moment: &Moment, parts: Vec<(&'static str, String)>) -> String {
    let task = moment.summary.task;
    let mut text = document
        .replace("<!--gone-icon-->", &head::icon(Standing::Blind))
        .replace("<!--figures-->", &figures::frames(task))
        .replace("<!--meaning-->", &head::meaning(&moment.summary))
        .replace("<!--tiles-class-->", tiles::class(task));
    for (id, html) in parts {
        text = text.replace(&format!("<!--{id}-->"), &html);
    }
    text
}

pub fn parts_json(moment: &Moment, logs: &str, is_stalled: bool) -> String {
    Value::from_iter(parts(moment, logs, is_stalled)).to_string()
}

/// By the id of their element.
pub fn parts(moment: &Moment, logs: &str, is_stalled: bool) -> Vec<(&'static str, String)> {
    let summary: &Summary = &moment.summary;
    let (state, text) = head::verdict(moment, logs, is_stalled);
    let mut parts = vec![
        // The script loads the page anew where it changes.
        ("task", summary.task.name().to_owned()),
        ("title", head::title(state)),
        ("icon", head::icon(state)),
        ("verdict", head::line(state, &text)),
        // Screen readers read this out at every change.
        ("told", format!("Verdict: {}.", state.name())),
        ("state", if is_stalled { String::new() } else { head::following(moment, logs) }),
        ("alerts", alerts::list(&moment.alerts)),
        ("warning", head::warning(moment)),
        ("news", head::news(moment)),
        ("tiles", tiles::errors(summary)),
        ("messages", tiles::messages(moment)),
        ("no-metric", tiles::no_counts(moment).to_owned()),
        ("groups", groups::part(summary)),
        ("faults", head::faults(summary)),
    ];
    parts.extend(figures::parts(summary));
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
            assert_eq!(page.contains("No rows yet"), n == 0, "{case:?}");
            let stats = json::stats(&moment);
            assert_eq!(stats["all"]["n"], n);
        }
    }
}
