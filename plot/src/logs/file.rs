//! Follows one log file: reads what was appended, and detects when the file was replaced or rewritten.
//! Never reads a line without its newline, and never decides what to do about a replaced file.

use crate::logs::classes::ClassColumn;
use crate::logs::format::Format;
use crate::logs::groups::GroupColumn;
use crate::logs::header::{Columns, is_blank};
use crate::logs::interned::Interned;
use crate::logs::lines::{Lines, Unread, Waiting, first_line, without_end};
use crate::logs::row::{Fault, Faults, Row, add_faults};
use std::collections::VecDeque;
use std::fs::{File, Metadata};
use std::hash::{DefaultHasher, Hasher};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use std::{fs, io, mem};

/// Limit of one read, and of a line: longer lines are malformed.
pub const CHUNK_BYTES: usize = 256 * 1024;

/// Size of each half of what [`proof`] is of.
const PROOF_BYTES: u64 = 256;

/// Device and inode: unique among all files while the file is open.
pub type Identity = (u64, u64);

pub fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

/// How far one file has been read.
pub struct LogFile {
    pub path: PathBuf,
    pub identity: Identity,
    /// When it was made; None where the file system does not say.
    born: Option<SystemTime>,
    /// While it is open, no other file can get its inode. None before the first read, and after [`LogFile::close`].
    file: Option<Arc<File>>,
    format: Format,
    columns: Option<Arc<Columns>>,
    /// How much of it was read, in bytes; and the end of its header.
    pub offset: u64,
    header_end: u64,
    /// Inside a line that is too long: skip to its newline.
    skipping: bool,
    /// Length, modification time and [`proof`] when it was last read to its end.
    settled: Option<((u64, SystemTime), u64)>,
    /// Rows that were read, for the caller to take.
    pub rows: VecDeque<Row>,
    /// Of these rows.
    pub groups: GroupColumn,
    pub classes: Box<ClassColumn>,
    /// Names of classes that may come again, until it is read to its end.
    known: Interned,
    pub faults: Faults,
    /// Lines after those rows, for another thread to read.
    pub unread: Option<Unread>,
}

/// Result of a read.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing new: every complete line has been read.
    Nothing,
    /// [`LogFile::rows`] or [`LogFile::faults`] grew; there may be more to read.
    Lines,
    /// The file no longer holds what was read.
    Replaced,
}

impl LogFile {
    pub fn open(path: &Path, format: &Format) -> io::Result<Self> {
        let file = File::open(path)?;
        let closed = LogFile::closed(path, &file.metadata()?, format);
        Ok(LogFile { file: Some(Arc::new(file)), ..closed })
    }

    /// The file that `metadata` is of. The first read opens it.
    pub fn closed(path: &Path, metadata: &Metadata, format: &Format) -> Self {
        LogFile {
            path: path.to_owned(),
            identity: identity(metadata),
            born: metadata.created().ok(),
            file: None,
            format: format.clone(),
            columns: None,
            offset: 0,
            header_end: 0,
            skipping: false,
            settled: None,
            rows: VecDeque::new(),
            groups: GroupColumn::default(),
            classes: Box::default(),
            known: Interned::default(),
            faults: Faults::default(),
            unread: None,
        }
    }

    #[cfg(test)]
    pub fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Until the next read. Nothing happens where the rest of the file cannot be read: without a proof it would not be known again.
    pub fn close(&mut self) {
        if self.settled.is_some() || self.offset == 0 {
            self.file = None;
        }
    }

    /// Whether `path`, which `metadata` is of, is this file. Where this one was deleted, another one may have got its inode.
    pub fn is_at(&self, path: &Path, metadata: &Metadata) -> bool {
        let may_be = || self.born == metadata.created().ok() && (self.path == path || self.begins(path));
        identity(metadata) == self.identity && (self.file.is_some() || may_be())
    }

    /// Whether more than a header was read.
    pub fn has_lines(&self) -> bool {
        self.offset > self.header_end
    }

