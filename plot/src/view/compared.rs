//! The tiles of a range of time: its numbers, each with its change against the range before.
//! Never computes a statistic.

use crate::{
    logs::task::Task,
    stats::numbers::Numbers,
    view::{
        error_numbers::{Change, ErrorNumber, error_numbers},
        tiles::{tile, with_bound},
    },
    words::number::{count, short},
};

/// `words`: of the range `before`, `the day before`; `is_as_long`:
/// whether its rows may be compared too.
pub fn compared(task: Task, range: &Numbers, before: &Numbers, words: &str, is_as_long: bool) -> String {
    let against = |number: &ErrorNumber, value: Option<f64>| {
        let (value, earlier) = match (value, (number.of)(before)) {
            (_, None) if before.n == 0 => return ("–".to_owned(), "no rows before".to_owned()),
            (Some(value), Some(earlier)) => (value, earlier),
            (_, earlier) => return ("–".to_owned(), format!("against {}, {words}", short(earlier))),
        };
        (change(value, earlier, number.change), format!("against {}, {words}", short(Some(earlier))))
    };
    let numbers = error_numbers(task).into_iter().map(|number| {
        let value = (number.of)(range);
        let (changed, against) = against(&number, value);
        tile(&number.name, [(with_bound(value, (number.bound)(range)), ""), (changed, &against)])
    });
    let changed = match before.n {
        0 => ("–".to_owned(), "no rows before".to_owned()),
        n if is_as_long => {
            (change(range.n as f64, n as f64, Change::Percent), format!("against {}, {words}", count(n)))
        }
        n => (count(n), words.to_owned()),
    };
    tile("rows", [(count(range.n), ""), (changed.0, &changed.1)]) + &numbers.collect::<String>()
}

/// `+12.3 %`, `−0.02`, `× 150`.
fn change(value: f64, earlier: f64, change: Change) -> String {
    let (share, is_less) = (value / earlier - 1.0, value < earlier);
    let sign = if is_less { "−" } else { "+" };
    match change {
        _ if value == earlier => "±0".to_owned(),
        Change::Percent if share.abs() < 10.0 => match share.abs() * 100.0 {
            ..0.005 => "±0.0 %".to_owned(),
            percent @ ..9.995 => format!("{sign}{percent:.2} %"),
            percent => format!("{sign}{percent:.1} %"),
        },
        Change::Percent if share.is_finite() => format!("× {}", short(Some(value / earlier))),
        // Against zero there is no share.
        Change::Percent | Change::Difference => format!("{sign}{}", short(Some((value - earlier).abs()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_has_its_sign() {
        use Change::{Difference, Percent};
        let cases = [
            (52.1, 46.5, Percent, "+12.0 %"),
            (46.5, 52.1, Percent, "−10.7 %"),
            (1.0, 1.0, Percent, "±0"),
            (1.0001, 1.0, Percent, "+0.01 %"),
            (1.00001, 1.0, Percent, "±0.0 %"),
            (0.995, 1.0, Percent, "−0.50 %"),
            (1e9, 2.0, Percent, "× 5e8"),
            (3.0, 0.0, Percent, "+3"),
            (0.0, 3.0, Percent, "−100.0 %"),
            (0.5, -0.25, Difference, "+0.75"),
            (-3.0, 1.0, Difference, "−4"),
        ];
        for (value, earlier, kind, text) in cases {
            assert_eq!(change(value, earlier, kind), text, "{value} {earlier}");
        }
    }
}
