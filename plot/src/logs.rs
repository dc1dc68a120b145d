//! Follows all logs that `--log` names and merges their rows, oldest first.
//! Never looks into a row beyond its time.

use crate::lines::{Lines, Unread};
use crate::live::State;
use crate::log_file::{CHUNK_BYTES, Found, Identity, LogFile};
use crate::row::{Faults, Row, add_faults};
use std::{fs, io, mem, path::Path, path::PathBuf};

/// Read of all logs together before their rows are merged, about: bounds memory, as a row of few bytes takes up to eight times these.
const READ_BYTES: usize = 8 * 1024 * 1024;

/// Rows of one [`Event`] where logs are merged, at most.
const MERGED_ROWS: usize = 50_000;

/// The logs, in the order of their names.
pub struct Logs {
    /// Paths and patterns as `--log` gave them.
    names: Vec<String>,
    files: Vec<LogFile>,
    /// At most so many are read at once.
    most: usize,
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
    pub fn new(names: Vec<String>, most: usize) -> Self {
        Logs { names, files: Vec::new(), most }
    }

    /// Reads everything that can be read now, unless `stop` says so between two chunks, and says how it went.
    pub fn follow(&mut self, stop: impl Fn() -> bool, mut tell: impl FnMut(Event)) -> State {
        // A log that is replaced again and again waits for the next call.
        for _ in 0..3 {
            match self.pass(&stop, &mut tell) {
                Ok(state) => return state,
                Err(Replaced) => {
                    self.files.clear();
                    tell(Event::StartOver);
                }
            }
        }
        State::Following
    }

