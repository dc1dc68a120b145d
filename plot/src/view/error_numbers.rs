//! Which numbers of errors the tiles of a task show, by name.
//! Never formats them.

use crate::{
    logs::task::Task,
    stats::{binary::BinaryNumbers, class_numbers::ClassesNumbers, numbers::Numbers},
    words::terms::terms,
};

type Of = fn(&Numbers) -> Option<f64>;

pub struct ErrorNumber {
    pub name: String,
    pub of: Of,
    /// What stands behind its ±, where it has one.
    pub bound: Of,
    /// The same for the window, of whose single rows more is known.
    pub bound_of_window: Of,
    pub change: Change,
}

/// How a change of a number is written.
#[derive(Clone, Copy, PartialEq)]
pub enum Change {
    /// As a share: of numbers that are never below zero and have no upper end.
    Percent,
    Difference,
}

/// In the order of the tiles.
pub fn error_numbers(task: Task) -> Vec<ErrorNumber> {
    use Change::{Difference, Percent};
    let error = ErrorNumber {
        bound: |numbers| numbers.mae_standard_error,
        bound_of_window: |numbers| numbers.mae_standard_error,
        ..number(&format!("{} ± standard error", terms(task).mae), Percent, |numbers| numbers.mae)
    };
    let mut all = vec![number("rows per minute", Percent, |numbers| numbers.rows_per_minute)];
    match task {
        Task::Regression => all.extend([
            error,
            number("RMSE", Percent, |numbers| numbers.rmse),
            number("mean error (bias)", Difference, |numbers| numbers.bias),
            number("R²", Difference, |numbers| numbers.r2),
            number("p50 of |error|", Percent, |numbers| numbers.p50),
            number("p95 of |error|", Percent, |numbers| numbers.p95),
            number("p99 of |error|", Percent, |numbers| numbers.p99),
            number("max of |error|", Percent, |numbers| numbers.max),
        ]),
        Task::Binary => all.extend([
            number("accuracy", Difference, |numbers| numbers.of_task.accuracy()),
            number("precision", Difference, |numbers| binary(numbers)?.precision),
            number("recall", Difference, |numbers| binary(numbers)?.recall),
            number("F1", Difference, |numbers| binary(numbers)?.f1),
            number("specificity", Difference, |numbers| binary(numbers)?.specificity),
            // Over the window it is exact.
            ErrorNumber {
                bound: |numbers| binary(numbers)?.roc_auc_error,
                ..number("ROC AUC ± bound", Difference, |numbers| binary(numbers)?.roc_auc)
            },
            number("log loss (nats)", Percent, |numbers| binary(numbers)?.log_loss),
            number("Brier score", Percent, |numbers| binary(numbers)?.brier),
            error,
            number("mean p − y (bias)", Difference, |numbers| numbers.bias),
        ]),
        Task::Classes => all.extend([
            error,
            number("accuracy", Difference, |numbers| numbers.of_task.accuracy()),
            number("macro precision", Difference, |numbers| classes(numbers)?.macro_precision),
            number("macro recall", Difference, |numbers| classes(numbers)?.macro_recall),
            number("macro F1", Difference, |numbers| classes(numbers)?.macro_f1),
            number("weighted F1", Difference, |numbers| classes(numbers)?.weighted_f1),
        ]),
    }
    all
}

fn number(name: &str, change: Change, of: Of) -> ErrorNumber {
    ErrorNumber { name: name.to_owned(), of, bound: |_| None, bound_of_window: |_| None, change }
}

fn binary(numbers: &Numbers) -> Option<&BinaryNumbers> {
    numbers.of_task.binary()
}

fn classes(numbers: &Numbers) -> Option<&ClassesNumbers> {
    numbers.of_task.classes()
}
