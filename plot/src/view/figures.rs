//! The page's figures: which ones a task has, their frames, and what stands in them.
//! Never computes a number.

use crate::logs::row::VALID_S;
use crate::logs::task::Task;
use crate::stats::binary::BinaryNumbers;
use crate::stats::class_numbers::ClassesNumbers;
use crate::stats::slices::Slices;
use crate::stats::summary::{Histogram, Over, Summary};
use crate::view::bars::Mark;
use crate::view::changes::changes_table;
use crate::view::class_bars::ClassBars;
use crate::view::{chart, course, score_tables, scores, tables};
use crate::words::clock;
use crate::words::number::{count, cut, rows};
use crate::words::terms::{Terms, capital, terms};

/// Classes with a bar and a line of the table each. The confusion matrix has as many.
const MOST_CLASSES: usize = 20;

/// A chart with a note below it, and its numbers as a table; or a table alone.
struct Figure {
    /// Of its element. The ids of its other parts begin with it.
    id: &'static str,
    title: &'static str,
    /// The note around the part of it that changes.
    note: (&'static str, &'static str),
    /// What the numbers of a chart are of; none for a table alone.
    of: Option<&'static str>,
}

const fn chart(
    id: &'static str,
    title: &'static str,
    of: &'static str,
    note: (&'static str, &'static str),
) -> Figure {
    Figure { id, title, note, of: Some(of) }
}

const fn table(id: &'static str, title: &'static str) -> Figure {
    Figure { id, title, note: ("", ""), of: None }
}

const CHANGED: &str = " Where the error changed: ▲ worse, ▼ better since.";
const BAND: &str = " The band is one standard deviation to each side. A gap has no rows. Where the error changed: ▲ worse, ▼ better since.";
const GAP: &str = " A gap has no rows. Where the error changed: ▲ worse, ▼ better since.";
const DELAY: Figure =
    chart("delay", "Label delay", "the label delay", ("From a prediction to its truth. ", ""));

const REGRESSION: &[Figure] = &[
    chart("over", "Error over time", "the error over time", ("", BAND)),
    chart("rolling", "Rolling MAE", "the rolling MAE", ("", CHANGED)),
    chart("absolute", "Absolute error", "the absolute error", ("In the unit of y_true. ", "")),
    chart(
        "signed",
        "Signed error",
        "the signed error",
        ("In the unit of y_true: to the right of zero the prediction was too high. ", ""),
    ),
    chart(
        "density",
        "Predicted against true",
        "predicted against true",
        (
            "In the unit of y_true. Density on a logarithmic scale. The dashed line is y = x. Above 10,000 rows it shows a uniform sample of 10,000.",
            "",
        ),
    ),
    DELAY,
];

const BINARY: &[Figure] = &[
    chart("over", "p − y over time", "p − y over time", ("", BAND)),
    chart("rolling", "Rolling mean |p − y|", "the rolling mean", ("", CHANGED)),
    chart("absolute", "|p − y|", "|p − y|", ("1 is a prediction that was certain, and wrong. ", "")),
    chart(
        "calibration",
        "Calibration",
        "the calibration",
        ("", " On the dashed line 1 comes as often as p says, above it more often."),
    ),
    table("confusion", "Confusion"),
    DELAY,
];

const CLASSES: &[Figure] = &[
    chart("over", "Error rate over time", "the error rate over time", ("", GAP)),
    chart("rolling", "Rolling error rate", "the rolling error rate", ("", CHANGED)),
    chart(
        "bars",
        "Error rate of each class",
        "the error rate of each class",
        ("The share of its rows that the model takes for another class: 1 − recall. ", ""),
    ),
    table("classes", "Classes"),
    table("matrix", "Confusion"),
    DELAY,
];

/// The figure of a range of time. Its numbers are in the title of each slice.
pub const SLICES: &str = "<figure class=\"slices\" aria-labelledby=\"t-slices\"><h2 id=\"t-slices\">Over time</h2>\
    <div class=\"chart\" id=\"slices\"><!--slices--></div>\n\
    <figcaption class=\"note\" id=\"slices-note\"><!--slices-note--></figcaption></figure>\n";

/// The figures of a task, with a comment for each part that changes: the id of its element.
pub fn frames(task: Task) -> String {
    let figures = match task {
        Task::Regression => REGRESSION,
        Task::Binary => BINARY,
        Task::Classes => CLASSES,
    };
    figures.iter().map(frame).collect()
}

