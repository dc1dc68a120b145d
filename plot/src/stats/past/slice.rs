//! What is known of the rows of a slice of time, small at rest; and rows and slices being put together.
//! Never knows the time.

use crate::{
    logs::{row::Row, task::Task},
    stats::{
        auc,
        binary::Outcomes,
        class_numbers::{ClassesNumbers, Pair},
        moments::{Moments, Sums},
        numbers::Numbers,
        past::{
            class_counts::{self, ClassCounts},
            magnitudes::{self, Magnitudes},
        },
        quantile::quantile,
        task::TaskNumbers,
    },
};
use std::sync::Arc;

/// A slice at rest.
pub struct Slice {
    pub sums: Sums,
    of_task: OfTask,
}

enum OfTask {
    /// The absolute errors.
    Regression(Magnitudes),
    Binary(Box<(Outcomes, [Magnitudes; 4])>),
    Classes(ClassCounts),
}

/// Rows and slices being put together.
pub struct Counting {
    /// Of the slices, and of the rows.
    sums: Sums,
    moments: Moments,
    of_task: CountingOfTask,
}

enum CountingOfTask {
    Regression(magnitudes::Counting),
    /// The magnitudes of y_pred = p below 0.5, else those of 1 − p, so that both ends are as fine: of y_true 0 first p, then 1 − p, and the
    /// same of y_true 1.
    Binary(Box<(Outcomes, [magnitudes::Counting; 4])>),
    Classes(class_counts::Counting),
}

impl Counting {
    /// `threshold`: y_pred at or above it predicts 1.
    pub fn new(task: Task, threshold: f64) -> Self {
        let of_task = match task {
            Task::Regression => CountingOfTask::Regression(magnitudes::Counting::default()),
            Task::Binary => CountingOfTask::Binary(Box::new((Outcomes::new(threshold), Default::default()))),
            Task::Classes => CountingOfTask::Classes(class_counts::Counting::default()),
        };
        Counting { sums: Sums::default(), moments: Moments::new(), of_task }
    }

    /// `pair`: the classes of y_true and y_pred, of [`Task::Classes`].
    #[inline]
    pub fn add(&mut self, row: &Row, pair: Pair) {
        self.moments.add(row);
        match &mut self.of_task {
            CountingOfTask::Regression(errors) => errors.add(row.error().abs()),
            CountingOfTask::Binary(binary) => {
                let (outcomes, magnitudes) = &mut **binary;
                let (p, is_one) = (row.y_pred, row.y_true == 1.0);
                outcomes.add(p, is_one);
                let (half, magnitude) = auc::from_nearer_end(p);
                if let Some(counting) = magnitudes.get_mut(usize::from(is_one) * 2 + half) {
                    counting.add(magnitude);
                }
            }
            CountingOfTask::Classes(classes) => classes.add(pair),
        }
    }

    /// Slices of another task add their sums only.
    pub fn add_slice(&mut self, slice: &Slice) {
        self.sums = self.sums.with(&slice.sums);
        match (&mut self.of_task, &slice.of_task) {
            (CountingOfTask::Regression(errors), OfTask::Regression(more)) => errors.add_all(more),
            (CountingOfTask::Binary(binary), OfTask::Binary(more)) => {
                let ((outcomes, magnitudes), (more_outcomes, more_magnitudes)) = (&mut **binary, &**more);
                outcomes.add_all(more_outcomes);
                magnitudes
                    .iter_mut()
                    .zip(more_magnitudes)
                    .for_each(|(counting, more)| counting.add_all(more));
            }
            (CountingOfTask::Classes(classes), OfTask::Classes(more)) => classes.add_all(more),
            _ => {}
        }
    }

    pub fn sums(&self) -> Sums {
        self.sums.with(&self.moments.sums())
    }

    /// Of [`Task::Binary`].
    pub fn outcomes(&self) -> Option<&Outcomes> {
        match &self.of_task {
            CountingOfTask::Binary(binary) => Some(&binary.0),
            _ => None,
        }
    }

    /// What was counted; counts nothing afterwards.
    pub fn take(&mut self) -> Slice {
        let sums = self.sums();
        (self.sums, self.moments) = (Sums::default(), Moments::new());
        let of_task = match &mut self.of_task {
            CountingOfTask::Regression(errors) => OfTask::Regression(errors.take()),
            CountingOfTask::Binary(binary) => {
                let (outcomes, magnitudes) = &mut **binary;
                let taken = (outcomes.clone(), magnitudes.each_mut().map(magnitudes::Counting::take));
                *outcomes = outcomes.anew();
                OfTask::Binary(Box::new(taken))
            }
            CountingOfTask::Classes(classes) => OfTask::Classes(classes.take()),
        };
        Slice { sums, of_task }
    }

    /// All numbers, and the limit of the relative error of the quantiles. `names`: of the classes, by their numbers.
    pub fn numbers(&self, names: &[Arc<str>]) -> (Numbers, f64) {
        let sums = self.sums();
        let (absolute, relative_error, of_task) = match &self.of_task {
            CountingOfTask::Regression(errors) => {
                (errors.ascending().collect(), errors.relative_error(), TaskNumbers::Regression)
            }
            CountingOfTask::Binary(binary) => {
                let (outcomes, magnitudes) = &**binary;
                let numbers = outcomes.numbers(sums.mse(), area(magnitudes));
                let error = magnitudes.iter().map(magnitudes::Counting::relative_error).fold(0.0, f64::max);
                (absolute_of(magnitudes), error, TaskNumbers::Binary(Box::new(numbers)))
            }
            CountingOfTask::Classes(classes) => {
                let wrong = sums.absolute_error_sum().round() as u64;
                let numbers = match classes.counts() {
                    Some(counts) => ClassesNumbers::without_matrix(names, counts),
                    // Each row is wrong or right.
                    None => ClassesNumbers {
                        accuracy: sums.mae().map(|rate| 1.0 - rate),
                        pooled_rows: sums.n,
                        ..ClassesNumbers::default()
                    },
                };
                let absolute = [(0.0, sums.n - wrong), (1.0, wrong)];
                let absolute = absolute.into_iter().filter(|(_, n)| *n > 0).collect();
                (absolute, 0.0, TaskNumbers::Classes(Box::new(numbers)))
            }
        };
        let absolute: Vec<(f64, u64)> = absolute;
        let (least, most) = (sums.absolute_error_least, sums.absolute_error_most);
        let quantiles =
            [0.5, 0.95, 0.99].map(|q| quantile(&absolute, q).map(|value| value.max(least).min(most)));
        (Numbers::of(&sums, quantiles, of_task), relative_error)
    }
}

/// |y_pred − y_true| in ascending order.
fn absolute_of(magnitudes: &[magnitudes::Counting; 4]) -> Vec<(f64, u64)> {
    let [zero_low, zero_high, one_low, one_high] = magnitudes;
    let as_counted = zero_low.ascending().chain(one_high.ascending());
    let from_one =
        zero_high.ascending().chain(one_low.ascending()).map(|(magnitude, n)| (1.0 - magnitude, n));
    let mut absolute: Vec<_> = as_counted.chain(from_one).collect();
    absolute.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    absolute
}

/// The AUC: two probabilities in one bucket count as a tie, within its bound.
fn area(magnitudes: &[magnitudes::Counting; 4]) -> Option<auc::Area> {
    let [zero_low, zero_high, one_low, one_high] = magnitudes;
    let mut low = magnitudes::side_by_side(zero_low, one_low);
    let high = magnitudes::side_by_side(zero_high, one_high);
    low.extend(high.into_iter().rev());
    auc::of_ties(low)
}
