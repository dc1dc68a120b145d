//! `metric_log.csv`: appends lines to the file and knows how far it was read. Knows nothing of the store; `recovery.rs` decides what becomes
//! of the rows that are there at the start.

use crate::{
    disk::{Disk, DiskFile, cannot_read, cannot_write},
    journal::{columns::Columns, line_file::sync_name},
};
use anyhow::{Context, Result};
use redb::StorageBackend;
use std::path::{Path, PathBuf};

/// A file is recognised by this many of its last bytes.
const TAIL_BYTES: usize = 64;

/// The part of a log that the store knows: the file, the length, and the last bytes of the part, by which the file is recognised.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogPosition {
    pub inode: u64,
    pub len: u64,
    pub tail: Vec<u8>,
}

/// The log, open for appending.
pub struct RowLog<D: Disk> {
    pub disk: D,
    pub path: PathBuf,
    pub file: D::File,
    pub columns: Columns,
    /// The length of the header and of blank lines before it.
    pub header_len: u64,
    pub position: LogPosition,
    /// An append failed and its remains could not be cut off: the file is longer than `position`.
    is_torn: bool,
}

impl<D: Disk> RowLog<D> {
    /// Opens the file or creates it. The position is that of an empty file. The content is durable when this returns: a process that was killed
    /// may have left rows that are not synced.
    ///
    /// # Errors
    /// Names the file.
    pub fn open(disk: &D, path: &Path) -> Result<RowLog<D>> {
        let file = disk.open_append(path).with_context(|| cannot_write(path))?;
        file.sync_data().with_context(|| cannot_write(path))?;
        sync_name(disk, path)?;
        let inode = file.identity().with_context(|| cannot_read(path))?.inode;
        let position = LogPosition { inode, ..LogPosition::default() };
        let (disk, path, columns) = (disk.clone(), path.to_owned(), Columns::usual());
        Ok(RowLog { disk, path, file, columns, header_len: 0, position, is_torn: false })
    }

    /// Whether the path still leads to this file and no other program has written to it.
    ///
    /// # Errors
    /// Names the file.
    pub fn is_untouched(&mut self) -> Result<bool> {
        self.cut_torn()?;
        let named = || cannot_read(&self.path);
        let ours = self.file.identity().with_context(named)?;
        let there = self.disk.find(&self.path).with_context(named)?;
        Ok(there == Some(ours) && ours.len == self.position.len)
    }

    /// Whether the log has rows, and would have more than `bytes_max` bytes with `further` more.
    pub fn is_full(&self, further: usize, bytes_max: u64) -> bool {
        self.position.len > self.header_len && self.position.len + further as u64 > bytes_max
    }

    /// Appends whole lines and makes them durable.
    ///
    /// # Errors
    /// Names the file. What was written is cut off again before the file is used the next time.
    pub fn append(&mut self, lines: &[u8]) -> Result<()> {
        self.cut_torn()?;
        if lines.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.file.append(lines).and_then(|()| self.file.sync_data()) {
            self.is_torn = true;
            // A full disk may refuse this too.
            let _ = self.cut_torn();
            return Err(error).with_context(|| cannot_write(&self.path));
        }
        self.position.advance(lines);
        Ok(())
    }

    /// Cuts off the remains of a failed append.
    ///
    /// # Errors
    /// Names the file.
    pub fn cut_torn(&mut self) -> Result<()> {
        if self.is_torn {
            self.cut(self.position.len)?;
            self.is_torn = false;
        }
        Ok(())
    }

    /// Cuts the file off after `len` bytes.
    ///
    /// # Errors
    /// Names the file.
    pub fn cut(&self, len: u64) -> Result<()> {
        let cut = self.file.set_len(len).and_then(|()| self.file.sync_data());
        cut.with_context(|| cannot_write(&self.path))
    }

    /// Appends a missing line break to the last line and syncs it.
    ///
    /// # Errors
    /// Names the file.
    pub fn end_line(&self) -> Result<()> {
        let ended = self.file.append(b"\n").and_then(|()| self.file.sync_data());
        ended.with_context(|| cannot_write(&self.path))
    }

    /// The position after the first `len` bytes of this file.
    ///
    /// # Errors
    /// Names the file.
    pub fn position_at(&self, len: u64) -> Result<LogPosition> {
        let begin = len.saturating_sub(TAIL_BYTES as u64);
        let mut tail = vec![0; (len - begin) as usize];
        self.file.read(begin, &mut tail).with_context(|| cannot_read(&self.path))?;
        Ok(LogPosition { inode: self.position.inode, len, tail })
    }

    /// Whether this file has the bytes of `position` at that place, even if the position is that of another file.
    ///
    /// # Errors
    /// Names the file.
    pub fn continues(&self, position: &LogPosition) -> Result<bool> {
        let len = self.file.len().with_context(|| cannot_read(&self.path))?;
        let mut tail = vec![0; position.tail.len()];
        let Some(start) = position.len.checked_sub(tail.len() as u64).filter(|_| position.len <= len) else {
            return Ok(false);
        };
        self.file.read(start, &mut tail).with_context(|| cannot_read(&self.path))?;
        Ok(tail == position.tail)
    }
}

impl LogPosition {
    /// Moves to the end of `lines`, which follow.
    pub fn advance(&mut self, lines: &[u8]) {
        self.len += lines.len() as u64;
        self.tail.extend_from_slice(lines.get(lines.len().saturating_sub(TAIL_BYTES)..).unwrap_or(lines));
        self.tail.drain(..self.tail.len().saturating_sub(TAIL_BYTES));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_ends_with_the_last_bytes_of_all_lines() {
        let (mut position, mut all) = (LogPosition::default(), Vec::new());
        for len in [0, 1, 30, 40, 64, 65, 3, 200] {
            let lines: Vec<u8> = (0..len).map(|at| (at * 7 + len) as u8).collect();
            position.advance(&lines);
            all.extend_from_slice(&lines);
            assert_eq!(position.len, all.len() as u64);
            assert_eq!(position.tail, all[all.len().saturating_sub(TAIL_BYTES)..]);
        }
    }
}
