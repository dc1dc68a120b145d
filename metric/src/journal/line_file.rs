//! A file of lines that is only appended to, such as `rejected.jsonl` and `unmatched.csv`, and the reading of whole lines. Cuts off what
//! follows the last line break, and nothing else.

use crate::{
    disk::{Disk, DiskFile, cannot_read, cannot_write, directory_of, is_in_place},
    journal::rotation::rotate,
};
use anyhow::{Context, Result};
use glue::number::counted;
use redb::StorageBackend;
use std::{
    io::{self, BufRead, Read},
    path::{Path, PathBuf},
};

/// Longer lines are skipped. `metric` writes none.
pub const LINE_BYTES_MAX: u64 = 64 << 10;
/// Bytes read at a time to find the last line break.
const PART_BYTES: u64 = 64 << 10;

pub struct LineFile<D: Disk> {
    pub disk: D,
    pub path: PathBuf,
    file: D::File,
    /// The end of the whole lines, if an append failed and its remains could not be cut off.
    unfinished_from: Option<u64>,
}

impl<D: Disk> LineFile<D> {
    /// Opens the file or creates it. Its name and its lines are durable when this returns: a process that was killed may have left a header
    /// that is not, and lines that are would follow it.
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
            let bytes = counted(unfinished, "byte", "bytes");
            log::info!("cut {bytes} of an unfinished line off {}", path.display());
        }
        if end > 0 {
            file.sync_data().with_context(|| cannot_write(path))?;
        }
        Ok(LineFile { disk: disk.clone(), path: path.to_owned(), file, unfinished_from: None })
    }

    /// The bytes of all whole lines.
    ///
    /// # Errors
    /// Names the file.
    pub fn len(&self) -> Result<u64> {
        match self.unfinished_from {
            Some(end) => Ok(end),
            None => self.file.len().with_context(|| cannot_read(&self.path)),
        }
    }

    /// Opens a new file if this one was renamed or deleted.
    ///
    /// # Errors
    /// Names the file.
    pub fn follow_path(&mut self) -> Result<()> {
        let ours = self.file.identity().with_context(|| cannot_read(&self.path))?;
        if !is_in_place(&self.disk, &self.path, ours)? {
            *self = LineFile::open(&self.disk, &self.path)?;
        }
        Ok(())
    }

    /// Renames the file to the next number and opens a new one.
    ///
    /// # Errors
    /// Names the file.
    pub fn rotate(&mut self) -> Result<()> {
        self.cut_unfinished()?;
        self.file.sync_data().with_context(|| cannot_write(&self.path))?;
        if let Some(numbered) = rotate(&self.disk, &self.path)? {
            log::info!("{} is a new file; the one before is {}", self.path.display(), numbered.display());
        }
        self.follow_path()
    }

    /// Appends whole lines and makes them durable.
    ///
    /// # Errors
    /// Names the file. What was written is cut off again before the next append.
    pub fn append(&mut self, lines: &[u8]) -> Result<()> {
        self.cut_unfinished()?;
        let end = self.len()?;
        let appended = self.file.append(lines).and_then(|()| self.file.sync_data());
        appended.with_context(|| cannot_write(&self.path)).inspect_err(|_| {
            self.unfinished_from = Some(end);
            // A full disk may refuse this too. Then the next append or the next start does it.
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

/// The end of the last line break.
fn end_of_whole_lines(file: &impl StorageBackend) -> io::Result<u64> {
    let mut end = file.len()?;
    while end > 0 {
        let begin = end.saturating_sub(PART_BYTES);
        let mut part = vec![0; (end - begin) as usize];
        file.read(begin, &mut part)?;
        if let Some(at) = part.iter().rposition(|&byte| byte == b'\n') {
            return Ok(begin + at as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}

/// Reads the next whole line, with its line break, and returns its length. If that exceeds [`LINE_BYTES_MAX`], `line` is empty. `None` if no
/// line break follows: `line` then holds the rest of the file, or nothing if that is too long.
pub fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<u64>> {
    line.clear();
    let mut len = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', line)? as u64;
    if line.ends_with(b"\n") {
        return Ok(Some(len));
    }
    if len < LINE_BYTES_MAX {
        return Ok(None);
    }
    line.clear();
    loop {
        let part = reader.fill_buf()?;
        let line_break = part.iter().position(|&byte| byte == b'\n');
        let read = line_break.map_or(part.len(), |at| at + 1);
        reader.consume(read);
        len += read as u64;
        match (line_break, read) {
            (Some(_), _) => return Ok(Some(len)),
            (None, 0) => return Ok(None),
            (None, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::backends::InMemoryBackend;
    use std::io::BufReader;

    fn lines(bytes: &[u8]) -> (Vec<(usize, u64)>, usize) {
        let (mut reader, mut line, mut found) = (BufReader::with_capacity(7, bytes), Vec::new(), Vec::new());
        while let Some(len) = next_line(&mut reader, &mut line).unwrap() {
            found.push((line.len(), len));
        }
        (found, line.len())
    }

    #[test]
    fn lines_of_any_bytes_and_length_are_separated() {
        assert_eq!(lines(b""), (vec![], 0));
        assert_eq!(lines(b"a\n\n\0\0\xff\nrest"), (vec![(2, 2), (1, 1), (4, 4)], 4));
        let max = LINE_BYTES_MAX as usize;
        for len in [max - 1, max, max + 1, 3 * max] {
            let long = "x".repeat(len - 1);
            let kept = if len > max { 0 } else { len };
            assert_eq!(lines(format!("{long}\nb\n").as_bytes()), (vec![(kept, len as u64), (2, 2)], 0));
            let rest = if len - 1 < max { len - 1 } else { 0 };
            assert_eq!(lines(format!("b\n{long}").as_bytes()), (vec![(2, 2)], rest));
        }
    }

    #[test]
    fn only_what_follows_the_last_line_break_is_unfinished() {
        let part = PART_BYTES as usize;
        for (before, after) in [(0, 0), (1, 0), (9, 5), (9, part - 1), (part, part), (3 * part, 2 * part + 1)]
        {
            let mut bytes = vec![0; before];
            if let Some(last) = bytes.last_mut() {
                *last = b'\n';
            }
            bytes.resize(before + after, 0);
            let file = InMemoryBackend::new();
            file.set_len(bytes.len() as u64).unwrap();
            file.write(0, &bytes).unwrap();
            assert_eq!(end_of_whole_lines(&file).unwrap(), before as u64, "{before}, {after}");
        }
    }
}
