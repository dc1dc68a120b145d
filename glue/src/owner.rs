//! Continues as the owner of the log directory, for containers: nobody knows that owner before they run, so they start as root. Their files
//! then belong to whoever owns the directory outside.

use anyhow::{Context, Result};
use std::{env, fs, os::unix::fs::MetadataExt, os::unix::process::CommandExt, path::Path, process::Command};

/// The setting `run-as`: true for `owner`, false where it is empty.
pub fn parse(text: &str) -> Option<bool> {
    match text {
        "" => Some(false),
        "owner" => Some(true),
        _ => None,
    }
}

/// If this is root and the directory is not root's: restarts the program in this process as the directory's owner, who holds no
/// capabilities, and does not return. In a rootless engine's containers the directory is root's, and nothing changes.
///
/// # Errors
/// The directory does not exist, or the user cannot be changed.
pub fn become_owner(directory: &Path) -> Result<()> {
    let owner = fs::metadata(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let this = fs::metadata("/proc/self").context("cannot read /proc/self")?;
    if this.uid() != 0 || owner.uid() == 0 {
        return Ok(());
    }
    let mut again = Command::new(env::current_exe()?);
    let error = again.args(env::args_os().skip(1)).uid(owner.uid()).gid(owner.gid()).exec();
    Err(error)
        .with_context(|| format!("cannot become user {}, the owner of {}", owner.uid(), directory.display()))
}