    /// Whether the file at `path` begins with all that was read of this one. Headers are alike, so one alone is no sign.
    pub fn begins(&self, path: &Path) -> bool {
        let found = || File::open(path).and_then(|file| proof(&file, self.offset)).ok();
        self.has_lines() && self.settled.is_some_and(|(_, known)| found() == Some(known))
    }

    /// Takes the place of `path`, which [`LogFile::begins`] with this one.
    pub fn moved_to(self, path: &Path, metadata: &Metadata) -> Self {
        let (identity, born) = (identity(metadata), metadata.created().ok());
        LogFile { path: path.to_owned(), identity, born, file: None, ..self }
    }

    /// Whether nothing has changed since the file was read to its end.
    fn has_settled(&self, metadata: &Metadata) -> bool {
        let state = metadata.modified().map(|modified| (metadata.len(), modified));
        self.settled.is_some_and(|(settled, _)| state.is_ok_and(|state| state == settled))
    }

    /// The file, opened again where it was closed. None where its name is gone or another file's by now.
    fn opened(&mut self) -> io::Result<Option<Arc<File>>> {
        if self.file.is_none() {
            let file = match File::open(&self.path) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
                file => file?,
            };
            if identity(&file.metadata()?) == self.identity {
                self.file = Some(Arc::new(file));
            }
        }
        Ok(self.file.clone())
    }

    /// Takes the rows and faults of the last read.
    pub fn take(&mut self) -> Lines {
        Lines {
            rows: mem::take(&mut self.rows).into(),
            groups: mem::take(&mut self.groups),
            classes: mem::take(&mut self.classes),
            faults: mem::take(&mut self.faults),
        }
    }

    /// Reads what was appended: at most `most` bytes, or one line. The caller has taken the rows of the previous read. `buffer` holds
    /// [`CHUNK_BYTES`]. Only `part` of a full chunk is read; the rest stays [`LogFile::unread`].
    ///
    /// # Errors
    /// The file cannot be read, or its header lacks a column.
    pub fn read(&mut self, buffer: &mut [u8], most: usize, part: Part) -> io::Result<Found> {
        if self.file.is_none() && fs::metadata(&self.path).is_ok_and(|metadata| self.has_settled(&metadata)) {
            return Ok(Found::Nothing);
        }
        let Some(file) = self.opened()? else { return Ok(Found::Nothing) };
        let metadata = file.metadata()?;
        let state = (metadata.len(), metadata.modified()?);
        if self.settled.is_some_and(|(settled, _)| settled == state) {
            return Ok(Found::Nothing);
        }
        if metadata.len() < self.offset {
            return Ok(Found::Replaced);
        }
        if let Some((_, known)) = self.settled
            && known != proof(&file, self.offset)?
        {
            return Ok(Found::Replaced);
        }
        self.settled = None;
        if self.columns.is_none() {
            self.read_header(&file, buffer)?;
        }
        if let Some(columns) = self.columns.clone() {
            let mut chunk = read_at(&file, buffer.get_mut(..most).unwrap_or_default(), self.offset)?;
            if chunk.len() == most && memchr::memchr(b'\n', chunk).is_none() {
                chunk = read_at(&file, buffer, self.offset)?;
            }
            let part = if chunk.len() == CHUNK_BYTES { part } else { Part::ALL };
            if self.take_lines(&columns, chunk, part) {
                return Ok(Found::Lines);
            }
        }
        self.known = Interned::default();
        self.settled = Some((state, proof(&file, self.offset)?));
        Ok(Found::Nothing)
    }

    /// Reads the first line that is not blank, once it has a newline.
    fn read_header(&mut self, file: &File, buffer: &mut [u8]) -> io::Result<()> {
        let chunk = read_at(file, buffer, 0)?;
        let mut end = 0;
        for line in chunk.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            end += line.len() as u64;
            if !is_blank(line) {
                let columns =
                    Columns::from_header(without_end(line), &self.format).map_err(io::Error::other)?;
                (self.columns, self.offset, self.header_end) = (Some(Arc::new(columns)), end, end);
                return Ok(());
            }
        }
        if chunk.len() == CHUNK_BYTES {
            return Err(io::Error::other(no_header()));
        }
        Ok(())
    }

    /// Reads what follows the last line break as a line, once all others were read.
    ///
    /// # Errors
    /// The file cannot be read, or it has no header.
    pub fn read_rest(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let Some(columns) = self.columns.clone() else {
            return Err(io::Error::other("it is empty, or its header does not end with a line break"));
        };
        if let Some(file) = self.opened()?.filter(|_| !self.skipping) {
            let rest = read_at(&file, buffer, self.offset)?;
            if !rest.is_empty() {
                self.take_lines(&columns, &[rest, b"\n"].concat(), Part::ALL);
            }
        }
        Ok(())
    }

    /// Takes every complete line of `chunk`, which begins at the offset. False if there is none.
    fn take_lines(&mut self, columns: &Arc<Columns>, chunk: &[u8], part: Part) -> bool {
        let Some(end) = memchr::memrchr(b'\n', chunk) else {
            if chunk.len() < CHUNK_BYTES {
                return false;
            }
            if !self.skipping {
                Fault::Malformed.count(&mut self.faults);
            }
            self.skipping = true;
            self.offset += chunk.len() as u64;
            return true;
        };
        let mut lines = chunk.get(..=end).unwrap_or_default();
        if mem::take(&mut self.skipping) {
            lines = lines.get(first_line(lines).len()..).unwrap_or_default();
        }
        let (here, elsewhere) = split(lines, part);
        let read = Lines::read(columns, here, &mut self.known);
        (self.rows, self.groups, self.classes) = (read.rows.into(), read.groups, read.classes);
        let (columns, bytes) = (Arc::clone(columns), elsewhere.to_vec());
        self.unread = (!bytes.is_empty()).then_some(Unread { columns, bytes });
        add_faults(&mut self.faults, &read.faults);
        self.offset += end as u64 + 1;
        true
    }
}

