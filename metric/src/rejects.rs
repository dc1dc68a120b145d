//! `rejected.jsonl`: a line for every message or sample that could not be used. Its size is bounded: a full file becomes
//! `rejected.jsonl.1`, in place of the one before.

use crate::{
    disk::{Disk, cannot_write},
    line_file::LineFile,
};
use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    str,
};

const FILE_BYTES_MAX: u64 = 64 << 20;
const BODY_BYTES_KEPT: usize = 4096;
/// A reason may quote the message, a number of a megabyte for instance.
const REASON_BYTES_MAX: usize = 512;
/// Lines are written when so many bytes of them are there.
const PIECE_BYTES: usize = 512 << 10;

/// One line, as CONTRACT.md has it.
#[derive(Serialize)]
pub struct Reject {
    time: f64,
    queue: String,
    reason: String,
    body: String,
    encoding: &'static str,
    body_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
}

impl Reject {
    pub fn new(time_ms: u64, queue: &str, reason: String, body: &[u8], index: Option<usize>) -> Reject {
        let (text, encoding) = match str::from_utf8(body) {
            Ok(text) => (beginning(text, BODY_BYTES_KEPT).to_owned(), "text"),
            Err(_) => (STANDARD.encode(body.get(..BODY_BYTES_KEPT).unwrap_or(body)), "base64"),
        };
        let reason = match beginning(&reason, REASON_BYTES_MAX) {
            whole if whole.len() == reason.len() => reason,
            part => format!("{part}…"),
        };
        let (queue, time) = (queue.to_owned(), time_ms as f64 / 1000.0);
        Reject { time, queue, reason, body: text, encoding, body_bytes: body.len(), index }
    }

    pub fn memory_bytes(&self) -> usize {
        self.queue.len() + self.reason.len() + self.body.len()
    }

    /// Queue and reason, for the operator.
    pub fn summary(&self) -> String {
        format!("queue {}: {}", self.queue, self.reason)
    }
}

fn beginning(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

pub struct Rejects<D: Disk> {
    disk: D,
    path: PathBuf,
    file: LineFile<D>,
}

impl<D: Disk> Rejects<D> {
    /// # Errors
    /// Names the file.
    pub fn open(disk: &D, path: &Path) -> Result<Rejects<D>> {
        let file = LineFile::open(disk, path)?;
        Ok(Rejects { disk: disk.clone(), path: path.to_owned(), file })
    }

    /// Appends the lines, makes them durable, and takes them out of `rejects`.
    ///
    /// # Errors
    /// Names the file. What is left in `rejects` is not written then.
    pub fn append(&mut self, rejects: &mut Vec<Reject>) -> Result<()> {
        while !rejects.is_empty() {
            let (mut lines, mut count) = (Vec::new(), 0);
            for reject in rejects.iter() {
                serde_json::to_writer(&mut lines, reject)?;
                lines.push(b'\n');
                count += 1;
                if lines.len() >= PIECE_BYTES {
                    break;
                }
            }
            self.append_piece(&lines)?;
            rejects.drain(..count);
        }
        Ok(())
    }

    fn append_piece(&mut self, lines: &[u8]) -> Result<()> {
        self.file.follow_path()?;
        if self.file.len()? + lines.len() as u64 > FILE_BYTES_MAX {
            let older = self.path.with_extension("jsonl.1");
            self.disk.rename(&self.path, &older).with_context(|| cannot_write(&older))?;
            log::warn!("{} is full; it is now {}", self.path.display(), older.display());
            self.file = LineFile::open(&self.disk, &self.path)?;
        }
        self.file.append(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_at_a_character_and_bytes_are_encoded() {
        let text = "é".repeat(3000);
        let reject = Reject::new(1500, "y_true", "r".to_owned(), text.as_bytes(), None);
        assert_eq!((reject.body.len(), reject.encoding, reject.body_bytes), (4096, "text", 6000));
        let reject = Reject::new(1500, "y_true", "1".repeat(1 << 20), b"1", None);
        assert!(reject.reason.len() < 600 && reject.reason.ends_with('…'));
        let reject = Reject::new(1500, "y_true", "r".to_owned(), b"\xff\xfe", Some(3));
        let line = serde_json::to_string(&reject).unwrap();
        let expected = r#"{"time":1.5,"queue":"y_true","reason":"r","body":"//4=","encoding":"base64","body_bytes":2,"index":3}"#;
        assert_eq!(line, expected);
    }
}
