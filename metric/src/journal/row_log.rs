//! `metric_log.csv`: writes rows, reads them back, and appends them to the file. Knows nothing of the store; `recovery.rs` decides what
//! becomes of the rows that are there at the start.

use crate::{
    disk::{Disk, DiskFile, cannot_read, cannot_write},
    join::{Row, Values},
    journal::line_file::sync_name,
    wire::id::ID_BYTES_MAX,
};
use anyhow::{Context, Result};
use redb::StorageBackend;
use std::path::{Path, PathBuf};

/// The header of a new log.
pub const HEADER: &str = "id,y_true,y_pred,absolute_error,logged_at\n";
/// A file is recognised by this many of its last bytes.
const TAIL_BYTES: usize = 64;
/// First characters that make a spreadsheet take a field for a formula (some also read them in full width), and the guard itself.
const GUARDED: [char; 9] = ['=', '+', '-', '@', '＝', '＋', '－', '＠', '\''];
/// For values from here upwards zmij writes an exponent, as in `1e+16`; the log has no plus.
const PLUS_FROM: f64 = 1e16;

/// The part of a log that the store knows: the file, the length, and the last bytes of the part, by which the file is recognised.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogPosition {
    pub inode: u64,
    pub len: u64,
    pub tail: Vec<u8>,
}

/// The log, open for appending.
pub struct RowLog<D: Disk> {
    pub disk: D,
    pub path: PathBuf,
    pub file: D::File,
    pub columns: Columns,
    pub position: LogPosition,
    /// An append failed and its remains could not be cut off: the file is longer than `position`.
    is_torn: bool,
}

impl<D: Disk> RowLog<D> {
    /// Opens the file or creates it. The position is that of an empty file. The content is durable when this returns: a process that was killed
    /// may have left rows that are not synced.
    ///
    /// # Errors
    /// Names the file.
    pub fn open(disk: &D, path: &Path) -> Result<RowLog<D>> {
        let file = disk.open_append(path).with_context(|| cannot_write(path))?;
        file.sync_data().with_context(|| cannot_write(path))?;
        sync_name(disk, path)?;
        let inode = file.identity().with_context(|| cannot_read(path))?.inode;
        let position = LogPosition { inode, ..LogPosition::default() };
        let (disk, path, columns) = (disk.clone(), path.to_owned(), Columns::usual());
        Ok(RowLog { disk, path, file, columns, position, is_torn: false })
    }

    /// Whether the path still leads to this file and no other program has written to it.
    ///
    /// # Errors
    /// Names the file.
    pub fn is_untouched(&mut self) -> Result<bool> {
        self.cut_torn()?;
        let named = || cannot_read(&self.path);
        let ours = self.file.identity().with_context(named)?;
        let there = self.disk.find(&self.path).with_context(named)?;
        Ok(there == Some(ours) && ours.len == self.position.len)
    }

    /// Appends whole lines and makes them durable.
    ///
    /// # Errors
    /// Names the file. What was written is cut off again before the file is used the next time.
    pub fn append(&mut self, lines: &[u8]) -> Result<()> {
        self.cut_torn()?;
        if lines.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.file.append(lines).and_then(|()| self.file.sync_data()) {
            self.is_torn = true;
            // A full disk may refuse this too.
            let _ = self.cut_torn();
            return Err(error).with_context(|| cannot_write(&self.path));
        }
        self.position.advance(lines);
        Ok(())
    }

    /// Cuts off the remains of a failed append.
    ///
    /// # Errors
    /// Names the file.
    pub fn cut_torn(&mut self) -> Result<()> {
        if self.is_torn {
            self.cut(self.position.len)?;
            self.is_torn = false;
        }
        Ok(())
    }

    /// Cuts the file off after `len` bytes.
    ///
    /// # Errors
    /// Names the file.
    pub fn cut(&self, len: u64) -> Result<()> {
        let cut = self.file.set_len(len).and_then(|()| self.file.sync_data());
        cut.with_context(|| cannot_write(&self.path))
    }

    /// Appends a missing line break to the last line and syncs it.
    ///
    /// # Errors
    /// Names the file.
    pub fn end_line(&self) -> Result<()> {
        let ended = self.file.append(b"\n").and_then(|()| self.file.sync_data());
        ended.with_context(|| cannot_write(&self.path))
    }

