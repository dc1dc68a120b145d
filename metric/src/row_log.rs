//! `metric_log.csv`: how rows are written and read back, and the file that they are appended to. Knows nothing of the store;
//! what is found in the file at the start is `recovery.rs`'s to judge.

use crate::{
    disk::{Disk, DiskFile, cannot_read, cannot_write},
    join::Row,
    line_file::sync_name,
    store::LogPosition,
};
use anyhow::{Context, Result};
use redb::StorageBackend;
use std::{
    borrow::Cow,
    path::{Path, PathBuf},
};

pub const HEADER: &str = "id,y_true,y_pred,absolute_error,logged_at\n";
/// By so many of its last bytes a file is recognised.
const TAIL_BYTES: usize = 64;
/// First characters by which a spreadsheet takes a field for a formula (also in full width, which some read as the others), and
/// the guard itself.
const GUARDED: [char; 9] = ['=', '+', '-', '@', '＝', '＋', '－', '＠', '\''];
/// From here on zmij writes an exponent, as in `1e+16`; the log has no plus.
const PLUS_FROM: f64 = 1e16;

/// The log, open for appending.
pub struct RowLog<D: Disk> {
    disk: D,
    pub path: PathBuf,
    pub file: D::File,
    pub position: LogPosition,
}

impl<D: Disk> RowLog<D> {
    /// Opens the file or makes an empty one; its position is still that of an empty file. What is in the file is durable when this
    /// returns: a process that was killed may have left rows that no power cut has tried yet.
    ///
    /// # Errors
    /// Names the file.
    pub fn open(disk: &D, path: &Path) -> Result<RowLog<D>> {
        let file = disk.open_append(path).with_context(|| cannot_write(path))?;
        file.sync_data().with_context(|| cannot_write(path))?;
        sync_name(disk, path)?;
        Ok(RowLog { disk: disk.clone(), path: path.to_owned(), file, position: LogPosition::default() })
    }

    /// Whether the path still leads to this file and nobody else wrote to it.
    ///
    /// # Errors
    /// Names the file.
    pub fn is_untouched(&self) -> Result<bool> {
        let named = || cannot_read(&self.path);
        let ours = self.file.identity().with_context(named)?;
        let there = self.disk.find(&self.path).with_context(named)?;
        Ok(there == Some(ours) && ours.len == self.position.len)
    }

    /// Appends whole lines and makes them durable; gives the position behind them, which [`RowLog::advance`] accepts once the store has it.
    ///
    /// # Errors
    /// Names the file; what was written is cut off again where that is possible.
    pub fn append(&mut self, lines: &[u8]) -> Result<LogPosition> {
        if lines.is_empty() {
            return Ok(self.position.clone());
        }
        if let Err(error) = self.file.append(lines).and_then(|()| self.file.sync_data()) {
            // Best effort: recovery cuts an unfinished row too.
            let _ = self.file.set_len(self.position.len);
            return Err(error).with_context(|| cannot_write(&self.path));
        }
        let len = self.position.len + lines.len() as u64;
        Ok(LogPosition { len, tail: tail(lines).to_vec() })
    }

    pub fn advance(&mut self, position: LogPosition) {
        self.position = position;
    }

    /// Cuts off what lies behind `len`.
    ///
    /// # Errors
    /// Names the file.
    pub fn cut(&self, len: u64) -> Result<()> {
        let cut = self.file.set_len(len).and_then(|()| self.file.sync_data());
        cut.with_context(|| cannot_write(&self.path))
    }

    /// Whether this file holds what was written up to `position`.
    ///
    /// # Errors
    /// Names the file.
    pub fn continues(&self, position: &LogPosition) -> Result<bool> {
        let len = self.file.len().with_context(|| cannot_read(&self.path))?;
        let mut tail = vec![0; position.tail.len()];
        let Some(start) = position.len.checked_sub(tail.len() as u64).filter(|_| position.len <= len) else {
            return Ok(false);
        };
        self.file.read(start, &mut tail).with_context(|| cannot_read(&self.path))?;
        Ok(tail == position.tail)
    }
}

