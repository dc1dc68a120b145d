//! Counts of a classifier of many classes, from the names of the classes: what each class has, and which are taken for which.
//! Never keeps more of a row than its two classes, and only of the window. Memory does not grow with the number of rows.

use crate::{
    logs::{classes::ClassColumn, interned::Texts},
    stats::{
        class_numbers::{ClassesNumbers, Counts, LATER, Pair, count, largest},
        counters::Counters,
    },
};
use foldhash::fast::RandomState;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// The first classes are counted each by itself; `metric` has no more.
const EXACT: usize = LATER as usize;

/// Of the first classes it is counted which is taken for which.
const MATRIX: usize = 1_000;

/// Of a backlog, see `counting.rs`.
const THREADS: usize = 2;

/// How many classes the confusion matrix shows.
const SHOWN: usize = 20;

/// For each class among the first ones whether it has rows, how often each other one was predicted. A class with wrong rows takes 2 KB.
#[derive(Default)]
struct Wrong(Vec<Counters>);

impl Wrong {
    fn add(&mut self, [y_true, y_pred]: Pair) {
        let (y_true, y_pred) = (usize::from(y_true), usize::from(y_pred));
        if y_true >= MATRIX {
            return;
        }
        if self.0.len() <= y_true {
            self.0.resize_with(y_true + 1, Counters::default);
        }
        let Some(counts) = self.0.get_mut(y_true) else { return };
        if counts.is_empty() {
            *counts = Counters::new(MATRIX);
        }
        counts.add(y_pred);
    }

    fn count(&self, y_true: u16, y_pred: u16) -> u64 {
        self.0.get(usize::from(y_true)).map_or(0, |counts| counts.get(usize::from(y_pred)))
    }
}

/// All rows of the logs, and the classes of the last ones.
#[derive(Default)]
pub struct Classes {
    names: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u16, RandomState>,
    /// By the number of the class.
    counts: Vec<Counts>,
    wrong: Wrong,
    window: VecDeque<Pair>,
    /// The names that came last, from each of two threads that read, and the numbers of their classes.
    translated: VecDeque<(Texts, Vec<u16>)>,
}

impl Classes {
    /// Adds rows, and returns the numbers of their classes. `window_rows`: how many the window holds.
    pub fn add(&mut self, column: &ClassColumn, window_rows: usize) -> Vec<Pair> {
        let (texts, numbers) = self.translate(&column.names.texts);
        let number = |place: u32| numbers.get((place as usize).wrapping_sub(1)).copied().unwrap_or(LATER);
        let pair = |[y_true, y_pred]: &[u32; 2]| match [number(*y_true), number(*y_pred)] {
            [LATER, LATER] if y_true != y_pred => [LATER, LATER + 1],
            pair => pair,
        };
        let pairs: Vec<Pair> = column.of_rows.iter().map(pair).collect();
        for pair in &pairs {
            count(&mut self.counts, *pair);
            if self.window.len() == window_rows {
                self.window.pop_front();
            }
            self.window.push_back(*pair);
        }
        // By themselves: each waits for memory, and many can wait at once.
        let wrong = pairs.iter().filter(|[y_true, y_pred]| y_true != y_pred);
        wrong.for_each(|pair| self.wrong.add(*pair));
        self.translated.truncate(THREADS - 1);
        self.translated.push_front((texts, numbers));
        pairs
    }

    /// The numbers of names.
    fn translate(&mut self, names: &Texts) -> (Texts, Vec<u16>) {
        let place = self.translated.iter().position(|(texts, _)| Arc::ptr_eq(texts, names));
        let known = place.and_then(|place| self.translated.remove(place));
        known.unwrap_or_else(|| {
            let numbers = names.iter().map(|name| self.number(name)).collect();
            (Arc::clone(names), numbers)
        })
    }

    fn number(&mut self, name: &[u8]) -> u16 {
        // Names are checked where they are read.
        let name = std::str::from_utf8(name).unwrap_or_default();
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        if self.names.len() == EXACT {
            return LATER;
        }
        let (name, number) = (Arc::<str>::from(name), self.names.len() as u16);
        self.names.push(Arc::clone(&name));
        self.numbers.insert(name, number);
        number
    }

    /// Of the classes, by their numbers.
    pub fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// Of all rows.
    pub fn numbers(&self) -> ClassesNumbers {
        let largest = largest(&self.names, &self.counts);
        let shown = shown(&largest);
        let right = |number: u16| self.counts.get(usize::from(number)).map_or(0, |counts| counts.right);
        let count = |y_true: u16, y_pred: u16| {
            if y_true == y_pred { right(y_true) } else { self.wrong.count(y_true, y_pred) }
        };
        let cells = shown.iter().map(|y_true| shown.iter().map(|y_pred| count(*y_true, *y_pred)).collect());
        ClassesNumbers::of(&self.names, &self.counts, &largest, &shown, cells.collect())
    }

