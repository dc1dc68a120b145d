//! One `metric` per log directory: makes the directory and holds its lock file, which says who holds it.

use crate::disk::{Disk, RealDisk, cannot_write, directory_of};
use anyhow::{Context, Result, bail};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::Path,
    process,
};

/// Makes the directory if need be and locks it for as long as the file is open.
///
/// # Errors
/// Names the directory or file that cannot be used, or the process that holds it.
pub fn hold(directory: &Path) -> Result<File> {
    make(directory).with_context(|| cannot_write(directory))?;
    let path = directory.join("metric.lock");
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = file.with_context(|| cannot_write(&path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            bail!("{} is held by another metric: {}", path.display(), holder.trim());
        }
        Err(TryLockError::Error(e)) => {
            return Err(e).with_context(|| format!("cannot lock {}", path.display()));
        }
    }
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let holder = format!("process {} on {}\n", process::id(), host.trim());
    let written = file.set_len(0).and_then(|()| file.write_all(holder.as_bytes()));
    // Only a message for people: a full disk must not keep the service from starting.
    if let Err(e) = written {
        log::warn!("{}: {e}", cannot_write(&path));
    }
    Ok(file)
}

/// Makes a directory, and those above it, whose names last: what is acknowledged must not go with a lost directory.
fn make(directory: &Path) -> io::Result<()> {
    let missing = directory.ancestors().take_while(|above| *above != Path::new("") && !above.is_dir());
    let missing: Vec<&Path> = missing.collect();
    fs::create_dir_all(directory)?;
    missing.into_iter().try_for_each(|made| RealDisk.sync_directory(directory_of(made)))
}
