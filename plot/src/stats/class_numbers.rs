//! Numbers of a classifier of many classes from what is counted of each class: accuracy, precision, recall, F1, and their means.
//! Definitions are scikit-learn's, with zero_division=0.
//! Never counts a row but by its two numbers of classes.

use crate::stats::binary::share;
use std::{cmp::Reverse, sync::Arc};

/// How many classes `/metrics` shows: the first ones.
const EXPOSED: usize = 50;

/// All classes behind the first 10,000 have one number; where y_pred is another of them than y_true, it has the next one. So two numbers are
/// the same where two classes are.
pub const LATER: u16 = 10_000;

/// y_true and y_pred of a row, as numbers of classes.
pub type Pair = [u16; 2];

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
pub struct Counts {
    pub support: u64,
    pub predicted: u64,
    pub right: u64,
}

impl Counts {
    pub fn is_empty(&self) -> bool {
        self.support + self.predicted == 0
    }
}

impl ClassesNumbers {
    /// `largest`: the classes that have rows, by size. `cells`: for each class of `shown` how often each of them was predicted.
    pub fn of(
        names: &[Arc<str>],
        counts: &[Counts],
        largest: &[u16],
        shown: &[u16],
        cells: Vec<Vec<u64>>,
    ) -> ClassesNumbers {
        let of = |number: u16| counts.get(usize::from(number)).copied().unwrap_or_default();
        let name = |number: u16| names.get(usize::from(number)).cloned().unwrap_or_default();
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

    /// Without a confusion matrix.
    pub fn without_matrix(names: &[Arc<str>], counts: &[Counts]) -> ClassesNumbers {
        ClassesNumbers::of(names, counts, &largest(names, counts), &[], Vec::new())
    }
}

/// The classes with a name that have counts, the largest first; of equal ones the first comes first.
pub fn largest(names: &[Arc<str>], counts: &[Counts]) -> Vec<u16> {
    let classes = counts.iter().zip(0..).take(names.len());
    let mut classes: Vec<_> = classes.filter(|(counts, _)| !counts.is_empty()).collect();
    classes.sort_by_key(|(counts, _)| Reverse((counts.support, counts.predicted)));
    classes.into_iter().map(|(_, number)| number).collect()
}

/// Adds a row to the counts of its classes.
pub fn count(counts: &mut Vec<Counts>, [y_true, y_pred]: Pair) {
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
