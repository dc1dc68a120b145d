//! A disk in memory. It can be copied before any call that changes it, lose any part of what was not synced, fail, or be full. File systems
//! keep the order of names, so a power cut loses the last of them; of contents it loses any sectors.

use crate::disk::{Disk, DiskFile, Identity};
use redb::StorageBackend;
use std::{
    collections::HashMap,
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

/// A disk writes a sector whole or not at all.
pub const SECTOR_BYTES: usize = 512;

#[derive(Clone)]
pub enum Change {
    Write { offset: u64, bytes: Arc<[u8]> },
    SetLen(u64),
}

#[derive(Clone)]
enum NameChange {
    Made(PathBuf, usize),
    Renamed(PathBuf, PathBuf),
}

/// A file: the bytes that a read returns, those that a power cut leaves, and the changes between the two.
#[derive(Clone, Default)]
struct Content {
    seen: Vec<u8>,
    durable: Arc<Vec<u8>>,
    unsynced: Vec<Change>,
}

/// All files. An inode is an index.
#[derive(Clone, Default)]
pub struct Image {
    files: Vec<Content>,
    names: HashMap<PathBuf, usize>,
    durable_names: HashMap<PathBuf, usize>,
    unsynced_names: Vec<NameChange>,
}

/// An injected fault, and its call.
#[derive(Clone, Copy, PartialEq)]
pub enum Fault {
    None,
    /// One call fails, any of them.
    Eio {
        at_call: u64,
    },
    /// Writing fails for a while.
    Enospc {
        from_call: u64,
        calls: u64,
    },
}

/// The disk and the driver's note before a call that changes the disk.
pub struct Moment<N> {
    pub image: Image,
    pub call: Call,
    pub note: N,
}

/// A call that changes the disk.
#[derive(Clone)]
pub enum Call {
    Change(usize, Change),
    Sync(usize),
    SyncNames,
    Make(PathBuf),
    Rename(PathBuf, PathBuf),
}

struct State<N> {
    image: Image,
    calls: u64,
    fault: Fault,
    failed: bool,
    /// The driver's state, copied into each moment.
    note: N,
    moments: Option<Vec<Moment<N>>>,
}

/// `N` is the driver's note of its own state.
pub struct SimDisk<N>(Arc<Mutex<State<N>>>);

pub struct SimFile<N> {
    disk: SimDisk<N>,
    inode: usize,
}

impl<N: Clone + Send + 'static> SimDisk<N> {
    pub fn new(image: Image, note: N, fault: Fault, records: bool) -> SimDisk<N> {
        let moments = records.then(Vec::new);
        SimDisk(Arc::new(Mutex::new(State { image, calls: 0, fault, failed: false, note, moments })))
    }

    pub fn note(&self, note: N) {
        self.lock().note = note;
    }

    pub fn moments(&self) -> Vec<Moment<N>> {
        self.lock().moments.take().unwrap_or_default()
    }

    pub fn set_fault(&self, fault: Fault) {
        self.lock().fault = fault;
    }

    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// Whether the fault has happened.
    pub fn failed(&self) -> bool {
        self.lock().failed
    }

    pub fn image(&self) -> Image {
        self.lock().image.clone()
    }

    /// Lets another program change or read the files.
    pub fn edit<T>(&self, edit: impl FnOnce(&mut Image) -> T) -> T {
        edit(&mut self.lock().image)
    }

    fn lock(&self) -> MutexGuard<'_, State<N>> {
        self.0.lock().unwrap()
    }
}

impl<N: Clone> State<N> {
    /// Counts a call, and injects the fault.
    fn call(&mut self, writes: bool) -> io::Result<()> {
        self.calls += 1;
        let kind = match self.fault {
            Fault::Eio { at_call } if at_call == self.calls => io::ErrorKind::Other,
            Fault::Enospc { from_call, calls }
                if writes && (from_call..from_call + calls).contains(&self.calls) =>
            {
                io::ErrorKind::StorageFull
            }
            _ => return Ok(()),
        };
        self.failed = true;
        Err(io::Error::new(kind, "simulated"))
    }

    fn changing(&mut self, call: Call) {
        if let Some(moments) = &mut self.moments {
            moments.push(Moment { image: self.image.without_seen(), call, note: self.note.clone() });
        }
    }

    fn change(&mut self, inode: usize, change: Change) -> io::Result<()> {
        self.changing(Call::Change(inode, change.clone()));
        if let Err(error) = self.call(true) {
            // A full disk writes the first half.
            if let (io::ErrorKind::StorageFull, Change::Write { offset, bytes }) = (error.kind(), &change) {
                let part = Change::Write { offset: *offset, bytes: bytes[..bytes.len() / 2].into() };
                self.image.change(inode, part);
            }
            return Err(error);
        }
        self.image.change(inode, change);
        Ok(())
    }
}

