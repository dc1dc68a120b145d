//! The file system as `metric` uses it: every call that touches a file of the log directory goes through here, so that a test can
//! put a disk in its place that dies, lies or is full. Also what tells a full disk from a broken one.

use redb::StorageBackend;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
};

/// What a path leads to, or what is open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Identity {
    pub device: u64,
    pub inode: u64,
    pub len: u64,
}

impl Identity {
    /// Whether both are one file, whatever its length.
    pub fn is_file(self, other: Identity) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// A directory's files. The store reads and writes its file at offsets; all others are only ever appended to.
pub trait Disk: Clone + Send + Sync + 'static {
    type File: DiskFile;
    /// Opens a file for reading and writing at offsets; makes it where there is none.
    fn open(&self, path: &Path) -> io::Result<Self::File>;
    /// Opens a file for reading and appending; makes it where there is none.
    fn open_append(&self, path: &Path) -> io::Result<Self::File>;
    /// What the path leads to; none where there is nothing.
    fn find(&self, path: &Path) -> io::Result<Option<Identity>>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the names in a directory last: of files that were made or renamed.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;
    /// The regular files in a directory.
    fn list(&self, directory: &Path) -> io::Result<Vec<(PathBuf, Identity)>>;
}

/// An open file. `sync_data` returns once all that was written is on the disk, the length included; a failed one is never
/// repeated, as the kernel may have dropped the pages.
pub trait DiskFile: StorageBackend {
    /// Writes at the end, whoever else has written there since.
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

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all().map_err(unsynced)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<(PathBuf, Identity)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_file() => files.push((path, identity(&metadata))),
                // What is gone meanwhile, or leads nowhere, is no file of the directory.
                Ok(_) | Err(_) => {}
            }
        }
        Ok(files)
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

pub fn identity(metadata: &fs::Metadata) -> Identity {
    Identity { device: metadata.dev(), inode: metadata.ino(), len: metadata.len() }
}

/// A sync that failed for want of room is no full disk that can be waited for: what it was to write may be gone from memory.
fn unsynced(error: io::Error) -> io::Error {
    io::Error::other(format!("sync: {error}"))
}

/// Reads a file from `offset` up to the length that it had at first.
pub struct Reader<'f, F> {
    file: &'f F,
    offset: u64,
    end: u64,
}

impl<'f, F: StorageBackend> Reader<'f, F> {
    pub fn new(file: &'f F, offset: u64) -> io::Result<Reader<'f, F>> {
        Ok(Reader { file, offset, end: file.len()? })
    }

    /// The length of the file when the reader was made.
    pub fn end(&self) -> u64 {
        self.end
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

/// The directory that holds a path's name.
pub fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|above| *above != Path::new("")).unwrap_or(Path::new("."))
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