    /// The position after the first `len` bytes of this file.
    ///
    /// # Errors
    /// Names the file.
    pub fn position_at(&self, len: u64) -> Result<LogPosition> {
        let begin = len.saturating_sub(TAIL_BYTES as u64);
        let mut tail = vec![0; (len - begin) as usize];
        self.file.read(begin, &mut tail).with_context(|| cannot_read(&self.path))?;
        Ok(LogPosition { inode: self.position.inode, len, tail })
    }

    /// Whether this file has the bytes of `position` at that place, even if the position is that of another file.
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

impl LogPosition {
    /// Moves to the end of `lines`, which follow.
    pub fn advance(&mut self, lines: &[u8]) {
        self.len += lines.len() as u64;
        self.tail.extend_from_slice(lines.get(lines.len().saturating_sub(TAIL_BYTES)..).unwrap_or(lines));
        self.tail.drain(..self.tail.len().saturating_sub(TAIL_BYTES));
    }
}

/// The columns of a log, in the order of its header.
#[derive(Debug, PartialEq)]
pub struct Columns(Vec<Column>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Column {
    Id,
    YTrue,
    YPred,
    AbsoluteError,
    LoggedAt,
    /// One that `metric` does not write: its fields stay empty.
    Other,
}

/// A row as read from a log.
#[derive(Debug, PartialEq)]
pub struct LoggedRow {
    pub id: String,
    pub values: Values,
}

impl Columns {
    /// The columns of [`HEADER`].
    pub fn usual() -> Columns {
        use Column::*;
        Columns(vec![Id, YTrue, YPred, AbsoluteError, LoggedAt])
    }

    /// The columns of a header line. `None` if `id`, `y_true`, `y_pred` or `absolute_error` is missing.
    pub fn of_header(line: &str) -> Option<Columns> {
        let mut columns = Vec::new();
        for name in one_record(line)?.iter() {
            let column = match name.trim() {
                "id" => Column::Id,
                "y_true" => Column::YTrue,
                "y_pred" => Column::YPred,
                "absolute_error" => Column::AbsoluteError,
                "logged_at" => Column::LoggedAt,
                _ => Column::Other,
            };
            // Of two columns with one name the first counts.
            columns.push(if columns.contains(&column) { Column::Other } else { column });
        }
        let needed = [Column::Id, Column::YTrue, Column::YPred, Column::AbsoluteError];
        needed.iter().all(|column| columns.contains(column)).then_some(Columns(columns))
    }

    /// Appends a row to `lines`. `logged_at` is the Unix time that [`unix_seconds`] writes.
    ///
    /// # Errors
    /// Never in practice: the writer's target is memory.
    pub fn write(&self, lines: &mut Vec<u8>, row: &Row, logged_at: &str) -> Result<()> {
        for (at, column) in self.0.iter().enumerate() {
            if at > 0 {
                lines.push(b',');
            }
            match column {
                Column::Id => write_id(lines, &row.id)?,
                Column::YTrue => write_decimal(lines, row.values.y_true),
                Column::YPred => write_decimal(lines, row.values.y_pred),
                Column::AbsoluteError => write_decimal(lines, row.absolute_error),
                Column::LoggedAt => lines.extend_from_slice(logged_at.as_bytes()),
                Column::Other => {}
            }
        }
        lines.push(b'\n');
        Ok(())
    }

    /// Reads one line, without its line break. `None` if it is not a row: a needed field is missing or not a finite number, it has more fields
    /// than the header, or it holds a NUL, as a power cut may leave.
    pub fn read(&self, line: &[u8]) -> Option<LoggedRow> {
        let line = str::from_utf8(line).ok()?;
        // Creating a csv reader takes ten times as long as reading a plain line.
        if line.contains(['"', '\r', '\0']) {
            self.row(one_record(line)?.iter())
        } else {
            self.row(line.split(','))
        }
    }

    fn row<'f>(&self, fields: impl Iterator<Item = &'f str>) -> Option<LoggedRow> {
        let (mut id, mut y_true, mut y_pred, mut absolute_error) = (None, None, None, None);
        let number = |field: &str| field.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        let mut columns = self.0.iter();
        for field in fields {
            match columns.next()? {
                Column::Id => id = Some(field.strip_prefix('\'').unwrap_or(field)),
                Column::YTrue => y_true = number(field),
                Column::YPred => y_pred = number(field),
                Column::AbsoluteError => absolute_error = number(field),
                Column::LoggedAt | Column::Other => {}
            }
        }
        absolute_error?;
        let values = Values { y_true: y_true?, y_pred: y_pred? };
        // The contract allows no longer id, and the store has no room for it.
        let id = id.filter(|id| (1..=ID_BYTES_MAX).contains(&id.len()))?;
        Some(LoggedRow { id: id.to_owned(), values })
    }
}

/// The fields of a line that is one CSV record. `None` if it holds a NUL or an unclosed quote.
fn one_record(line: &str) -> Option<csv::StringRecord> {
    let quotes = line.bytes().filter(|&byte| byte == b'"').count();
    if line.contains('\0') || quotes % 2 == 1 {
        return None;
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
    let (mut record, mut further) = (csv::StringRecord::new(), csv::StringRecord::new());
    let is_one = matches!(reader.read_record(&mut record), Ok(true))
        && matches!(reader.read_record(&mut further), Ok(false));
    is_one.then_some(record)
}

/// Appends an id as a field, guarded: a spreadsheet never takes it for a formula. Few ids need the csv writer. They hold no line breaks.
///
/// # Errors
/// Never in practice: the writer's target is memory.
pub fn write_id(lines: &mut Vec<u8>, id: &str) -> Result<()> {
    if id.starts_with(GUARDED) {
        return write_field(lines, &format!("'{id}"));
    }
    write_field(lines, id)
}

fn write_field(lines: &mut Vec<u8>, id: &str) -> Result<()> {
    let is_plain = id.bytes().fold(true, |is_plain, byte| is_plain & !matches!(byte, b',' | b'"'));
    if is_plain {
        lines.extend_from_slice(id.as_bytes());
        return Ok(());
    }
    let mut writer = csv::Writer::from_writer(&mut *lines);
    writer.write_record([id])?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const USUAL: &str = "id,y_true,y_pred,absolute_error,logged_at";

    fn row(id: &str, y_true: f64, y_pred: f64) -> Row {
        let values = Values { y_true, y_pred };
        Row { id: id.into(), waited: false, values, absolute_error: (y_pred - y_true).abs() }
    }

    fn read(header: &str, line: &str) -> Option<(String, f64, f64)> {
        let row = Columns::of_header(header).unwrap().read(line.as_bytes())?;
        Some((row.id, row.values.y_true, row.values.y_pred))
    }

    #[test]
    fn golden_rows_are_written_and_read_back() {
        let golden = include_str!("../../../contract/metric_log.csv");
        let values = include_str!("../../../contract/metric_log.jsonl");
        let mut written = Vec::new();
        for (line, value) in golden.lines().skip(1).zip(values.lines()) {
            let value: Value = serde_json::from_str(value).unwrap();
            let id = value["id"].as_str().unwrap();
            let number = |key: &str| value[key].as_f64().unwrap();
            let row = row(id, number("y_true"), number("y_pred"));
            assert_eq!(row.absolute_error, number("absolute_error"));
            let read = Columns::usual().read(line.as_bytes());
            assert_eq!(read, Some(LoggedRow { id: id.to_owned(), values: row.values }));
            let logged_at = unix_seconds((number("logged_at") * 1000.0).round() as u64);
            Columns::usual().write(&mut written, &row, &logged_at).unwrap();
        }
        let written = String::from_utf8(written).unwrap();
        assert_eq!(format!("{HEADER}{written}"), golden);
        assert_eq!(Columns::of_header(HEADER.trim_end()), Some(Columns::usual()));
    }

    #[test]
    fn ids_that_begin_like_a_formula_are_guarded_and_read_back() {
        for first in ["=", "+", "-", "@", "＝", "＋", "－", "＠", "'"] {
            let id = format!("{first}A1");
            let mut line = Vec::new();
            Columns::usual().write(&mut line, &row(&id, 1.0, 1.0), "0.000").unwrap();
            assert!(line.starts_with(b"'"), "{first}");
            assert_eq!(Columns::usual().read(line.trim_ascii_end()).unwrap().id, id);
        }
    }

    #[test]
    fn the_columns_are_those_that_the_header_names() {
        for (header, line, written) in [
            ("id,y_true,y_pred,absolute_error", "a,1,2.5,1.5", "a,1,2.5,1.5\n"),
            ("\"id\",\"y_true\",\"y_pred\",\"absolute_error\"", "\"a\",\"1\",\"2.5\",1.5", "a,1,2.5,1.5\n"),
            ("when,id, y_pred ,note,y_true,absolute_error,id", "t,a,2.5,\"x,y\",1,1.5,b", ",a,2.5,,1,1.5,\n"),
            ("logged_at,absolute_error,y_pred,y_true,id", ",1.5, 2.5,1 ,a", "7.000,1.5,2.5,1,a\n"),
            ("id,y_true,y_pred,absolute_error,logged_at,note", "a,1,2.5,1.5", "a,1,2.5,1.5,7.000,\n"),
        ] {
            assert_eq!(read(header, line), Some(("a".to_owned(), 1.0, 2.5)), "{header}");
            let mut lines = Vec::new();
            Columns::of_header(header).unwrap().write(&mut lines, &row("a", 1.0, 2.5), "7.000").unwrap();
            assert_eq!(String::from_utf8(lines).unwrap(), written, "{header}");
            assert_eq!(read(header, written.trim_end()), Some(("a".to_owned(), 1.0, 2.5)), "{header}");
        }
        for header in
            ["", "id", "id,y_true,y_pred", "a,1,2,1", "id;y_true;y_pred;absolute_error", "id,\"y_true"]
        {
            assert_eq!(Columns::of_header(header), None, "{header}");
        }
    }

    #[test]
    fn no_bytes_make_up_a_row() {
        for line in [
            "",
            "a",
            "a,1,2",
            "a,1,2,",
            ",1,2,1",
            "a,1,2,3,4,5",
            "a,1,x,3,4",
            "a,nan,2,1,4",
            "a,1,inf,3,4",
            "\0a,1,2,1,4",
            "a,1,2,1,4\0",
            "a,1,2,1,4\rb,1,2,1,4",
            "\"a,1,2,1,4",
            "a,1,2,1,\"4",
            USUAL,
        ] {
            assert_eq!(read(USUAL, line), None, "{line:?}");
        }
        assert_eq!(read(USUAL, "a,1,2,1,3\r"), Some(("a".to_owned(), 1.0, 2.0)));
        assert_eq!(read(USUAL, "a,1,2,1"), Some(("a".to_owned(), 1.0, 2.0)));
        assert_eq!(read(USUAL, "a,1,2,1,"), Some(("a".to_owned(), 1.0, 2.0)));
        assert_eq!(Columns::usual().read(b"\xff,1,2,1,3"), None);
        let long = format!("{},1,2,1,3", "i".repeat(ID_BYTES_MAX + 1));
        assert_eq!(read(USUAL, &long), None);
        assert!(read(USUAL, &long[1..]).is_some());
    }

    #[test]
    fn a_position_ends_with_the_last_bytes_of_all_lines() {
        let (mut position, mut all) = (LogPosition::default(), Vec::new());
        for len in [0, 1, 30, 40, 64, 65, 3, 200] {
            let lines: Vec<u8> = (0..len).map(|at| (at * 7 + len) as u8).collect();
            position.advance(&lines);
            all.extend_from_slice(&lines);
            assert_eq!(position.len, all.len() as u64);
            assert_eq!(position.tail, all[all.len().saturating_sub(TAIL_BYTES)..]);
        }
    }

    #[test]
    fn ids_are_written_as_csv_writes_them() {
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..10_000 {
            let id: String = (0..rng.usize(1..5))
                .map(|_| rng.choice([',', '"', '\'', ' ', '#', 'a', 'é']).unwrap())
                .collect();
            let (mut written, mut expected) = (Vec::new(), csv::Writer::from_writer(Vec::new()));
            write_field(&mut written, &id).unwrap();
            expected.write_record([&id, ""]).unwrap();
            assert_eq!([&written, b",\n".as_slice()].concat(), expected.into_inner().unwrap(), "{id:?}");
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
            let columns = Columns::usual();
            let by_csv = one_record(&line).and_then(|record| columns.row(record.iter()));
            rows += u32::from(by_csv.is_some());
            assert_eq!(columns.read(line.as_bytes()), by_csv, "{line:?}");
        }
        assert!((5_000..90_000).contains(&rows), "{rows} rows");
    }
}
