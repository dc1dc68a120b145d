//! The numbers of classifiers as tables: confusion, calibration, and what each class has.
//! Never computes a statistic.

use crate::stats::binary::{BinaryNumbers, CalibrationBin};
use crate::stats::class_numbers::{ClassNumbers, ClassesNumbers, ConfusionMatrix};
use crate::view::class_bars::{ClassBars, LETTERS, short_name};
use crate::view::html::{escape, table};
use crate::words::number::{count, rows, short};
use std::collections::HashMap;
use std::fmt::Write;

/// Limit of all names together, in characters, up to which they head the columns of the confusion matrix. Beyond it numbers do.
const LETTERS_OF_HEADS: usize = 60;

/// Letters of a name in the table of classes. `/stats.json` has all.
const LETTERS_OF_TABLE: usize = 32;

/// A larger confusion matrix gets the whole width of the page.
const FEW: usize = 8;

/// Shades of the confusion matrix.
const SHADES: f64 = 4.0;

/// `last`: rows of the window, as in the functions below.
pub fn confusion(all: &BinaryNumbers, window: &BinaryNumbers, last: u64) -> String {
    let last = rows(last);
    let [one, zero] = ["1", "0"].map(|y_pred| format!("predicted {y_pred}, last {last}"));
    let head = ["y_true", "predicted 1, all rows", "predicted 0, all rows", &one, &zero];
    let of = [all.confusion, window.confusion];
    let [ones, ones_of_window] = of.map(|of| [of.true_positives, of.false_negatives].map(count));
    let [zeros, zeros_of_window] = of.map(|of| [of.false_positives, of.true_negatives].map(count));
    let line = |y_true: &str, [a, b]: [String; 2], [c, d]: [String; 2]| [y_true.to_owned(), a, b, c, d];
    table("Rows", head, [line("1", ones, ones_of_window), line("0", zeros, zeros_of_window)])
}

pub fn calibration(all: &BinaryNumbers, window: &BinaryNumbers, last: u64) -> String {
    let last = rows(last);
    let [n, mean_p, share] =
        ["rows", "mean p", "share of y_true = 1"].map(|name| format!("{name}, last {last}"));
    let head = ["p above", "up to", "rows", "mean p", "share of y_true = 1", &n, &mean_p, &share];
    let cells = |bin: &CalibrationBin| [count(bin.n), short(bin.mean_p), short(bin.share)];
    let bins = all.calibration.iter().zip(&window.calibration).enumerate();
    let lines = bins.map(|(number, (all, window))| {
        let [from, to] = [number, number + 1].map(|edge| short(Some(edge as f64 / 10.0)));
        let ([a, b, c], [d, e, f]) = (cells(all), cells(window));
        [from, to, a, b, c, d, e, f]
    });
    table(
        "Probabilities and shares from 0 to 1; all rows, and the last ones. 0 is in the first bin",
        head,
        lines,
    )
}

pub fn class_bars(bars: &ClassBars, last: u64) -> String {
    let last = format!("error rate, last {}", rows(last));
    let lines = bars.bars.iter().map(|bar| [named(&bar.short_name()), short(bar.all), short(bar.window)]);
    table(
        "Shares of the rows of each class, the largest class first",
        ["class", "error rate, all rows", &last],
        lines,
    )
}

