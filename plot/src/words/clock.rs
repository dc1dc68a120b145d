//! Formats times in UTC, and chooses the ticks of a time axis.
//! Never reads the clock.

use crate::{
    calendar::{date, first_of_month},
    words::number::short,
};

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Limit of ticks on an axis.
const MOST_TICKS: i64 = 9;

/// Distance between two ticks.
#[derive(Clone, Copy)]
enum Step {
    /// Milliseconds.
    Even(i64),
    Months(i64),
}

/// Even steps: a unit, and how many of it.
const EVEN: [(i64, &[i64]); 5] = [
    (SECOND_MS / 10, &[1, 2, 5]),
    (SECOND_MS, &[1, 2, 5, 10, 30]),
    (MINUTE_MS, &[1, 2, 5, 10, 30]),
    (HOUR_MS, &[1, 2, 3, 6, 12]),
    (DAY_MS, &[1, 2, 7, 14]),
];
const MONTHS: [i64; 8] = [1, 2, 3, 6, 12, 24, 60, 240];

/// Choices of ticks, from many to few: times in milliseconds since 1970 with their labels.
pub fn ticks((low_ms, high_ms): (f64, f64)) -> impl Iterator<Item = Vec<(f64, String)>> {
    let even = EVEN.into_iter().flat_map(|(unit_ms, all)| all.iter().map(move |n| Step::Even(n * unit_ms)));
    even.chain(MONTHS.map(Step::Months)).filter_map(move |step| {
        let (first, last) = (count(step, low_ms as i64 - 1) + 1, count(step, high_ms as i64));
        let labelled = |n| {
            let time_ms = nth(step, n);
            (time_ms as f64, label(step, time_ms))
        };
        (last - first < MOST_TICKS).then(|| (first..=last).map(labelled).collect())
    })
}

/// The number of the last tick up to a time.
fn count(step: Step, time_ms: i64) -> i64 {
    match step {
        Step::Even(step_ms) => (time_ms - offset_ms(step_ms)).div_euclid(step_ms),
        Step::Months(months) => {
            let (year, month, _) = date(time_ms.div_euclid(DAY_MS));
            (year * 12 + month - 1).div_euclid(months)
        }
    }
}

fn nth(step: Step, n: i64) -> i64 {
    match step {
        Step::Even(step_ms) => n * step_ms + offset_ms(step_ms),
        Step::Months(months) => {
            let month = n * months;
            first_of_month(month.div_euclid(12), month.rem_euclid(12) + 1) * DAY_MS
        }
    }
}

/// Weeks begin on Monday; 1970 began on a Thursday.
fn offset_ms(step_ms: i64) -> i64 {
    if step_ms % (7 * DAY_MS) == 0 { 4 * DAY_MS } else { 0 }
}

fn label(step: Step, time_ms: i64) -> String {
    let (year, month, day) = date(time_ms.div_euclid(DAY_MS));
    let (hour, minute, second) = time_of_day(time_ms);
    match step {
        Step::Even(..SECOND_MS) => {
            format!("{hour:02}:{minute:02}:{second:02}.{}", time_ms.rem_euclid(SECOND_MS) / 100)
        }
        Step::Even(..MINUTE_MS) => format!("{hour:02}:{minute:02}:{second:02}"),
        Step::Even(..DAY_MS) if time_ms.rem_euclid(DAY_MS) > 0 => format!("{hour:02}:{minute:02}"),
        Step::Even(_) => format!("{month:02}-{day:02}"),
        Step::Months(..12) => format!("{year}-{month:02}"),
        Step::Months(_) => format!("{year}"),
    }
}

/// First and last day of a span of time: `2024-11-23`, or `2024-11-23 to 2024-12-01`.
pub fn days((low_ms, high_ms): (f64, f64)) -> String {
    let [first, last] = [low_ms, high_ms].map(|time_ms| iso(time_ms as i64));
    if first == last { first } else { format!("{first} to {last}") }
}

/// `2024-11-23 06:00:00`.
pub fn stamp(time_ms: i64) -> String {
    let (hour, minute, second) = time_of_day(time_ms);
    format!("{} {hour:02}:{minute:02}:{second:02}", iso(time_ms))
}

/// [`stamp`] of Unix seconds.
pub fn stamp_s(time_s: f64) -> String {
    stamp((time_s * 1000.0) as i64)
}

/// `2024-11-23T06:00`, as addresses and forms have it; of Unix seconds.
pub fn minute(time_s: i64) -> String {
    let (hour, minute, _) = time_of_day(time_s * SECOND_MS);
    format!("{}T{hour:02}:{minute:02}", iso(time_s * SECOND_MS))
}

