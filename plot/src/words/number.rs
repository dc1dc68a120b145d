//! Formats numbers for people: four significant digits, groups of thousands.
//! Never used for output that programs read.

use crate::logs::row::Fault;

/// Four significant digits: `55.12`, `0.001234`, `1.5e12`; `–` for none.
pub fn short(value: Option<f64>) -> String {
    let Some(value) = value.filter(|value| !value.is_nan()) else { return "–".to_owned() };
    // The largest f64 rounds up to infinity.
    let rounded = format!("{value:.3e}").parse().ok().filter(|rounded| f64::is_finite(*rounded));
    let rounded = rounded.unwrap_or(value);
    let text = match rounded.abs() {
        0.0 => "0".to_owned(),
        f64::INFINITY => "∞".to_owned(),
        magnitude @ 1e-4..1e6 => format!("{magnitude}"),
        magnitude => format!("{magnitude:e}"),
    };
    if rounded < 0.0 { format!("−{text}") } else { text }
}

/// A count with groups of thousands: `1,234,567`.
pub fn count(n: u64) -> String {
    if n < 1_000 { n.to_string() } else { format!("{},{:03}", count(n / 1_000), n % 1_000) }
}

/// A share as percent with three digits: `4.32 %`.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        0.0 => "0 %".to_owned(),
        ..0.01 => "< 0.01 %".to_owned(),
        ..10.0 => format!("{percent:.2} %"),
        99.95..100.0 => "> 99.9 %".to_owned(),
        _ => format!("{percent:.1} %"),
    }
}

/// `1 row`, `1,234 rows`.
pub fn rows(n: u64) -> String {
    format!("{} {}", count(n), if n == 1 { "row" } else { "rows" })
}

/// Lines that are not rows, by kind: `1,234 malformed, 5 not_finite`; empty if there are none.
pub fn faults(faults: &[(Fault, u64)]) -> String {
    let kinds = faults.iter().filter(|(_, n)| *n > 0);
    let kinds: Vec<String> = kinds.map(|(fault, n)| format!("{} {}", count(*n), fault.name())).collect();
    kinds.join(", ")
}

/// The quantile with `below` of `total` values below it, with enough digits to differ from 0 % and 100 %: `99.9 %`, `99.9992 %`.
fn quantile(below: u64, total: u64) -> String {
    let share = below as f64 / total.max(1) as f64 * 100.0;
    let from_end = share.min(100.0 - share);
    let decimals = if from_end > 0.0 { (-(from_end.log10() + 1e-9).floor()).clamp(1.0, 12.0) } else { 0.0 };
    format!("{share:.*} %", decimals as usize)
}

/// Where an axis is cut that leaves out `left` and `right` of `total` values: `99.9 % quantile`. None if it is not cut.
pub fn cut(left: u64, right: u64, total: u64) -> Option<String> {
    let (low, high) = (quantile(left, total), quantile(total.saturating_sub(right), total));
    match (left, right) {
        (0, 0) => None,
        (0, _) => Some(format!("{high} quantile")),
        (_, 0) => Some(format!("{low} quantile")),
        _ => Some(format!("{low} and {high} quantiles")),
    }
}

/// Labels of ticks at equal distances, in one format and as short as they can differ: `0.5`, `20k`, `2e-4`.
pub fn tick_names(ticks: &[f64]) -> Vec<String> {
    let most = ticks.iter().fold(0.0, |most: f64, tick| most.max(tick.abs()));
    let step = ticks.iter().zip(ticks.iter().skip(1)).map(|(a, b)| (b - a).abs()).next().unwrap_or(most);
    ticks.iter().map(|&tick| tick_name(tick, most, step)).collect()
}

/// The label of one tick of an axis between two values, without trailing zeros.
pub fn lone_tick_name(tick: f64, (low, high): (f64, f64)) -> String {
    // It may be a sum with a rounding error: 6.000000000000001e-4.
    let tick = format!("{tick:.8e}").parse().unwrap_or(tick);
    let name = tick_name(tick, low.abs().max(high.abs()), (high - low) / 100.0);
    let end = name.find(['k', 'M', 'G', 'e']).unwrap_or(name.len());
    let (digits, unit) = name.split_at(end);
    if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.').to_owned() + unit
    } else {
        name
    }
}

