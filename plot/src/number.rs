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
        if place > 0 && (digits.len() - place) % 3 == 0 {
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
    fn counts_are_grouped() {
        assert_eq!([0, 999, 1_000, 12_345_678].map(count), ["0", "999", "1,000", "12,345,678"]);
        assert_eq!([0.0, 0.000_01, 0.0432, 0.5].map(percent), ["0 %", "< 0.01 %", "4.32 %", "50.0 %"]);
    }
}
