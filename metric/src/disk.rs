//! The file system as `metric` uses it. Every call that touches a file of the log directory goes through here, so that tests can use a disk
//! that dies, lies or is full. Also distinguishes a full disk from a broken one.

use anyhow::{Context, Result};
use redb::StorageBackend;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
};

/// Identifies a file, at a path or open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Identity {
    pub device: u64,
    pub inode: u64,
    pub len: u64,
}
/// A directory's files. The store reads and writes its file at offsets; all others are only ever appended to.
pub trait Disk: Clone + Send + Sync + 'static {
    type File: DiskFile;
    /// Opens a file for reading and writing at offsets. Creates it if it does not exist.
    fn open(&self, path: &Path) -> io::Result<Self::File>;
    /// Opens a file for reading and appending. Creates it if it does not exist.
    fn open_append(&self, path: &Path) -> io::Result<Self::File>;
    /// The file at the path, if there is one.
    fn find(&self, path: &Path) -> io::Result<Option<Identity>>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Renames a file unless something has the new name, whatever that is: the error is then `AlreadyExists`. A crash may leave an empty file
    /// under the new name.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the names of created and renamed files durable.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;
    /// All names in a directory, each with its file if it leads to a regular one.
    fn list(&self, directory: &Path) -> io::Result<Vec<(PathBuf, Option<Identity>)>>;
}

/// An open file. `sync_data` returns once all written bytes and the length are on the disk. A failed one is never retried, because the kernel
/// may have dropped the pages.
pub trait DiskFile: StorageBackend {
    /// Writes at the end of the file, also if another program has written there.
    fn append(&self, bytes: &[u8]) -> io::Result<()>;
    fn identity(&self) -> io::Result<Identity>;
}

#[derive(Clone, Copy)]
pub struct RealDisk;

#[derive(Debug)]
pub struct RealFile(File);

impl Disk for RealDisk {
    type File = RealFile;

    fn open(&self, path: &Path) -> io::Result<RealFile> {
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map(RealFile)
    }

    fn open_append(&self, path: &Path) -> io::Result<RealFile> {
        OpenOptions::new().read(true).append(true).create(true).open(path).map(RealFile)
    }

    fn find(&self, path: &Path) -> io::Result<Option<Identity>> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some(identity(&metadata))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        {
            use nix::{
                errno::Errno,
                fcntl::{AT_FDCWD, RenameFlags, renameat2},
            };
            match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
                // Not on this file system, such as NFS.
                Err(Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP) => {}
                renamed => return Ok(renamed?),
            }
        }
        claim_and_rename(from, to)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all().map_err(unsynced)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<(PathBuf, Option<Identity>)>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            // None: a directory, a file that was removed meanwhile, or a dangling link.
            let file = fs::metadata(&path).ok().filter(fs::Metadata::is_file);
            names.push((path, file.as_ref().map(identity)));
        }
        Ok(names)
    }
}

impl StorageBackend for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data().map_err(unsynced)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }
}

impl DiskFile for RealFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.0).write_all(bytes)
    }

    fn identity(&self) -> io::Result<Identity> {
        Ok(identity(&self.0.metadata()?))
    }
}

/// Renames a file to a name that an empty file claims first, so that nothing else is ever replaced.
fn claim_and_rename(from: &Path, to: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(to)?;
    fs::rename(from, to).inspect_err(|_| _ = fs::remove_file(to))
}

pub fn identity(metadata: &fs::Metadata) -> Identity {
    Identity { device: metadata.dev(), inode: metadata.ino(), len: metadata.len() }
}

/// Hides the kind of the error: waiting for room after a sync that failed on a full disk is no use, as its data may be gone from memory.
fn unsynced(error: io::Error) -> io::Error {
    io::Error::other(format!("sync: {error}"))
}

/// Reads a file from `offset` to its end.
pub struct Reader<'f, F> {
    file: &'f F,
    offset: u64,
    /// The length of the file when the reader was made.
    pub end: u64,
}

impl<'f, F: StorageBackend> Reader<'f, F> {
    pub fn new(file: &'f F, offset: u64) -> io::Result<Reader<'f, F>> {
        Ok(Reader { file, offset, end: file.len()? })
    }
}

impl<F: StorageBackend> Read for Reader<'_, F> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = out.len().min(usize::try_from(self.end.saturating_sub(self.offset)).unwrap_or(usize::MAX));
        let out = out.get_mut(..len).unwrap_or_default();
        self.file.read(self.offset, out)?;
        self.offset += len as u64;
        Ok(len)
    }
}

/// The directory of a path.
pub fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|above| *above != Path::new("")).unwrap_or(Path::new("."))
}

/// Whether the path leads to this file, whatever its length.
///
/// # Errors
/// Names the path.
pub fn is_in_place(disk: &impl Disk, path: &Path, file: Identity) -> Result<bool> {
    let found = disk.find(path).with_context(|| cannot_read(path))?;
    Ok(found.is_some_and(|found| (found.device, found.inode) == (file.device, file.inode)))
}

/// Whether the disk is full, which is worth waiting for.
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::{env, os::unix::fs::symlink};

    /// By the system's call, and as on a file system that lacks it.
    #[test]
    fn a_rename_to_a_new_name_replaces_nothing_whatever_has_the_name() {
        type Way = fn(&Path, &Path) -> io::Result<()>;
        let ways: [Way; 2] = [|from, to| RealDisk.rename_new(from, to), claim_and_rename];
        for rename_new in ways {
            let directory = env::temp_dir().join(format!("disk-{:016x}", fastrand::u64(..)));
            fs::create_dir(&directory).unwrap();
            let [log, file, empty, below, dangling, free] =
                ["log", "file", "empty", "below", "dangling", "free"].map(|name| directory.join(name));
            fs::write(&log, "rows").unwrap();
            fs::write(&file, "mine").unwrap();
            fs::write(&empty, "").unwrap();
            fs::create_dir(&below).unwrap();
            symlink("nowhere", &dangling).unwrap();
            for taken in [&file, &empty, &below, &dangling] {
                let error = rename_new(&log, taken).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{}: {error}", taken.display());
            }
            assert_eq!(
                [&log, &file, &empty].map(|path| fs::read_to_string(path).unwrap()),
                ["rows", "mine", ""]
            );
            assert!(below.is_dir() && dangling.is_symlink());
            rename_new(&log, &free).unwrap();
            assert_eq!((fs::read_to_string(&free).unwrap().as_str(), log.exists()), ("rows", false));
            // Nothing is left of a rename that fails.
            let error = rename_new(&log, &directory.join("other")).unwrap_err();
            assert_eq!(
                (error.kind(), fs::read_dir(&directory).unwrap().count()),
                (io::ErrorKind::NotFound, 5)
            );
            fs::remove_dir_all(&directory).unwrap();
        }
    }
}
