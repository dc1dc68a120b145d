//! The classes of some rows: each name once, and for each row which two it has. And how a row of classes is checked.
//! Never counts a row.

use crate::logs::{
    interned::{Interned, text, unguarded},
    row::{Fault, Row, VALID_S},
};
use std::collections::VecDeque;

/// Bounded by the lines that the rows were read from.
#[derive(Default)]
pub struct ClassColumn {
    /// Each class once: text of 1 to 64 bytes without control characters.
    pub names: Interned,
    /// For each row the places of y_true and y_pred in `names`, counted from 1.
    pub of_rows: VecDeque<[u32; 2]>,
}

impl ClassColumn {
    /// Appends a row by its fields y_true and y_pred. False, and nothing is appended, if one can be no class.
    pub fn add(&mut self, fields: [&[u8]; 2]) -> bool {
        let is_name = |name: &[u8]| !name.is_empty() && text(name).is_some();
        let [y_true, y_pred] = fields.map(unguarded);
        let of_true = self.names.place(y_true, is_name);
        let of_pred = if y_pred == y_true { of_true } else { self.names.place(y_pred, is_name) };
        let is_row = of_true != 0 && of_pred != 0;
        if is_row {
            self.of_rows.push_back([of_true, of_pred]);
        }
        is_row
    }

    /// Forgets the first row, and returns its two names.
    pub fn pop(&mut self) -> Option<[&[u8]; 2]> {
        let places = self.of_rows.pop_front()?;
        Some(places.map(|place| self.names.text(place)))
    }
}

/// Makes a row of a line's classes: its y_true is 0, its y_pred 1 if the classes differ.
///
/// # Errors
/// Why they make no row.
pub fn row(fields: [&[u8]; 2], absolute_error: f64, logged_at_s: Option<f64>) -> Result<Row, Fault> {
    let [y_true, y_pred] = fields.map(unguarded);
    if y_true.is_empty() || y_pred.is_empty() {
        return Err(Fault::NotFinite);
    }
    let is_wrong = y_true != y_pred;
    match absolute_error {
        ..0.0 => Err(Fault::NegativeError),
        0.0 | 1.0 if is_wrong != (absolute_error == 1.0) => Err(Fault::Contradictory),
        0.0 | 1.0 => {
            let time_s = logged_at_s.filter(|time_s| VALID_S.contains(time_s));
            Ok(Row::new(0.0, f64::from(is_wrong), time_s))
        }
        _ => Err(Fault::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_once_without_its_guard() {
        let mut column = ClassColumn::default();
        for fields in [["a", "b"], ["'a", "a"], ["''a", "'=b"], ["b", "a"]] {
            assert!(column.add(fields.map(str::as_bytes)));
        }
        for fields in [["a", ""], ["'", "a"], ["a", "b\tc"], [&"x".repeat(65), "a"], ["a", "a\u{85}"]] {
            assert!(!column.add(fields.map(str::as_bytes)), "{fields:?}");
        }
        assert!(!column.add([b"a\xff", b"a"]) && column.add(["x".repeat(64).as_bytes(), b"1"]));
        let rows = [["a", "b"], ["a", "a"], ["'a", "=b"], ["b", "a"]];
        rows.iter().for_each(|row| assert_eq!(column.pop(), Some(row.map(str::as_bytes))));
        assert!(column.pop().is_some() && column.pop().is_none());
    }

    #[test]
    fn an_error_says_whether_the_classes_differ() {
        let row = |y_true: &str, y_pred: &str, error| {
            row([y_true, y_pred].map(str::as_bytes), error, None).map(|row| row.error())
        };
        assert_eq!(
            [row("a", "a", 0.0), row("'a", "a", -0.0), row("a", "b", 1.0)],
            [Ok(0.0), Ok(0.0), Ok(1.0)]
        );
        assert_eq!([row("a", "a", 1.0), row("a", "b", 0.0)], [Err(Fault::Contradictory); 2]);
        assert_eq!([row("", "a", 1.0), row("a", "'", 1.0)], [Err(Fault::NotFinite); 2]);
        assert_eq!([row("a", "b", 0.5), row("a", "a", 2.0)], [Err(Fault::Malformed); 2]);
        assert_eq!(row("a", "b", -1.0), Err(Fault::NegativeError));
        let time_s = |time_s| super::row([b"a", b"b"], 1.0, Some(time_s)).unwrap().time_s();
        assert_eq!([time_s(0.0), time_s(1e18), time_s(1.7e9)], [None, None, Some(1.7e9)]);
    }
}