impl Image {
    /// The names of all files.
    pub fn names(&self) -> Vec<String> {
        self.names.keys().map(|path| path.to_str().unwrap().to_owned()).collect()
    }

    pub fn read(&self, path: &str) -> Option<&[u8]> {
        self.names.get(Path::new(path)).map(|&inode| &self.files[inode].seen[..])
    }

    /// Adds a durable file.
    pub fn put(&mut self, path: &str, bytes: &[u8]) {
        let inode = self.files.len();
        self.files.push(Content {
            seen: bytes.into(),
            durable: Arc::new(bytes.into()),
            unsynced: Vec::new(),
        });
        self.names.insert(path.into(), inode);
        self.durable_names.insert(path.into(), inode);
    }

    /// Removes a file durably.
    pub fn remove(&mut self, path: &str) {
        self.names.remove(Path::new(path));
        self.durable_names.remove(Path::new(path));
    }

    /// Applies a call, or only the first `torn` bytes of a write.
    pub fn apply(&mut self, call: &Call, torn: Option<usize>) {
        match (call, torn) {
            (Call::Change(inode, Change::Write { offset, bytes }), Some(len)) => {
                self.change(*inode, Change::Write { offset: *offset, bytes: bytes[..len].into() });
            }
            (Call::Change(inode, change), _) => self.change(*inode, change.clone()),
            (Call::Sync(inode), _) => self.sync(*inode),
            (Call::SyncNames, _) => self.sync_names(),
            (Call::Make(path), _) => self.make(path),
            (Call::Rename(from, to), _) => self.rename(from, to),
        }
    }

    /// A smaller copy: `seen` can be rebuilt.
    fn without_seen(&self) -> Image {
        let lean = |file: &Content| Content {
            seen: Vec::new(),
            durable: file.durable.clone(),
            unsynced: file.unsynced.clone(),
        };
        Image {
            files: self.files.iter().map(lean).collect(),
            names: self.names.clone(),
            durable_names: self.durable_names.clone(),
            unsynced_names: self.unsynced_names.clone(),
        }
    }

    fn change(&mut self, inode: usize, change: Change) {
        let file = &mut self.files[inode];
        change.apply(&mut file.seen);
        file.unsynced.push(change);
    }

    fn sync(&mut self, inode: usize) {
        let file = &mut self.files[inode];
        if !file.unsynced.is_empty() {
            let durable = Arc::make_mut(&mut file.durable);
            file.unsynced.drain(..).for_each(|change| change.apply(durable));
        }
    }

    /// The kernel reports a failed write once and may drop what it could not write.
    fn fail_sync(&mut self, inode: usize) {
        self.files[inode].unsynced.clear();
    }

    fn make(&mut self, path: &Path) {
        self.files.push(Content::default());
        self.name(NameChange::Made(path.to_owned(), self.files.len() - 1));
    }

    pub fn rename(&mut self, from: &Path, to: &Path) {
        self.name(NameChange::Renamed(from.to_owned(), to.to_owned()));
    }

    fn name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.unsynced_names.push(change);
    }

    fn sync_names(&mut self) {
        self.unsynced_names.drain(..).for_each(|change| change.apply(&mut self.durable_names));
    }

    /// SIGKILL: the kernel keeps all, but a later power cut may still lose it.
    pub fn killed(mut self) -> Image {
        for file in &mut self.files {
            file.seen = file.durable.to_vec();
            file.unsynced.iter().for_each(|change| change.apply(&mut file.seen));
        }
        self
    }

    /// A power cut. Unsynced sectors and changes of length survive if `keeps` returns true for their number. Names survive up to the first one
    /// that does not.
    pub fn power_cut(mut self, mut keeps: impl FnMut(usize) -> bool) -> Image {
        let mut number = 0;
        for file in &mut self.files {
            let durable = Arc::make_mut(&mut file.durable);
            for change in file.unsynced.drain(..) {
                for part in change.sectors() {
                    if keeps(number) {
                        part.apply(durable);
                    }
                }
                number += 1;
            }
            file.seen = durable.clone();
        }
        let survivors = self.unsynced_names.iter().enumerate().take_while(|(at, _)| keeps(number + at));
        survivors.for_each(|(_, change)| change.apply(&mut self.durable_names));
        self.unsynced_names.clear();
        self.names = self.durable_names.clone();
        self
    }

    /// Changes that a power cut could lose.
    pub fn unsynced(&self) -> usize {
        self.files.iter().map(|file| file.unsynced.len()).sum::<usize>() + self.unsynced_names.len()
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Change::SetLen(len) => content.resize(*len as usize, 0),
            Change::Write { offset, bytes } => {
                let (begin, end) = (*offset as usize, *offset as usize + bytes.len());
                content.resize(content.len().max(end), 0);
                content[begin..end].copy_from_slice(bytes);
            }
        }
    }

    fn sectors(&self) -> Vec<Change> {
        let Change::Write { offset, bytes } = self else { return vec![self.clone()] };
        let mut parts = Vec::new();
        let mut begin = 0;
        while begin < bytes.len() {
            let at = *offset + begin as u64;
            let end = bytes.len().min(begin + SECTOR_BYTES - at as usize % SECTOR_BYTES);
            parts.push(Change::Write { offset: at, bytes: bytes[begin..end].into() });
            begin = end;
        }
        parts
    }
}

