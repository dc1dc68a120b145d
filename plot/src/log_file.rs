//! Follows one log file: reads what was appended, and notices when the file is no longer the one that was read.
//! Never reads a line before its newline is there, and never decides what to do about a replaced file.

use crate::columns::{Columns, is_blank};
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

/// The most that is read at once. Also the longest line: what has no newline within it is malformed.
pub const CHUNK_BYTES: usize = 256 * 1024;

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
            rows: VecDeque::new(),
            faults: Faults::default(),
            unread: None,
        })
    }

    /// Reads what was appended: at most `most` bytes, or one line. What the read before held must have been taken. `buffer` has room for
    /// [`CHUNK_BYTES`]. With `share`, part of a whole chunk is left [`LogFile::unread`].
    ///
    /// # Errors
    /// The file cannot be read, or its header lacks a column.
    pub fn read(&mut self, buffer: &mut [u8], most: usize, share: bool) -> io::Result<Found> {
        let metadata = self.file.metadata()?;
        let state = (metadata.len(), metadata.modified()?);
        if self.settled == Some(state) {
            return Ok(Found::Nothing);
        }
        if metadata.len() < self.offset || (self.settled.is_some() && !self.is_intact()?) {
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
            if self.take_lines(&columns, chunk, share && chunk.len() == CHUNK_BYTES) {
                return Ok(Found::Lines);
            }
        }
        self.remember()?;
        self.settled = Some(state);
        Ok(Found::Nothing)
    }

    /// Reads the first line that is not blank, once its newline is there.
    fn read_header(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let chunk = read_at(&self.file, buffer, 0)?;
        let mut lines = chunk;
        while memchr::memchr(b'\n', lines).is_some() {
            let line = without_end(take_line(&mut lines));
            if !is_blank(line) {
                self.columns = Some(Arc::new(Columns::from_header(line).map_err(io::Error::other)?));
                self.offset = (chunk.len() - lines.len()) as u64;
                return Ok(());
            }
        }
        if chunk.len() == CHUNK_BYTES {
            return Err(io::Error::other(format!("its first {CHUNK_BYTES} bytes hold no header")));
        }
        Ok(())
    }

    /// Takes every complete line of `chunk`, which begins at the offset; whether there was any.
    fn take_lines(&mut self, columns: &Arc<Columns>, chunk: &[u8], share: bool) -> bool {
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
            take_line(&mut lines);
        }
        let (here, elsewhere) = if share { share_of(lines) } else { (lines, [].as_slice()) };
        let read = Lines::read(columns, here);
        self.rows = read.rows.into();
        let (columns, bytes) = (Arc::clone(columns), elsewhere.to_vec());
        self.unread = (!bytes.is_empty()).then_some(Unread { columns, bytes });
        add_faults(&mut self.faults, &read.faults);
        self.offset += end as u64 + 1;
        true
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
        Ok(read_at(&self.file, &mut vec![0; length as usize], offset)?.to_vec())
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

/// Reads from `offset` on until `buffer` is full or the file ends. What was read.
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
    use crate::directory::Directory;

    const LOG: &str = "log.csv";
    const HEADER: &str = "id,y_true,y_pred,absolute_error,logged_at\n";

    /// y_true of the rows that can be read now; an error as its text.
    fn read(log: &mut LogFile) -> Result<Vec<f64>, String> {
        let (mut buffer, mut rows) = (vec![0; CHUNK_BYTES], Vec::new());
        while log.read(&mut buffer, CHUNK_BYTES / 2, false).map_err(|e| e.to_string())? == Found::Lines {
            rows.extend(log.rows.drain(..).map(|row| row.y_true));
        }
        Ok(rows)
    }

    #[test]
    fn no_line_costs_a_row_of_another_one_or_makes_one() {
        use std::hash::{BuildHasher, Hasher, RandomState};
        let seed = std::env::var("TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed: u64 = seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        println!("TEST_SEED={seed}");
        let mut state = seed | 1;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
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
            let mut log = LogFile::open(&directory.path(LOG)).unwrap();
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
                let mut log = LogFile::open(&directory.path(LOG)).unwrap();
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
        let mut log = LogFile::open(&directory.path(LOG)).unwrap();
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
