//! Files of the log directory that are only ever appended to, and what makes an append last.

use anyhow::{Context, Result};
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
};

/// Opens a file for reading and appending; a new one's name is durable when this returns.
///
/// # Errors
/// Names the file.
pub fn open_append(path: &Path) -> Result<File> {
    let existed = path.exists();
    let file = OpenOptions::new().read(true).append(true).create(true).open(path);
    let file = file.with_context(|| cannot_write(path))?;
    if !existed {
        sync_directory(path)?;
    }
    Ok(file)
}

/// Makes the names in the directory of `path` durable.
pub fn sync_directory(path: &Path) -> Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    File::open(directory).and_then(|d| d.sync_all()).with_context(|| cannot_write(directory))
}

/// Appends and waits until the bytes are on the disk. A failed sync is never repeated: the kernel may have dropped the pages.
pub fn append(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_data()
}

/// Whether the reason is that there is no room, which passes.
pub fn is_full(error: &anyhow::Error) -> bool {
    let full = |e: &io::Error| matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(full))
}

pub fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

pub fn cannot_read(path: &Path) -> String {
    format!("cannot read {}", path.display())
}
