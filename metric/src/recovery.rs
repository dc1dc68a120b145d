//! Brings log and store together: at the start, and whenever somebody else has touched the log. Rows that the store does
//! not know are adopted, what a crash left unfinished is cut off. Never changes a whole line.

use crate::{
    durable,
    row_log::{HEADER, Line, RowLog, read_line, tail},
    store::{LogPosition, Store},
};
use anyhow::{Context, Result, bail};
use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::Path,
};

/// A longer line is nobody's row.
const LINE_BYTES_MAX: u64 = 64 << 10;
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
pub fn recover(path: &Path, store: &Store) -> Result<(RowLog, Findings)> {
    let mut log = RowLog::open(path)?;
    let known = store.write(|tables| tables.log_position())?;
    let start = if log.continues(&known)? {
        known
    } else {
        log::warn!("{} is not as it was left; all of it is read again", path.display());
        LogPosition::default()
    };
    let len = log.file.metadata().with_context(|| durable::cannot_read(path))?.len();
    let start = if start.len == 0 { begin(&mut log, len)? } else { start };
    let findings = account(&mut log, store, start)?;
    Ok((log, findings))
}

/// Makes sure of the header and gives the position behind it.
fn begin(log: &mut RowLog, len: u64) -> Result<LogPosition> {
    let mut first = Vec::new();
    let reader = BufReader::new(File::open(&log.path).with_context(|| durable::cannot_read(&log.path))?);
    reader
        .take(LINE_BYTES_MAX)
        .read_until(b'\n', &mut first)
        .with_context(|| durable::cannot_read(&log.path))?;
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
fn account(log: &mut RowLog, store: &Store, mut position: LogPosition) -> Result<Findings> {
    let reading = || durable::cannot_read(&log.path);
    let mut file = File::open(&log.path).with_context(reading)?;
    let len = file.metadata().with_context(reading)?.len();
    file.seek(SeekFrom::Start(position.len)).with_context(reading)?;
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let (mut findings, mut ids, mut line) = (Findings::default(), Vec::new(), Vec::new());
    loop {
        line.clear();
        reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line).with_context(reading)?;
        let is_whole = line.ends_with(b"\n") || line.len() as u64 == LINE_BYTES_MAX;
        // A power cut can leave zeros where a block was not written; what lies behind them is no better.
        if !is_whole || line.contains(&0) {
            break;
        }
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
fn finish_known_row(
    log: &mut RowLog,
    store: &Store,
    line: &[u8],
    position: &mut LogPosition,
) -> Result<bool> {
    let Line::Row(id) = read_line(line) else { return Ok(false) };
    if !store.write(|tables| tables.is_done(&id))? {
        return Ok(false);
    }
    log.file
        .write_all(b"\n")
        .and_then(|()| log.file.sync_data())
        .with_context(|| durable::cannot_write(&log.path))?;
    position.len += line.len() as u64 + 1;
    position.tail = tail(&[line, b"\n"].concat()).to_vec();
    Ok(true)
}

/// Makes the ids done; gives how many were not.
fn adopt(store: &Store, ids: &mut Vec<String>, position: &LogPosition) -> Result<u64> {
    if ids.is_empty() {
        return Ok(0);
    }
    store.write(|tables| {
        let mut adopted = 0;
        for id in ids.drain(..) {
            if !tables.is_done(&id)? {
                tables.remember_done(&id)?;
                tables.end_waiting(&id)?;
                adopted += 1;
            }
        }
        tables.set_log_position(position)?;
        Ok(adopted)
    })
}
