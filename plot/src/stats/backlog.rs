//! What `metric` does with the messages, from one reading of its status to the next: coverage, rejections, and whether it works at all.
//! Never reads a file or the clock.

use crate::logs::status::Status;
use std::collections::VecDeque;

/// `metric` writes its status every 5 s. After this long without one it is gone.
pub const GONE_S: f64 = 20.0;

/// The share of rejected messages is of this long.
pub const REJECTED_WINDOW_S: f64 = 600.0;

/// Least distance of two readings that are kept for it.
const STEP_S: f64 = 10.0;

/// Fewer messages than these are too few to judge by their share.
const MANY: u64 = 20;

/// Counts of one reading.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Counts {
    at_s: f64,
    used: u64,
    rejected: u64,
}

/// Samples and messages of about the last [`REJECTED_WINDOW_S`], or since `plot` started if that is less.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rejections {
    pub rejected: u64,
    /// Halves that were used, and messages that were rejected.
    pub all: u64,
}

impl Rejections {
    /// From 0 to 1. None before anything came.
    pub fn share(&self) -> Option<f64> {
        (self.all > 0).then(|| self.rejected as f64 / self.all as f64)
    }

    /// The same where there are enough of them to judge by.
    pub fn share_of_many(&self) -> Option<f64> {
        self.share().filter(|_| self.all >= MANY)
    }
}

/// The last status, and what earlier ones say about it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Backlog {
    /// None while there is no status file.
    pub status: Option<Status>,
    /// Why the status file cannot be read.
    pub trouble: Option<String>,
    /// Unix seconds of the first reading in a row that does not consume.
    pub idle_since_s: Option<f64>,
    counts: VecDeque<Counts>,
}

impl Backlog {
    /// Takes in what was read at `now_s` (Unix seconds).
    pub fn take(&mut self, reading: Result<Option<Status>, String>, now_s: f64) {
        let status = match reading {
            Ok(status) => {
                self.trouble = None;
                status
            }
            Err(trouble) => {
                self.trouble = Some(trouble);
                return;
            }
        };
        let is_idle = status.as_ref().is_some_and(|status| status.state != "consuming");
        self.idle_since_s = is_idle.then(|| self.idle_since_s.unwrap_or(now_s));
        if let Some(status) = &status {
            self.count(status, now_s);
        } else {
            self.counts.clear();
        }
        self.status = status;
    }

    fn count(&mut self, status: &Status, now_s: f64) {
        let Status { rows, duplicates, rejected, unmatched, waiting, .. } = status;
        let used =
            2 * rows + duplicates + unmatched.y_true + unmatched.y_pred + waiting.y_true + waiting.y_pred;
        let counts = Counts { at_s: now_s, used, rejected: *rejected };
        // Counters go back only with the log directory.
        if self.counts.back().is_some_and(|last| last.used > used || last.rejected > *rejected) {
            self.counts.clear();
        }
        // The newest one is always kept; the ones before it stand apart.
        let is_close =
            |earlier: Option<&Counts>| earlier.is_some_and(|earlier| now_s - earlier.at_s < STEP_S);
        if self.counts.len() >= 2 && is_close(self.counts.iter().rev().nth(1)) {
            self.counts.pop_back();
        }
        self.counts.push_back(counts);
        while self.counts.get(1).is_some_and(|second| now_s - second.at_s >= REJECTED_WINDOW_S) {
            self.counts.pop_front();
        }
    }

    /// Of the last [`REJECTED_WINDOW_S`].
    pub fn rejections(&self) -> Rejections {
        match (self.counts.front(), self.counts.back()) {
            (Some(first), Some(last)) => {
                let rejected = last.rejected - first.rejected;
                Rejections { rejected, all: rejected + last.used - first.used }
            }
            _ => Rejections::default(),
        }
    }

    /// The share of all predictions that have their truth, from 0 to 1. None without predictions.
    pub fn coverage(&self) -> Option<f64> {
        let status = self.status.as_ref()?;
        let all = status.rows + status.unmatched.y_pred + status.waiting.y_pred;
        (all > 0).then(|| status.rows as f64 / all as f64)
    }

    /// Whether `metric` has stopped writing its status.
    pub fn is_gone(&self, now_s: f64) -> bool {
        self.status.as_ref().is_some_and(|status| now_s - status.at_s > GONE_S)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::status::Halves;

    fn status(rows: u64, rejected: u64) -> Result<Option<Status>, String> {
        Ok(Some(Status { state: "consuming".to_owned(), rows, rejected, ..Status::default() }))
    }

    #[test]
    fn rejections_are_those_of_the_last_ten_minutes() {
        let mut backlog = Backlog::default();
        backlog.take(status(1000, 500), 0.0);
        assert_eq!(backlog.rejections().share(), None);
        backlog.take(status(1010, 520), 1.0);
        assert_eq!(backlog.rejections(), Rejections { rejected: 20, all: 40 });
        for second in 2..=3000 {
            backlog.take(status(1010 + second, 520), second as f64);
        }
        assert_eq!(backlog.rejections().rejected, 0);
        assert!((1150..=1250).contains(&backlog.rejections().all), "{:?}", backlog.rejections());
        assert!(backlog.counts.len() < 70);
        // A new log directory begins anew.
        backlog.take(status(1, 1), 3001.0);
        backlog.take(status(2, 4), 3002.0);
        assert_eq!(backlog.rejections(), Rejections { rejected: 3, all: 5 });
        backlog.take(Ok(None), 3003.0);
        assert_eq!((backlog.rejections().share(), backlog.coverage()), (None, None));
    }

    #[test]
    fn coverage_is_of_predictions() {
        let mut backlog = Backlog::default();
        let (unmatched, waiting) = (Halves { y_true: 7, y_pred: 5 }, Halves { y_true: 9, y_pred: 15 });
        backlog.take(Ok(Some(Status { rows: 80, unmatched, waiting, ..Status::default() })), 0.0);
        assert_eq!(backlog.coverage(), Some(0.8));
        backlog.take(Ok(Some(Status::default())), 1.0);
        assert_eq!(backlog.coverage(), None);
    }

    #[test]
    fn idle_is_since_the_first_reading_that_does_not_consume() {
        let mut backlog = Backlog::default();
        let idle = |state: &str| Ok(Some(Status { state: state.to_owned(), ..Status::default() }));
        backlog.take(status(1, 0), 1.0);
        assert_eq!(backlog.idle_since_s, None);
        backlog.take(idle("reconnecting"), 2.0);
        backlog.take(Err("torn".to_owned()), 3.0);
        backlog.take(idle("recovering"), 4.0);
        assert_eq!((backlog.idle_since_s, &backlog.trouble), (Some(2.0), &None));
        backlog.take(status(1, 0), 5.0);
        assert_eq!(backlog.idle_since_s, None);
        assert!(backlog.is_gone(20.5) && !backlog.is_gone(19.0));
    }
}
