//! The numbers that depend on the task, counted beside those of every task.
//! Never counts an error.

use crate::{
    logs::{lines::Lines, row::Row, task::Task},
    stats::{
        binary::{Binary, BinaryNumbers},
        classes::{Classes, ClassesNumbers},
    },
};

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

/// What is counted of all rows for the task.
pub enum TaskCounts {
    Regression,
    Binary(Box<Binary>),
    Classes(Box<Classes>),
}

impl TaskCounts {
    /// `threshold`: y_pred at or above it predicts 1.
    pub fn new(task: Task, threshold: f64) -> Self {
        match task {
            Task::Regression => TaskCounts::Regression,
            Task::Binary => TaskCounts::Binary(Box::new(Binary::new(threshold))),
            Task::Classes => TaskCounts::Classes(Box::default()),
        }
    }

    /// `window_rows`: how many the window holds.
    pub fn add(&mut self, lines: &Lines, window_rows: usize) {
        match self {
            TaskCounts::Regression => {}
            TaskCounts::Binary(binary) => lines.rows.iter().for_each(|row| binary.add(row)),
            TaskCounts::Classes(classes) => classes.add(&lines.classes, window_rows),
        }
    }

    /// Of all rows. `squared`: their mean squared error.
    pub fn numbers(&self, squared: Option<f64>) -> TaskNumbers {
        match self {
            TaskCounts::Regression => TaskNumbers::Regression,
            TaskCounts::Binary(binary) => TaskNumbers::Binary(Box::new(binary.numbers(squared))),
            TaskCounts::Classes(classes) => TaskNumbers::Classes(Box::new(classes.numbers())),
        }
    }

    /// Of the window. `squared`: the mean squared error of its `rows`.
    pub fn window_numbers<'a>(
        &self,
        rows: impl IntoIterator<Item = &'a Row>,
        squared: Option<f64>,
    ) -> TaskNumbers {
        match self {
            TaskCounts::Regression => TaskNumbers::Regression,
            TaskCounts::Binary(binary) => TaskNumbers::Binary(Box::new(binary.numbers_of(rows, squared))),
            TaskCounts::Classes(classes) => TaskNumbers::Classes(Box::new(classes.window_numbers())),
        }
    }
}
