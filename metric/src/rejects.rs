//! `rejected.jsonl`: a line for every message or sample that could not be used. Its size is bounded: a full file becomes
//! `rejected.jsonl.1`, in place of the one before.

use crate::durable;
use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    str,
};

const FILE_BYTES_MAX: u64 = 64 << 20;
const BODY_BYTES_KEPT: usize = 4096;

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
            Ok(text) => {
                (text.get(..text.floor_char_boundary(BODY_BYTES_KEPT)).unwrap_or(text).to_owned(), "text")
            }
            Err(_) => (STANDARD.encode(body.get(..BODY_BYTES_KEPT).unwrap_or(body)), "base64"),
        };
        let (queue, time) = (queue.to_owned(), time_ms as f64 / 1000.0);
        Reject { time, queue, reason, body: text, encoding, body_bytes: body.len(), index }
    }
}

pub struct Rejects {
    path: PathBuf,
    file: File,
    len: u64,
}

impl Rejects {
    /// Opens the file; a last line that a crash left unfinished is cut off.
    ///
    /// # Errors
    /// Names the file.
    pub fn open(path: &Path) -> Result<Rejects> {
        let file = durable::open_append(path)?;
        let bytes = fs::read(path).with_context(|| durable::cannot_read(path))?;
        let len = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |at| at as u64 + 1);
        if len < bytes.len() as u64 {
            file.set_len(len).with_context(|| durable::cannot_write(path))?;
        }
        Ok(Rejects { path: path.to_owned(), file, len })
    }

    /// Appends the lines and makes them durable.
    ///
    /// # Errors
    /// Names the file; what was written is cut off again where that is possible.
    pub fn append<'r>(&mut self, rejects: impl IntoIterator<Item = &'r Reject>) -> Result<()> {
        let mut lines = Vec::new();
        for reject in rejects {
            serde_json::to_writer(&mut lines, reject)?;
            lines.push(b'\n');
        }
        if lines.is_empty() {
            return Ok(());
        }
        if self.len >= FILE_BYTES_MAX || !self.path.exists() {
            self.begin_anew()?;
        }
        if let Err(error) = durable::append(&mut self.file, &lines) {
            // Best effort: an unfinished line is cut off at the next start too.
            let _ = self.file.set_len(self.len);
            return Err(error).with_context(|| durable::cannot_write(&self.path));
        }
        self.len += lines.len() as u64;
        Ok(())
    }

    fn begin_anew(&mut self) -> Result<()> {
        if self.path.exists() {
            let older = self.path.with_extension("jsonl.1");
            fs::rename(&self.path, &older).with_context(|| durable::cannot_write(&older))?;
            log::warn!("{} is full; it is now {}", self.path.display(), older.display());
        }
        self.file = durable::open_append(&self.path)?;
        self.len = 0;
        durable::sync_directory(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_cut_at_a_character_and_bytes_are_encoded() {
        let text = "é".repeat(3000);
        let reject = Reject::new(1500, "y_true", "r".to_owned(), text.as_bytes(), None);
        assert_eq!((reject.body.len(), reject.encoding, reject.body_bytes), (4096, "text", 6000));
        let reject = Reject::new(1500, "y_true", "r".to_owned(), b"\xff\xfe", Some(3));
        let line = serde_json::to_string(&reject).unwrap();
        let expected = r#"{"time":1.5,"queue":"y_true","reason":"r","body":"//4=","encoding":"base64","body_bytes":2,"index":3}"#;
        assert_eq!(line, expected);
    }
}