fn frame(Figure { id, title, note: (before, behind), of }: &Figure) -> String {
    let scrolls = |id: &str, name: &str, class: &str| {
        format!(
            "<div class=\"numbers{class}\" tabindex=\"0\" role=\"region\" aria-labelledby=\"{name}\" id=\"{id}\"><!--{id}--></div>"
        )
    };
    let content = match of {
        Some(of) => {
            let numbers = scrolls(&format!("{id}-numbers"), &format!("s-{id}"), "");
            format!(
                "<div class=\"chart\" id=\"{id}\"><!--{id}--></div>\n\
                 <figcaption class=\"note cut\">{before}<span id=\"{id}-note\"><!--{id}-note--></span>{behind}</figcaption>\n\
                 <details><summary id=\"s-{id}\">Numbers of {of}</summary>{numbers}</details>"
            )
        }
        None => {
            let numbers = scrolls(id, &format!("t-{id}"), " tall");
            format!("{numbers}<figcaption class=\"note\" id=\"{id}-note\"><!--{id}-note--></figcaption>")
        }
    };
    format!("<figure aria-labelledby=\"t-{id}\"><h2 id=\"t-{id}\">{title}</h2>{content}</figure>\n")
}

/// Charts, the notes below them, and their numbers as tables, by the ids of their elements. `read_s`: Unix seconds when rows were last read.
pub fn parts(summary: &Summary, read_s: Option<f64>) -> Vec<(&'static str, String)> {
    let terms = terms(summary.task);
    let mut parts = along_the_log(summary, &terms, read_s);
    match summary.task {
        Task::Regression => {
            parts.extend(absolute(summary, "absolute error", &terms));
            parts.extend(signed(summary, &terms));
            parts.push(("density", drawn(summary.all.n, summary.density.as_ref().map(chart::density))));
            parts.push(("density-note", String::new()));
            parts.push(("density-numbers", tables::density(summary)));
        }
        Task::Binary => {
            parts.extend(absolute(summary, "|p − y|, from 0 to 1", &terms));
            let numbers = summary.all.of_task.binary().zip(summary.window.of_task.binary());
            parts.extend(binary(summary, numbers));
        }
        Task::Classes => {
            let numbers = summary.all.of_task.classes().zip(summary.window.of_task.classes());
            parts.extend(classes(summary, numbers));
        }
    }
    parts.extend(delay(summary));
    parts
}

fn along_the_log(summary: &Summary, terms: &Terms, read_s: Option<f64>) -> Vec<(&'static str, String)> {
    let Summary { all, over, rolling, window_rows, changes, .. } = summary;
    let changes_in_words = changes_table(changes, terms);
    let mae = capital(terms.mae);
    vec![
        ("over", drawn(all.n, course::over(over, changes, summary.task))),
        ("over-note", over_note(over, terms, read_s)),
        ("over-numbers", changes_in_words.clone() + &tables::over(over, summary.task)),
        ("rolling", drawn(all.n, Some(chart::rolling(rolling, *window_rows, changes, terms)))),
        ("rolling-note", format!("{mae} of the last {} up to each row.", rows(*window_rows as u64))),
        ("rolling-numbers", changes_in_words + &tables::rolling(rolling, terms)),
    ]
}

