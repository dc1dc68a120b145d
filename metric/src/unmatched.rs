//! `unmatched.csv`: halves that waited longer or in greater number than the limits allow. Written before they are forgotten.

use crate::{
    durable,
    join::{Half, Side},
    row_log::{finish, guarded, lines, unix_seconds},
};
use anyhow::{Context, Result};
use std::{
    fs::File,
    path::{Path, PathBuf},
};

const HEADER: [&str; 4] = ["id", "kind", "value", "received_at"];

pub struct Unmatched {
    path: PathBuf,
    /// Absent until the first half expires.
    file: Option<File>,
}

impl Unmatched {
    pub fn new(path: &Path) -> Unmatched {
        Unmatched { path: path.to_owned(), file: None }
    }

    /// Appends the halves and makes them durable.
    ///
    /// # Errors
    /// Names the file; it then ends as before.
    pub fn append(&mut self, halves: &[(String, Half)]) -> Result<()> {
        if halves.is_empty() {
            return Ok(());
        }
        let named = || durable::cannot_write(&self.path);
        let mut file = match self.file.take().filter(|_| self.path.exists()) {
            Some(file) => file,
            None => durable::open_append(&self.path)?,
        };
        let len = file.metadata().with_context(named)?.len();
        let mut text = lines();
        if len == 0 {
            text.write_record(HEADER)?;
        }
        for (id, half) in halves {
            let kind = if half.side == Side::YTrue { "y_true" } else { "y_pred" };
            text.write_record([
                guarded(id).as_ref(),
                kind,
                &half.value.to_string(),
                &unix_seconds(half.received_at_ms),
            ])?;
        }
        if let Err(error) = durable::append(&mut file, &finish(text)?) {
            let _ = file.set_len(len);
            return Err(error).with_context(named);
        }
        self.file = Some(file);
        Ok(())
    }
}
