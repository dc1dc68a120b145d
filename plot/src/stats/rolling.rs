//! The MAE of the window along the log, at a limited number of points.
//! Never updates a running sum: each point is a fresh pass over the window, so nothing drifts.

/// Limit of points. Beyond it every second one is dropped.
const MOST_POINTS: usize = 512;

/// (number of the last row, MAE of the rows of the window that ends with it).
pub struct Rolling {
    pub points: Vec<(u64, f64)>,
    stride: u64,
}

impl Rolling {
    pub fn new() -> Self {
        Rolling { points: Vec::new(), stride: 1 }
    }

    /// Call after each row. `n`: rows so far; `mae` computes the window's MAE, and is called only if a point is due.
    pub fn row(&mut self, n: u64, mae: impl FnOnce() -> f64) {
        if !n.is_multiple_of(self.stride) {
            return;
        }
        self.points.push((n, mae()));
        if self.points.len() > MOST_POINTS {
            self.stride *= 2;
            self.points.retain(|(n, _)| n.is_multiple_of(self.stride));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_even_and_bounded() {
        let mut rolling = Rolling::new();
        for n in 1..=1_000_000 {
            rolling.row(n, || n as f64);
        }
        assert!((MOST_POINTS / 2..=MOST_POINTS).contains(&rolling.points.len()));
        assert!(rolling.points.iter().all(|(n, mae)| n % rolling.stride == 0 && *mae == *n as f64));
    }
}
