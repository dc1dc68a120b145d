//! The bars of the classes, for picture and page alike: the error rate of each of the largest, and of the others together.
//! Never draws, and never knows a pixel.

use crate::stats::class_numbers::{ClassNumbers, ClassesNumbers};
use crate::words::number::count;
use std::collections::HashMap;

/// Letters of a name in a chart.
pub const LETTERS: usize = 12;

/// The axis is at least so long: a single error in many rows must not look like a model that fails.
const LEAST_TOP: f64 = 0.05;

/// Room beyond the longest bar, as a share of it.
const ROOM: f64 = 0.06;

pub struct ClassBars {
    /// The largest class first, the others together last.
    pub bars: Vec<ClassBar>,
    /// The end of the axis.
    pub top: f64,
}

/// Error rates, 1 − recall, from 0 to 1. None without rows.
pub struct ClassBar {
    pub name: String,
    pub all: Option<f64>,
    pub window: Option<f64>,
}

/// 1 − recall of the rows of some classes together.
fn error_rate<'a>(classes: impl Iterator<Item = &'a ClassNumbers>) -> Option<f64> {
    let (n, right) = classes
        .fold((0, 0.0), |(n, right), class| (n + class.support, right + class.recall * class.support as f64));
    (n > 0).then(|| 1.0 - right / n as f64)
}

impl ClassBars {
    /// A bar for each of the `most` largest classes, and one for all others if there are any.
    pub fn of(all: &ClassesNumbers, window: &ClassesNumbers, most: usize) -> ClassBars {
        let of_window: HashMap<&str, &ClassNumbers> =
            window.classes.iter().map(|class| (&*class.name, class)).collect();
        let bar = |name: String, classes: &[ClassNumbers]| {
            let in_window = classes.iter().filter_map(|class| of_window.get(&*class.name).copied());
            ClassBar { name, all: error_rate(classes.iter()), window: error_rate(in_window) }
        };
        let (large, others) = all.classes.split_at(most.min(all.classes.len()));
        let mut bars: Vec<ClassBar> =
            large.iter().map(|class| bar(class.name.to_string(), std::slice::from_ref(class))).collect();
        if !others.is_empty() {
            bars.push(bar(format!("{} others", count(others.len() as u64)), others));
        }
        let rates = bars.iter().flat_map(|bar| [bar.all, bar.window]).flatten();
        let longest = rates.fold(LEAST_TOP, f64::max);
        ClassBars { bars, top: (longest * (1.0 + ROOM)).min(1.0) }
    }
}

impl ClassBar {
    /// Its name, cut to what a chart has room for.
    pub fn short_name(&self) -> String {
        short_name(&self.name, LETTERS)
    }
}

/// The name, cut to at most this many characters; the last one is then an ellipsis.
pub fn short_name(name: &str, letters: usize) -> String {
    match name.char_indices().nth(letters) {
        Some(_) => name.chars().take(letters.saturating_sub(1)).chain(['…']).collect(),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(name: &str, recall: f64, support: u64) -> ClassNumbers {
        let (precision, f1, predicted, is_exposed) = (0.5, 0.5, support, true);
        ClassNumbers { name: name.into(), precision, recall, f1, support, predicted, is_exposed }
    }

    fn numbers(classes: Vec<ClassNumbers>) -> ClassesNumbers {
        ClassesNumbers { classes, ..ClassesNumbers::default() }
    }

    fn bars(
        all: Vec<ClassNumbers>,
        window: Vec<ClassNumbers>,
        most: usize,
    ) -> Vec<(String, Option<f64>, Option<f64>)> {
        let bars = ClassBars::of(&numbers(all), &numbers(window), most);
        bars.bars.into_iter().map(|bar| (bar.name, bar.all, bar.window)).collect()
    }

    #[test]
    fn others_are_one_bar_of_all_their_rows() {
        let all = vec![class("a", 0.75, 100), class("b", 0.5, 40), class("c", 0.25, 8), class("d", 0.0, 0)];
        let window = vec![class("c", 0.5, 2), class("a", 1.0, 10)];
        let expected = [("a", Some(0.25), Some(0.0)), ("3 others", Some(1.0 - 22.0 / 48.0), Some(0.5))];
        let found = bars(all.clone(), window.clone(), 1);
        assert_eq!(found, expected.map(|(name, all, window)| (name.to_owned(), all, window)));
        let found = bars(all, window, 20);
        assert_eq!(found.len(), 4);
        assert_eq!(found.last(), Some(&("d".to_owned(), None, None)), "without rows there is no rate");
    }

    #[test]
    fn the_axis_holds_every_bar_and_ends_at_1() {
        let top = |recall| ClassBars::of(&numbers(vec![class("a", recall, 9)]), &numbers(Vec::new()), 20).top;
        assert_eq!([top(1.0), top(0.0)], [0.05 * 1.06, 1.0]);
        assert!(top(0.5) > 0.5 && top(0.5) < 0.6);
    }

    #[test]
    fn a_long_name_is_cut_between_letters() {
        assert_eq!(short_name("versicolor", 10), "versicolor");
        assert_eq!(short_name("шестнадцать букв", 12), "шестнадцать…");
    }
}
