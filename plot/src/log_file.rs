//! Follows one log file: reads what was appended, and notices when the file is no longer the one that was read.
//! Never reads a line before its newline is there, and never decides what to do about a replaced file.

use crate::columns::Columns;
use crate::lines::{Lines, Unread, first_line, without_end};
use crate::row::{Fault, Faults, Row, add_faults};
use std::{
    collections::VecDeque,
    fs::{File, Metadata},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

/// One read. Also the longest line: what has no newline within it is malformed.
const CHUNK_BYTES: usize = 256 * 1024;

/// How much is compared, at the start of the file and before the place reached, to see that it was only appended to.
const PROOF_BYTES: u64 = 256;

/// What tells a file from every other one for as long as it is open.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub fn of(metadata: &Metadata) -> Self {
        Identity { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// How far one file has been read.
pub struct LogFile {
    pub path: PathBuf,
    pub identity: Identity,
    /// Kept open, so that its inode cannot become another file's.
    file: File,
    columns: Option<Arc<Columns>>,
    offset: u64,
    /// Within a line that is too long: skip to its newline.
    skipping: bool,
    /// Length and time of modification when it was last read to its end.
    settled: Option<(u64, SystemTime)>,
    head: Vec<u8>,
    tail: Vec<u8>,
    buffer: Vec<u8>,
    /// Rows that were read and not yet taken.
    pub rows: VecDeque<Row>,
    pub faults: Faults,
    /// Lines behind those rows, if they need not be read here.
    pub unread: Option<Unread>,
}

/// What a look at the file found.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing new: every complete line has been read.
    Nothing,
    /// [`LogFile::rows`] and [`LogFile::faults`] were added to; there may be more.
    Lines,
    /// What was read is no longer in the file.
    Replaced,
}

impl LogFile {
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let identity = Identity::of(&file.metadata()?);
        Ok(LogFile {
            path: path.to_owned(),
            identity,
            file,
            columns: None,
            offset: 0,
            skipping: false,
            settled: None,
            head: Vec::new(),
            tail: Vec::new(),
            buffer: Vec::new(),
            rows: VecDeque::new(),
            faults: Faults::default(),
            unread: None,
        })
    }

    /// Reads at most one chunk of what was appended. What the one before held must have been taken. With `share`, part of a long
    /// chunk is left [`LogFile::unread`].
    ///
    /// # Errors
    /// The file cannot be read, or its header lacks a column.
    pub fn read(&mut self, share: bool) -> io::Result<Found> {
        let metadata = self.file.metadata()?;
        let state = (metadata.len(), metadata.modified()?);
        if self.settled == Some(state) {
            return Ok(Found::Nothing);
        }
        if metadata.len() < self.offset || (self.settled.is_some() && !self.is_intact()?) {
            return Ok(Found::Replaced);
        }
        self.settled = None;
        self.buffer.resize(CHUNK_BYTES, 0);
        let mut buffer = std::mem::take(&mut self.buffer);
        let lines = read_full(&self.file, &mut buffer, self.offset).and_then(|read| {
            let chunk = buffer.get(..read).unwrap_or_default();
            self.take_lines(chunk, share && read == CHUNK_BYTES)
        });
        self.buffer = buffer;
        if lines? {
            return Ok(Found::Lines);
        }
        self.remember()?;
        self.settled = Some(state);
        self.buffer = Vec::new();
        Ok(Found::Nothing)
    }

    /// Takes every complete line of `chunk`, which begins at the offset; whether there was any.
    fn take_lines(&mut self, chunk: &[u8], share: bool) -> io::Result<bool> {
        let Some(end) = memchr::memrchr(b'\n', chunk) else {
            if chunk.len() < CHUNK_BYTES {
                return Ok(false);
            }
            if !self.skipping {
                Fault::Malformed.count(&mut self.faults);
            }
            self.skipping = true;
            self.offset += chunk.len() as u64;
            return Ok(true);
        };
        let mut lines = chunk.get(..=end).unwrap_or_default();
        if std::mem::take(&mut self.skipping) {
            take_line(&mut lines);
        }
        if self.columns.is_none() {
            let header = without_end(take_line(&mut lines));
            self.columns = Some(Arc::new(Columns::from_header(header).map_err(io::Error::other)?));
        }
        if let Some(columns) = &self.columns {
            let (here, elsewhere) = if share { share_of(lines) } else { (lines, [].as_slice()) };
            let read = Lines::read(columns, here);
            self.rows = read.rows.into();
            let (columns, bytes) = (Arc::clone(columns), elsewhere.to_vec());
            self.unread = (!bytes.is_empty()).then_some(Unread { columns, bytes });
            add_faults(&mut self.faults, &read.faults);
        }
        self.offset += end as u64 + 1;
        Ok(true)
    }

    /// Keeps the bytes that prove later that the file was only appended to.
    fn remember(&mut self) -> io::Result<()> {
        self.head = self.bytes_at(0, PROOF_BYTES.min(self.offset))?;
        let tail = PROOF_BYTES.min(self.offset);
        self.tail = self.bytes_at(self.offset - tail, tail)?;
        Ok(())
    }

    fn is_intact(&self) -> io::Result<bool> {
        let (head, tail) = (self.head.len() as u64, self.tail.len() as u64);
        Ok(self.bytes_at(0, head)? == self.head && self.bytes_at(self.offset - tail, tail)? == self.tail)
    }

    fn bytes_at(&self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length as usize];
        let read = read_full(&self.file, &mut bytes, offset)?;
        bytes.truncate(read);
        Ok(bytes)
    }
}

/// Two thirds of the lines, and the rest: to count a row takes half as long as to read it, and there are two threads.
fn share_of(lines: &[u8]) -> (&[u8], &[u8]) {
    let here = lines.len() / 3 * 2;
    let newline = lines.get(here..).and_then(|rest| memchr::memchr(b'\n', rest));
    newline.and_then(|newline| lines.split_at_checked(here + newline + 1)).unwrap_or((lines, &[]))
}

/// Takes the first line, with its newline, off `lines`.
fn take_line<'a>(lines: &mut &'a [u8]) -> &'a [u8] {
    let line = first_line(lines);
    *lines = lines.get(line.len()..).unwrap_or_default();
    line
}

/// Fills `buffer` from `offset` on, as far as the file goes.
fn read_full(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}
