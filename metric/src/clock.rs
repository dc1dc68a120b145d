//! The present moment, and the clock that counts the age of halves. Decides nothing.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A moment by both clocks: files need a date, and waits a clock that never jumps.
#[derive(Clone, Copy)]
pub struct Now {
    /// Unix time.
    pub unix_ms: u64,
    pub instant: Instant,
}

impl Now {
    pub fn read() -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        Now { unix_ms: unix.map_or(0, |since| since.as_millis() as u64), instant: Instant::now() }
    }
}

/// A reading of the [`AgeClock`] with its date, as the store keeps them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClockMark {
    pub age_ms: u64,
    pub unix_ms: u64,
}

/// Milliseconds that never go back. While the process runs they follow the monotonic clock, so that no half ages when the system clock is
/// set. The time while `metric` was stopped is taken from the system clock; it is 0 if that was set back.
pub struct AgeClock {
    begin_ms: u64,
    begin: Instant,
}

impl AgeClock {
    /// Continues from the last mark of the previous process.
    pub fn resume(last: Option<ClockMark>, now: Now) -> AgeClock {
        let begin_ms =
            last.map_or(now.unix_ms, |last| last.age_ms + now.unix_ms.saturating_sub(last.unix_ms));
        AgeClock { begin_ms, begin: now.instant }
    }

    pub fn mark(&self, now: Now) -> ClockMark {
        let passed = now.instant.saturating_duration_since(self.begin);
        ClockMark { age_ms: self.begin_ms + passed.as_millis() as u64, unix_ms: now.unix_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn age_follows_the_monotonic_clock_and_never_goes_back() {
        let begin = Instant::now();
        let now = |unix_ms, passed_ms| Now { unix_ms, instant: begin + Duration::from_millis(passed_ms) };
        let clock = AgeClock::resume(None, now(1000, 0));
        assert_eq!(clock.mark(now(1000, 0)).age_ms, 1000);
        // The system clock is set ten years ahead, then back to 1970.
        assert_eq!(clock.mark(now(315_360_001_000, 5)).age_ms, 1005);
        assert_eq!(clock.mark(now(0, 7)), ClockMark { age_ms: 1007, unix_ms: 0 });
        // Stopped for 20 ms; then with a clock that was set back meanwhile.
        let last = Some(ClockMark { age_ms: 1007, unix_ms: 2000 });
        assert_eq!(AgeClock::resume(last, now(2020, 9)).mark(now(0, 10)).age_ms, 1028);
        assert_eq!(AgeClock::resume(last, now(100, 9)).mark(now(0, 10)).age_ms, 1008);
    }
}
