//! Reads complete lines of a log into rows.
//! Never knows where the lines come from.

use crate::logs::classes::ClassColumn;
use crate::logs::columns::{Fields, Texts};
use crate::logs::groups::GroupColumn;
use crate::logs::header::{Columns, is_blank};
use crate::logs::interned::Interned;
use crate::logs::row::{Fault, Faults, Row};
use crate::logs::task::Task;
use memchr::memchr;
use std::mem;
use std::sync::Arc;

/// About the length of a line of `metric`.
const LINE_BYTES: usize = 64;

/// The rows of some lines, and the faults of the others.
#[derive(Default)]
pub struct Lines {
    pub rows: Vec<Row>,
    pub groups: GroupColumn,
    /// Of [`Task::Classes`] only.
    pub classes: Box<ClassColumn>,
    pub faults: Faults,
}

impl Lines {
    /// Reads `bytes`, which end with a newline or are empty. `known`: the names of classes of the lines before, and then of these.
    pub fn read(columns: &Columns, mut bytes: &[u8], known: &mut Interned) -> Lines {
        let rows = Vec::with_capacity(bytes.len() / LINE_BYTES);
        let mut lines = Lines { rows, ..Lines::default() };
        lines.classes.names = mem::take(known);
        let mut fields = Fields::default();
        while !bytes.is_empty() {
            let length = match columns.plain_row(bytes) {
                Some((row, texts, length)) => {
                    lines.add(columns, row, texts);
                    length
                }
                None => {
                    let line = first_line(bytes);
                    lines.take(columns, without_end(line), &mut fields);
                    line.len()
                }
            };
            bytes = bytes.get(length..).unwrap_or_default();
        }
        *known = lines.classes.names.go_on();
        lines
    }

    fn add(&mut self, columns: &Columns, row: Row, texts: Texts) {
        if columns.task == Task::Classes && !self.classes.add(texts.classes) {
            Fault::Malformed.count(&mut self.faults);
            return;
        }
        self.push(row, texts.group);
    }

    /// `group`: the row's field, empty without one.
    pub fn push(&mut self, row: Row, group: &[u8]) {
        self.groups.add(self.rows.len(), group);
        self.rows.push(row);
    }

    /// Handles a line that [`Columns::plain_row`] did not read.
    #[cold]
    fn take(&mut self, columns: &Columns, line: &[u8], fields: &mut Fields) {
        match columns.row(line, fields) {
            Ok(row) => self.add(columns, row, fields.texts()),
            Err(_) if is_blank(line) => {}
            Err(fault) => fault.count(&mut self.faults),
        }
    }
}

/// Complete lines, to be read by another thread.
pub struct Unread {
    pub columns: Arc<Columns>,
    pub bytes: Vec<u8>,
}

impl Unread {
    /// `known`: see [`Lines::read`].
    pub fn read(&self, known: &mut Interned) -> Lines {
        Lines::read(&self.columns, &self.bytes, known)
    }
}

/// Reported in order while logs are followed.
pub enum Event {
    /// A log that was read is gone or replaced. Forget every row; all logs are read again from the start.
    StartOver,
    Lines(Lines),
    Unread(Unread),
}

/// How many events wait for the one who counts them.
pub type Waiting = usize;

/// The first line, with its newline.
pub fn first_line(bytes: &[u8]) -> &[u8] {
    let newline = memchr(b'\n', bytes);
    newline.and_then(|newline| bytes.get(..=newline)).unwrap_or(bytes)
}

/// A line without its newline, and without the carriage return of CRLF.
pub fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::format::Format;

    #[test]
    fn many_lines_are_read_in_order_and_none_twice() {
        let columns =
            Columns::from_header(b"y_true,y_pred,absolute_error", &Format::of(Task::Regression)).unwrap();
        for n in [0, 1, 5_000, 50_000] {
            let text: String = (0..n)
                .map(|i| if i % 3 == 0 { format!("0,{i},{i}\n") } else { format!("0,\"{i}\",{i}\r\nx\n") })
                .collect();
            let lines = Lines::read(&columns, text.as_bytes(), &mut Interned::default());
            assert!(lines.rows.iter().map(|row| row.y_pred).eq((0..n).map(f64::from)), "{n}");
            assert_eq!(lines.faults, [(0..n).filter(|i| i % 3 != 0).count() as u64, 0, 0, 0]);
        }
    }

    #[test]
    fn names_of_classes_are_read_alike_on_both_ways() {
        let header = b"group,y_true,absolute_error,id,y_pred";
        let columns = Columns::from_header(header, &Format::of(Task::Classes)).unwrap();
        // A name whose quote is not closed does not go on in the next line.
        assert!(columns.plain_row(b"v2,\"cat\n,1,x,dog\n").is_none());
        for (line, group, classes) in [
            ("v2,cat,1,x,dog", "v2", ["cat", "dog"]),
            (",\"a, b\",1,x,\"c, d\"", "", ["a, b", "c, d"]),
            ("v2,'=1,0,x,\"'=1\"", "v2", ["'=1", "'=1"]),
            ("v2,\"say \"\"hi\"\"\",1,x,say", "v2", ["say \"hi\"", "say"]),
            ("v2,\"a\"b,1,x,a", "v2", ["ab", "a"]),
            ("v2, a ,1,x,a", "v2", [" a ", "a"]),
            ("v2,3,1,x,3.0", "v2", ["3", "3.0"]),
        ] {
            for end in ["\nv3,b,0,y,b\n", "\r\n\"\"\"\"\"\"\"\"\n"] {
                let (bytes, mut fields) = (line.to_owned() + end, Fields::default());
                let row = columns.row(line.as_bytes(), &mut fields).unwrap();
                let found = (fields.texts().group, fields.texts().classes);
                assert_eq!(found, (group.as_bytes(), classes.map(str::as_bytes)), "{line}");
                if let Some((plain, texts, length)) = columns.plain_row(bytes.as_bytes()) {
                    assert_eq!((plain.error(), texts.group, texts.classes), (row.error(), found.0, found.1));
                    assert_eq!(length, line.len() + end.find('\n').unwrap() + 1);
                } else {
                    assert!(line.contains('"'), "{line}");
                }
            }
        }
    }
}