    fn pass(&mut self, stop: &impl Fn() -> bool, tell: &mut impl FnMut(Event)) -> Result<State, Replaced> {
        let (present, mut state) = self.present();
        if present.is_empty() {
            return Ok(state);
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
                Err(e) => state = trouble(&path, &e),
            }
        }
        let mut buffer = vec![0; CHUNK_BYTES];
        while !stop() && self.merge(&mut buffer, &mut state, tell)? {}
        Ok(state)
    }

    /// The files there are, each once, and how it is with the others.
    fn present(&self) -> (Vec<(PathBuf, Identity)>, State) {
        let mut present: Vec<(PathBuf, Identity)> = Vec::new();
        let mut state = State::Following;
        for name in &self.names {
            let paths = expand(name);
            if paths.is_empty() {
                state = state.or(missing(name));
            }
            for path in paths {
                match fs::metadata(&path) {
                    // To open a pipe would wait for a writer.
                    Ok(metadata) if !metadata.is_file() => state = not_regular(&path),
                    Ok(metadata) => {
                        let identity = Identity::of(&metadata);
                        if present.iter().any(|(_, known)| *known == identity) {
                            continue;
                        }
                        if present.len() == self.most {
                            return (present, state.or(self.too_many()));
                        }
                        present.push((path, identity));
                    }
                    Err(e) if e.kind() == io::ErrorKind::NotFound => state = state.or(missing(name)),
                    Err(e) => state = trouble(&path, &e),
                }
            }
        }
        (present, state)
    }

    fn too_many(&self) -> State {
        let (names, most) = (self.names.join(", "), self.most);
        State::Trouble(format!("more than {most} logs match {names}; the others are left out"))
    }

    /// Reads a chunk of each log that has no row waiting, and tells the rows up to where the first log runs out; whether there was
    /// anything. `buffer`: see [`LogFile::read`].
    fn merge(
        &mut self,
        buffer: &mut [u8],
        state: &mut State,
        tell: &mut impl FnMut(Event),
    ) -> Result<bool, Replaced> {
        let mut any = false;
        let mut faults = Faults::default();
        // Rows of several logs must be read before they can be put in order.
        let is_only = self.files.len() == 1;
        let most = (READ_BYTES / self.files.len().max(1)).min(CHUNK_BYTES);
        for file in &mut self.files {
            // A chunk may hold no row at all.
            while file.rows.is_empty() && file.unread.is_none() {
                match file.read(buffer, most, is_only) {
                    Ok(Found::Lines) => any = true,
                    Ok(Found::Nothing) => break,
                    Ok(Found::Replaced) => return Err(Replaced),
                    Err(e) => {
                        *state = trouble(&file.path, &e);
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

    /// Takes the waiting rows of all logs by their times, until those of one log have run out. A row without a time follows the one before
    /// it in its log.
    fn oldest_rows(&mut self) -> Vec<Row> {
        let mut waiting: Vec<&mut LogFile> = self.files.iter_mut().filter(|f| !f.rows.is_empty()).collect();
        if let [only] = waiting.as_mut_slice() {
            return mem::take(&mut only.rows).into();
        }
        let time = |file: &LogFile| file.rows.front().and_then(Row::time_s).unwrap_or(f64::NEG_INFINITY);
        let mut rows = Vec::new();
        while let Some(oldest) = waiting.iter_mut().min_by(|a, b| time(a).total_cmp(&time(b))) {
            rows.extend(oldest.rows.pop_front());
            if oldest.rows.is_empty() || rows.len() == MERGED_ROWS {
                break;
            }
        }
        rows
    }
}

/// What was read of a log is no longer in it.
struct Replaced;

fn trouble(path: &Path, error: &io::Error) -> State {
    State::Trouble(format!("{}: {}", path.display(), plain(error)))
}

fn not_regular(path: &Path) -> State {
    State::Trouble(format!("{} is not a regular file", path.display()))
}

/// A log that is not there can come, unless its directory is not there or cannot be read.
fn missing(name: &str) -> State {
    let directory = Path::new(name).ancestors().skip(1).find(|path| !is_pattern(&path.to_string_lossy()));
    let directory = directory.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match fs::read_dir(directory) {
        Ok(_) => State::Waiting(name.to_owned()),
        Err(e) => trouble(directory, &e),
    }
}

fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

/// The paths that a name stands for: itself, or what a pattern matches.
fn expand(name: &str) -> Vec<PathBuf> {
    if !is_pattern(name) {
        return vec![PathBuf::from(name)];
    }
    glob::glob(name).map(|paths| paths.filter_map(Result::ok).collect()).unwrap_or_default()
}

/// The system's words without Rust's " (os error 2)".
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Directory;
    use std::cell::Cell;

    fn logs(directory: &Directory) -> Logs {
        Logs::new(vec![directory.path("*.csv").display().to_string()], 256)
    }

    #[test]
    fn a_row_without_a_time_follows_the_one_before_it() {
        let directory = Directory::new();
        let log = |rows: &[(i32, &str)]| {
            let rows = rows.iter().map(|(n, time)| format!("x,{n},{n},0{time}\n"));
            "id,y_true,y_pred,absolute_error,logged_at\n".to_owned() + &rows.collect::<String>()
        };
        directory.write("a.csv", log(&[(1, ",1732341601"), (2, ""), (3, ","), (6, ",1732341606")]));
        directory.write("b.csv", log(&[(0, ""), (4, ",1732341604"), (5, ",soon"), (7, ",1732341607")]));
        let mut found = Vec::new();
        logs(&directory).follow(
            || false,
            |event| match event {
                Event::Lines(lines) => found.extend(lines.rows.iter().map(|row| row.y_true as i32)),
                _ => panic!("rows only"),
            },
        );
        assert_eq!(found, [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn many_logs_of_short_lines_need_little_memory() {
        let directory = Directory::new();
        let log = "y_true,y_pred,absolute_error\n".to_owned() + &"0,1,1\n".repeat(CHUNK_BYTES / 6);
        for n in 0..256 {
            directory.write(&format!("{n}.csv"), &log);
        }
        let mut logs = logs(&directory);
        let merged = Cell::new(0);
        logs.follow(
            || merged.get() > 0,
            |event| match event {
                Event::Lines(lines) => merged.set(lines.rows.capacity()),
                _ => panic!("rows only"),
            },
        );
        let waiting: usize = logs.files.iter().map(|file| file.rows.capacity()).sum();
        assert!(merged.get() > 0);
        let bytes = (waiting + merged.get()) * size_of::<Row>();
        assert!(bytes < 64 << 20, "{bytes} bytes of rows");
    }
}
