//! Follows the log of a directory with its rotated logs: one after another, each once, whatever it is called by then.
//! Never uses more of a row than its time.

use crate::logs::file::{CHUNK_BYTES, Found, Identity, LogFile, Part, identity};
use crate::logs::follow::{Replaced, State, missing, read_all, trouble};
use crate::logs::format::Format;
use crate::logs::lines::{Event, Waiting};
use crate::logs::rotated::{is_rotated, sort};
use crate::logs::row::{Faults, Row};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::{fs, io, mem};

/// Limit of logs that are gone and would be known again. Bounds memory.
const MOST_GONE: usize = 1_000;

/// How much of a log is searched for its first row.
const HEAD_BYTES: usize = 16 * 1024;

/// A log that is written to, and what was renamed of it.
pub struct Sequence {
    /// Of the log that is written to.
    path: PathBuf,
    format: Format,
    /// In the order in which they are read. Only the one at `path` stays open: there may be any number of them.
    files: Vec<LogFile>,
    /// The log that was written to, while nothing is in its place and it has no other name in the directory.
    lost: Option<LogFile>,
    /// Rotated logs that are gone from the directory, the last ones. Where one comes back, its rows must not count twice.
    pub gone: VecDeque<LogFile>,
    /// Names of those that are newly gone, for the caller to take.
    pub newly_gone: Vec<String>,
    /// Of a chunk that is read here.
    part: Part,
}

/// What exists, by identity: a path, and what the system says of it.
type Present = HashMap<Identity, (PathBuf, Metadata)>;

impl Sequence {
    pub fn new(path: PathBuf, format: Format) -> Self {
        let (gone, newly_gone) = (VecDeque::new(), Vec::new());
        Sequence { path, format, files: Vec::new(), lost: None, gone, newly_gone, part: Part::default() }
    }

    /// Reads everything that can be read now, and sends it to `report`. Checks `stop` between two chunks.
    pub fn follow(&mut self, stop: impl Fn() -> bool, report: impl FnMut(Event) -> Waiting) -> State {
        let forget = |logs: &mut Self| *logs = Sequence::new(mem::take(&mut logs.path), logs.format.clone());
        read_all(self, report, |logs, report| logs.pass(&stop, report), forget)
    }

    fn pass(
        &mut self,
        stop: &impl Fn() -> bool,
        report: &mut impl FnMut(Event) -> Waiting,
    ) -> Result<State, Replaced> {
        let (present, mut state) = self.present();
        let new = self.recognise(present)?;
        self.add(new);
        let mut buffer = vec![0; CHUNK_BYTES];
        for file in &mut self.files {
            loop {
                match file.read(&mut buffer, CHUNK_BYTES, self.part) {
                    Ok(Found::Lines) => self.part = send(file, self.part, report),
                    Ok(Found::Nothing) => break,
                    Ok(Found::Replaced) => return Err(Replaced),
                    Err(e) => {
                        state = trouble(&file.path, &e);
                        break;
                    }
                }
                if stop() {
                    return Ok(state);
                }
            }
            if file.path != self.path {
                file.close();
            }
        }
        Ok(state)
    }

    /// The logs that exist, those that are known by any name, and the state of the directory.
    fn present(&self) -> (Present, State) {
        let mut present = self.look(false);
        for _ in 0..2 {
            let is_there = |file: &LogFile| {
                present.0.get(&file.identity).is_some_and(|(path, metadata)| self.is_at(file, path, metadata))
            };
            if self.files.iter().all(is_there) {
                break;
            }
            // One was renamed to a name of its own, or while the directory was read.
            present = self.look(true);
        }
        present
    }

    /// Looks at every log, or with `everywhere` at every file of the directory.
    fn look(&self, everywhere: bool) -> (Present, State) {
        let directory = self.path.parent().filter(|path| !path.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        let (mut present, mut state) = (Present::new(), State::Following);
        let mut paths = vec![self.path.clone()];
        paths.extend(self.files.iter().map(|file| file.path.clone()));
        match fs::read_dir(directory) {
            Ok(entries) => {
                let all = entries.flatten().map(|entry| entry.path());
                paths.extend(all.filter(|path| everywhere || self.is_rotated(path)));
            }
            Err(e) => state = trouble(directory, &e),
        }
        for path in paths {
            let is_log = path == self.path || self.is_rotated(&path);
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_file() => {
                    present.entry(identity(&metadata)).or_insert((path, metadata));
                }
                // Opening a pipe would wait for a writer.
                Ok(_) if is_log => {
                    state = State::Trouble(format!("{} is not a regular file", path.display()))
                }
                Err(e) if e.kind() != io::ErrorKind::NotFound && is_log => state = trouble(&path, &e),
                Err(_) if path == self.path => state = state.or(missing(&path.to_string_lossy())),
                _ => {}
            }
        }
        (present, state)
    }

