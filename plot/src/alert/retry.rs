//! When to try again: the backoff, and what a receiver asks for.
//! Never waits itself.

use crate::calendar;
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(60);

/// Limit of what a receiver may ask for.
const MOST_ASKED_S: f64 = 3600.0;

/// The wait after `failures` failures in a row (from 1): 1 s, doubling to 60 s, shortened by up to half by `random`, so that many senders do
/// not come back at once.
pub fn backoff(failures: u32, random: u64) -> Duration {
    let doubled = FIRST * 2_u32.saturating_pow(failures.saturating_sub(1).min(6));
    let share = 1.0 - 0.5 * (random >> 11) as f64 / (1_u64 << 53) as f64;
    doubled.min(MOST).mul_f64(share)
}

/// What `Retry-After` asks for: seconds, or a date such as `Sun, 06 Nov 2044 08:49:37 GMT`; at most an hour.
pub fn asked(retry_after: &str, now_s: f64) -> Option<Duration> {
    let text = retry_after.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = if is_number { text.parse().ok()? } else { date_s(text)? - now_s };
    Some(Duration::from_secs_f64(seconds.clamp(0.0, MOST_ASKED_S)))
}

/// A date of HTTP (RFC 9110, 5.6.7) in Unix seconds. Not its obsolete forms.
fn date_s(text: &str) -> Option<f64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, date) = text.split_once(", ")?;
    let parts: Vec<&str> = date.split(' ').collect();
    let [day, month, year, time, "GMT"] = parts.as_slice() else { return None };
    let month = MONTHS.iter().position(|name| name == month)? + 1;
    calendar::parse_s(&format!("{year}-{month:02}-{day}T{time}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_a_minute() {
        let longest: Vec<f64> = (1..=8).map(|n| backoff(n, 0).as_secs_f64()).collect();
        assert_eq!(longest, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);
        assert_eq!(backoff(u32::MAX, 0), MOST);
        for failures in 1..10 {
            let (shortest, longest) = (backoff(failures, u64::MAX), backoff(failures, 0));
            assert!(shortest >= longest / 2 && shortest < longest.mul_f64(0.51), "{failures}");
        }
    }

    #[test]
    fn a_receiver_asks_in_seconds_or_by_a_date_and_for_an_hour_at_most() {
        // 2024-11-23 06:00:00.
        let asked = |text| asked(text, 1_732_341_600.0).map(|wait| wait.as_secs_f64());
        for (text, seconds) in [
            ("0", 0.0),
            (" 120 ", 120.0),
            ("86400", 3600.0),
            ("99999999999999999999999", 3600.0),
            ("Sat, 23 Nov 2024 06:01:30 GMT", 90.0),
            ("Sat, 23 Nov 2024 05:00:00 GMT", 0.0),
            ("Sun, 06 Nov 2044 08:49:37 GMT", 3600.0),
        ] {
            assert_eq!(asked(text), Some(seconds), "{text}");
        }
        for text in [
            "",
            "soon",
            "-1",
            "1.5",
            "Sat, 23 Nov 2024 06:01:30",
            "23 Nov 2024",
            "Sat, 23 Foo 2024 06:01:30 GMT",
        ] {
            assert_eq!(asked(text), None, "{text}");
        }
    }
}
