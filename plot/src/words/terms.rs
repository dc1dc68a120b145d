//! What errors are called in each task, and their unit, as people read it.
//! Pure. Never formats a number.

use crate::logs::task::Task;

/// Words as they stand inside of a sentence.
pub struct Terms {
    /// The mean of |y_pred − y_true|.
    pub mae: &'static str,
    /// y_pred − y_true itself. For classes it has no sign.
    pub error: &'static str,
    pub mean_error: &'static str,
    /// Of all of these.
    pub unit: &'static str,
    /// The same after what is in it.
    pub in_unit: &'static str,
}

pub fn terms(task: Task) -> Terms {
    match task {
        Task::Regression => Terms {
            mae: "MAE",
            error: "error",
            mean_error: "mean error",
            unit: "unit of y_true",
            in_unit: "in the unit of y_true",
        },
        Task::Binary => Terms {
            mae: "mean |p − y|",
            error: "p − y",
            mean_error: "mean p − y",
            unit: "probability",
            in_unit: "as a probability",
        },
        Task::Classes => Terms {
            mae: "error rate",
            error: "error rate",
            mean_error: "error rate",
            unit: "share of rows",
            in_unit: "as a share of rows, 0 to 1",
        },
    }
}

/// A text at the beginning of a sentence.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
