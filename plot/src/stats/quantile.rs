//! Quantiles of values in ascending order, each with its count.
//! Never knows what was counted.

/// (value, count) pairs in ascending order.
pub type Ascending = [(f64, u64)];

/// The value at a rank, counted from 0. None beyond the last.
fn at_rank(values: &Ascending, rank: u64) -> Option<f64> {
    let mut before = 0;
    let found = values.iter().find(|(_, count)| {
        before += count;
        rank < before
    });
    found.map(|(value, _)| *value)
}

/// Quantile as numpy's method `linear`. None without values.
pub fn quantile(values: &Ascending, q: f64) -> Option<f64> {
    let n: u64 = values.iter().map(|(_, count)| count).sum();
    let position = q * n.checked_sub(1)? as f64;
    let low = at_rank(values, position.floor() as u64)?;
    let high = at_rank(values, position.ceil() as u64).unwrap_or(low);
    Some(low + (high - low) * position.fract())
}

/// Quantile as numpy's method `lower`: always one of the values.
pub fn lower_quantile(values: &Ascending, q: f64) -> Option<f64> {
    let n: u64 = values.iter().map(|(_, count)| count).sum();
    at_rank(values, (q * n.checked_sub(1)? as f64).floor() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_numpy() {
        let values = [(1.0, 1), (2.0, 2), (10.0, 1)];
        assert_eq!(quantile(&values, 0.0), Some(1.0));
        assert_eq!(quantile(&values, 0.5), Some(2.0));
        assert_eq!(quantile(&values, 0.9), Some(2.0 + 8.0 * 0.7000000000000002));
        assert_eq!(quantile(&values, 1.0), Some(10.0));
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(lower_quantile(&values, 0.9), Some(2.0));
    }
}
