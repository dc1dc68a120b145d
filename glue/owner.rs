//! Goes on as the owner of the log directory. For containers: who that is nobody can know before they run, so they start as
//! root, and what is written belongs to whoever owns the directory outside.

use anyhow::{Context, Result};
use std::{env, fs, os::unix::fs::MetadataExt, os::unix::process::CommandExt, path::Path, process::Command};

/// The setting `run-as`: whether to do so.
pub fn parse(text: &str) -> Option<bool> {
    match text {
        "" => Some(false),
        "owner" => Some(true),
        _ => None,
    }
}

/// Where this is root and the directory is somebody else's: starts the program again in this process as that one, who holds no
/// capabilities, and does not return. Root's own directory, as in a rootless engine's containers, changes nothing.
///
/// # Errors
/// The directory is not there, or the user cannot be changed.
pub fn become_owner(directory: &Path) -> Result<()> {
    let found = || format!("cannot read {}", directory.display());
    let owner = fs::metadata(directory).with_context(found)?;
    let this = fs::metadata("/proc/self").context("cannot read /proc/self")?;
    if this.uid() != 0 || owner.uid() == 0 {
        return Ok(());
    }
    let mut again = Command::new(env::current_exe()?);
    let error = again.args(env::args_os().skip(1)).uid(owner.uid()).gid(owner.gid()).exec();
    Err(error).with_context(|| {
        format!("cannot go on as the owner of {}, user {}", directory.display(), owner.uid())
    })
}