    /// Of the rows of the window.
    pub fn window_numbers(&self) -> ClassesNumbers {
        let mut counts = Vec::new();
        self.window.iter().for_each(|pair| count(&mut counts, *pair));
        let largest = largest(&self.names, &counts);
        let shown = shown(&largest);
        let mut cells = vec![vec![0; shown.len()]; shown.len()];
        let place = |number: u16| shown.iter().position(|shown| *shown == number);
        for [y_true, y_pred] in &self.window {
            let cell = place(*y_true).zip(place(*y_pred));
            if let Some(cell) = cell.and_then(|(row, column)| cells.get_mut(row)?.get_mut(column)) {
                *cell += 1;
            }
        }
        ClassesNumbers::of(&self.names, &counts, &largest, &shown, cells)
    }
}

/// The classes of the confusion matrix, of all by size.
fn shown(largest: &[u16]) -> Vec<u16> {
    largest.iter().copied().filter(|number| usize::from(*number) < MATRIX).take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::class_numbers::ConfusionMatrix;

    fn classes(rows: &[[String; 2]], window_rows: usize) -> Classes {
        let mut classes = Classes::default();
        for rows in rows.chunks(1000) {
            let mut column = ClassColumn::default();
            rows.iter()
                .for_each(|[y_true, y_pred]| assert!(column.add([y_true.as_bytes(), y_pred.as_bytes()])));
            classes.add(&column, window_rows);
        }
        classes
    }

    #[test]
    fn the_window_has_the_numbers_of_its_rows() {
        let (mut random, _) = glue::testing::random();
        let name = |number: usize| format!("c{number}");
        let mut class = |_| [name(random.usize(..30)), name(random.usize(..25))];
        let rows: Vec<[String; 2]> = (0..5000).map(&mut class).collect();
        let all = classes(&rows, 5000);
        assert_eq!(all.numbers(), all.window_numbers());
        let (found, alone) = (classes(&rows, 300).window_numbers(), classes(&rows[4700..], 300).numbers());
        // The order of equal ones depends on the first row.
        let sorted = |numbers: &ClassesNumbers| {
            let mut classes: Vec<_> =
                numbers.classes.iter().map(|class| (class.name.clone(), class.support)).collect();
            classes.sort();
            classes
        };
        assert_eq!(sorted(&found), sorted(&alone));
        assert_eq!((found.accuracy, found.confusion.counts.len()), (alone.accuracy, 21));
        let near = |a: Option<f64>, b: Option<f64>| (a.unwrap() - b.unwrap()).abs() < 1e-12;
        assert!(near(found.macro_f1, alone.macro_f1) && near(found.weighted_f1, alone.weighted_f1));
    }

    #[test]
    fn every_row_is_in_the_confusion_matrix() {
        let rows: Vec<[String; 2]> =
            (0..3000).map(|i| [format!("c{}", i * i % 47), format!("c{}", i * 7 % 53)]).collect();
        let numbers = classes(&rows, 100).numbers();
        let ConfusionMatrix { names, counts } = &numbers.confusion;
        assert_eq!((names.len(), counts.len()), (SHOWN, SHOWN + 1));
        for (place, name) in names.iter().enumerate() {
            let class = numbers.classes.iter().find(|class| class.name == *name).unwrap();
            assert_eq!(counts[place].iter().sum::<u64>(), class.support);
            assert_eq!(counts.iter().map(|row| row[place]).sum::<u64>(), class.predicted);
        }
        assert_eq!(counts.iter().flatten().sum::<u64>(), 3000);
    }

    #[test]
    fn a_million_classes_take_the_room_of_ten_thousand() {
        // Every class three times: once right, once taken for the next one, once for another that is long known.
        let names = |n: usize| format!("{n:064}");
        let rows: Vec<[String; 2]> =
            (0..100_000).flat_map(|n| [[n, n], [n, n + 1], [n, n % 7]].map(|row| row.map(names))).collect();
        let classes = classes(&rows, 1000);
        assert_eq!((classes.names.len(), classes.counts.len()), (EXACT, EXACT + 2));
        assert!(classes.wrong.0.len() == MATRIX && classes.window.len() == 1000);
        let numbers = classes.numbers();
        assert_eq!((numbers.classes.len(), numbers.pooled_rows), (EXACT, 3 * 90_000));
        // n % 7 is n seven times.
        assert_eq!(numbers.accuracy, Some((100_000.0 + 7.0) / 300_000.0));
        assert_eq!(numbers.classes.iter().filter(|class| class.is_exposed).count(), 50);
        assert_eq!(numbers.confusion.counts.iter().flatten().sum::<u64>(), 300_000);
        let window = classes.window_numbers();
        assert_eq!((window.classes.len(), window.pooled_rows), (7, 1000));
        assert_eq!(window.accuracy, Some(0.333));
    }

    #[test]
    fn no_rows_have_no_numbers() {
        let none = Classes::default().numbers();
        assert_eq!(
            (none.accuracy, none.macro_f1, none.weighted_f1, none.classes.len()),
            (None, None, None, 0)
        );
        assert_eq!(none.confusion.counts, [[0]]);
    }
}
