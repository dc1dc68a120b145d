//! Days and times of the calendar in UTC, and how ISO 8601 writes them.
//! Never reads the clock.

const DAY_S: i64 = 86_400;

/// Of `2024-11-23`.
const DAY_LENGTH: usize = 10;

/// Seconds since 1970 of a time in UTC: a date; or with `T` or a space an hour and minute, with or without seconds; `Z` may
/// end it. Or the seconds themselves. None for anything else.
pub fn parse_s(text: &str) -> Option<f64> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_plain {
        return text.parse().ok();
    }
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (day, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let [year, month, day] = fields(day, '-', [4, 2, 2])?;
    // Otherwise the day would be one of another month.
    let days = first_of_month(year, month) + day - 1;
    if !(1..=12).contains(&month) || date(days) != (year, month, day) {
        return None;
    }
    let [hour, minute, second] = match fields(time, ':', [2, 2, 2]) {
        Some(fields) => fields,
        None => fields(time, ':', [2, 2]).map(|[hour, minute]| [hour, minute, 0])?,
    };
    let is_time = hour < 24 && minute < 60 && second < 60;
    is_time.then_some((days * DAY_S + hour * 3600 + minute * 60 + second) as f64)
}

/// Numbers with `between` between them, each of exactly its number of digits.
fn fields<const N: usize>(text: &str, between: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(between);
    let mut numbers = [0; N];
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits)?;
        *number = part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(numbers)
}

/// [`parse_s`] of a time that may also have a fraction of a second, and an offset from UTC: `2024-11-23T07:00:00.250+01:00`.
pub fn parse_zoned_s(text: &str) -> Option<f64> {
    let behind_day = text.get(DAY_LENGTH..).unwrap_or_default();
    let (text, offset_s) = match behind_day.rfind(['+', '-']) {
        Some(at) => {
            let (time, offset) = text.split_at_checked(DAY_LENGTH + at)?;
            (time, offset_s(offset)?)
        }
        None => (text.strip_suffix('Z').unwrap_or(text), 0),
    };
    let (whole, fraction) =
        text.split_once('.').map_or((text, None), |(whole, digits)| (whole, Some(digits)));
    let fraction_s = match fraction {
        Some(digits) if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            return None;
        }
        Some(digits) => format!("0.{digits}").parse().ok()?,
        None => 0.0,
    };
    Some(parse_s(whole)? - offset_s as f64 + fraction_s)
}

/// Seconds of `+01:00`, `+0100` or `+01`.
fn offset_s(text: &str) -> Option<i64> {
    let (sign, digits) = text.split_at_checked(1)?;
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = if minutes.is_empty() { "00" } else { minutes.strip_prefix(':').unwrap_or(minutes) };
    let ([hours], [minutes]) = (fields(hours, ':', [2])?, fields(minutes, ':', [2])?);
    let offset_s = (hours * 60 + minutes) * 60;
    (hours < 24 && minutes < 60).then_some(if sign == "-" { -offset_s } else { offset_s })
}

/// Year, month and day of a day since 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms").
pub fn date(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Days from 1970-01-01 to the first of a month (the same source).
pub fn first_of_month(year: i64, month: i64) -> i64 {
    let (year, month_from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month_from_march + 2) / 5;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_S: f64 = 1_732_341_600.0;

    #[test]
    fn a_month_begins_on_its_first() {
        for month in 1970 * 12..2100 * 12 {
            let (year, month) = (month / 12, month % 12 + 1);
            assert_eq!(date(first_of_month(year, month)), (year, month, 1));
        }
    }

    #[test]
    fn times_are_utc_and_written_in_full() {
        for text in
            ["2024-11-23T06:00:00Z", "2024-11-23 06:00:00", "2024-11-23T06:00", "1732341600", "1732341600.0"]
        {
            assert_eq!(parse_s(text), Some(START_S), "{text}");
        }
        assert_eq!(parse_s("2024-02-29"), Some(1_709_164_800.0));
        for text in [
            "",
            "soon",
            ".",
            "1.2.3",
            "-5",
            "1e9",
            "2024-11",
            "2024-13-01",
            "2024-00-01",
            "2023-02-29",
            "2024-11-31",
            "24-11-23",
            "2024-11-23T",
            "2024-11-23T6:00",
            "2024-11-23T24:00",
            "2024-11-23T06:60",
            "2024-11-23T06:00:60",
            "2024-11-23T06:00:00:00",
            "2024-11-23T06:00+01:00",
            "2024-+1-23",
            "2024-11-23-01",
            "２０24-11-23",
        ] {
            assert_eq!(parse_s(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_may_have_a_fraction_and_an_offset() {
        for text in [
            "2024-11-23T06:00:00Z",
            "2024-11-23 06:00:00.000000",
            "2024-11-23 06:00",
            "2024-11-23T07:00:00+01:00",
            "2024-11-23 07:30:00.0+0130",
            "2024-11-22T22:00:00-08",
            "1732341600",
        ] {
            assert_eq!(parse_zoned_s(text), Some(START_S), "{text}");
        }
        assert_eq!(parse_zoned_s("2024-11-23T07:00:00.250+01:00"), Some(START_S + 0.25));
        assert_eq!(parse_zoned_s("2024-11-23T06:00:00.75Z"), Some(START_S + 0.75));
        for text in [
            "",
            "soon",
            "2024-11-23T06:00:00.",
            "2024-11-23T06:00:00.x",
            "2024-11-23T06:00+1",
            "2024-11-23T06:00+24:00",
            "2024-11-23T06:00+01:60",
            "2024-11-23T06:00:00 UTC",
            "23.11.2024",
        ] {
            assert_eq!(parse_zoned_s(text), None, "{text}");
        }
    }
}
