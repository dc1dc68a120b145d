//! When it is time to say in the log that lines are not rows.
//! Never says it.

use std::time::{Duration, Instant};

/// At most once in this time.
const FAULTS: Duration = Duration::from_secs(60);

/// How many lines that are not rows were last told of, and when.
#[derive(Default)]
pub struct FaultsTold {
    total: u64,
    at: Option<Instant>,
}

impl FaultsTold {
    /// Whether more than before are to be told of now, which then counts as done: at most once in [`FAULTS`].
    pub fn is_due(&mut self, total: u64, now: Instant) -> bool {
        let is_due = total > self.total && self.at.is_none_or(|at| now.duration_since(at) >= FAULTS);
        if is_due {
            *self = FaultsTold { total, at: Some(now) };
        }
        is_due
    }

    /// The logs are read anew: all their lines are new.
    pub fn start_over(&mut self) {
        self.total = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_at_most_once_a_minute_and_anew_for_a_new_log() {
        let start = Instant::now();
        let mut told = FaultsTold::default();
        let mut due = |seconds, total| told.is_due(total, start + Duration::from_secs(seconds));
        assert!(!due(0, 0));
        assert_eq!([due(1, 5), due(2, 6), due(60, 7), due(61, 8)], [true, false, false, true]);
        assert!(!due(200, 8));
        told.start_over();
        let mut due = |seconds, total| told.is_due(total, start + Duration::from_secs(seconds));
        assert_eq!([due(201, 3), due(202, 4), due(261, 4)], [true, false, true]);
    }
}
