//! How logs are read: the task of their rows, and what their columns are called.
//! Never reads a header.

use crate::logs::task::Task;
use std::sync::Arc;

/// The columns that are read, by the names that `metric` gives them: numbers, and at last a text.
pub const COLUMNS: [&str; 6] = ["y_true", "y_pred", "absolute_error", "logged_at", "label_delay", "group"];

/// A log needs the first two.
const NEEDED: usize = 2;

/// Cheap to clone.
#[derive(Clone)]
pub struct Format {
    pub task: Task,
    /// In the order of [`COLUMNS`].
    pub names: Arc<[Name; COLUMNS.len()]>,
}

pub struct Name {
    pub text: String,
    /// A header without it is refused.
    pub is_needed: bool,
}

impl Format {
    /// With names of one's own, which a header must have then.
    pub fn new(task: Task, names: &[String; COLUMNS.len()]) -> Format {
        let is_needed = |column: usize, name: &str| column < NEEDED || COLUMNS.get(column) != Some(&name);
        let name = |column: usize| {
            let text = names.get(column).cloned().unwrap_or_default();
            Name { is_needed: is_needed(column, &text), text }
        };
        Format { task, names: Arc::new([0, 1, 2, 3, 4, 5].map(name)) }
    }

    #[cfg(test)]
    pub fn of(task: Task) -> Format {
        Format::new(task, &COLUMNS.map(str::to_owned))
    }
}