/// `most`: the greatest magnitude on the axis; `step`: distance of two ticks.
fn tick_name(tick: f64, most: f64, step: f64) -> String {
    let (unit, sign) = match most {
        1e9.. => (1e9, "G"),
        1e6..1e9 => (1e6, "M"),
        1e4..1e6 => (1e3, "k"),
        _ => (1.0, ""),
    };
    // The logarithm of a power of ten may be a little below a whole number.
    let decimals = -((step / unit).log10() + 1e-9).floor();
    let is_short = (1e-3..1e12).contains(&most) && decimals < 6.0;
    let name = match tick.abs() {
        0.0 => "0".to_owned(),
        magnitude if is_short => format!("{:.*}{sign}", decimals.max(0.0) as usize, magnitude / unit),
        magnitude => format!("{magnitude:e}"),
    };
    if tick < 0.0 { format!("−{name}") } else { name }
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
            (f64::NEG_INFINITY, "−∞"),
            (f64::NAN, "–"),
            (f64::MAX, "1.7976931348623157e308"),
            (-1.797e308, "−1.797e308"),
            (5e-324, "5e-324"),
        ];
        for (value, text) in cases {
            assert_eq!(short(Some(value)), text);
        }
        assert_eq!(short(None), "–");
    }

    #[test]
    fn ticks_are_short_and_differ() {
        let cases: [(&[f64], &[&str]); 9] = [
            (&[-0.5, 0.0, 0.5, 1.0], &["−0.5", "0", "0.5", "1.0"]),
            (&[-200.0, 0.0, 200.0], &["−200", "0", "200"]),
            (&[0.0, 5_000.0], &["0", "5000"]),
            (&[-20_000.0, 20_000.0], &["−20k", "20k"]),
            (&[2_000_000.0, 2_500_000.0], &["2.0M", "2.5M"]),
            (&[0.0, 2e-4, 4e-4], &["0", "2e-4", "4e-4"]),
            (&[0.0, 2e12], &["0", "2e12"]),
            (&[999.98, 1000.0, 1000.02], &["999.98", "1000.00", "1000.02"]),
            (&[999_999_998.0, 1e9], &["9.99999998e8", "1e9"]),
        ];
        for (ticks, names) in cases {
            assert_eq!(tick_names(ticks), names);
        }
    }

    #[test]
    fn a_lone_tick_has_what_tells_it_from_others() {
        let cases = [
            (5.0, (0.0, 16.0), "5"),
            (2.5, (0.0, 16.0), "2.5"),
            (1000.5, (995.0, 1005.0), "1000.5"),
            (6.000_000_000_000_001e-4, (0.0, 8e-4), "6e-4"),
        ];
        for (tick, axis, name) in cases.into_iter().chain([(100_020.0, (1e5, 100_100.0), "100.02k")]) {
            assert_eq!(lone_tick_name(tick, axis), name);
        }
    }

    #[test]
    fn a_quantile_is_told_from_all() {
        assert_eq!(
            [0, 1, 10, 500].map(|n| quantile(1000 - n, 1000)),
            ["100 %", "99.9 %", "99.0 %", "50.0 %"]
        );
        assert_eq!(cut(0, 8, 1_000_000).unwrap(), "99.9992 % quantile");
        assert_eq!(cut(1, 1, 10_000).unwrap(), "0.01 % and 99.99 % quantiles");
        assert_eq!(cut(0, 0, 5), None);
        assert_eq!(percent(0.999_999), "> 99.9 %");
        assert_eq!([rows(1), rows(1_000)], ["1 row", "1,000 rows"]);
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!([0, 999, 1_000, 12_345_678].map(count), ["0", "999", "1,000", "12,345,678"]);
        assert_eq!([0.0, 0.000_01, 0.0432, 0.5].map(percent), ["0 %", "< 0.01 %", "4.32 %", "50.0 %"]);
    }
}
