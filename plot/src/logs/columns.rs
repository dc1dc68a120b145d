//! Reads a line of a log as a row, by the header's columns.
//! Never reads a file, and never keeps an id.

use crate::calendar;
use crate::logs::classes;
use crate::logs::decimal::Decimal;
use crate::logs::header::{Columns, GROUP, LOGGED_AT, NAMES, NUMBERS, TEXTS};
use crate::logs::interned::unguarded;
use crate::logs::record::split;
use crate::logs::row::{Fault, Row, Written};
use crate::logs::task::Task;
use memchr::{memchr2, memchr3};

/// Buffers of [`Columns::row`], which the caller reuses.
#[derive(Default)]
pub struct Fields {
    /// A field in quotes.
    unquoted: Vec<u8>,
    texts: [Vec<u8>; TEXTS],
}

/// The texts of a row, without quotes; empty where there is none.
#[derive(Clone, Copy)]
pub struct Texts<'a> {
    pub group: &'a [u8],
    /// y_true and y_pred, of [`Task::Classes`].
    pub classes: [&'a [u8]; 2],
}

impl<'a> Texts<'a> {
    fn of([group, y_true, y_pred]: [&'a [u8]; TEXTS]) -> Self {
        Texts { group, classes: [y_true, y_pred] }
    }
}

impl Fields {
    /// Of the last line that was a row.
    pub fn texts(&self) -> Texts<'_> {
        Texts::of(self.texts.each_ref().map(Vec::as_slice))
    }
}

impl Columns {
    /// Fast path for the usual line: no quotes but around a whole name of a class, plain decimals, nothing wrong. Returns the row that
    /// `bytes` begins with, its texts, and the length of its line with the newline. On None, use [`Columns::row`].
    // Not inlined: in its caller it runs out of registers.
    #[inline(never)]
    pub fn plain_row<'a>(&self, bytes: &'a [u8]) -> Option<(Row, Texts<'a>, usize)> {
        let mut numbers = [None; NUMBERS];
        let mut texts: [&[u8]; TEXTS] = [&[]; TEXTS];
        let mut end = 0;
        let mut columns = self.all.iter();
        while let Some(column) = columns.next() {
            let rest = bytes.get(end..)?;
            end += match column {
                Some(number @ 0..NUMBERS) => {
                    let (decimal, length) = Decimal::read(rest)?;
                    *numbers.get_mut(*number)? = Some(decimal);
                    length
                }
                Some(number) if *number >= NAMES && rest.first() == Some(&b'"') => {
                    let inside = rest.get(1..)?;
                    let length = memchr2(b'"', b'\n', inside)?;
                    if inside.get(length) == Some(&b'\n') {
                        return None;
                    }
                    *texts.get_mut(*number - GROUP)? = inside.get(..length)?;
                    // Behind a doubled quote comes no comma.
                    length + 2
                }
                text => {
                    let length = memchr3(b',', b'\n', b'"', rest)?;
                    if let Some(number) = text {
                        let field = rest.get(..length)?;
                        let ends_line = rest.get(length) == Some(&b'\n');
                        let field = field.strip_suffix(b"\r").filter(|_| ends_line).unwrap_or(field);
                        *texts.get_mut(*number - GROUP)? = field;
                    }
                    length
                }
            };
            let is_last = columns.len() == 0;
            end += usize::from(is_last && bytes.get(end) == Some(&b'\r'));
            end += 1;
            match bytes.get(end - 1)? {
                b',' if !is_last => {}
                b'\n' if self.all.len() - columns.len() >= self.needed => break,
                _ => return None,
            }
        }
        let [y_true, y_pred, absolute_error, logged_at, label_delay] = numbers;
        let exact = |number: Decimal| Written { value: number.value(), decimals: number.decimals as i32 };
        // Used in a comparison with a tolerance only.
        let rough =
            |number: Decimal| Written { value: number.rough_value(), decimals: number.decimals as i32 };
        if absolute_error.is_none() && self.has_error {
            return None;
        }
        let (absolute_error, time_s) = (absolute_error.map(rough), logged_at.map(Decimal::value));
        let texts = Texts::of(texts);
        let row = match self.task {
            Task::Classes => class_row(texts.classes, absolute_error, time_s),
            task => row_of(task, exact(y_true?), exact(y_pred?), absolute_error, time_s),
        };
        Some((row.ok()?.with_label_delay(label_delay.map(Decimal::value)), texts, end))
    }

    /// Reads a line (without its newline).
    ///
    /// # Errors
    /// Why the line is not a row.
    pub fn row(&self, line: &[u8], fields: &mut Fields) -> Result<Row, Fault> {
        let Fields { unquoted, texts } = fields;
        texts.iter_mut().for_each(Vec::clear);
        let mut numbers = [Err(Fault::Malformed); NUMBERS];
        let mut columns = self.all.iter();
        let count = split(line, unquoted, |field| match columns.next().copied().flatten() {
            Some(number @ GROUP..) => {
                if let Some(text) = texts.get_mut(number - GROUP) {
                    text.extend(field);
                }
            }
            Some(LOGGED_AT) => {
                if let Some(number) = numbers.get_mut(LOGGED_AT) {
                    *number = written(field).or_else(|fault| time(field).ok_or(fault));
                }
            }
            column => {
                if let Some(number) = column.and_then(|column| numbers.get_mut(column)) {
                    *number = written(field);
                }
            }
        });
        if !count.is_some_and(|count| (self.needed..=self.all.len()).contains(&count)) {
            return Err(Fault::Malformed);
        }
        let [y_true, y_pred, absolute_error, logged_at, label_delay] = numbers;
        let optional = |number: Result<Written, Fault>| number.ok().map(|number| number.value);
        let absolute_error = if self.has_error { Some(absolute_error?) } else { None };
        let row = match self.task {
            Task::Classes => class_row(fields.texts().classes, absolute_error, optional(logged_at))?,
            task => row_of(task, y_true?, y_pred?, absolute_error, optional(logged_at))?,
        };
        Ok(row.with_label_delay(optional(label_delay)))
    }
}

