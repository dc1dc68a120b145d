//! Brings log and store together: at the start, and whenever somebody else has touched the log. Rows that the store does
//! not know are adopted, what a crash left unfinished is cut off. Never changes a whole line.

use crate::{
    disk::{Disk, DiskFile, Reader, cannot_read, cannot_write},
    line_file::{LINE_BYTES_MAX, read_whole_line},
    row_log::{HEADER, Line, RowLog, read_line, tail},
    store::{LogPosition, Store},
};
use anyhow::{Context, Result, bail};
use redb::StorageBackend;
use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
};

/// Rows adopted per write to the store: bounds memory.
const ADOPTED_PER_WRITE: usize = 10_000;

/// What was found behind the accounted part of the log.
#[derive(Debug, Default, PartialEq)]
pub struct Findings {
    pub adopted: u64,
    pub cut_bytes: u64,
    /// Whole lines that are no rows. They stay.
    pub foreign_lines: u64,
}

/// Opens the log and accounts for all of it.
///
/// # Errors
/// Names the file: it cannot be read or written, or begins with another header.
pub fn recover<D: Disk>(disk: &D, path: &Path, store: &Store<D>) -> Result<(RowLog<D>, Findings)> {
    let mut log = RowLog::open(disk, path)?;
    let known = store.write(|tables| tables.log_position())?;
    let start = if log.continues(&known)? {
        known
    } else {
        log::warn!("{} is not as it was left; all of it is read again", path.display());
        LogPosition::default()
    };
    let len = log.file.len().with_context(|| cannot_read(path))?;
    let start = if start.len == 0 { begin(&mut log, len)? } else { start };
    let findings = account(&mut log, store, start)?;
    Ok((log, findings))
}

/// Makes sure of the header and gives the position behind it.
fn begin<D: Disk>(log: &mut RowLog<D>, len: u64) -> Result<LogPosition> {
    let mut first = Vec::new();
    Reader::new(&log.file, 0)
        .and_then(|reader| BufReader::new(reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut first))
        .with_context(|| cannot_read(&log.path))?;
    let text = String::from_utf8_lossy(&first);
    let whole = text.trim_start_matches('\u{feff}').trim_end();
    if len == 0 || (!text.ends_with('\n') && HEADER.starts_with(whole)) {
        log.cut(0)?;
        return log.append(HEADER.as_bytes());
    }
    if whole != HEADER.trim_end() {
        let path = log.path.display();
        bail!("{path} begins with {whole:?}, not with {:?}; move it away", HEADER.trim_end());
    }
    let tail = first.get(first.len().saturating_sub(HEADER.len())..).unwrap_or_default().to_vec();
    Ok(LogPosition { len: first.len() as u64, tail })
}

/// Reads the log from `position` on, adopts its rows and leaves the log ready for appending.
fn account<D: Disk>(log: &mut RowLog<D>, store: &Store<D>, mut position: LogPosition) -> Result<Findings> {
    let reading = || cannot_read(&log.path);
    let len = log.file.len().with_context(reading)?;
    let reader = Reader::new(&log.file, position.len).with_context(reading)?;
    let mut reader = BufReader::with_capacity(1 << 16, reader);
    let (mut findings, mut ids, mut line) = (Findings::default(), Vec::new(), Vec::new());
    while read_whole_line(&mut reader, &mut line).with_context(reading)? {
        match read_line(line.trim_ascii_end()) {
            Line::Row(id) => ids.push(id),
            Line::Other => findings.foreign_lines += 1,
        }
        position.len += line.len() as u64;
        position.tail = tail(&line).to_vec();
        if ids.len() == ADOPTED_PER_WRITE {
            findings.adopted += adopt(store, &mut ids, &position)?;
        }
    }
    findings.adopted += adopt(store, &mut ids, &position)?;
    if !finish_known_row(log, store, &line, &mut position)? && position.len < len {
        findings.cut_bytes = len - position.len;
        log.cut(position.len)?;
    }
    store.write(|tables| tables.set_log_position(&position))?;
    log.advance(position);
    Ok(findings)
}

/// A row that is done already but lost its line break was cut by a person, not by a crash: it gets the line break back.
fn finish_known_row<D: Disk>(
    log: &mut RowLog<D>,
    store: &Store<D>,
    line: &[u8],
    position: &mut LogPosition,
) -> Result<bool> {
    let Line::Row(id) = read_line(line) else { return Ok(false) };
    if !store.write(|tables| tables.is_done(&id))? {
        return Ok(false);
    }
    let finished = log.file.append(b"\n").and_then(|()| log.file.sync_data());
    finished.with_context(|| cannot_write(&log.path))?;
    position.len += line.len() as u64 + 1;
    position.tail = tail(&[line, b"\n"].concat()).to_vec();
    Ok(true)
}

/// Makes the ids done; gives how many were not.
fn adopt<D: Disk>(store: &Store<D>, ids: &mut Vec<String>, position: &LogPosition) -> Result<u64> {
    if ids.is_empty() {
        return Ok(0);
    }
    store.write(|tables| {
        ids.sort();
        ids.dedup();
        let mut adopted = Vec::new();
        for id in ids.drain(..) {
            if !tables.is_done(&id)? {
                tables.end_waiting(&id)?;
                adopted.push(id);
            }
        }
        tables.remember_done(&adopted.iter().map(String::as_str).collect::<Vec<_>>())?;
        tables.set_log_position(position)?;
        Ok(adopted.len() as u64)
    })
}
