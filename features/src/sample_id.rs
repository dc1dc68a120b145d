//! Makes ids of samples: unique, readable, of one length, and in order within a process whatever the clock does.

use std::fmt::Write;

/// The length of every id, which bounds the size of messages.
const ID_BYTES: usize = "1732341600.123456-5f3a9c01".len();
/// A later clock counts as this, in the year 2255: soon after, seconds have more digits.
const LATEST_US: u64 = 9_000_000_000_000_000;

/// Makes ids like `1732341600.123456-5f3a9c01`: Unix time in seconds, and digits that identify the process.
pub struct SampleIds {
    last_us: u64,
    process: u32,
}

impl SampleIds {
    /// `process` should be random.
    pub fn new(process: u32) -> SampleIds {
        SampleIds { last_us: 0, process }
    }

    /// The next id. If the clock stands still or has stepped back, it is a microsecond after the last one.
    pub fn next(&mut self, unix_time_us: u64) -> String {
        self.last_us = unix_time_us.min(LATEST_US).max(self.last_us + 1);
        let (s, us) = (self.last_us / 1_000_000, self.last_us % 1_000_000);
        let mut id = String::with_capacity(ID_BYTES);
        // Writing to a String cannot fail.
        let _ = write!(id, "{s:010}.{us:06}-{:08x}", self.process);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_increase_when_the_clock_does_not() {
        let mut ids = SampleIds::new(0x5f3a_9c01);
        assert_eq!(ids.next(1_732_341_600_123_456), "1732341600.123456-5f3a9c01");
        assert_eq!(ids.next(1_732_341_600_123_456), "1732341600.123457-5f3a9c01");
        assert_eq!(ids.next(1_700_000_000_000_000), "1732341600.123458-5f3a9c01");
        assert_eq!(ids.next(1_732_341_601_000_000), "1732341601.000000-5f3a9c01");
    }

    #[test]
    fn ids_have_one_length_whatever_the_clock_says() {
        for clock_us in [0, 1, 999_999_999_999_999, LATEST_US, u64::MAX] {
            let mut ids = SampleIds::new(u32::MAX);
            let [first, second] = [ids.next(clock_us), ids.next(clock_us)];
            assert_eq!((first.len(), second.len()), (ID_BYTES, ID_BYTES), "{first}, {second}");
            assert!(first < second);
        }
    }
}