/// Makes a row of classes. Without an absolute error there is nothing to check.
fn class_row(names: [&[u8]; 2], absolute_error: Option<Written>, time_s: Option<f64>) -> Result<Row, Fault> {
    let [y_true, y_pred] = names.map(unguarded);
    let absolute_error = absolute_error.map_or_else(|| f64::from(y_true != y_pred), |error| error.value);
    classes::row(names, absolute_error, time_s)
}

/// Makes a row of numbers. Without an absolute error there is nothing to check.
fn row_of(
    task: Task,
    y_true: Written,
    y_pred: Written,
    absolute_error: Option<Written>,
    time_s: Option<f64>,
) -> Result<Row, Fault> {
    // No branch between 0 and 1: it could not be predicted.
    let fits = || (y_true.value == 0.0) | (y_true.value == 1.0) && (0.0..=1.0).contains(&y_pred.value);
    if task == Task::Binary && !fits() {
        return Err(Fault::Malformed);
    }
    let computed = || Written { value: (y_pred.value - y_true.value).abs(), decimals: 0 };
    Row::of(y_true, y_pred, absolute_error.unwrap_or_else(computed), time_s)
}

/// A field as a time of ISO 8601, in Unix seconds.
fn time(field: &[u8]) -> Option<Written> {
    let text = std::str::from_utf8(field.trim_ascii()).ok()?;
    calendar::parse_zoned_s(text).map(|value| Written { value, decimals: 0 })
}

/// A field as a finite number.
fn written(field: &[u8]) -> Result<Written, Fault> {
    let field = field.trim_ascii();
    if field.is_empty() {
        return Err(Fault::NotFinite);
    }
    let text = std::str::from_utf8(field).map_err(|_| Fault::Malformed)?;
    let value: f64 = text.parse().map_err(|_| Fault::Malformed)?;
    if !value.is_finite() {
        return Err(Fault::NotFinite);
    }
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let decimals = digits.split_once('.').map_or(0, |(_, decimals)| decimals.len() as i32);
    // Only a zero can have an exponent beyond i32 and be finite.
    Ok(Written { value, decimals: decimals.saturating_sub(exponent.parse().unwrap_or(0)) })
}

#[cfg(test)]
mod tests;
