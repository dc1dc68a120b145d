//! Writes single fields of the CSV files: texts that no spreadsheet takes for a formula, values, times. Knows no column.

use crate::wire::labels::Labels;
use anyhow::Result;
use std::io::Write;

/// First characters that make a spreadsheet take a field for a formula (some also read them in full width), and the guard itself.
const GUARDED: [char; 9] = ['=', '+', '-', '@', '＝', '＋', '－', '＠', '\''];
/// For values from here upwards zmij writes an exponent, as in `1e+16`; the log has no plus.
const PLUS_FROM: f64 = 1e16;

/// Appends an id, a group or the name of a class as a field, guarded: a spreadsheet never takes it for a formula. Few of them need the csv
/// writer. They hold no line breaks.
///
/// # Errors
/// Never in practice: the writer's target is memory.
pub fn write_text(lines: &mut Vec<u8>, text: &str) -> Result<()> {
    if text.starts_with(GUARDED) {
        return write_field(lines, &format!("'{text}"));
    }
    write_field(lines, text)
}

/// A text without its guard.
pub fn unguarded(field: &str) -> &str {
    field.strip_prefix('\'').unwrap_or(field)
}

/// Appends a value: the name of its class, or a decimal.
///
/// # Errors
/// Never in practice: the writer's target is memory.
pub fn write_value(lines: &mut Vec<u8>, value: f64, labels: &Labels) -> Result<()> {
    match labels.class(value) {
        Some(name) => write_text(lines, &name)?,
        None => write_decimal(lines, value),
    }
    Ok(())
}

fn write_field(lines: &mut Vec<u8>, text: &str) -> Result<()> {
    let is_plain = text.bytes().fold(true, |is_plain, byte| is_plain & !matches!(byte, b',' | b'"'));
    if is_plain {
        lines.extend_from_slice(text.as_bytes());
        return Ok(());
    }
    let mut writer = csv::Writer::from_writer(&mut *lines);
    writer.write_record([text])?;
    writer.flush()?;
    drop(writer);
    // The line break.
    lines.pop();
    Ok(())
}

/// Unix time in seconds, with three decimals.
pub fn unix_seconds(time_ms: u64) -> String {
    format!("{}.{:03}", time_ms / 1000, time_ms % 1000)
}

/// Appends a time between two events in seconds, with three decimals.
///
/// # Errors
/// Never in practice: the writer's target is memory.
pub fn write_delay(lines: &mut Vec<u8>, delay_ms: i64) -> Result<()> {
    // Both came in one batch, as most do where the truth is known at once.
    if delay_ms == 0 {
        lines.extend_from_slice(b"0.000");
        return Ok(());
    }
    let (sign, ms) = (if delay_ms < 0 { "-" } else { "" }, delay_ms.unsigned_abs());
    Ok(write!(lines, "{sign}{}", unix_seconds(ms))?)
}

/// Appends the fewest digits that read back as the same value, with an exponent where the number would be long.
pub fn write_decimal(lines: &mut Vec<u8>, value: f64) {
    let mut digits = zmij::Buffer::new();
    let text = digits.format_finite(value);
    let text = text.strip_suffix(".0").unwrap_or(text);
    if value.abs() < PLUS_FROM {
        lines.extend_from_slice(text.as_bytes());
    } else {
        lines.extend(text.bytes().filter(|byte| *byte != b'+'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_written_as_csv_writes_them() {
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..10_000 {
            let text: String = (0..rng.usize(1..5))
                .map(|_| rng.choice([',', '"', '\'', ' ', '#', 'a', 'é']).unwrap())
                .collect();
            let (mut written, mut expected) = (Vec::new(), csv::Writer::from_writer(Vec::new()));
            write_field(&mut written, &text).unwrap();
            expected.write_record([&text, ""]).unwrap();
            assert_eq!([&written, b",\n".as_slice()].concat(), expected.into_inner().unwrap(), "{text:?}");
        }
    }

    #[test]
    fn delays_have_three_decimals_and_a_sign_if_they_are_negative() {
        for (delay_ms, expected) in
            [(0, "0.000"), (7, "0.007"), (-7, "-0.007"), (-61_234, "-61.234"), (86_400_000, "86400.000")]
        {
            let mut written = Vec::new();
            write_delay(&mut written, delay_ms).unwrap();
            assert_eq!(String::from_utf8(written).unwrap(), expected);
        }
    }

    #[test]
    fn decimals_have_the_fewest_digits_that_read_back() {
        let as_std = |value: f64| {
            let is_short = value == 0.0 || (1e-5..1e16).contains(&value.abs());
            if is_short { value.to_string() } else { format!("{value:e}") }
        };
        let random = (0..100_000).map(|_| f64::from_bits(fastrand::u64(..)));
        let usual = (0..100_000).map(|_| (fastrand::f64() * 1e6).round() / 10_f64.powi(fastrand::i32(0..12)));
        let edges =
            [0.0, -0.0, 1.0, 1e-5, 9.999999999999999e-6, 1e16, 9_999_999_999_999_998.0, f64::MAX, 5e-324];
        for value in random.chain(usual).chain(edges).filter(|value| value.is_finite()) {
            let (mut written, expected) = (Vec::new(), as_std(value));
            write_decimal(&mut written, value);
            let text = String::from_utf8(written).unwrap();
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits());
            // Of two texts of equal length and nearness the two may choose different ones.
            assert_eq!(
                (text.len(), text.find('e')),
                (expected.len(), expected.find('e')),
                "{text}, {expected}"
            );
        }
    }
}
