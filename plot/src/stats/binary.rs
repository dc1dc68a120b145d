//! Numbers of a classifier of two classes, from rows of y_true 0 or 1 and the probability of 1: confusion counts, log loss, calibration,
//! AUC. Definitions are scikit-learn's, with zero_division=0.
//! Never keeps a row. Memory does not grow with the number of rows.

use crate::{
    logs::row::Row,
    stats::{
        auc::{self, Area},
        spread::Sum,
    },
};

/// Probabilities are clipped so far from 0 and 1 for the log loss, as scikit-learn does: 2^-52.
const CLIP: f64 = f64::EPSILON;

/// What probabilities of each of the ten bins of the calibration are above, as `numpy.linspace` gives it to scikit-learn's
/// `calibration_curve`. 0 is in the first bin.
const ABOVE: [f64; 10] = [
    -1.0,
    0.1,
    0.2,
    0.300_000_000_000_000_04,
    0.4,
    0.5,
    0.600_000_000_000_000_1,
    0.700_000_000_000_000_1,
    0.8,
    0.9,
];

/// Rows by y_true and by whether y_pred is at or above the threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Confusion {
    pub true_positives: u64,
    pub false_positives: u64,
    pub true_negatives: u64,
    pub false_negatives: u64,
}

/// Rows whose y_pred is above a tenth and at most the next one; 0 is in the first bin.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CalibrationBin {
    pub n: u64,
    /// Mean of y_pred, and share of y_true = 1; None without rows.
    pub mean_p: Option<f64>,
    pub share: Option<f64>,
}

/// Numbers of a set of rows; None without rows, and where said.
#[derive(Clone, Debug, PartialEq)]
pub struct BinaryNumbers {
    pub confusion: Confusion,
    pub accuracy: Option<f64>,
    pub precision: Option<f64>,
    pub recall: Option<f64>,
    pub f1: Option<f64>,
    /// Recall of class 0.
    pub specificity: Option<f64>,
    /// In nats.
    pub log_loss: Option<f64>,
    /// Mean of (y_pred − y_true)².
    pub brier: Option<f64>,
    /// None where one class has no row.
    pub roc_auc: Option<f64>,
    /// `roc_auc` is at most so far from the exact area; 0 over the window.
    pub roc_auc_error: Option<f64>,
    /// From 0 to 1.
    pub calibration: [CalibrationBin; 10],
}

/// What all numbers but the AUC need of a set of rows.
#[derive(Clone)]
pub struct Outcomes {
    threshold: f64,
    /// By y_true, then by whether it is predicted.
    confusion: [[u64; 2]; 2],
    likelihood: Likelihood,
    bins: [Bin; 10],
}

#[derive(Clone, Copy, Default)]
struct Bin {
    n: u64,
    ones: u64,
    p: Sum,
}

/// A product of probabilities, whose logarithm is taken only before it becomes too small: that takes a hundredth of the time.
#[derive(Clone)]
struct Likelihood {
    product: f64,
    logs: Sum,
}

impl Likelihood {
    /// With a further factor, which is at least [`CLIP`], the product is still a normal number.
    const LEAST: f64 = 1e-250;

    fn add(&mut self, p: f64) {
        self.product *= p.clamp(CLIP, 1.0 - CLIP);
        if self.product < Self::LEAST {
            self.logs.add(self.product.ln());
            self.product = 1.0;
        }
    }

    fn log(&self) -> f64 {
        self.logs.value() + self.product.ln()
    }
}

impl Outcomes {
    pub fn new(threshold: f64) -> Self {
        let likelihood = Likelihood { product: 1.0, logs: Sum::default() };
        Outcomes { threshold, confusion: [[0; 2]; 2], likelihood, bins: [Bin::default(); 10] }
    }

    /// The same threshold without a row.
    pub fn anew(&self) -> Self {
        Outcomes::new(self.threshold)
    }

    pub fn add(&mut self, p: f64, is_one: bool) {
        let predicted = usize::from(p >= self.threshold);
        let count = self.confusion.get_mut(usize::from(is_one)).and_then(|counts| counts.get_mut(predicted));
        if let Some(count) = count {
            *count += 1;
        }
        // No branch: it could not be predicted.
        self.likelihood.add((f64::from(u8::from(!is_one)) - p).abs());
        if let Some(bin) = self.bins.get_mut(bin_of(p)) {
            bin.n += 1;
            bin.ones += u64::from(is_one);
            bin.p.add(p);
        }
    }

    /// `more`: of the same threshold.
    pub fn add_all(&mut self, more: &Outcomes) {
        for (counts, more) in self.confusion.iter_mut().flatten().zip(more.confusion.iter().flatten()) {
            *counts += more;
        }
        self.likelihood.logs = self.likelihood.logs.with(more.likelihood.logs);
        self.likelihood.logs.add(more.likelihood.product.ln());
        for (bin, more) in self.bins.iter_mut().zip(&more.bins) {
            *bin = Bin { n: bin.n + more.n, ones: bin.ones + more.ones, p: bin.p.with(more.p) };
        }
    }