/// The `most` largest classes, numbered by their size, the worst first.
pub fn classes(all: &ClassesNumbers, window: &ClassesNumbers, most: usize, last: u64) -> String {
    let of_window: HashMap<&str, &ClassNumbers> =
        window.classes.iter().map(|class| (&*class.name, class)).collect();
    let mut listed: Vec<(usize, &ClassNumbers)> = (1..).zip(&all.classes).take(most).collect();
    // Without a row a class has no recall.
    let place = |class: &ClassNumbers| (class.support == 0, class.recall, class.f1);
    listed.sort_by(|(_, a), (_, b)| place(a).partial_cmp(&place(b)).unwrap_or(std::cmp::Ordering::Equal));
    let cells = |class: Option<&ClassNumbers>| match class {
        Some(ClassNumbers { precision, recall, f1, support, .. }) => {
            [count(*support), short(Some(*precision)), short(Some(*recall)), short(Some(*f1))]
        }
        None => ["0", "–", "–", "–"].map(str::to_owned),
    };
    let lines = listed.into_iter().map(|(number, class)| {
        let ([a, b, c, d], [e, f, g, h]) = (cells(Some(class)), cells(of_window.get(&*class.name).copied()));
        [format!("{number} {}", named(&short_name(&class.name, LETTERS_OF_TABLE))), a, b, c, d, e, f, g, h]
    });
    let last = rows(last);
    let names = ["rows", "precision", "recall", "F1"];
    let [n, precision, recall, f1] = names.map(|name| format!("{name}, last {last}"));
    let head = ["class", "rows", "precision", "recall", "F1", &n, &precision, &recall, &f1];
    table("Scores from 0 to 1; all rows, and the last ones", head, lines)
}

/// What the table leaves out.
pub fn classes_note(all: &ClassesNumbers, most: usize) -> String {
    let others = all.classes.get(most..).unwrap_or_default();
    let mut note = "Worst recall first. The numbers before the names go by size.".to_owned();
    if !others.is_empty() {
        let (n, in_them) = (count(others.len() as u64), others.iter().map(|class| class.support).sum());
        let _ = write!(note, " The {most} largest classes; {n} more have {}.", rows(in_them));
    }
    if all.pooled_rows > 0 {
        let _ = write!(note, " {} of later classes are not counted by class.", rows(all.pooled_rows));
    }
    note
}

/// Rows by their true class, columns by the predicted one, numbered as in the table of classes. Others come last, if there are any.
pub fn matrix(all: &ClassesNumbers) -> String {
    let ConfusionMatrix { names, counts } = &all.confusion;
    let numbers: HashMap<&str, usize> = all.classes.iter().map(|class| &*class.name).zip(1..).collect();
    let number = |name: &str| numbers.get(name).copied().unwrap_or_default();
    let rest = counts.last().into_iter().flatten().chain(counts.iter().filter_map(|line| line.last()));
    let has_others = rest.sum::<u64>() > 0;
    let n = names.len() + usize::from(has_others);
    let are_short = names.iter().map(|name| name.chars().count()).sum::<usize>() <= LETTERS_OF_HEADS;
    let named = |name: &str| format!("{} <bdi>{}</bdi>", number(name), escape(&short_name(name, LETTERS)));
    let name = |place: usize| names.get(place).map_or_else(|| "others".to_owned(), |name| named(name));
    let head = |place: usize| match names.get(place) {
        Some(name) if !are_short => number(name).to_string(),
        _ => name(place),
    };
    let heads: String = (0..n).map(|place| format!("<th scope=col>{}", head(place))).collect();
    let line = |(place, counts): (usize, &Vec<u64>)| {
        let of_class = counts.iter().sum::<u64>().max(1) as f64;
        let cell = |n: &u64| match (*n as f64 / of_class * SHADES).ceil() {
            0.0 => format!("<td>{}", count(*n)),
            shade => format!("<td class=h{shade}>{}", count(*n)),
        };
        let cells: String = counts.iter().take(n).map(cell).collect();
        format!("<tr><th scope=row>{}{cells}", name(place))
    };
    let size = if n > FEW { "matrix many" } else { "matrix" };
    let lines: String = counts.iter().take(n).enumerate().map(line).collect();
    format!(
        "<table class=\"{size}\"><caption>All rows, by true class (lines) and predicted class (columns). Shades: share of the line</caption><thead><tr><td>{heads}</thead><tbody>{lines}</tbody></table>"
    )
}

/// A name in a script from right to left must not turn the numbers around.
fn named(name: &str) -> String {
    format!("<bdi>{}</bdi>", escape(name))
}
