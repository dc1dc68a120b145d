//! Follows one log file: reads what was appended, and detects when the file was replaced or rewritten.
//! Never reads a line without its newline, and never decides what to do about a replaced file.

use crate::logs::classes::ClassColumn;
use crate::logs::groups::GroupColumn;
use crate::logs::header::{Columns, is_blank};
use crate::logs::lines::{Lines, Unread, Waiting, first_line, without_end};
use crate::logs::row::{Fault, Faults, Row, add_faults};
use crate::logs::task::Task;
use std::collections::VecDeque;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Limit of one read, and of a line: longer lines are malformed.
pub const CHUNK_BYTES: usize = 256 * 1024;

/// Size of each half of [`LogFile::proof`].
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
    /// Stays open, so that no other file can get its inode.
    file: File,
    task: Task,
    columns: Option<Arc<Columns>>,
    offset: u64,
    /// Inside a line that is too long: skip to its newline.
    skipping: bool,
    /// Length, modification time and [`LogFile::proof`] when it was last read to its end.
    settled: Option<((u64, SystemTime), Vec<u8>)>,
    /// Rows that were read, for the caller to take.
    pub rows: VecDeque<Row>,
    /// Of these rows.
    pub groups: GroupColumn,
    pub classes: Box<ClassColumn>,
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
    pub fn open(path: &Path, task: Task) -> io::Result<Self> {
        let file = File::open(path)?;
        let identity = identity(&file.metadata()?);
        Ok(LogFile {
            path: path.to_owned(),
            identity,
            file,
            task,
            columns: None,
            offset: 0,
            skipping: false,
            settled: None,
            rows: VecDeque::new(),
            groups: GroupColumn::default(),
            classes: Box::default(),
            faults: Faults::default(),
            unread: None,
        })
    }

    /// Reads what was appended: at most `most` bytes, or one line. The caller has taken the rows of the previous read. `buffer` holds
    /// [`CHUNK_BYTES`]. Only `part` of a full chunk is read; the rest stays [`LogFile::unread`].
    ///
    /// # Errors
    /// The file cannot be read, or its header lacks a column.
    pub fn read(&mut self, buffer: &mut [u8], most: usize, part: Part) -> io::Result<Found> {
        let metadata = self.file.metadata()?;
        let state = (metadata.len(), metadata.modified()?);
        if self.settled.as_ref().is_some_and(|(settled, _)| *settled == state) {
            return Ok(Found::Nothing);
        }
        if metadata.len() < self.offset {
            return Ok(Found::Replaced);
        }
        if let Some((_, proof)) = &self.settled
            && *proof != self.proof()?
        {
            return Ok(Found::Replaced);
        }
        self.settled = None;
        if self.columns.is_none() {
            self.read_header(buffer)?;
        }
        if let Some(columns) = self.columns.clone() {
            let mut chunk = read_at(&self.file, buffer.get_mut(..most).unwrap_or_default(), self.offset)?;
            if chunk.len() == most && memchr::memchr(b'\n', chunk).is_none() {
                chunk = read_at(&self.file, buffer, self.offset)?;
            }
            let part = if chunk.len() == CHUNK_BYTES { part } else { Part::ALL };
            if self.take_lines(&columns, chunk, part) {
                return Ok(Found::Lines);
            }
        }
        self.settled = Some((state, self.proof()?));
        Ok(Found::Nothing)
    }

    /// Reads the first line that is not blank, once it has a newline.
    fn read_header(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let chunk = read_at(&self.file, buffer, 0)?;
        let mut end = 0;
        for line in chunk.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            end += line.len() as u64;
            if !is_blank(line) {
                let columns = Columns::from_header(without_end(line), self.task).map_err(io::Error::other)?;
                (self.columns, self.offset) = (Some(Arc::new(columns)), end);
                return Ok(());
            }
        }
        if chunk.len() == CHUNK_BYTES {
            return Err(io::Error::other(format!("its first {CHUNK_BYTES} bytes hold no header")));
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
        if std::mem::take(&mut self.skipping) {
            lines = lines.get(first_line(lines).len()..).unwrap_or_default();
        }
        let (here, elsewhere) = split(lines, part);
        let read = Lines::read(columns, here);
        (self.rows, self.groups, self.classes) = (read.rows.into(), read.groups, read.classes);
        let (columns, bytes) = (Arc::clone(columns), elsewhere.to_vec());
        self.unread = (!bytes.is_empty()).then_some(Unread { columns, bytes });
        add_faults(&mut self.faults, &read.faults);
        self.offset += end as u64 + 1;
        true
    }

    /// The bytes at the start of the file and before the offset. They change if the file was not only appended to.
    fn proof(&self) -> io::Result<Vec<u8>> {
        let length = PROOF_BYTES.min(self.offset);
        let (mut head, mut tail) = (vec![0; length as usize], vec![0; length as usize]);
        let head = read_at(&self.file, &mut head, 0)?;
        Ok([head, read_at(&self.file, &mut tail, self.offset - length)?].concat())
    }
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
mod tests {
    use super::*;
    use glue::testing::Directory;

