//! A row of the log, and the faults of lines that are not rows.
//! Never parses text, and never keeps an id.

use std::ops::Range;

/// `absolute_error` contradicts its two values if it differs from |y_pred − y_true| by more than this share of the largest of the three,
/// and by more than rounding to the written digits explains. The share lets values in single precision pass.
const TOLERANCE: f64 = 1e-6;

/// `logged_at` is valid between the years 2000 and 2100. Any other counts as missing.
pub const VALID_S: Range<f64> = 946_684_800.0..4_102_444_800.0;

/// The numbers of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    pub y_true: f64,
    pub y_pred: f64,
    /// NaN if missing, as the next: an Option would make a row longer by a half.
    logged_at_s: f64,
    label_delay_s: f64,
}

/// A number of a line, and how many decimals it was written with (`1.50`: 2; `1.5e3`: -2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Written {
    pub value: f64,
    pub decimals: i32,
}

impl Written {
    /// How far rounding may have moved a value: half a unit of its last decimal. A value without decimals is exact.
    fn rounded_by(self) -> f64 {
        if self.decimals > 0 { 0.5 * 10_f64.powi(-self.decimals) } else { 0.0 }
    }

    /// A unit of the last digit of an error. Never more than 1 for zero: `0e999` is no more precise than `0`.
    fn unit(self) -> f64 {
        let decimals = if self.value == 0.0 { self.decimals.max(0) } else { self.decimals };
        10_f64.powi(-decimals)
    }
}

impl Row {
    /// Makes a row of a line's numbers.
    ///
    /// # Errors
    /// Why they make no row.
    pub fn of(
        y_true: Written,
        y_pred: Written,
        absolute_error: Written,
        logged_at_s: Option<f64>,
    ) -> Result<Row, Fault> {
        let time_s = logged_at_s.filter(|time_s| VALID_S.contains(time_s));
        let row = Row::new(y_true.value, y_pred.value, time_s);
        let expected = row.error().abs();
        if absolute_error.value < 0.0 {
            return Err(Fault::NegativeError);
        }
        if !expected.is_finite() {
            return Err(Fault::NotFinite);
        }
        let largest = y_true.value.abs().max(y_pred.value.abs()).max(absolute_error.value);
        let apart = (absolute_error.value - expected).abs();
        // A truncated error is too small by less than a unit; a rounded one is off by at most half a unit.
        let explained = || {
            let units = if absolute_error.value < expected { 1.0 } else { 0.5 };
            apart < units * absolute_error.unit() + y_true.rounded_by() + y_pred.rounded_by()
        };
        if apart <= TOLERANCE * largest || explained() { Ok(row) } else { Err(Fault::Contradictory) }
    }

    pub fn new(y_true: f64, y_pred: f64, time_s: Option<f64>) -> Self {
        Row { y_true, y_pred, logged_at_s: time_s.unwrap_or(f64::NAN), label_delay_s: f64::NAN }
    }

    /// The row with `label_delay`, in seconds.
    pub fn with_label_delay(self, delay_s: Option<f64>) -> Self {
        Row { label_delay_s: delay_s.unwrap_or(f64::NAN), ..self }
    }

    /// y_pred − y_true.
    pub fn error(&self) -> f64 {
        self.y_pred - self.y_true
    }

    /// `logged_at`, in Unix seconds.
    pub fn time_s(&self) -> Option<f64> {
        (!self.logged_at_s.is_nan()).then_some(self.logged_at_s)
    }

    /// `label_delay`: seconds from the prediction to its truth, negative if the truth came first.
    pub fn label_delay_s(&self) -> Option<f64> {
        (!self.label_delay_s.is_nan()).then_some(self.label_delay_s)
    }
}

/// Why a line is not a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Too few or too many fields, or a field that is not a number.
    Malformed,
    /// NaN, infinite or empty.
    NotFinite,
    NegativeError,
    /// `absolute_error` is not |y_pred − y_true|.
    Contradictory,
}

/// Number of lines with each fault, in the order of [`Fault::ALL`].
pub type Faults = [u64; Fault::ALL.len()];

pub fn add_faults(faults: &mut Faults, more: &Faults) {
    faults.iter_mut().zip(more).for_each(|(n, more)| *n += more);
}

impl Fault {
    pub const ALL: [Fault; 4] =
        [Fault::Malformed, Fault::NotFinite, Fault::NegativeError, Fault::Contradictory];

    pub fn count(self, faults: &mut Faults) {
        if let Some(n) = faults.get_mut(self as usize) {
            *n += 1;
        }
    }

    /// Its name in `/stats.json`.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Malformed => "malformed",
            Fault::NotFinite => "not_finite",
            Fault::NegativeError => "negative_error",
            Fault::Contradictory => "contradictory",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(numbers: [(f64, i32); 3]) -> Result<Row, Fault> {
        let [y_true, y_pred, absolute_error] = numbers.map(|(value, decimals)| Written { value, decimals });
        Row::of(y_true, y_pred, absolute_error, None)
    }

    #[test]
    fn rounding_is_no_contradiction() {
        for (y_true, y_pred, absolute_error) in [
            ((151.0, 0), (206.117_069_79, 8), (55.12, 2)),
            ((151.0, 0), (206.117_069_79, 8), (55.117_07, 5)),
            ((0.0, 0), (0.000_012_345, 9), (0.000_012, 6)),
            ((0.0, 0), (0.0005, 4), (0.0, 3)),
            // 0.014 and 0.996 differ by 0.982.
            ((0.01, 2), (1.0, 2), (0.98, 2)),
            ((0.0, 0), (1_234_567.0, 0), (1.235e6, -3)),
            // Cut off.
            ((151.0, 0), (206.117_069_79, 8), (55.11, 2)),
            ((151.0, 0), (206.917_069_79, 8), (55.0, 0)),
            ((0.0, 0), (1_234_567.0, 0), (1.234e6, -3)),
        ] {
            assert!(row([y_true, y_pred, absolute_error]).is_ok(), "{absolute_error:?}");
        }
    }

    #[test]
    fn what_rounding_does_not_explain_is_a_contradiction() {
        for (y_true, y_pred, absolute_error) in [
            ((151.0, 0), (206.117_069_79, 8), (55.10, 2)),
            ((151.0, 0), (206.117_069_79, 8), (55.13, 2)),
            ((0.0, 0), (0.3, 1), (0.7, 1)),
            ((1.0, 0), (2.0, 0), (0.0, 0)),
            ((5.0, 0), (7.0, 0), (1.0, 0)),
            // Values without decimals are exact, however they are written.
            ((1e2, -2), (2e2, -2), (0.0, 0)),
            ((1e16, -16), (2e16, -16), (0.0, 0)),
            ((1e2, -2), (2e2, -2), (0.0, -999)),
            ((1.0, 0), (200.0, 0), (0.0, -3)),
            ((0.0, -999), (5.0, 0), (0.0, 0)),
            ((0.0, 0), (0.000_012_345, 9), (0.000_013, 6)),
            ((0.0, 0), (1_234_567.0, 0), (1.236e6, -3)),
            ((0.0, 0), (1_234_567.0, 0), (1.233e6, -3)),
        ] {
            let found = row([y_true, y_pred, absolute_error]);
            assert_eq!(found, Err(Fault::Contradictory), "{absolute_error:?}");
        }
    }
}
