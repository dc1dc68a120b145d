//! `unmatched.csv`: halves that waited longer or in greater number than the limits allow. Written before they are forgotten; a
//! crash between the two writes them again.

use crate::{
    disk::{Disk, cannot_read},
    join::{Half, Side},
    line_file::LineFile,
    row_log::{finish, guarded, lines, unix_seconds},
};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

const HEADER: [&str; 4] = ["id", "kind", "value", "received_at"];

pub struct Unmatched<D: Disk> {
    disk: D,
    path: PathBuf,
    /// Absent until the first half expires.
    file: Option<LineFile<D>>,
}

impl<D: Disk> Unmatched<D> {
    /// # Errors
    /// Names the file.
    pub fn open(disk: &D, path: &Path) -> Result<Unmatched<D>> {
        let exists = disk.find(path).with_context(|| cannot_read(path))?.is_some();
        let file = if exists { Some(LineFile::open(disk, path)?) } else { None };
        Ok(Unmatched { disk: disk.clone(), path: path.to_owned(), file })
    }

    /// Appends the halves and makes them durable.
    ///
    /// # Errors
    /// Names the file; it then ends as before.
    pub fn append(&mut self, halves: &[(String, Half)]) -> Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(LineFile::open(&self.disk, &self.path)?),
        };
        file.follow_path()?;
        if file.len()? == 0 {
            // Synced by itself: no power cut leaves lines without it.
            let mut header = lines();
            header.write_record(HEADER)?;
            file.append(&finish(header)?)?;
        }
        let mut text = lines();
        for (id, half) in halves {
            let kind = if half.side == Side::YTrue { "y_true" } else { "y_pred" };
            text.write_record([
                guarded(id).as_ref(),
                kind,
                &half.value.to_string(),
                &unix_seconds(half.received.unix_ms),
            ])?;
        }
        file.append(&finish(text)?)
    }
}