/// The bytes at the end of `lines` by which the file is recognised.
pub fn tail(lines: &[u8]) -> &[u8] {
    lines.get(lines.len().saturating_sub(TAIL_BYTES)..).unwrap_or(lines)
}

/// Appends a row as a line to `lines`. `logged_at` is Unix time as [`unix_seconds`] writes it.
///
/// # Errors
/// Never in practice: the writer's target is memory.
pub fn write_row(lines: &mut Vec<u8>, row: &Row, logged_at: &str) -> Result<()> {
    write_id(lines, &guarded(&row.id))?;
    for value in [row.y_true, row.y_pred, row.absolute_error] {
        lines.push(b',');
        write_decimal(lines, value);
    }
    lines.push(b',');
    lines.extend_from_slice(logged_at.as_bytes());
    lines.push(b'\n');
    Ok(())
}

/// An id as csv writes it, to which most need not be given; they hold no line breaks.
fn write_id(lines: &mut Vec<u8>, id: &str) -> Result<()> {
    let is_plain = id.bytes().fold(true, |is_plain, byte| is_plain & !matches!(byte, b',' | b'"'));
    if is_plain {
        lines.extend_from_slice(id.as_bytes());
        return Ok(());
    }
    let mut line = self::lines();
    line.write_record([id])?;
    lines.extend_from_slice(finish(line)?.trim_ascii_end());
    Ok(())
}

/// An id as a spreadsheet may see it: never a formula.
pub fn guarded(id: &str) -> Cow<'_, str> {
    if id.starts_with(GUARDED) { Cow::Owned(format!("'{id}")) } else { Cow::Borrowed(id) }
}

/// Unix time in seconds, with three decimals.
pub fn unix_seconds(time_ms: u64) -> String {
    format!("{}.{:03}", time_ms / 1000, time_ms % 1000)
}

/// Appends the fewest digits that read back as the same value, with an exponent where the number would be long.
fn write_decimal(lines: &mut Vec<u8>, value: f64) {
    let mut digits = zmij::Buffer::new();
    let text = digits.format_finite(value);
    let text = text.strip_suffix(".0").unwrap_or(text);
    if value.abs() < PLUS_FROM {
        lines.extend_from_slice(text.as_bytes());
    } else {
        lines.extend(text.bytes().filter(|byte| *byte != b'+'));
    }
}

/// A line of the log.
#[derive(Debug, PartialEq)]
pub enum Line {
    /// A whole row with this id.
    Row(String),
    Other,
}

/// Reads one line, without its line break.
pub fn read_line(line: &[u8]) -> Line {
    let Ok(line) = str::from_utf8(line) else { return Line::Other };
    // Making a csv reader takes ten times as long as reading a plain line.
    if line.contains(['"', '\r']) { quoted_row(line) } else { row(line.split(',')) }
}

fn quoted_row(line: &str) -> Line {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
    let mut record = csv::StringRecord::new();
    if matches!(reader.read_record(&mut record), Ok(true)) { row(record.iter()) } else { Line::Other }
}

fn row<'f>(fields: impl Iterator<Item = &'f str>) -> Line {
    let is_number = |field: &&str| field.parse::<f64>().is_ok();
    match fields.collect::<Vec<_>>().as_slice() {
        [id, numbers @ ..] if numbers.len() == 4 && numbers.iter().all(is_number) => {
            Line::Row(id.strip_prefix('\'').unwrap_or(id).to_owned())
        }
        _ => Line::Other,
    }
}

/// A writer of lines into memory.
pub fn lines() -> csv::Writer<Vec<u8>> {
    csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new())
}