    const LOG: &str = "log.csv";
    const HEADER: &str = "id,y_true,y_pred,absolute_error,logged_at\n";

    /// y_true of the rows that can be read now; an error as its text.
    fn read(log: &mut LogFile) -> Result<Vec<f64>, String> {
        let (mut buffer, mut rows) = (vec![0; CHUNK_BYTES], Vec::new());
        while log.read(&mut buffer, CHUNK_BYTES / 2, Part::ALL).map_err(|e| e.to_string())? == Found::Lines {
            rows.extend(log.rows.drain(..).map(|row| row.y_true));
        }
        Ok(rows)
    }

    #[test]
    fn no_line_costs_a_row_of_another_one_or_makes_one() {
        let (mut rng, _) = glue::testing::random();
        let mut random = |below: usize| rng.usize(..below);
        // No number that this makes is the difference of two others.
        let junk = b"\"\",,,7\0\r\xff\xc3\xef\xbb\xbf x";
        for _ in 0..20 {
            let (mut bytes, mut n, mut others) = (HEADER.as_bytes().to_vec(), 0, 0);
            for _ in 0..random(200) {
                let length = match random(20) {
                    0 => CHUNK_BYTES - 2 + random(5),
                    1 => CHUNK_BYTES * 2 + random(1000),
                    _ => random(40),
                };
                let line: Vec<u8> = (0..length).map(|_| junk[random(junk.len())]).collect();
                others += u64::from(!is_blank(&line));
                bytes.extend(line);
                bytes.push(b'\n');
                for _ in 0..=random(3) {
                    let quote = ["", "\""][random(2)];
                    let end = ["", "\r", ",1732341600", ",\"1732341600\"\r"][random(4)];
                    bytes.extend(format!("x,{quote}{n}{quote},{},{n}{end}\n", n * 2).bytes());
                    n += 1;
                }
            }
            let directory = Directory::new();
            directory.write(LOG, "");
            let mut log = LogFile::open(&directory.file(LOG), Task::Regression).unwrap();
            let (mut rows, mut rest) = (Vec::new(), bytes.as_slice());
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at(rest.len().min(1 + random(CHUNK_BYTES * 3)));
                directory.append(LOG, piece);
                rows.extend(read(&mut log).unwrap());
                rest = behind;
            }
            assert_eq!(rows, (0..n).map(f64::from).collect::<Vec<_>>());
            assert_eq!(log.faults.iter().sum::<u64>(), others);
        }
    }

    #[test]
    fn a_header_may_follow_blank_lines_be_quoted_and_end_with_crlf() {
        let rows = "x,1,3,2\r\n\r\n \n\u{feff}\nx,2,4,2,1732341600\n";
        for start in ["", "\n", "\r\n\r\n", " \t\n\n", "\u{feff}", "\n\u{feff}", "\u{feff}\n"] {
            for header in [HEADER, "\"id\",\"y_true\",\"y_pred\",\"absolute_error\",\"logged_at\"\r\n"] {
                let directory = Directory::new();
                directory.write(LOG, start);
                let mut log = LogFile::open(&directory.file(LOG), Task::Regression).unwrap();
                assert!(read(&mut log).unwrap().is_empty());
                directory.append(LOG, header);
                directory.append(LOG, rows);
                assert_eq!(read(&mut log).unwrap(), [1.0, 2.0], "{start:?}{header}");
                assert_eq!(log.faults, Faults::default(), "{start:?}{header}");
            }
        }
    }

    #[test]
    fn a_bad_header_is_quoted_until_it_is_mended() {
        let directory = Directory::new();
        directory.write(LOG, "\n\n");
        let mut log = LogFile::open(&directory.file(LOG), Task::Regression).unwrap();
        assert!(read(&mut log).unwrap().is_empty());
        let long = "x".repeat(CHUNK_BYTES * 2) + "\n" + HEADER;
        let blank = "\n".repeat(CHUNK_BYTES) + HEADER;
        for (text, complaint) in [
            ("\n\nid,y_true\n1,2\n", "its header has no column y_pred: \"id,y_true\""),
            (&long, "its first 262144 bytes hold no header"),
            (&blank, "its first 262144 bytes hold no header"),
        ] {
            directory.write(LOG, text);
            for _ in 0..3 {
                assert_eq!(read(&mut log).unwrap_err(), complaint);
            }
        }
        directory.write(LOG, HEADER.to_owned() + "x,1,2,1\n");
        assert_eq!(read(&mut log).unwrap(), [1.0]);
    }
}
