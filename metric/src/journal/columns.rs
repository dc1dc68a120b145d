//! The columns of `metric_log.csv`: finds them in a header, writes a row in their order, and reads it back. Knows no file.

use crate::{
    join::{Row, Values},
    journal::field::{unguarded, write_decimal, write_delay, write_text, write_value},
    wire::{
        id::ID_BYTES_MAX,
        labels::{Labels, Task},
    },
};
use anyhow::Result;

/// The header of a new log.
pub const HEADER: &str = "id,y_true,y_pred,absolute_error,logged_at,label_delay,group\n";

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
    LabelDelay,
    Group,
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
        Columns(vec![Id, YTrue, YPred, AbsoluteError, LoggedAt, LabelDelay, Group])
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
                "label_delay" => Column::LabelDelay,
                "group" => Column::Group,
                _ => Column::Other,
            };
            // Of two columns with one name the first counts.
            columns.push(if columns.contains(&column) { Column::Other } else { column });
        }
        let needed = [Column::Id, Column::YTrue, Column::YPred, Column::AbsoluteError];
        needed.iter().all(|column| columns.contains(column)).then_some(Columns(columns))
    }

    /// Appends a row to `lines`. `logged_at` is a Unix time in seconds.
    ///
    /// # Errors
    /// Never in practice: the writer's target is memory.
    pub fn write(&self, lines: &mut Vec<u8>, row: &Row, logged_at: &str, labels: &Labels) -> Result<()> {
        for (at, column) in self.0.iter().enumerate() {
            if at > 0 {
                lines.push(b',');
            }
            match column {
                Column::Id => write_text(lines, &row.id)?,
                Column::YTrue => write_value(lines, row.values.y_true, labels)?,
                Column::YPred => write_value(lines, row.values.y_pred, labels)?,
                Column::AbsoluteError => write_decimal(lines, row.absolute_error),
                Column::LoggedAt => lines.extend_from_slice(logged_at.as_bytes()),
                Column::LabelDelay => write_delay(lines, row.label_delay_ms)?,
                Column::Group => write_text(lines, row.group.as_deref().unwrap_or_default())?,
                Column::Other => {}
            }
        }
        lines.push(b'\n');
        Ok(())
    }

    /// Reads one line, without its line break. `None` if it is not a row: a needed field is missing or cannot be one of the task, the line has
    /// more fields than the header, or it holds a NUL, as a power cut may leave. Only a row adds classes.
    pub fn read(&self, line: &[u8], labels: &Labels) -> Option<LoggedRow> {
        let line = str::from_utf8(line).ok()?;
        // Creating a csv reader takes ten times as long as reading a plain line.
        if line.contains(['"', '\r', '\0']) {
            self.row(one_record(line)?.iter(), labels)
        } else {
            self.row(line.split(','), labels)
        }
    }

    fn row<'f>(&self, fields: impl Iterator<Item = &'f str>, labels: &Labels) -> Option<LoggedRow> {
        let (mut id, mut y_true, mut y_pred, mut absolute_error) = (None, None, None, None);
        let mut columns = self.0.iter();
        for field in fields {
            match columns.next()? {
                Column::Id => id = Some(unguarded(field)),
                Column::YTrue => y_true = Some(field),
                Column::YPred => y_pred = Some(field),
                Column::AbsoluteError => absolute_error = number(field),
                Column::LoggedAt | Column::LabelDelay | Column::Group | Column::Other => {}
            }
        }
        // The contract allows no longer id, and the store has no room for it.
        let id = id.filter(|id| (1..=ID_BYTES_MAX).contains(&id.len()))?;
        let values = values(y_true?, y_pred?, absolute_error?, labels)?;
        Some(LoggedRow { id: id.to_owned(), values })
    }
}

