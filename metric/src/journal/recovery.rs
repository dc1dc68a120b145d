//! Recovers the store from the log: at the start, after an error of the store, and whenever another program has changed the log. Adopts rows
//! that the store does not know, also from a renamed log. Never changes a whole line: only cuts off what follows the last line break.

use crate::{
    disk::{Disk, Reader, cannot_read, directory_of},
    join::Known,
    journal::{
        columns::{Columns, HEADER, LoggedRow},
        done::Done,
        halt::Halt,
        line_file::next_line,
        row_log::{LogPosition, RowLog},
        settings::Reading,
        store::Store,
    },
};
use anyhow::{Context, Result, bail};
use glue::number::counted;
use redb::Durability;
use std::{
    cmp::Ordering,
    io::BufReader,
    path::{Path, PathBuf},
};

/// Rows adopted per commit. Bounds memory.
const ADOPTED_PER_WRITE: usize = 10_000;
/// A header that is refused is quoted up to this length.
const QUOTED_BYTES: usize = 200;
/// Bytes read between two calls of [`Reading`].
const REPORT_BYTES: u64 = 256 << 10;

/// What was found behind the last known position in the log.
#[derive(Default)]
struct Findings {
    adopted: u64,
    /// Whole lines that are not rows. They stay.
    foreign_lines: u64,
}

/// Opens the log and adopts all rows that the store does not know. The store must be open; all of it is synced afterwards.
///
/// # Errors
/// Names the file: it cannot be read or written, or its header lacks a column.
pub fn recover<D: Disk>(
    disk: &D,
    path: &Path,
    store: &mut Store<D>,
    reading: &mut Reading,
) -> Result<RowLog<D>, Halt> {
    // Synced, so that the store knows all rows of a renamed log before the new log gets its first row.
    let known = store.write(Durability::Immediate, |tables| tables.log_position())?;
    let mut log = RowLog::open(disk, path)?;
    let header = read_header(&mut log)?;
    log.header_len = header.len;
    let mut findings = Findings::default();
    let start = match known {
        None => header,
        Some(known) if known.inode == header.inode && log.continues(&known)? => known,
        Some(known) => {
            let renamed = adopt_renamed(disk, path, store, &known, reading, &mut findings)?;
            // A copy, such as a restored backup. The same header alone proves nothing.
            if known.len > header.len && log.continues(&known)? {
                LogPosition { inode: header.inode, ..known }
            } else {
                let path = path.display();
                match renamed {
                    Some(renamed) => {
                        log::info!("{path} is a new log; the one before is {}", renamed.display())
                    }
                    None => log::info!("{path} is not the previous log, which was moved, deleted or changed"),
                }
                header
            }
        }
    };
    log.position = read_rows(&log, store, start.len, reading, &mut findings)?;
    finish_or_cut(&mut log, store)?;
    store.write(Durability::Immediate, |tables| tables.set_log_position(&log.position))?;
    findings.log();
    Ok(log)
}

/// Reads the columns from the header, or writes it to an empty log. Returns the position behind it.
fn read_header<D: Disk>(log: &mut RowLog<D>) -> Result<LogPosition> {
    let reading = || cannot_read(&log.path);
    let reader = Reader::new(&log.file, 0).with_context(reading)?;
    let len = reader.end;
    let (mut reader, mut line) = (BufReader::new(reader), Vec::new());
    let mut header_len = 0;
    // Blank lines before the header are skipped.
    while let Some(read) = next_line(&mut reader, &mut line).with_context(reading)? {
        header_len += read;
        if read as usize != line.len() || !line.trim_ascii().is_empty() {
            break;
        }
    }
    let is_whole = line.ends_with(b"\n");
    let text = String::from_utf8_lossy(&line).into_owned();
    let text = text.trim_start_matches('\u{feff}').trim();
    if len == 0 || (!is_whole && HEADER.starts_with(text.trim_matches('\0'))) {
        // Empty, or with a header that a crash left unfinished.
        log.cut(0)?;
        log.append(HEADER.as_bytes())?;
        return Ok(log.position.clone());
    }
    let Some(columns) = Columns::of_header(text) else {
        let quoted = text.get(..text.floor_char_boundary(QUOTED_BYTES)).unwrap_or_default();
        bail!(
            "{} begins with {quoted:?}, which does not name the columns id, y_true, y_pred and absolute_error; move it away",
            log.path.display()
        );
    };
    log.columns = columns;
    if !is_whole {
        // A header without a line break, as an editor may leave it.
        log.end_line()?;
        header_len += line.len() as u64 + 1;
    }
    log.position_at(header_len)
}

