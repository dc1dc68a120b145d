//! Follows all logs that `--log` names and merges their rows, oldest first.
//! Never looks into a row beyond its time.

use crate::log_file::{Found, Identity, LogFile};
use crate::row::{Fault, Row};
use std::{fs, io, path::PathBuf};

/// At most so many logs are read at once; each costs an open file.
const MOST_LOGS: usize = 256;

/// The logs, in the order of their names.
pub struct Logs {
    /// Paths and patterns as `--log` gave them.
    names: Vec<String>,
    files: Vec<LogFile>,
}

/// What [`Logs::follow`] tells as it goes.
pub enum Event {
    /// A log that was read is gone or replaced: forget every row; all logs are read from their start.
    StartOver,
    Row(Row),
    Fault(Fault),
}

impl Logs {
    pub fn new(names: Vec<String>) -> Self {
        Logs { names, files: Vec::new() }
    }

    /// Reads everything that is there now, unless `stop` says so between two chunks.
    ///
    /// # Errors
    /// One line that names a log and what is wrong with it. What could be read was read; the next call goes on.
    pub fn follow(&mut self, stop: impl Fn() -> bool, mut tell: impl FnMut(Event)) -> Result<(), String> {
        // A log that is replaced again and again waits for the next call.
        for _ in 0..3 {
            match self.pass(&stop, &mut tell) {
                Ok(read) => return read,
                Err(Replaced) => {
                    self.files.clear();
                    tell(Event::StartOver);
                }
            }
        }
        Ok(())
    }

    fn pass(
        &mut self,
        stop: &impl Fn() -> bool,
        tell: &mut impl FnMut(Event),
    ) -> Result<Result<(), String>, Replaced> {
        let (present, mut trouble) = self.present();
        if present.is_empty() {
            return Ok(Err(trouble.unwrap_or_else(|| format!("no file matches {}", self.names.join(",")))));
        }
        if self.files.iter().any(|file| present.iter().all(|(_, identity)| *identity != file.identity)) {
            self.files.clear();
            tell(Event::StartOver);
        }
        for (path, identity) in present {
            if self.files.iter().any(|file| file.identity == identity) {
                continue;
            }
            match LogFile::open(&path) {
                Ok(file) => self.files.push(file),
                Err(e) => trouble = Some(format!("{}: {}", path.display(), plain(&e))),
            }
        }
        while !stop() && self.merge(&mut trouble, tell)? {}
        Ok(trouble.map_or(Ok(()), Err))
    }

    /// The files there are, each once, and what keeps one from being seen.
    fn present(&self) -> (Vec<(PathBuf, Identity)>, Option<String>) {
        let mut present: Vec<(PathBuf, Identity)> = Vec::new();
        let mut trouble = None;
        for path in self.names.iter().flat_map(|name| expand(name)) {
            match fs::metadata(&path) {
                Ok(metadata) => {
                    let identity = Identity::of(&metadata);
                    if present.len() < MOST_LOGS && present.iter().all(|(_, known)| *known != identity) {
                        present.push((path, identity));
                    }
                }
                Err(e) => trouble = Some(format!("{}: {}", path.display(), plain(&e))),
            }
        }
        (present, trouble)
    }

    /// Reads a chunk of each log that has no row waiting, and tells the rows up to where the first log runs out; whether there was
    /// anything.
    fn merge(
        &mut self,
        trouble: &mut Option<String>,
        tell: &mut impl FnMut(Event),
    ) -> Result<bool, Replaced> {
        let mut any = false;
        for file in &mut self.files {
            // A chunk may hold no row at all.
            while file.rows.is_empty() {
                let found = file.read();
                file.faults.drain(..).for_each(|fault| tell(Event::Fault(fault)));
                match found {
                    Ok(Found::Lines) => any = true,
                    Ok(Found::Nothing) => break,
                    Ok(Found::Replaced) => return Err(Replaced),
                    Err(e) => {
                        *trouble = Some(format!("{}: {}", file.path.display(), plain(&e)));
                        break;
                    }
                }
            }
        }
        let mut waiting: Vec<&mut LogFile> = self.files.iter_mut().filter(|f| !f.rows.is_empty()).collect();
        any |= !waiting.is_empty();
        if let [only] = waiting.as_mut_slice() {
            only.rows.drain(..).for_each(|row| tell(Event::Row(row)));
            return Ok(any);
        }
        let time = |file: &LogFile| file.rows.front().and_then(Row::time_s).unwrap_or(f64::NEG_INFINITY);
        while let Some(oldest) = waiting.iter_mut().min_by(|a, b| time(a).total_cmp(&time(b))) {
            if let Some(row) = oldest.rows.pop_front() {
                tell(Event::Row(row));
            }
            if oldest.rows.is_empty() {
                break;
            }
        }
        Ok(any)
    }
}

/// What was read of a log is no longer in it.
struct Replaced;

/// The paths that a name stands for: itself, or what a pattern matches.
fn expand(name: &str) -> Vec<PathBuf> {
    if !name.contains(['*', '?', '[']) {
        return vec![PathBuf::from(name)];
    }
    glob::glob(name).map(|paths| paths.filter_map(Result::ok).collect()).unwrap_or_default()
}

/// The system's words without Rust's " (os error 2)".
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}
