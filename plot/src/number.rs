//! Numbers as a person reads them: four significant digits, thin groups of thousands.
//! Never used where a program reads.

/// Four significant digits: `55.12`, `0.001234`, `1.5e12`; `–` for none.
pub fn short(value: Option<f64>) -> String {
    let Some(value) = value else { return "–".to_owned() };
    if !value.is_finite() {
        return if value > 0.0 { "∞".to_owned() } else { "−∞".to_owned() };
    }
    let rounded: f64 = format!("{value:.3e}").parse().unwrap_or(value);
    let magnitude = rounded.abs();
    let text = match magnitude {
        0.0 => "0".to_owned(),
        1e-4..1e6 => format!("{magnitude}"),
        _ => format!("{magnitude:e}"),
    };
    if rounded < 0.0 { format!("−{text}") } else { text }
}

/// A count with its thousands apart: `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share as percent with three digits: `4.32 %`.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        0.0 => "0 %".to_owned(),
        ..0.01 => "< 0.01 %".to_owned(),
        ..10.0 => format!("{percent:.2} %"),
        _ => format!("{percent:.1} %"),
    }
}

/// A time of day in UTC, or a date where the whole spans days. Both in milliseconds, the time since 1970.
pub fn clock(time_ms: f64, span_ms: f64) -> String {
    let seconds = (time_ms / 1000.0).floor() as i64;
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    match span_ms {
        ..600_000.0 => format!("{hour:02}:{minute:02}:{second:02}"),
        ..86_400_000.0 => format!("{hour:02}:{minute:02}"),
        ..864_000_000.0 => format!("{} {hour:02}:{minute:02}", date(day)),
        _ => date(day),
    }
}

/// ISO date of a day since 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms").
fn date(day: i64) -> String {
    let shifted = day + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_digits() {
        let cases = [
            (55.117_07, "55.12"),
            (-0.001_234_56, "−0.001235"),
            (0.0, "0"),
            (1_234_567.0, "1.235e6"),
            (123_456.0, "123500"),
            (1e-12, "1e-12"),
            (f64::INFINITY, "∞"),
        ];
        for (value, text) in cases {
            assert_eq!(short(Some(value)), text);
        }
        assert_eq!(short(None), "–");
    }

    #[test]
    fn times_are_utc() {
        let time_ms = 1_732_341_600_123.0;
        assert_eq!(clock(time_ms, 1000.0), "06:00:00");
        assert_eq!(clock(time_ms, 1e8), "2024-11-23 06:00");
        assert_eq!(clock(951_782_400_000.0, 1e12), "2000-02-29");
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!([0, 999, 1_000, 12_345_678].map(count), ["0", "999", "1,000", "12,345,678"]);
        assert_eq!([0.0, 0.000_01, 0.0432, 0.5].map(percent), ["0 %", "< 0.01 %", "4.32 %", "50.0 %"]);
    }
}