/// A span of time, of Unix seconds, without what it need not say: `2024-11-23 06:00 to 06:10`, `2024-11-23`, `2024-11-23 to 2024-11-30`.
pub fn span(from_s: i64, to_s: i64) -> String {
    let day_s = DAY_MS / SECOND_MS;
    let (from_day, to_day) = (iso(from_s * SECOND_MS), iso(to_s * SECOND_MS));
    if from_s % day_s == 0 && to_s % day_s == 0 {
        return if to_s - from_s == day_s { from_day } else { format!("{from_day} to {to_day}") };
    }
    let [from, to] = [from_s, to_s].map(|time_s| minute(time_s).replace('T', " "));
    match to.strip_prefix(&format!("{from_day} ")) {
        Some(time) => format!("{from} to {time}"),
        None => format!("{from} to {to}"),
    }
}

/// A time as seen from `now_ms`: `02:13 UTC` on the same day, else `2024-11-22 02:13 UTC`.
pub fn since(time_ms: i64, now_ms: i64) -> String {
    let (hour, minute, _) = time_of_day(time_ms);
    let (day, today) = (iso(time_ms), iso(now_ms));
    let day = if day == today { String::new() } else { day + " " };
    format!("{day}{hour:02}:{minute:02} UTC")
}

/// A span in the two largest of its units: `1.25 s`, `3 min 20 s`, `2 h 5 min`, `9 d 3 h`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    let two = |n: u64, unit: &str, rest: u64, part: &str| match rest {
        0 => format!("{n} {unit}"),
        rest => format!("{n} {unit} {rest} {part}"),
    };
    match whole {
        ..60 => format!("{} s", short(Some(seconds))),
        60..3_600 => two(whole / 60, "min", whole % 60, "s"),
        3_600..86_400 => two(whole / 3_600, "h", whole / 60 % 60, "min"),
        _ => two(whole / 86_400, "d", whole / 3_600 % 24, "h"),
    }
}

fn time_of_day(time_ms: i64) -> (i64, i64, i64) {
    let second = time_ms.rem_euclid(DAY_MS) / SECOND_MS;
    (second / 3600, second / 60 % 60, second % 60)
}

fn iso(time_ms: i64) -> String {
    let (year, month, day) = date(time_ms.div_euclid(DAY_MS));
    format!("{year}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-11-23 06:00:00.
    const START: i64 = 1_732_341_600_000;

    /// The labels of the most ticks for a span from [`START`] on.
    fn labels(span_ms: i64) -> Vec<String> {
        let most = ticks((START as f64, (START + span_ms) as f64)).next().unwrap();
        most.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(1_000)[..3], ["06:00:00.0", "06:00:00.2", "06:00:00.4"]);
        assert_eq!(labels(20_000)[..3], ["06:00:00", "06:00:05", "06:00:10"]);
        assert_eq!(labels(7 * HOUR_MS)[..2], ["06:00", "07:00"]);
        assert_eq!(labels(2 * DAY_MS)[..4], ["06:00", "12:00", "18:00", "11-24"]);
        assert_eq!(labels(30 * DAY_MS), ["11-25", "12-02", "12-09", "12-16", "12-23"]);
        assert_eq!(labels(200 * DAY_MS)[..2], ["2024-12", "2025-01"]);
        assert_eq!(labels(3_000 * DAY_MS)[..2], ["2025", "2026"]);
        assert_eq!(labels(30_000 * DAY_MS)[..2], ["2040", "2060"]);
    }

    #[test]
    fn a_span_has_two_units() {
        let cases = [
            (0.0, "0 s"),
            (0.0123, "0.0123 s"),
            (59.4, "59.4 s"),
            (59.7, "1 min"),
            (200.0, "3 min 20 s"),
            (7_500.0, "2 h 5 min"),
            (86_400.0, "1 d"),
            (788_400.0, "9 d 3 h"),
        ];
        for (seconds, text) in cases {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn a_time_of_today_has_no_day() {
        assert_eq!(since(START, START + HOUR_MS), "06:00 UTC");
        assert_eq!(since(START, START + DAY_MS), "2024-11-23 06:00 UTC");
    }

    #[test]
    fn a_span_says_what_it_must() {
        let start_s = START / SECOND_MS;
        assert_eq!(minute(start_s + 59), "2024-11-23T06:00");
        assert_eq!(span(start_s, start_s + 600), "2024-11-23 06:00 to 06:10");
        let midnight_s = start_s - 6 * 3600;
        assert_eq!(span(midnight_s - 600, midnight_s), "2024-11-22 23:50 to 2024-11-23 00:00");
        assert_eq!(span(midnight_s, midnight_s + 86_400), "2024-11-23");
        assert_eq!(span(midnight_s, midnight_s + 7 * 86_400), "2024-11-23 to 2024-11-30");
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(stamp(START + 123), "2024-11-23 06:00:00");
        assert_eq!(stamp(951_782_400_000), "2000-02-29 00:00:00");
        assert_eq!(days((START as f64, START as f64 + 1e9)), "2024-11-23 to 2024-12-04");
    }
}
