//! A file of lines that is only ever appended to, as `rejected.jsonl` and `unmatched.csv` are, and the reading of whole lines.
//! Keeps no line that a crash left unfinished.

use crate::disk::{Disk, DiskFile, Reader, cannot_read, cannot_write, directory_of};
use anyhow::{Context, Result};
use redb::StorageBackend;
use std::{
    io::{self, BufRead, Read},
    path::{Path, PathBuf},
};

/// Lines appended at once have at most this many bytes together: what a crash left unfinished is within the file's last ones.
pub const APPEND_BYTES_MAX: usize = 2 << 20;
/// A longer line, which nobody here writes, is read in pieces.
pub const LINE_BYTES_MAX: u64 = 64 << 10;

pub struct LineFile<D: Disk> {
    disk: D,
    path: PathBuf,
    file: D::File,
    /// Where the whole lines end, if an append failed and what it left could not be cut off.
    unfinished_from: Option<u64>,
}

impl<D: Disk> LineFile<D> {
    /// Opens the file or makes an empty one; its name is durable when this returns.
    ///
    /// # Errors
    /// Names the file.
    pub fn open(disk: &D, path: &Path) -> Result<LineFile<D>> {
        let file = disk.open_append(path).with_context(|| cannot_write(path))?;
        sync_name(disk, path)?;
        let end = end_of_whole_lines(&file).with_context(|| cannot_read(path))?;
        let unfinished = file.len().with_context(|| cannot_read(path))?.saturating_sub(end);
        if unfinished > 0 {
            file.set_len(end).with_context(|| cannot_write(path))?;
            log::info!("{unfinished} bytes that a crash left unfinished were cut off {}", path.display());
        }
        Ok(LineFile { disk: disk.clone(), path: path.to_owned(), file, unfinished_from: None })
    }

    /// # Errors
    /// Names the file.
    pub fn len(&self) -> Result<u64> {
        self.file.len().with_context(|| cannot_read(&self.path))
    }

    /// Begins another file where the path no longer leads to this one: somebody renamed or deleted it.
    ///
    /// # Errors
    /// Names the file.
    pub fn follow_path(&mut self) -> Result<()> {
        let named = || cannot_read(&self.path);
        let ours = self.file.identity().with_context(named)?;
        if self.disk.find(&self.path).with_context(named)? != Some(ours) {
            *self = LineFile::open(&self.disk, &self.path)?;
        }
        Ok(())
    }

    /// Appends whole lines and makes them durable.
    ///
    /// # Errors
    /// Names the file; what was written then is cut off again before anything else is written.
    pub fn append(&mut self, lines: &[u8]) -> Result<()> {
        self.cut_unfinished()?;
        let end = self.len()?;
        let appended = self.file.append(lines).and_then(|()| self.file.sync_data());
        appended.with_context(|| cannot_write(&self.path)).inspect_err(|_| {
            self.unfinished_from = Some(end);
            // A full disk may refuse this as well; then it is done before the next append, or at the next start.
            let _ = self.cut_unfinished();
        })
    }

    fn cut_unfinished(&mut self) -> Result<()> {
        if let Some(end) = self.unfinished_from {
            self.file.set_len(end).with_context(|| cannot_write(&self.path))?;
            self.unfinished_from = None;
        }
        Ok(())
    }
}

/// Makes a file's name durable.
pub fn sync_name<D: Disk>(disk: &D, path: &Path) -> Result<()> {
    let directory = directory_of(path);
    disk.sync_directory(directory).with_context(|| cannot_write(directory))
}

fn end_of_whole_lines(file: &impl StorageBackend) -> io::Result<u64> {
    // An unfinished line lacks its line break, or has the zeros of a block that was not written before a power cut. One byte more
    // than an append may have: the line break before it.
    let begin = file.len()?.saturating_sub(APPEND_BYTES_MAX as u64 + 1);
    let mut tail = Vec::new();
    Reader::new(file, begin)?.read_to_end(&mut tail)?;
    let mut lines = tail.split_inclusive(|byte| *byte == b'\n');
    // The file's beginning, or the end of a line that was synced.
    let first = if begin == 0 { 0 } else { lines.next().map_or(0, <[u8]>::len) };
    let whole = lines.take_while(|line| line.ends_with(b"\n") && !line.contains(&0));
    Ok(begin + (first + whole.map(<[u8]>::len).sum::<usize>()) as u64)
}

/// Reads a line with its line break. False where none is left, or only what a crash has left of one: without a line break, or with the
/// zeros that a power cut leaves where a block was not written; what lies behind those is no better.
pub fn read_whole_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    reader.take(LINE_BYTES_MAX).read_until(b'\n', line)?;
    let is_whole = line.ends_with(b"\n") || line.len() as u64 == LINE_BYTES_MAX;
    Ok(is_whole && !line.contains(&0))
}
