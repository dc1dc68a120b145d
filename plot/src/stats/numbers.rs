//! The numbers of a set of rows: of all, of the window, of a range of time.
//! Plain values; never formats them.

use crate::stats::{moments::Sums, task::TaskNumbers};

/// Numbers of a set of rows; None if undefined. Errors are in the unit of y_true.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers {
    pub n: u64,
    pub rows_per_minute: Option<f64>,
    pub absolute_error_sum: f64,
    pub mae: Option<f64>,
    pub mae_standard_error: Option<f64>,
    pub rmse: Option<f64>,
    pub bias: Option<f64>,
    pub r2: Option<f64>,
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
    pub max: Option<f64>,
    /// What only the task has.
    pub of_task: TaskNumbers,
}

impl Numbers {
    /// `quantiles`: p50, p95 and p99 of the absolute error.
    pub fn of(sums: &Sums, [p50, p95, p99]: [Option<f64>; 3], of_task: TaskNumbers) -> Self {
        Numbers {
            n: sums.n,
            rows_per_minute: sums.rows_per_minute(),
            absolute_error_sum: sums.absolute_error_sum(),
            mae: sums.mae(),
            mae_standard_error: sums.mae_standard_error(),
            rmse: sums.rmse(),
            bias: sums.bias(),
            // Classes have no distance.
            r2: sums.r2().filter(|_| of_task.classes().is_none()),
            p50,
            p95,
            p99,
            max: (sums.n > 0).then_some(sums.absolute_error_most),
            of_task,
        }
    }
}