fn number(field: &str) -> Option<f64> {
    field.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// The values of a row of the task.
fn values(y_true: &str, y_pred: &str, absolute_error: f64, labels: &Labels) -> Option<Values> {
    let is_01 = |number: &f64| [0.0, 1.0].contains(number);
    let [y_true, y_pred] = match labels.task {
        Task::Regression => [number(y_true)?, number(y_pred)?],
        Task::Binary => {
            let y_pred = number(y_pred).filter(|probability| (0.0..=1.0).contains(probability))?;
            [number(y_true).filter(is_01)?, y_pred]
        }
        Task::Classes if is_01(&absolute_error) => {
            let number = |field| labels.number(unguarded(field));
            labels.undo_on_error(|| Ok::<_, String>([number(y_true)?, number(y_pred)?])).ok()?
        }
        Task::Classes => return None,
    };
    Some(Values { y_true, y_pred })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::field::unix_seconds;
    use serde_json::Value;

    const USUAL: &str = "id,y_true,y_pred,absolute_error,logged_at";

    fn row(id: &str, y_true: f64, y_pred: f64) -> Row {
        let values = Values { y_true, y_pred };
        let absolute_error = (y_pred - y_true).abs();
        Row { id: id.into(), waited: false, values, absolute_error, label_delay_ms: 0, group: None }
    }

    fn numbers() -> Labels {
        Labels::new(Task::Regression)
    }

    fn read(header: &str, line: &str) -> Option<(String, f64, f64)> {
        let row = Columns::of_header(header).unwrap().read(line.as_bytes(), &numbers())?;
        Some((row.id, row.values.y_true, row.values.y_pred))
    }

    #[test]
    fn golden_rows_are_written_and_read_back() {
        let golden = include_str!("../../../contract/metric_log.csv");
        written_and_read_back(golden, include_str!("../../../contract/metric_log.jsonl"), Task::Regression);
        let golden = include_str!("../../../contract/metric_log_binary.csv");
        written_and_read_back(
            golden,
            include_str!("../../../contract/metric_log_binary.jsonl"),
            Task::Binary,
        );
        let golden = include_str!("../../../contract/metric_log_classes.csv");
        written_and_read_back(
            golden,
            include_str!("../../../contract/metric_log_classes.jsonl"),
            Task::Classes,
        );
    }

    fn written_and_read_back(golden: &str, values: &str, task: Task) {
        let labels = Labels::new(task);
        assert_eq!(golden.lines().count() - 1, values.lines().count());
        for (line, value) in golden.lines().skip(1).zip(values.lines()) {
            let value: Value = serde_json::from_str(value).unwrap();
            let id = value["id"].as_str().unwrap();
            let number = |key: &str| match &value[key] {
                Value::String(class) => labels.number(class).unwrap(),
                number => number.as_f64().unwrap(),
            };
            let label_delay = value["label_delay"].as_f64();
            let row = Row {
                label_delay_ms: (label_delay.unwrap_or_default() * 1000.0).round() as i64,
                group: value["group"].as_str().map(Into::into),
                absolute_error: task.absolute_error(number("y_true"), number("y_pred")),
                ..row(id, number("y_true"), number("y_pred"))
            };
            assert_eq!(row.absolute_error, number("absolute_error"));
            let read = Columns::usual().read(line.as_bytes(), &labels);
            assert_eq!(read, Some(LoggedRow { id: id.to_owned(), values: row.values }));
            let logged_at = unix_seconds((number("logged_at") * 1000.0).round() as u64);
            let mut written = Vec::new();
            Columns::usual().write(&mut written, &row, &logged_at, &labels).unwrap();
            // A row without a delay is that of another program.
            if label_delay.is_some() {
                assert_eq!(String::from_utf8(written).unwrap(), format!("{line}\n"));
            }
        }
        assert!(golden.starts_with(HEADER));
        assert_eq!(Columns::of_header(HEADER.trim_end()), Some(Columns::usual()));
    }

    #[test]
    fn texts_that_begin_like_a_formula_are_guarded_and_ids_read_back() {
        for first in ["=", "+", "-", "@", "＝", "＋", "－", "＠", "'"] {
            let id = format!("{first}A1");
            let row = Row { group: Some(id.as_str().into()), ..row(&id, 1.0, 1.0) };
            let mut line = Vec::new();
            Columns::usual().write(&mut line, &row, "0.000", &numbers()).unwrap();
            let text = format!("'{id},1,1,0,0.000,0.000,'{id}\n");
            assert_eq!(String::from_utf8(line.clone()).unwrap(), text);
            assert_eq!(Columns::usual().read(line.trim_ascii_end(), &numbers()).unwrap().id, id);
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
            ("group,id,y_true,y_pred,absolute_error,label_delay", ",a,1,2.5,1.5", ",a,1,2.5,1.5,0.000\n"),
        ] {
            assert_eq!(read(header, line), Some(("a".to_owned(), 1.0, 2.5)), "{header}");
            let mut lines = Vec::new();
            let row = row("a", 1.0, 2.5);
            Columns::of_header(header).unwrap().write(&mut lines, &row, "7.000", &numbers()).unwrap();
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
    fn what_is_no_row_of_the_task_is_no_row_and_adds_no_class() {
        let is_row = |task, line: &str| {
            let labels = Labels::new(task);
            let is_row = Columns::usual().read(line.as_bytes(), &labels).is_some();
            assert!(is_row || labels.count() == 0, "{line}");
            is_row
        };
        for (line, expected) in [
            // Of a regression, a binary task, and classes.
            ("a,1,0.75,0.25", [true, true, false]),
            ("a,0,1,1", [true, true, true]),
            ("a, 1 , 0,1", [true, true, true]),
            ("a,0.5,0.75,0.25", [true, false, false]),
            ("a,1,1.5,0.5", [true, false, false]),
            ("a,0,-0.5,0.5", [true, false, false]),
            ("a,cat,dog,1", [false, false, true]),
            ("a,cat,cat,0.0", [false, false, true]),
            ("a,cat,dog,0.5", [false; 3]),
            ("a,cat,dog,", [false; 3]),
            ("a,cat,,1", [false; 3]),
            (",cat,dog,1", [false; 3]),
            ("a,cat,\u{7f},1", [false; 3]),
            (&format!("a,cat,{},1", "x".repeat(65)), [false; 3]),
            ("a,cat,dog,1,,,,more", [false; 3]),
        ] {
            assert_eq!(Task::ALL.map(|(_, task)| is_row(task, line)), expected, "{line}");
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
        assert_eq!(Columns::usual().read(b"\xff,1,2,1,3", &numbers()), None);
        let long = format!("{},1,2,1,3", "i".repeat(ID_BYTES_MAX + 1));
        assert_eq!(read(USUAL, &long), None);
        assert!(read(USUAL, &long[1..]).is_some());
    }

    #[test]
    fn a_line_without_quotes_is_read_as_csv_has_it() {
        let (mut rng, labels) = (fastrand::Rng::with_seed(1), numbers());
        let mut rows = 0;
        for _ in 0..100_000 {
            let mut line: String =
                (0..rng.usize(..4)).map(|_| rng.choice(['a', ',', '\'', ' ', '1', 'é']).unwrap()).collect();
            (0..4).for_each(|_| {
                line += rng.choice([",1", ",1", ",1", ",-2.5e3", ",inf", ", ", ",x", ",", ""]).unwrap()
            });
            let columns = Columns::usual();
            let by_csv = one_record(&line).and_then(|record| columns.row(record.iter(), &labels));
            rows += u32::from(by_csv.is_some());
            assert_eq!(columns.read(line.as_bytes(), &labels), by_csv, "{line:?}");
        }
        assert!((5_000..90_000).contains(&rows), "{rows} rows");
    }
}