/// A hash of the bytes at the start of a file and before `offset`. It changes if the file was not only appended to.
fn proof(file: &File, offset: u64) -> io::Result<u64> {
    let (length, mut hasher) = (PROOF_BYTES.min(offset), DefaultHasher::new());
    for start in [0, offset - length] {
        hasher.write(read_at(file, &mut vec![0; length as usize], start)?);
    }
    Ok(hasher.finish())
}

pub fn no_header() -> String {
    format!("its first {CHUNK_BYTES} bytes hold no header")
}

/// The part of a chunk that is read here, in sixteenths. The rest stays [`LogFile::unread`], for the thread that counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part(usize);

impl Part {
    pub const ALL: Part = Part(16);

    /// The part of the next chunk. A chunk is two events. If those of another one wait too, the other thread has more to do than this one.
    pub fn after(self, waiting: Waiting) -> Part {
        let next = if waiting > 4 { self.0 + 1 } else { self.0 - 1 };
        Part(next.clamp(4, Part::ALL.0 - 1))
    }
}

impl Default for Part {
    /// Counting a row takes about half as long as reading it.
    fn default() -> Self {
        Part(11)
    }
}

/// Splits lines at the end of a part.
fn split(lines: &[u8], Part(sixteenths): Part) -> (&[u8], &[u8]) {
    let here = lines.len() * sixteenths / Part::ALL.0;
    let newline = lines.get(here..).and_then(|rest| memchr::memchr(b'\n', rest));
    newline.and_then(|newline| lines.split_at_checked(here + newline + 1)).unwrap_or((lines, &[]))
}

/// Reads at `offset` until `buffer` is full or the file ends. Returns what was read.
fn read_at<'a>(file: &File, buffer: &'a mut [u8], offset: u64) -> io::Result<&'a [u8]> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(buffer.get(..filled).unwrap_or_default())
}

#[cfg(test)]
mod tests;
