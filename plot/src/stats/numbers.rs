//! The numbers of a set of rows: of all, of the window, of a range of time.
//! Plain values; never formats them.

use crate::stats::{tally::Tally, task::TaskNumbers};

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
    pub fn of(tally: &Tally, of_task: TaskNumbers) -> Self {
        let moments = &tally.moments;
        let [p50, p95, p99] = tally.absolute_quantiles([0.5, 0.95, 0.99]);
        Numbers {
            n: moments.n,
            rows_per_minute: moments.rows_per_minute(),
            absolute_error_sum: moments.absolute_error_sum(),
            mae: moments.mae(),
            mae_standard_error: moments.mae_standard_error(),
            rmse: moments.rmse(),
            bias: moments.bias(),
            // Classes have no distance.
            r2: moments.r2().filter(|_| of_task.classes().is_none()),
            p50,
            p95,
            p99,
            max: (moments.n > 0).then_some(moments.absolute_error_most),
            of_task,
        }
    }
}
