//! Reads a log from a stream, such as standard input: once, and to its end.
//! Never goes back, and never reads a file by its name.

use crate::logs::file::{CHUNK_BYTES, no_header};
use crate::logs::format::Format;
use crate::logs::header::{Columns, is_blank};
use crate::logs::interned::Interned;
use crate::logs::lines::{Event, Lines, Waiting, first_line, without_end};
use crate::logs::row::Fault;
use std::io::{self, ErrorKind, Read};

/// Sends all rows to `report`. The last line needs no line break.
///
/// # Errors
/// The stream cannot be read, or its header lacks a column.
pub fn read(
    mut input: impl Read,
    format: &Format,
    mut report: impl FnMut(Event) -> Waiting,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    let (mut filled, mut columns, mut is_skipping) = (0, None, false);
    let mut known = Interned::default();
    loop {
        let length = fill(&mut input, buffer.get_mut(filled..).unwrap_or_default())?;
        let is_end = filled + length < CHUNK_BYTES;
        filled += length;
        if let Some(end) = buffer.get_mut(filled).filter(|_| is_end && filled > 0) {
            // Blank where there was a line break before.
            *end = b'\n';
            filled += 1;
        }
        let text = buffer.get(..filled).unwrap_or_default();
        let end = memchr::memrchr(b'\n', text).map_or(0, |end| end + 1);
        let mut lines = text.get(..end).unwrap_or_default();
        if columns.is_none() {
            let rest = without_blank_lines(lines);
            let header = first_line(rest);
            if header.is_empty() {
                let reason = if is_end { "it is empty".to_owned() } else { no_header() };
                return Err(io::Error::other(reason));
            }
            columns = Some(Columns::from_header(without_end(header), format).map_err(io::Error::other)?);
            lines = rest.get(header.len()..).unwrap_or_default();
        }
        if is_skipping && end > 0 {
            lines = lines.get(first_line(lines).len()..).unwrap_or_default();
            is_skipping = false;
        }
        if let Some(columns) = columns.as_ref().filter(|_| !lines.is_empty()) {
            report(Event::Lines(Lines::read(columns, lines, &mut known)));
        }
        if is_end {
            return Ok(());
        }
        let is_too_long = end == 0;
        if is_too_long && !is_skipping {
            let mut long = Lines::default();
            Fault::Malformed.count(&mut long.faults);
            report(Event::Lines(long));
        }
        is_skipping |= is_too_long;
        let rest = if is_too_long { filled..filled } else { end..filled };
        filled = rest.len();
        buffer.copy_within(rest, 0);
    }
}

fn without_blank_lines(mut lines: &[u8]) -> &[u8] {
    while !lines.is_empty() && is_blank(first_line(lines)) {
        lines = lines.get(first_line(lines).len()..).unwrap_or_default();
    }
    lines
}

/// Reads until `buffer` is full or the stream ends. Returns how much was read.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::row::Faults;
    use crate::logs::task::Task;

    fn rows(text: &[u8]) -> Result<(Vec<f64>, Faults), String> {
        let (mut rows, mut faults) = (Vec::new(), Faults::default());
        let report = |event| match event {
            Event::Lines(lines) => {
                rows.extend(lines.rows.iter().map(|row| row.y_true));
                crate::logs::row::add_faults(&mut faults, &lines.faults);
                0
            }
            _ => panic!("lines only"),
        };
        read(text, &Format::of(Task::Regression), report).map_err(|e| e.to_string())?;
        Ok((rows, faults))
    }

    #[test]
    fn the_last_line_needs_no_line_break() {
        for end in ["", "\n", "\r\n", "\n\n"] {
            let text = format!("\n \ny_true,y_pred\n1,2\n3,4{end}");
            assert_eq!(rows(text.as_bytes()), Ok((vec![1.0, 3.0], [0; 4])), "{end:?}");
        }
        assert_eq!(rows(b"y_true,y_pred"), Ok((Vec::new(), [0; 4])));
        assert_eq!(rows(b"").unwrap_err(), "it is empty");
        assert_eq!(rows(b"\n\n").unwrap_err(), "it is empty");
        assert!(rows(b"a,b\n1,2\n").unwrap_err().contains("no column y_true"));
        assert_eq!(rows(&[b'x'; CHUNK_BYTES + 1]).unwrap_err(), no_header());
    }

    #[test]
    fn lines_of_any_length_cost_no_row() {
        let (mut rng, _) = glue::testing::random();
        for _ in 0..30 {
            let (mut text, mut n, mut long) = ("y_true,y_pred\n".to_owned(), 0, 0);
            for _ in 0..rng.usize(..8) {
                for _ in 0..rng.usize(..40_000) {
                    text += &format!("{n},{n}\n");
                    n += 1;
                }
                let length = CHUNK_BYTES * rng.usize(1..3) + rng.usize(..3);
                text += &("x".repeat(length) + "\n");
                long += 1;
            }
            let expected: Vec<f64> = (0..n).map(f64::from).collect();
            assert_eq!(rows(text.as_bytes()), Ok((expected, [long, 0, 0, 0])));
        }
    }
}