/// Finds the log at the last known position under another name in its directory, and adopts the rows that the store does not know. Returns
/// its path.
fn adopt_renamed<D: Disk>(
    disk: &D,
    path: &Path,
    store: &mut Store<D>,
    known: &LogPosition,
    reading: &mut Reading,
    findings: &mut Findings,
) -> Result<Option<PathBuf>, Halt> {
    let directory = directory_of(path);
    let files = disk.list(directory).with_context(|| cannot_read(directory))?;
    let files = files.into_iter().filter_map(|(found, identity)| Some((found, identity?)));
    let of_inode = files.filter(|(found, identity)| identity.inode == known.inode && found != path);
    for (renamed, identity) in of_inode {
        // Another program may compress or remove it at any time.
        match identity.len.cmp(&known.len) {
            Ordering::Less => continue,
            // The store knows all of its rows.
            Ordering::Equal => return Ok(Some(renamed)),
            Ordering::Greater => {}
        }
        let mut log = RowLog::open(disk, &renamed)?;
        if log.continues(known)? {
            read_header(&mut log)?;
            read_rows(&log, store, known.len, reading, findings)?;
            return Ok(Some(renamed));
        }
    }
    Ok(None)
}

/// Reads the log from the offset `begin` and adopts its rows. Returns the position behind the last whole line.
fn read_rows<D: Disk>(
    log: &RowLog<D>,
    store: &mut Store<D>,
    begin: u64,
    reading: &mut Reading,
    findings: &mut Findings,
) -> Result<LogPosition, Halt> {
    let cannot_read = || cannot_read(&log.path);
    let reader = Reader::new(&log.file, begin).with_context(cannot_read)?;
    let end = reader.end;
    let mut reader = BufReader::with_capacity(1 << 16, reader);
    let (mut rows, mut line) = (Vec::new(), Vec::new());
    let (mut accounted, mut report_at) = (begin, begin + REPORT_BYTES);
    while let Some(len) = next_line(&mut reader, &mut line).with_context(cannot_read)? {
        match log.columns.read(without_line_break(&line), &store.labels) {
            Some(row) => rows.push(row),
            None if len as usize == line.len() && line.trim_ascii().is_empty() => {}
            None => findings.foreign_lines += 1,
        }
        accounted += len;
        if rows.len() == ADOPTED_PER_WRITE {
            findings.adopted += adopt(store, &mut rows, &log.position_at(accounted)?)?;
        }
        if accounted >= report_at {
            report_at = accounted + REPORT_BYTES;
            if !reading(&log.path, accounted, end, &store.counts) {
                findings.adopted += adopt(store, &mut rows, &log.position_at(accounted)?)?;
                return Err(Halt::Stopped);
            }
        }
    }
    let position = log.position_at(accounted)?;
    findings.adopted += adopt(store, &mut rows, &position)?;
    Ok(position)
}

/// Cuts off what follows the last line break: a crash left it, and its messages are redelivered. But a row that is done already has lost its
/// line break to an editor, and gets it back.
fn finish_or_cut<D: Disk>(log: &mut RowLog<D>, store: &mut Store<D>) -> Result<()> {
    let reader = Reader::new(&log.file, log.position.len).with_context(|| cannot_read(&log.path))?;
    let rest = reader.end - log.position.len;
    if rest == 0 {
        return Ok(());
    }
    let mut line = Vec::new();
    next_line(&mut BufReader::new(reader), &mut line).with_context(|| cannot_read(&log.path))?;
    let (labels, classes) = (&store.labels, store.labels.count());
    let row = labels.undo_on_error(|| {
        let row = log.columns.read(&line, labels);
        // A row that is done has no class that is new.
        row.filter(|_| labels.count() == classes).ok_or(())
    });
    if let Ok(row) = row
        && store.read(|view| view.known(&row.id))? == Known::Done(row.values)
    {
        log.end_line()?;
        log.position.advance(&[&line[..], b"\n"].concat());
        return Ok(());
    }
    log.cut(log.position.len)?;
    let bytes = counted(rest, "byte", "bytes");
    log::info!("cut {bytes} of an unfinished row off the log; its messages are redelivered");
    Ok(())
}

fn without_line_break(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Makes the ids of the rows done. Returns how many were new.
fn adopt<D: Disk>(store: &mut Store<D>, rows: &mut Vec<LoggedRow>, position: &LogPosition) -> Result<u64> {
    if rows.is_empty() {
        return Ok(0);
    }
    // Stable: of two rows with one id the first counts.
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    rows.dedup_by(|a, b| a.id == b.id);
    let adopted = store.write(Durability::Immediate, |tables| {
        let mut adopted = Vec::new();
        for LoggedRow { id, values } in rows.iter() {
            if tables.done(id)?.is_none() {
                tables.remove_waiting(id)?;
                adopted.push(Done { id, values: *values });
            }
        }
        tables.remember_done(&adopted)?;
        tables.set_log_position(position)?;
        Ok(adopted.len() as u64)
    })?;
    rows.clear();
    Ok(adopted)
}

impl Findings {
    fn log(&self) {
        if self.adopted > 0 {
            log::info!("recovered {} from the log", counted(self.adopted, "row", "rows"));
        }
        if self.foreign_lines > 0 {
            let lines = counted(self.foreign_lines, "line", "lines");
            log::warn!("ignored {lines} of the log without a valid row; nothing was changed there");
        }
    }
}
