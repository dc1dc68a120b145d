//! Numbers of a classifier of many classes, from the names of the classes: accuracy, what each class has, and which are taken for which.
//! Definitions are scikit-learn's, with zero_division=0.
//! Never keeps more of a row than its two classes, and only of the window. Memory does not grow with the number of rows.

use crate::{logs::classes::ClassColumn, stats::binary::share};
use std::{
    cmp::Reverse,
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// The first classes are counted each by itself; `metric` has no more.
const EXACT: usize = 10_000;

/// All later classes have one number; where y_pred is another of them than y_true, it has the next one. So two numbers are the same where
/// two classes are.
const LATER: u16 = EXACT as u16;

/// Of the first classes it is counted which is taken for which.
const MATRIX: usize = 1_000;

/// How many classes the confusion matrix shows.
const SHOWN: usize = 20;

/// How many classes `/metrics` shows: the first ones.
const EXPOSED: usize = 50;

/// y_true and y_pred of a row, as numbers of classes.
type Pair = [u16; 2];

/// Numbers of one class, from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassNumbers {
    pub name: Arc<str>,
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
    /// Rows whose y_true it is.
    pub support: u64,
    /// Rows whose y_pred it is.
    pub predicted: u64,
    /// One of the at most 50 of `/metrics`: these never change.
    pub is_exposed: bool,
}

/// Rows by y_true, then by y_pred. One row and one column more than there are names: the last ones hold all other classes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfusionMatrix {
    /// The 20 classes with the most rows among the first 1,000 of the logs, the largest first.
    pub names: Vec<Arc<str>>,
    pub counts: Vec<Vec<u64>>,
}

/// Numbers of a set of rows; None without rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClassesNumbers {
    pub accuracy: Option<f64>,
    /// Means over the classes, each weighing the same.
    pub macro_precision: Option<f64>,
    pub macro_recall: Option<f64>,
    pub macro_f1: Option<f64>,
    /// Mean over the classes, each weighing as many rows as it has.
    pub weighted_f1: Option<f64>,
    /// Each class that is y_true or y_pred of a row, the largest first.
    pub classes: Vec<ClassNumbers>,
    pub confusion: ConfusionMatrix,
    /// Rows whose y_true is none of the first 10,000 classes.
    pub pooled_rows: u64,
}

/// The rows of a class.
#[derive(Clone, Copy, Default)]
struct Counts {
    support: u64,
    predicted: u64,
    right: u64,
}

/// For each class among the first ones whether it has rows, how often each was predicted. A class with rows takes 8 KB.
#[derive(Default)]
struct Pairs(Vec<Box<[u64]>>);

impl Pairs {
    fn add(&mut self, [y_true, y_pred]: Pair) {
        let (y_true, y_pred) = (usize::from(y_true), usize::from(y_pred));
        if y_true >= MATRIX {
            return;
        }
        if self.0.len() <= y_true {
            self.0.resize_with(y_true + 1, Box::default);
        }
        let Some(row) = self.0.get_mut(y_true) else { return };
        if row.is_empty() {
            *row = vec![0; MATRIX].into();
        }
        if let Some(count) = row.get_mut(y_pred) {
            *count += 1;
        }
    }

    fn count(&self, y_true: u16, y_pred: u16) -> u64 {
        let row = self.0.get(usize::from(y_true));
        row.and_then(|row| row.get(usize::from(y_pred))).copied().unwrap_or(0)
    }
}

/// All rows of the logs, and the classes of the last ones.
#[derive(Default)]
pub struct Classes {
    names: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u16>,
    /// By the number of the class.
    counts: Vec<Counts>,
    pairs: Pairs,
    window: VecDeque<Pair>,
}

