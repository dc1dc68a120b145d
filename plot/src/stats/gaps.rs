//! The time of the last row, and the longest gap between rows of the last seven days: how long a silence is usual.
//! Constant memory. Never reads the clock.

const HOUR_S: f64 = 3600.0;
const HOURS: usize = 7 * 24;

/// A row this much older than the one before it: the clock was wrong, and is right now.
const CLOCK_STEP_S: f64 = HOUR_S;

/// Fed with the times of rows in the order of the log.
pub struct Gaps {
    /// Unix seconds of the last row that has a time.
    pub last_s: Option<f64>,
    /// The longest gap that ended in each hour, seconds, by the hour's number modulo [`HOURS`].
    longest_s: [f32; HOURS],
}

impl Gaps {
    pub fn new() -> Self {
        Gaps { last_s: None, longest_s: [0.0; HOURS] }
    }

    pub fn add(&mut self, time_s: f64) {
        let Some(last_s) = self.last_s.filter(|last_s| time_s >= last_s - CLOCK_STEP_S) else {
            *self = Gaps { last_s: Some(time_s), ..Gaps::new() };
            return;
        };
        let gap_s = time_s - last_s;
        if gap_s <= 0.0 {
            return;
        }
        self.last_s = Some(time_s);
        let hour = (time_s / HOUR_S) as usize;
        // The slots of the hours that began since then still hold those of a week before.
        let begun = (hour - (last_s / HOUR_S) as usize).min(HOURS);
        for old in hour - begun..hour {
            if let Some(slot) = self.longest_s.get_mut((old + 1) % HOURS) {
                *slot = 0.0;
            }
        }
        if let Some(slot) = self.longest_s.get_mut(hour % HOURS) {
            *slot = slot.max(gap_s as f32);
        }
    }

    /// Seconds; 0 before the second row.
    pub fn longest_s(&self) -> f64 {
        f64::from(self.longest_s.iter().copied().fold(0.0, f32::max)).min(HOURS as f64 * HOUR_S)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_S: f64 = 1_732_341_600.0;

    fn gaps(times_s: &[f64]) -> (f64, f64) {
        let mut gaps = Gaps::new();
        times_s.iter().for_each(|time_s| gaps.add(START_S + time_s));
        (gaps.last_s.unwrap() - START_S, gaps.longest_s())
    }

    #[test]
    fn the_longest_gap_of_a_week_counts() {
        assert_eq!(gaps(&[0.0]), (0.0, 0.0));
        assert_eq!(gaps(&[0.0, 10.0, 310.0, 320.0]), (320.0, 300.0));
        // A night, each day; and a longer one that was eight days ago.
        let mut times = vec![0.0, 20.0 * HOUR_S];
        times.extend((1..=9 * 24 * 6).map(|n| 20.0 * HOUR_S + f64::from(n) * 600.0));
        assert_eq!(gaps(&times).1, 600.0);
        times.push(times.last().unwrap() + 9.0 * HOUR_S);
        assert_eq!(gaps(&times).1, 9.0 * HOUR_S);
        // Longer than the week that is looked at.
        assert_eq!(gaps(&[0.0, 30.0 * 24.0 * HOUR_S]).1, 7.0 * 24.0 * HOUR_S);
    }

    #[test]
    fn a_clock_that_was_wrong_is_forgotten() {
        let far = 1e9;
        assert_eq!(gaps(&[0.0, far, 60.0, 90.0]), (90.0, 30.0));
        // Rows of several logs may be a little out of order.
        assert_eq!(gaps(&[0.0, 60.0, 59.0, 90.0]), (90.0, 60.0));
    }
}