    /// `squared`: mean squared error.
    pub fn numbers(&self, squared: Option<f64>, area: Option<Area>) -> BinaryNumbers {
        let [[true_negatives, false_positives], [false_negatives, true_positives]] = self.confusion;
        let right = true_negatives + true_positives;
        let n = right + false_positives + false_negatives;
        let (predicted, ones) = (true_positives + false_positives, true_positives + false_negatives);
        let share = |part: u64, of: u64| (n > 0).then(|| share(part, of));
        BinaryNumbers {
            confusion: Confusion { true_positives, false_positives, true_negatives, false_negatives },
            accuracy: share(right, n),
            precision: share(true_positives, predicted),
            recall: share(true_positives, ones),
            f1: share(2 * true_positives, predicted + ones),
            specificity: share(true_negatives, n - ones),
            log_loss: (n > 0).then(|| -self.likelihood.log() / n as f64),
            brier: squared,
            roc_auc: area.map(|area| area.value),
            roc_auc_error: area.map(|area| area.error),
            calibration: self.bins.map(|bin| CalibrationBin {
                n: bin.n,
                mean_p: (bin.n > 0).then(|| bin.p.value() / bin.n as f64),
                share: (bin.n > 0).then(|| bin.ones as f64 / bin.n as f64),
            }),
        }
    }
}

/// The bin of `p`, from 0 to 1. No limit is below its tenth, so the product with ten never leads to a bin too low, and at most to the next
/// one. No branch: it could not be predicted.
fn bin_of(p: f64) -> usize {
    let tenth = ((p * 10.0) as usize).min(ABOVE.len() - 1);
    tenth - usize::from(ABOVE.get(tenth).is_some_and(|limit| p <= *limit))
}

/// 0 of nothing, as with zero_division=0.
pub fn share(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

/// Of some rows, with the AUC exact. `threshold`: y_pred at or above it predicts 1. `squared`: their mean squared error.
pub fn numbers_of<'a>(
    rows: impl IntoIterator<Item = &'a Row>,
    threshold: f64,
    squared: Option<f64>,
) -> BinaryNumbers {
    let rows: Vec<_> = rows.into_iter().map(|row| (row.y_pred, row.y_true == 1.0)).collect();
    let mut outcomes = Outcomes::new(threshold);
    rows.iter().for_each(|(p, is_one)| outcomes.add(*p, *is_one));
    outcomes.numbers(squared, auc::exact(rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_rows_have_no_numbers() {
        let none = numbers_of(&[], 0.5, None);
        let numbers = [none.accuracy, none.precision, none.recall, none.f1, none.specificity];
        assert_eq!(numbers, [None; 5]);
        assert_eq!([none.log_loss, none.brier, none.roc_auc, none.roc_auc_error], [None; 4]);
        assert!(none.calibration.iter().all(|bin| *bin == CalibrationBin::default()));
    }

    #[test]
    fn a_product_of_probabilities_has_the_logarithm_of_their_sum() {
        let mut likelihood = Likelihood { product: 1.0, logs: Sum::default() };
        let mut sum = Sum::default();
        for i in 0..1_000_000_i32 {
            // Also so small that the next one follows at once, and 0 and 1.
            let p = f64::from(i % 1001 * 7919 % 1001) / 1000.0;
            let p = if i % 10 == 0 { p.powi(9) } else { p };
            likelihood.add(p);
            sum.add(p.clamp(CLIP, 1.0 - CLIP).ln());
        }
        assert!((likelihood.log() / sum.value() - 1.0).abs() < 1e-14, "{} {}", likelihood.log(), sum.value());
    }

    #[test]
    fn each_probability_is_in_the_last_bin_whose_limit_it_is_above() {
        let tenths = (0..=10).map(|tenth| f64::from(tenth) / 10.0);
        let around = ABOVE.into_iter().chain(tenths).flat_map(|p| [p.next_down(), p, p.next_up()]);
        let between = (0..=1_000_000).map(|millionth| f64::from(millionth) / 1e6);
        for p in around.chain(between).filter(|p| (0.0..=1.0).contains(p)) {
            assert_eq!(Some(bin_of(p)), ABOVE.iter().rposition(|limit| p > *limit), "{p:e}");
        }
    }

    #[test]
    fn a_probability_on_an_edge_is_in_the_bin_below() {
        let mut outcomes = Outcomes::new(0.5);
        (0..=10).for_each(|tenth| outcomes.add(f64::from(tenth) / 10.0, tenth % 2 == 0));
        let bins = outcomes.numbers(None, None).calibration.map(|bin| bin.n);
        assert_eq!(bins, [2, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
    }
}
