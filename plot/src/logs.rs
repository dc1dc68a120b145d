//! Follows all logs that `--log` names and merges their rows, oldest first.
//! Never looks into a row beyond its time.

use crate::lines::{Lines, Unread};
use crate::log_file::{Found, Identity, LogFile};
use crate::row::{Faults, Row, add_faults};
use std::{fs, io, mem, path::PathBuf};

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
    /// What one or more lines held.
    Lines(Lines),
    /// Lines that are still to be read.
    Unread(Unread),
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
        let mut faults = Faults::default();
        // Rows of several logs must be read before they can be put in order.
        let is_only = self.files.len() == 1;
        for file in &mut self.files {
            // A chunk may hold no row at all.
            while file.rows.is_empty() && file.unread.is_none() {
                match file.read(is_only) {
                    Ok(Found::Lines) => any = true,
                    Ok(Found::Nothing) => break,
                    Ok(Found::Replaced) => return Err(Replaced),
                    Err(e) => {
                        *trouble = Some(format!("{}: {}", file.path.display(), plain(&e)));
                        break;
                    }
                }
            }
            add_faults(&mut faults, &mem::take(&mut file.faults));
        }
        let rows = self.oldest_rows();
        any |= !rows.is_empty();
        if !rows.is_empty() || faults != Faults::default() {
            tell(Event::Lines(Lines { rows, faults }));
        }
        self.files
            .iter_mut()
            .filter_map(|file| file.unread.take())
            .for_each(|unread| tell(Event::Unread(unread)));
        Ok(any)
    }

    /// Takes the waiting rows of all logs by their times, until those of one log have run out.
    fn oldest_rows(&mut self) -> Vec<Row> {
        let mut waiting: Vec<&mut LogFile> = self.files.iter_mut().filter(|f| !f.rows.is_empty()).collect();
        if let [only] = waiting.as_mut_slice() {
            return mem::take(&mut only.rows).into();
        }
        let time = |file: &LogFile| file.rows.front().and_then(Row::time_s).unwrap_or(f64::NEG_INFINITY);
        let mut rows = Vec::new();
        while let Some(oldest) = waiting.iter_mut().min_by(|a, b| time(a).total_cmp(&time(b))) {
            rows.extend(oldest.rows.pop_front());
            if oldest.rows.is_empty() {
                break;
            }
        }
        rows
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
