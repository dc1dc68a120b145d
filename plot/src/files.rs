//! Writes a file whole: to a temporary file beside it, synced, then renamed.
//! Never leaves a half-written file under the final name.

use std::{fs, io, io::Write, path::Path};

/// Replaces `name` in `directory` by `bytes`. On failure the old file stays and the temporary one is removed.
///
/// # Errors
/// What the system said.
pub fn replace(directory: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    // The process id keeps two processes on one directory from writing the same temporary file.
    let temporary = directory.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = write_synced(&temporary, bytes).and_then(|()| fs::rename(&temporary, directory.join(name)));
    if written.is_err() {
        // Nothing is left to do if this fails as well; the first error tells why.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Removes what a process that was killed may have left of `name` in `directory`.
pub fn remove_temporary(directory: &Path, name: &str) {
    let (start, end) = (format!(".{name}."), ".tmp");
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let left = entry.file_name().to_string_lossy().into_owned();
        if left.starts_with(&start) && left.ends_with(end) {
            // What cannot be removed does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
