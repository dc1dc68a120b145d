//! One `metric` per log directory: makes the directory and holds its lock file, which says who holds it.

use crate::disk::{Disk, Identity, RealDisk, cannot_read, cannot_write, directory_of, identity};
use anyhow::{Context, Result, bail};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process,
};

/// A lock that is held until it is dropped.
pub struct Lock {
    path: PathBuf,
    identity: Identity,
    _file: File,
}

impl Lock {
    /// Makes the directory if need be and locks it.
    ///
    /// # Errors
    /// Names the directory or file that cannot be used, or the process that holds it.
    pub fn hold(directory: &Path) -> Result<Lock> {
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
        let identity = identity(&file.metadata().with_context(|| cannot_read(&path))?);
        let lock = Lock { path, identity, _file: file };
        // The file may have been taken away between opening and locking it.
        lock.check()?;
        Ok(lock)
    }

    /// # Errors
    /// The path leads to another file or to none, so that another `metric` can hold the directory too.
    pub fn check(&self) -> Result<()> {
        let there = RealDisk.find(&self.path).with_context(|| cannot_read(&self.path))?;
        if there.is_some_and(|there| there.is_file(self.identity)) {
            return Ok(());
        }
        bail!(
            "{} was deleted or replaced while metric was running: another metric could use the directory; start metric again",
            self.path.display()
        )
    }
}

/// Makes a directory, and those above it, whose names last: what is acknowledged must not go with a lost directory.
fn make(directory: &Path) -> io::Result<()> {
    let missing = directory.ancestors().take_while(|above| *above != Path::new("") && !above.is_dir());
    let missing: Vec<&Path> = missing.collect();
    fs::create_dir_all(directory)?;
    missing.into_iter().try_for_each(|made| RealDisk.sync_directory(directory_of(made)))
}