/// What was written to `lines`.
///
/// # Errors
/// Never in practice: the writer's target is memory.
pub fn finish(mut lines: csv::Writer<Vec<u8>>) -> Result<Vec<u8>> {
    lines.flush()?;
    Ok(lines.into_inner()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn golden_rows_are_written_and_read_back() {
        let golden = include_str!("../../contract/metric_log.csv");
        let values = include_str!("../../contract/metric_log.jsonl");
        let mut written = Vec::new();
        for (line, value) in golden.lines().skip(1).zip(values.lines()) {
            let value: Value = serde_json::from_str(value).unwrap();
            let id = value["id"].as_str().unwrap();
            assert_eq!(read_line(line.as_bytes()), Line::Row(id.to_owned()));
            let number = |key: &str| value[key].as_f64().unwrap();
            let row = Row {
                waited: false,
                id: id.into(),
                y_true: number("y_true"),
                y_pred: number("y_pred"),
                absolute_error: number("absolute_error"),
            };
            let logged_at = unix_seconds((number("logged_at") * 1000.0).round() as u64);
            write_row(&mut written, &row, &logged_at).unwrap();
        }
        let written = String::from_utf8(written).unwrap();
        assert_eq!(format!("{HEADER}{written}"), golden);
    }

    #[test]
    fn ids_that_begin_like_a_formula_are_guarded_and_read_back() {
        for first in ["=", "+", "-", "@", "＝", "＋", "－", "＠", "'"] {
            let row = Row {
                id: format!("{first}A1").as_str().into(),
                waited: false,
                y_true: 1.0,
                y_pred: 1.0,
                absolute_error: 0.0,
            };
            let mut line = Vec::new();
            write_row(&mut line, &row, "0.000").unwrap();
            assert!(line.starts_with(b"'"), "{first}");
            assert_eq!(read_line(line.trim_ascii_end()), Line::Row(row.id.to_string()));
        }
    }

    #[test]
    fn ids_are_written_as_csv_writes_them() {
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..10_000 {
            let id: String = (0..rng.usize(1..5))
                .map(|_| rng.choice([',', '"', '\'', ' ', '#', 'a', 'é']).unwrap())
                .collect();
            let (mut written, mut expected) = (Vec::new(), lines());
            write_id(&mut written, &id).unwrap();
            expected.write_record([&id, ""]).unwrap();
            assert_eq!([&written, b",\n".as_slice()].concat(), finish(expected).unwrap(), "{id:?}");
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
            // Of two texts as long and as near the two take different ones.
            assert_eq!(
                (text.len(), text.find('e')),
                (expected.len(), expected.find('e')),
                "{text}, {expected}"
            );
        }
    }

    #[test]
    fn what_is_no_row_is_told_apart() {
        for line in
            ["", "a", "a,1,2,3", "a,1,2,3,4,5", "a,1,x,3,4", "id,y_true,y_pred,absolute_error,logged_at"]
        {
            assert_eq!(read_line(line.as_bytes()), Line::Other, "{line}");
        }
        assert_eq!(read_line(b"a,1,2,1,3\r"), Line::Row("a".to_owned()));
        assert_eq!(read_line(b"\xff,1,2,1,3"), Line::Other);
    }

    #[test]
    fn a_line_without_quotes_is_read_as_csv_has_it() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut rows = 0;
        for _ in 0..100_000 {
            let mut line: String =
                (0..rng.usize(..4)).map(|_| rng.choice(['a', ',', '\'', ' ', '1', 'é']).unwrap()).collect();
            (0..4).for_each(|_| {
                line += rng.choice([",1", ",1", ",1", ",-2.5e3", ",inf", ", ", ",x", ",", ""]).unwrap()
            });
            assert_eq!(read_line(line.as_bytes()), quoted_row(&line), "{line:?}");
            rows += u32::from(quoted_row(&line) != Line::Other);
        }
        assert!((5_000..90_000).contains(&rows), "{rows} rows");
    }
}