impl NameChange {
    fn apply(&self, names: &mut HashMap<PathBuf, usize>) {
        match self {
            NameChange::Made(path, inode) => {
                names.insert(path.clone(), *inode);
            }
            NameChange::Renamed(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
        }
    }
}

impl<N> Clone for SimDisk<N> {
    fn clone(&self) -> SimDisk<N> {
        SimDisk(self.0.clone())
    }
}

impl<N: Clone + Send + 'static> Disk for SimDisk<N> {
    type File = SimFile<N>;

    fn open(&self, path: &Path) -> io::Result<SimFile<N>> {
        let mut state = self.lock();
        let is_new = !state.image.names.contains_key(path);
        if is_new {
            state.changing(Call::Make(path.to_owned()));
        }
        state.call(is_new)?;
        if is_new {
            state.image.make(path);
        }
        Ok(SimFile { disk: self.clone(), inode: state.image.names[path] })
    }

    fn open_append(&self, path: &Path) -> io::Result<SimFile<N>> {
        self.open(path)
    }

    fn find(&self, path: &Path) -> io::Result<Option<Identity>> {
        let mut state = self.lock();
        state.call(false)?;
        let found = state.image.names.get(path);
        Ok(found.map(|&inode| identity(inode, state.image.files[inode].seen.len())))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.changing(Call::Rename(from.to_owned(), to.to_owned()));
        state.call(true)?;
        state.image.rename(from, to);
        Ok(())
    }

    /// As on a file system without such a rename: an empty file claims the name first.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.find(to)?.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if self.find(from)?.is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
        drop(self.open(to)?);
        self.rename(from, to)
    }

    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.changing(Call::SyncNames);
        state.call(false)?;
        state.image.sync_names();
        Ok(())
    }

    /// The one directory has the files whose names have no directory.
    fn list(&self, _: &Path) -> io::Result<Vec<(PathBuf, Option<Identity>)>> {
        let mut state = self.lock();
        state.call(false)?;
        let files = &state.image.files;
        let here = state.image.names.iter().filter(|(path, _)| path.components().count() == 1);
        Ok(here
            .map(|(path, &inode)| (path.clone(), Some(identity(inode, files[inode].seen.len()))))
            .collect())
    }
}

impl<N: Clone + Send + 'static> StorageBackend for SimFile<N> {
    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.lock();
        state.call(false)?;
        Ok(state.image.files[self.inode].seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.call(false)?;
        let seen = &state.image.files[self.inode].seen;
        let begin = offset as usize;
        out.copy_from_slice(seen.get(begin..begin + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.lock().change(self.inode, Change::SetLen(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.changing(Call::Sync(self.inode));
        if let Err(error) = state.call(false) {
            state.image.fail_sync(self.inode);
            return Err(error);
        }
        state.image.sync(self.inode);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk.lock().change(self.inode, Change::Write { offset, bytes: data.into() })
    }
}

impl<N: Clone + Send + 'static> DiskFile for SimFile<N> {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.lock();
        let offset = state.image.files[self.inode].seen.len() as u64;
        state.change(self.inode, Change::Write { offset, bytes: bytes.into() })
    }

    fn identity(&self) -> io::Result<Identity> {
        let mut state = self.disk.lock();
        state.call(false)?;
        Ok(identity(self.inode, state.image.files[self.inode].seen.len()))
    }
}

impl<N> fmt::Debug for SimFile<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file {}", self.inode)
    }
}

fn identity(inode: usize, len: usize) -> Identity {
    Identity { device: 0, inode: inode as u64, len: len as u64 }
}
