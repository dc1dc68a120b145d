//! The numbers that depend on the task, counted beside those of every task.
//! Never counts an error.

use crate::{
    logs::{lines::Lines, row::Row, task::Task},
    stats::{
        auc::Scores,
        binary::{self, BinaryNumbers, Outcomes},
        class_numbers::{ClassesNumbers, Pair},
        classes::Classes,
    },
};
use std::sync::Arc;

/// Numbers of a set of rows that only its task has.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum TaskNumbers {
    #[default]
    Regression,
    Binary(Box<BinaryNumbers>),
    Classes(Box<ClassesNumbers>),
}

impl TaskNumbers {
    /// The share of rows whose class is right; None without rows, and for regression.
    pub fn accuracy(&self) -> Option<f64> {
        match self {
            TaskNumbers::Regression => None,
            TaskNumbers::Binary(numbers) => numbers.accuracy,
            TaskNumbers::Classes(numbers) => numbers.accuracy,
        }
    }

    pub fn binary(&self) -> Option<&BinaryNumbers> {
        match self {
            TaskNumbers::Binary(numbers) => Some(numbers),
            _ => None,
        }
    }

    pub fn classes(&self) -> Option<&ClassesNumbers> {
        match self {
            TaskNumbers::Classes(numbers) => Some(numbers),
            _ => None,
        }
    }
}

/// What is counted of all rows for the task, besides what each slice of time has.
pub enum TaskCounts {
    Regression,
    Binary(Box<Scores>),
    Classes(Box<Classes>),
}

impl TaskCounts {
    pub fn new(task: Task) -> Self {
        match task {
            Task::Regression => TaskCounts::Regression,
            Task::Binary => TaskCounts::Binary(Box::default()),
            Task::Classes => TaskCounts::Classes(Box::default()),
        }
    }

    /// Returns the numbers of the rows' classes; nothing for other tasks. `window_rows`: how many the window holds.
    pub fn add(&mut self, lines: &Lines, window_rows: usize) -> Vec<Pair> {
        match self {
            TaskCounts::Regression => Vec::new(),
            TaskCounts::Binary(scores) => {
                lines.rows.iter().for_each(|row| scores.add(row.y_pred, row.y_true == 1.0));
                Vec::new()
            }
            TaskCounts::Classes(classes) => classes.add(&lines.classes, window_rows),
        }
    }

    /// Of the classes, by their numbers.
    pub fn names(&self) -> &[Arc<str>] {
        match self {
            TaskCounts::Classes(classes) => classes.names(),
            _ => &[],
        }
    }

    /// Of all rows. `outcomes`: theirs, of [`Task::Binary`]; `squared`: their mean squared error.
    pub fn numbers(&self, outcomes: Option<&Outcomes>, squared: Option<f64>) -> TaskNumbers {
        match (self, outcomes) {
            (TaskCounts::Binary(scores), Some(outcomes)) => {
                TaskNumbers::Binary(Box::new(outcomes.numbers(squared, scores.area())))
            }
            (TaskCounts::Classes(classes), _) => TaskNumbers::Classes(Box::new(classes.numbers())),
            _ => TaskNumbers::Regression,
        }
    }

    /// Of the window. `squared`: the mean squared error of its `rows`.
    pub fn window_numbers<'a>(
        &self,
        rows: impl IntoIterator<Item = &'a Row>,
        threshold: f64,
        squared: Option<f64>,
    ) -> TaskNumbers {
        match self {
            TaskCounts::Regression => TaskNumbers::Regression,
            TaskCounts::Binary(_) => {
                TaskNumbers::Binary(Box::new(binary::numbers_of(rows, threshold, squared)))
            }
            TaskCounts::Classes(classes) => TaskNumbers::Classes(Box::new(classes.window_numbers())),
        }
    }
}
