//! Replaces a file atomically: writes a temporary file in the same directory, syncs it, and renames it.
//! Never leaves a half-written file under the final name, even with several writers.

use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Replaces `name` in `directory` by `bytes`. On failure the old file stays, and the temporary one is removed.
pub fn replace(directory: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let (path, mut file) = create_temporary(directory, name)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let renamed = written.and_then(|()| fs::rename(&path, directory.join(name)));
    if renamed.is_err() {
        // If this fails too, the first error says why.
        let _ = fs::remove_file(&path);
    }
    renamed
}

/// A file for this call alone. Random, as a process id is not unique: containers share them.
fn create_temporary(directory: &Path, name: &str) -> io::Result<(PathBuf, File)> {
    loop {
        let number = RandomState::new().build_hasher().finish();
        let path = directory.join(format!(".{name}.{number:016x}.tmp"));
        let file = File::create_new(&path)?;
        // The lock keeps `remove_temporary` away during the write. On a file system without locks, that removes nothing.
        let _ = file.lock();
        // It may have been removed before it was locked.
        if path.exists() {
            return Ok((path, file));
        }
    }
}

/// Removes temporary files of `name` that a killed process left in `directory`. Keeps those that are being written.
pub fn remove_temporary(directory: &Path, name: &str) {
    let (start, end) = (format!(".{name}."), ".tmp");
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let left = entry.file_name().to_string_lossy().into_owned();
        if left.starts_with(&start)
            && left.ends_with(end)
            && let Ok(file) = File::options().write(true).open(entry.path())
            && file.try_lock().is_ok()
        {
            // A file that stays does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glue::testing::Directory;
    use std::thread;

    const NAME: &str = "picture";

    fn temporary_files(directory: &Directory) -> usize {
        let entries = fs::read_dir(&directory.0).unwrap().map(|entry| entry.unwrap().file_name());
        entries.filter(|name| name.to_string_lossy().ends_with(".tmp")).count()
    }

    #[test]
    fn writers_with_one_process_id_never_show_a_half_written_file() {
        let directory = Directory::new();
        // Threads have their process's id, as the plots of two containers do.
        let contents = ["a", "b", "c"].map(|letter| letter.repeat(200_000));
        thread::scope(|scope| {
            let write = |content: &str| {
                for _ in 0..30 {
                    replace(&directory.0, NAME, content.as_bytes()).unwrap();
                    assert!(contents.contains(&directory.read(NAME)), "half-written, or of two writers");
                    remove_temporary(&directory.0, NAME);
                }
            };
            for content in &contents {
                scope.spawn(move || write(content));
            }
        });
        assert_eq!(temporary_files(&directory), 0);
    }

    #[test]
    fn only_what_nobody_is_writing_is_removed() {
        let directory = Directory::new();
        directory.write(".picture.1.tmp", "half");
        directory.write(".other.1.tmp", "half");
        let (path, _file) = create_temporary(&directory.0, NAME).unwrap();
        remove_temporary(&directory.0, NAME);
        assert!(path.exists() && !directory.file(".picture.1.tmp").exists());
        assert!(directory.file(".other.1.tmp").exists());
    }

    #[test]
    fn what_cannot_be_replaced_leaves_no_temporary_file() {
        let directory = Directory::new();
        fs::create_dir(directory.file(NAME)).unwrap();
        replace(&directory.0, NAME, b"whole").unwrap_err();
        assert_eq!(temporary_files(&directory), 0);
    }
}