    fn is_rotated(&self, path: &Path) -> bool {
        is_rotated(&name(path), &name(&self.path))
    }

    /// Whether a known log is at `path`. A closed one that seems to have become the log that is written to was deleted, and its inode is
    /// that one's now.
    fn is_at(&self, file: &LogFile, path: &Path, metadata: &Metadata) -> bool {
        (path != self.path || file.path == self.path) && file.is_at(path, metadata)
    }

    /// Notes the names that known logs have now, and sets those aside that are gone. Returns the logs that are not known.
    fn recognise(&mut self, mut present: Present) -> Result<Present, Replaced> {
        let known = mem::take(&mut self.files).into_iter().chain(self.lost.take());
        for mut file in known.collect::<Vec<_>>() {
            let place = present.get(&file.identity);
            if let Some((path, _)) = place.filter(|(path, metadata)| self.is_at(&file, path, metadata)) {
                file.path = path.clone();
                present.remove(&file.identity);
                self.files.push(file);
            } else if file.path == self.path {
                self.lost = Some(file);
            } else if file.has_lines() {
                self.newly_gone.push(name(&file.path));
                file.close();
                self.gone.push_back(file);
            }
        }
        self.gone.drain(..self.gone.len().saturating_sub(MOST_GONE));
        present.retain(|_, (path, _)| *path == self.path || self.is_rotated(path));
        let is_replaced = self.lost.is_some() && present.values().any(|(path, _)| *path == self.path);
        if is_replaced { Err(Replaced) } else { Ok(present) }
    }

    /// Puts new logs in the order in which they are read: rotated ones before the one that is written to.
    fn add(&mut self, new: Present) {
        let mut new: BTreeMap<String, _> =
            new.into_values().map(|(path, metadata)| (name(&path), (path, metadata))).collect();
        let log = name(&self.path);
        let mut names: Vec<String> = new.keys().filter(|name| **name != log).cloned().collect();
        sort(&mut names, &log, |name| {
            new.get(name).map_or(f64::NEG_INFINITY, |(path, _)| self.first_s(path))
        });
        let is_log = |file: &LogFile| file.path == self.path;
        let mut place = self.files.iter().position(is_log).unwrap_or(self.files.len());
        for name in names.into_iter().chain([log]) {
            if let Some((path, metadata)) = new.remove(&name) {
                let file = match self.returned(&path) {
                    Some(file) => file.moved_to(&path, &metadata),
                    None => LogFile::closed(&path, &metadata, &self.format),
                };
                self.files.insert(place, file);
                place += 1;
            }
        }
    }

    /// One that was gone and is back at `path`.
    fn returned(&mut self, path: &Path) -> Option<LogFile> {
        if let Some(lost) = self.lost.take_if(|lost| lost.begins(path)) {
            return Some(lost);
        }
        let fitting = self.gone.iter().enumerate().filter(|(_, file)| file.begins(path));
        let (place, _) = fitting.max_by_key(|(_, file)| file.offset)?;
        self.gone.remove(place)
    }

    /// The time of the first row that has one, in Unix seconds.
    fn first_s(&self, path: &Path) -> f64 {
        let mut buffer = vec![0; HEAD_BYTES];
        let head = LogFile::open(path, &self.format).and_then(|mut file| {
            file.read(&mut buffer, HEAD_BYTES, Part::ALL)?;
            Ok(file.rows)
        });
        // Where it cannot be read, that is said when it is its turn.
        head.ok().and_then(|rows| rows.iter().find_map(Row::time_s)).unwrap_or(f64::NEG_INFINITY)
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Returns the part of the next chunk.
fn send(file: &mut LogFile, part: Part, report: &mut impl FnMut(Event) -> Waiting) -> Part {
    let lines = file.take();
    if !lines.rows.is_empty() || lines.faults != Faults::default() {
        report(Event::Lines(lines));
    }
    file.unread.take().map_or(part, |unread| part.after(report(Event::Unread(unread))))
}

#[cfg(test)]
mod tests;
