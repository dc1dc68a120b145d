//! What the model predicts: a number, the probability of 1, or a class.
//! Never knows a row.

/// What y_true and y_pred are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Task {
    /// Numbers.
    #[default]
    Regression,
    /// y_true: 0 or 1; y_pred: the probability of 1.
    Binary,
    /// Names of classes.
    Classes,
}

impl Task {
    /// By the names of `--task` and of `metric_status.json`.
    pub const NAMES: &[(&str, Task)] =
        &[("regression", Task::Regression), ("binary", Task::Binary), ("classes", Task::Classes)];

    pub fn name(self) -> &'static str {
        Task::NAMES.iter().find(|(_, task)| *task == self).map_or("", |(name, _)| name)
    }

    pub fn named(name: &str) -> Option<Task> {
        Task::NAMES.iter().find(|(other, _)| *other == name).map(|(_, task)| *task)
    }
}