impl Classes {
    /// Adds rows. `window_rows`: how many the window holds.
    pub fn add(&mut self, column: &ClassColumn, window_rows: usize) {
        let numbers: Vec<u16> = column.names.texts.iter().map(|name| self.number(name)).collect();
        let number = |place: u32| numbers.get((place as usize).wrapping_sub(1)).copied().unwrap_or(LATER);
        for [y_true, y_pred] in &column.of_rows {
            let mut pair = [number(*y_true), number(*y_pred)];
            if pair == [LATER, LATER] && y_true != y_pred {
                pair = [LATER, LATER + 1];
            }
            count(&mut self.counts, pair);
            self.pairs.add(pair);
            if self.window.len() == window_rows {
                self.window.pop_front();
            }
            self.window.push_back(pair);
        }
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

    /// Of all rows.
    pub fn numbers(&self) -> ClassesNumbers {
        let largest = self.largest(&self.counts);
        let shown = shown(&largest);
        let cells = shown
            .iter()
            .map(|y_true| shown.iter().map(|y_pred| self.pairs.count(*y_true, *y_pred)).collect());
        self.summary(&self.counts, &largest, &shown, cells.collect())
    }

    /// Of the rows of the window.
    pub fn window_numbers(&self) -> ClassesNumbers {
        let mut counts = Vec::new();
        self.window.iter().for_each(|pair| count(&mut counts, *pair));
        let largest = self.largest(&counts);
        let shown = shown(&largest);
        let mut cells = vec![vec![0; shown.len()]; shown.len()];
        let place = |number: u16| shown.iter().position(|shown| *shown == number);
        for [y_true, y_pred] in &self.window {
            let cell = place(*y_true).zip(place(*y_pred));
            if let Some(cell) = cell.and_then(|(row, column)| cells.get_mut(row)?.get_mut(column)) {
                *cell += 1;
            }
        }
        self.summary(&counts, &largest, &shown, cells)
    }

    /// The classes with a name that have counts, the largest first; of equal ones the first comes first.
    fn largest(&self, counts: &[Counts]) -> Vec<u16> {
        let classes = counts.iter().zip(0..).take(self.names.len());
        let mut classes: Vec<_> =
            classes.filter(|(counts, _)| counts.support + counts.predicted > 0).collect();
        classes.sort_by_key(|(counts, _)| Reverse((counts.support, counts.predicted)));
        classes.into_iter().map(|(_, number)| number).collect()
    }

    /// `cells`: for each class of `shown` how often each of them was predicted.
    fn summary(
        &self,
        counts: &[Counts],
        largest: &[u16],
        shown: &[u16],
        cells: Vec<Vec<u64>>,
    ) -> ClassesNumbers {
        let of = |number: u16| counts.get(usize::from(number)).copied().unwrap_or_default();
        let name = |number: u16| self.names.get(usize::from(number)).cloned().unwrap_or_default();
        let classes = largest.iter().map(|&number| {
            let Counts { support, predicted, right } = of(number);
            ClassNumbers {
                name: name(number),
                precision: share(right, predicted),
                recall: share(right, support),
                f1: share(2 * right, support + predicted),
                support,
                predicted,
                is_exposed: usize::from(number) < EXPOSED,
            }
        });
        let classes: Vec<ClassNumbers> = classes.collect();
        let n: u64 = counts.iter().map(|counts| counts.support).sum();
        let right: u64 = counts.iter().map(|counts| counts.right).sum();
        let of_classes = classes.len() as f64;
        let mean = |value: fn(&ClassNumbers) -> f64| {
            (n > 0).then(|| classes.iter().map(value).sum::<f64>() / of_classes)
        };
        let known: u64 = classes.iter().map(|class| class.support).sum();
        let weighted: f64 = classes.iter().map(|class| class.f1 * class.support as f64).sum();
        ClassesNumbers {
            accuracy: (n > 0).then(|| share(right, n)),
            macro_precision: mean(|class| class.precision),
            macro_recall: mean(|class| class.recall),
            macro_f1: mean(|class| class.f1),
            weighted_f1: (known > 0).then(|| weighted / known as f64),
            confusion: ConfusionMatrix {
                names: shown.iter().map(|number| name(*number)).collect(),
                counts: with_rest(cells, &shown.iter().map(|number| of(*number)).collect::<Vec<_>>(), n),
            },
            pooled_rows: of(LATER).support,
            classes,
        }
    }
}

/// The classes of the confusion matrix, of all by size.
fn shown(largest: &[u16]) -> Vec<u16> {
    largest.iter().copied().filter(|number| usize::from(*number) < MATRIX).take(SHOWN).collect()
}

/// Adds a row to the counts of its classes.
fn count(counts: &mut Vec<Counts>, [y_true, y_pred]: Pair) {
    let most = usize::from(y_true.max(y_pred));
    if counts.len() <= most {
        counts.resize(most + 1, Counts::default());
    }
    if let Some(counts) = counts.get_mut(usize::from(y_true)) {
        counts.support += 1;
        counts.right += u64::from(y_true == y_pred);
    }
    if let Some(counts) = counts.get_mut(usize::from(y_pred)) {
        counts.predicted += 1;
    }
}

/// Appends a column and a row for what is not in `cells`. `counts`: of their classes; `n`: rows of all classes.
fn with_rest(mut cells: Vec<Vec<u64>>, counts: &[Counts], n: u64) -> Vec<Vec<u64>> {
    for (row, counts) in cells.iter_mut().zip(counts) {
        row.push(counts.support - row.iter().sum::<u64>());
    }
    let known = |column: usize| cells.iter().filter_map(|row| row.get(column)).sum::<u64>();
    let mut last: Vec<u64> =
        counts.iter().enumerate().map(|(column, counts)| counts.predicted - known(column)).collect();
    let of_shown: u64 = counts.iter().map(|counts| counts.support).sum();
    last.push(n - of_shown - last.iter().sum::<u64>());
    cells.push(last);
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(classes.pairs.0.len() == MATRIX && classes.window.len() == 1000);
        let numbers = classes.numbers();
        assert_eq!((numbers.classes.len(), numbers.pooled_rows), (EXACT, 3 * 90_000));
        // n % 7 is n seven times.
        assert_eq!(numbers.accuracy, Some((100_000.0 + 7.0) / 300_000.0));
        assert_eq!(numbers.classes.iter().filter(|class| class.is_exposed).count(), EXPOSED);
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
