//! How long truths come after their predictions.
//! Never keeps a row.

use crate::{
    logs::row::Row,
    stats::{
        buckets::{self, Buckets},
        quantile::quantile,
    },
};

/// Label delays of a set of rows; rows without one are left out. Memory does not grow with the count.
#[derive(Default)]
pub struct Delays {
    /// Seconds, where the truth came after its prediction.
    later: Buckets,
    sum_s: f64,
    n: u64,
    truths_first: u64,
}

/// Numbers of label delays. Seconds; None without a truth that came later.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DelayNumbers {
    /// Truths that came after their prediction: the numbers below are theirs.
    pub n: u64,
    pub truths_first: u64,
    pub sum_s: f64,
    pub p50_s: Option<f64>,
    pub p95_s: Option<f64>,
}

impl Delays {
    pub fn of<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Self {
        let mut delays = Delays::default();
        rows.into_iter().for_each(|row| delays.add(row));
        delays
    }

    pub fn add(&mut self, row: &Row) {
        match row.label_delay_s() {
            Some(delay_s) if delay_s >= 0.0 => {
                self.n += 1;
                self.sum_s += delay_s;
                self.later.add(delay_s);
            }
            Some(_) => self.truths_first += 1,
            None => {}
        }
    }

    /// Delays in ascending order, each within 0.05 %, and their counts.
    pub fn ascending(&self) -> Vec<(f64, u64)> {
        buckets::ascending(&[&self.later])
    }

    /// How many delays are at most 1, 2, 5 and 10 ms, …, 5e6 s: (seconds, count).
    pub fn cumulative(&self) -> Vec<(f64, u64)> {
        buckets::cumulative(&[&self.later], -3..=6)
    }

    pub fn numbers(&self) -> DelayNumbers {
        let ascending = self.ascending();
        let [p50_s, p95_s] = [0.5, 0.95].map(|q| quantile(&ascending, q));
        DelayNumbers { n: self.n, truths_first: self.truths_first, sum_s: self.sum_s, p50_s, p95_s }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truths_that_came_first_are_counted_apart() {
        let row = |delay_s| Row::new(0.0, 0.0, None).with_label_delay(delay_s);
        let rows: Vec<Row> = (-5..=100).map(|n| row(Some(f64::from(n)))).chain([row(None)]).collect();
        let numbers = Delays::of(&rows).numbers();
        assert_eq!((numbers.n, numbers.truths_first, numbers.sum_s), (101, 5, 5050.0));
        let is = |found: Option<f64>, expected: f64| (found.unwrap() / expected - 1.0).abs() < 1e-3;
        assert!(is(numbers.p50_s, 50.0) && is(numbers.p95_s, 95.0), "{numbers:?}");
        assert_eq!(Delays::default().numbers(), DelayNumbers::default());
    }
}
