//! About how many different texts there were, in constant memory.
//! Never keeps a text.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
};

/// Below this many the count is exact; from it on its standard error is 1 / √1022, some 3 %.
const LEAST: usize = 1024;

/// The least hashes (Bar-Yossef et al. 2002, "Counting distinct elements in a data stream"): of n hashes that are spread evenly, the k-th
/// least is at about k / n of the range.
#[derive(Default)]
pub struct Distinct(BTreeSet<u64>);

impl Distinct {
    pub fn add(&mut self, text: &str) {
        // Of fixed keys: the number is the same after a restart.
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        self.0.insert(hasher.finish());
        if self.0.len() > LEAST {
            self.0.pop_last();
        }
    }

    pub fn count(&self) -> u64 {
        match self.0.last() {
            Some(last) if self.0.len() == LEAST => {
                ((LEAST - 1) as f64 / *last as f64 * u64::MAX as f64).round() as u64
            }
            _ => self.0.len() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_exact_and_many_are_near() {
        let mut distinct = Distinct::default();
        for n in 0..1_000_000_u64 {
            distinct.add(&format!("user-{n}"));
            distinct.add(&format!("user-{}", n / 2));
            let count = distinct.count();
            if n < 1023 {
                assert_eq!(count, n + 1);
            } else if n % 1000 == 0 {
                assert!((count as f64 / n as f64 - 1.0).abs() < 0.15, "{count}, not {n}");
            }
        }
        assert_eq!(distinct.0.len(), LEAST);
    }
}
