//! `unmatched.csv`: halves that expired, because they waited too long or were too many. Halves are written before they are removed from the
//! store; after a crash between the two they are written again.

use crate::{
    disk::{Disk, cannot_read},
    join::{Half, Side},
    journal::{
        field::{unix_seconds, write_text, write_value},
        line_file::LineFile,
    },
    wire::labels::Labels,
};
use anyhow::{Context, Result};
use std::{
    io::Write,
    path::{Path, PathBuf},
};

const HEADER: &[u8] = b"id,kind,value,received_at\n";

pub struct Unmatched<D: Disk> {
    disk: D,
    path: PathBuf,
    bytes_max: u64,
    /// `None` until the first half expires.
    file: Option<LineFile<D>>,
}

impl<D: Disk> Unmatched<D> {
    /// # Errors
    /// Names the file.
    pub fn open(disk: &D, path: &Path, bytes_max: u64) -> Result<Unmatched<D>> {
        let exists = disk.find(path).with_context(|| cannot_read(path))?.is_some();
        let file = if exists { Some(LineFile::open(disk, path)?) } else { None };
        Ok(Unmatched { disk: disk.clone(), path: path.to_owned(), bytes_max, file })
    }

    /// Appends the halves and makes them durable. A file that they would make too large gets a number before.
    ///
    /// # Errors
    /// Names the file, which then ends as before.
    pub fn append(&mut self, halves: &[(String, Half)], labels: &Labels) -> Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(LineFile::open(&self.disk, &self.path)?),
        };
        let mut lines = Vec::new();
        for (id, Half { side, value, received, .. }) in halves {
            write_text(&mut lines, id)?;
            let kind = if *side == Side::YTrue { "y_true" } else { "y_pred" };
            write!(lines, ",{kind},")?;
            write_value(&mut lines, *value, labels)?;
            writeln!(lines, ",{}", unix_seconds(received.unix_ms))?;
        }
        file.follow_path()?;
        let len = file.len()?;
        if len > HEADER.len() as u64 && len + lines.len() as u64 > self.bytes_max {
            file.rotate()?;
        }
        if file.len()? == 0 {
            // Synced by itself, so that no power cut leaves lines without it.
            file.append(HEADER)?;
        }
        file.append(&lines)
    }
}
