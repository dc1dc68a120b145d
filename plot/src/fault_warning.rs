//! When a warning about lines that are not rows is due.
//! Never logs it.

use std::time::{Duration, Instant};

/// At most one warning in this time.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// The last warning: how many lines it counted, and when it was.
#[derive(Default)]
pub struct FaultWarning {
    total: u64,
    at: Option<Instant>,
}

impl FaultWarning {
    /// Whether to warn now of `total` lines; if so, the warning counts as given.
    pub fn is_due(&mut self, total: u64, now: Instant) -> bool {
        let is_due = total > self.total && self.at.is_none_or(|at| now.duration_since(at) >= WARN_EVERY);
        if is_due {
            *self = FaultWarning { total, at: Some(now) };
        }
        is_due
    }

    /// All logs are read again: all their lines are new.
    pub fn start_over(&mut self) {
        self.total = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_due_at_most_once_a_minute_and_again_for_a_new_log() {
        let start = Instant::now();
        let mut warning = FaultWarning::default();
        let mut due = |seconds, total| warning.is_due(total, start + Duration::from_secs(seconds));
        assert!(!due(0, 0));
        assert_eq!([due(1, 5), due(2, 6), due(60, 7), due(61, 8)], [true, false, false, true]);
        assert!(!due(200, 8));
        warning.start_over();
        let mut due = |seconds, total| warning.is_due(total, start + Duration::from_secs(seconds));
        assert_eq!([due(201, 3), due(202, 4), due(261, 4)], [true, false, true]);
    }
}