fn absolute(summary: &Summary, title: &str, terms: &Terms) -> [(&'static str, String); 3] {
    let marks = [("median", summary.all.p50), ("p95", summary.all.p95)];
    let marks = marks.map(|(name, value)| Mark { name, value });
    [
        ("absolute", bars(summary, &summary.absolute, title, &marks)),
        ("absolute-note", bars_note(&summary.absolute)),
        ("absolute-numbers", numbers(&summary.absolute, terms.in_unit)),
    ]
}

fn signed(summary: &Summary, terms: &Terms) -> [(&'static str, String); 3] {
    let mean = [Mark { name: "mean", value: summary.all.bias }];
    [
        ("signed", bars(summary, &summary.signed, "error = y_pred − y_true", &mean)),
        ("signed-note", bars_note(&summary.signed)),
        ("signed-numbers", numbers(&summary.signed, terms.in_unit)),
    ]
}

fn delay(summary: &Summary) -> [(&'static str, String); 3] {
    let Summary { all, delay, delays, .. } = summary;
    let marks = [("median", delay.p50_s), ("p95", delay.p95_s)].map(|(name, value)| Mark { name, value });
    let chart = match delays {
        None if all.n > 0 => empty("No truth came after its prediction, as far as the log says."),
        _ => bars(summary, delays, "label delay (s)", &marks),
    };
    [
        ("delay", chart),
        ("delay-note", bars_note(delays) + &truths_first(delay.truths_first)),
        ("delay-numbers", numbers(delays, "in seconds")),
    ]
}

fn binary(
    summary: &Summary,
    numbers: Option<(&BinaryNumbers, &BinaryNumbers)>,
) -> [(&'static str, String); 5] {
    let n = summary.all.n;
    let part = |write: fn(&BinaryNumbers, &BinaryNumbers, u64) -> String| {
        numbers.map(|(all, window)| write(all, window, summary.window.n))
    };
    [
        ("calibration", drawn(n, numbers.map(|(all, window)| scores::calibration(all, window)))),
        ("calibration-note", all_and_window_note(summary, "Dots")),
        ("calibration-numbers", part(score_tables::calibration).unwrap_or_default()),
        ("confusion", drawn(n, part(score_tables::confusion))),
        ("confusion-note", String::new()),
    ]
}

fn classes(
    summary: &Summary,
    numbers: Option<(&ClassesNumbers, &ClassesNumbers)>,
) -> [(&'static str, String); 7] {
    let n = summary.all.n;
    let bars = numbers.map(|(all, window)| ClassBars::of(all, window, MOST_CLASSES));
    let last = summary.window.n;
    [
        ("bars", drawn(n, bars.as_ref().map(scores::class_bars))),
        ("bars-note", all_and_window_note(summary, "Bars")),
        ("bars-numbers", bars.as_ref().map_or(String::new(), |bars| score_tables::class_bars(bars, last))),
        (
            "classes",
            drawn(n, numbers.map(|(all, window)| score_tables::classes(all, window, MOST_CLASSES, last))),
        ),
        (
            "classes-note",
            numbers.map_or(String::new(), |(all, _)| score_tables::classes_note(all, MOST_CLASSES)),
        ),
        ("matrix", drawn(n, numbers.map(|(all, _)| score_tables::matrix(all)))),
        ("matrix-note", String::new()),
    ]
}

/// A histogram as a drawing.
fn bars(summary: &Summary, histogram: &Option<Histogram>, title: &str, marks: &[Mark]) -> String {
    drawn(summary.all.n, histogram.as_ref().map(|histogram| chart::histogram(histogram, title, marks)))
}

/// A histogram as a table.
fn numbers(histogram: &Option<Histogram>, in_unit: &str) -> String {
    histogram.as_ref().map_or(String::new(), |histogram| tables::histogram(histogram, in_unit))
}

/// A drawing, or why there is none.
pub fn drawn(n: u64, drawing: Option<String>) -> String {
    drawing.filter(|drawing| !drawing.is_empty()).unwrap_or_else(|| match n {
        0 => empty("No rows yet."),
        _ => empty("Not drawn: no axis of round numbers holds these values."),
    })
}

fn empty(why: &str) -> String {
    format!("<p class=none>{why}</p>")
}

/// Says what bars, outline and grey bars hold.
fn bars_note(histogram: &Option<Histogram>) -> String {
    let Some(Histogram { all, window, .. }) = histogram else { return String::new() };
    let grey = cut(all.left, all.right, all.total());
    let grey = grey.map_or(String::new(), |place| format!(" Grey: beyond the {place}."));
    format!("Bars: all {}. Outline: the last {}.{grey}", rows(all.total()), rows(window.total()))
}

fn all_and_window_note(Summary { all, window, .. }: &Summary, shape: &str) -> String {
    match all.n {
        0 => String::new(),
        n => format!("{shape}: all {}. Outline: the last {}.", rows(n), rows(window.n)),
    }
}

fn over_note(over: &Over, terms: &Terms, read_s: Option<f64>) -> String {
    let mean = capital(terms.mean_error);
    match over {
        Over::Time(slices) => {
            let width = clock::duration(slices.width as f64 / 1000.0);
            format!("{mean} of each {width}.{}", zoom(slices, read_s).unwrap_or_default())
        }
        Over::Rows(slices) if slices.width == 1 => "The error of each row.".to_owned(),
        Over::Rows(slices) => format!("{mean} of each {}.", rows(slices.width as u64)),
    }
}

/// A link to the charts of all rows up to now. None where all are dated later.
fn zoom(slices: &Slices, read_s: Option<f64>) -> Option<String> {
    let (start_ms, _) = slices.filled().next()?;
    let from_s = (start_ms / 1000).max(VALID_S.start as i64);
    let from = (from_s < read_s? as i64).then(|| clock::minute(from_s))?;
    Some(format!(" <a href=\"/?from={from}\">Slice by slice</a>, to zoom in."))
}

fn truths_first(n: u64) -> String {
    match n {
        0 => String::new(),
        1 => " 1 truth came before its prediction, and is not in the chart.".to_owned(),
        n => format!(" {} truths came before their prediction, and are not in the chart.", count(n)),
    }
}
