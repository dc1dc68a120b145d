//! Ids of samples: unique, readable, and in order within a process whatever the clock does.

use std::fmt::Write;

/// Makes ids like `1732341600.123456-5f3a9c01`: Unix time in seconds, and digits that tell processes apart.
pub struct SampleIds {
    last_us: u64,
    process: u32,
}

impl SampleIds {
    /// `process` should be random.
    pub fn new(process: u32) -> SampleIds {
        SampleIds { last_us: 0, process }
    }

    /// The next id; where the clock stands still or has stepped back, a microsecond after the last one.
    pub fn next(&mut self, unix_time_us: u64) -> String {
        self.last_us = unix_time_us.max(self.last_us + 1);
        let (s, us) = (self.last_us / 1_000_000, self.last_us % 1_000_000);
        let mut id = String::with_capacity("1732341600.123456-5f3a9c01".len());
        // Writing to a String cannot fail.
        let _ = write!(id, "{s}.{us:06}-{:08x}", self.process);
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
}
