//! Keeps a second `metric` off the log directory: creates the directory and holds its lock file, which names the holder.

use crate::disk::{Disk, Identity, RealDisk, cannot_read, cannot_write, directory_of, identity, is_in_place};
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
    /// Locks the directory. Creates it if it does not exist.
    ///
    /// # Errors
    /// Names the directory or file that cannot be used, or the process that holds the lock.
    pub fn hold(directory: &Path) -> Result<Lock> {
        create(directory).with_context(|| cannot_write(directory))?;
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
        // Only for people: a full disk must not keep the service from starting.
        if let Err(e) = written {
            log::warn!("{}: {e}", cannot_write(&path));
        }
        let identity = identity(&file.metadata().with_context(|| cannot_read(&path))?);
        let lock = Lock { path, identity, _file: file };
        // The file may have been removed between opening and locking it.
        lock.check()?;
        Ok(lock)
    }

    /// # Errors
    /// The lock file was deleted or replaced, so that another `metric` could lock the directory too.
    pub fn check(&self) -> Result<()> {
        if is_in_place(&RealDisk, &self.path, self.identity)? {
            return Ok(());
        }
        bail!(
            "{} was deleted or replaced while metric was running: another metric could use the directory; start metric again",
            self.path.display()
        )
    }
}

/// Creates a directory and its parents with durable names: a power cut must not take the directory.
fn create(directory: &Path) -> io::Result<()> {
    let missing = directory.ancestors().take_while(|above| *above != Path::new("") && !above.is_dir());
    let missing: Vec<&Path> = missing.collect();
    fs::create_dir_all(directory)?;
    missing.into_iter().try_for_each(|created| RealDisk.sync_directory(directory_of(created)))
}
