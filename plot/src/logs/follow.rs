//! Follows all logs that `--log` names and merges their rows, oldest first.
//! Never uses more of a row than its time.

use crate::logs::file::{CHUNK_BYTES, Found, Identity, LogFile, Part, identity};
use crate::logs::format::Format;
use crate::logs::lines::{Event, Lines, Waiting};
use crate::logs::row::{Faults, Row, add_faults};
use std::path::{Path, PathBuf};
use std::{fs, io, mem};

/// About how much is read of all logs together before their rows are merged. Bounds memory: a short line takes up to ten times its size.
const READ_BYTES: usize = 6 * 1024 * 1024;

/// Limit of rows in one [`Event`] when logs are merged.
const MERGED_ROWS: usize = 50_000;

/// The logs that `--log` names.
pub struct Logs {
    /// Paths and patterns as `--log` gave them.
    names: Vec<String>,
    files: Vec<LogFile>,
    /// Limit of logs that are read at once.
    most: usize,
    /// How all of them are read.
    format: Format,
    /// Of a chunk that is read here.
    part: Part,
}

/// State of following.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// The logs are being read for the first time.
    Starting,
    Following,
    /// All other logs were read. This one does not exist (yet), but its directory can be read.
    Waiting(String),
    /// Why a log cannot be read.
    Trouble(String),
}

impl State {
    /// The worse of two.
    pub fn or(self, other: State) -> State {
        if matches!(self, State::Trouble(_)) { self } else { other }
    }
}

impl Logs {
    pub fn new(names: Vec<String>, most: usize, format: Format) -> Self {
        Logs { names, files: Vec::new(), most, format, part: Part::default() }
    }

    /// Reads everything that can be read now, and sends it to `report`. Checks `stop` between two chunks.
    pub fn follow(&mut self, stop: impl Fn() -> bool, report: impl FnMut(Event) -> Waiting) -> State {
        read_all(self, report, |logs, report| logs.pass(&stop, report), |logs| logs.files.clear())
    }

    fn pass(
        &mut self,
        stop: &impl Fn() -> bool,
        report: &mut impl FnMut(Event) -> Waiting,
    ) -> Result<State, Replaced> {
        let (present, mut state) = self.present();
        if present.is_empty() {
            return Ok(state);
        }
        if self.files.iter().any(|file| present.iter().all(|(_, identity)| *identity != file.identity)) {
            self.files.clear();
            report(Event::StartOver);
        }
        for (path, identity) in present {
            if self.files.iter().any(|file| file.identity == identity) {
                continue;
            }
            match LogFile::open(&path, &self.format) {
                Ok(file) => self.files.push(file),
                Err(e) => state = trouble(&path, &e),
            }
        }
        let mut buffer = vec![0; CHUNK_BYTES];
        while !stop() && self.merge(&mut buffer, &mut state, report)? {}
        Ok(state)
    }

    /// Reads the last line of each log that ends without a line break, once [`Logs::follow`] has read all others.
    ///
    /// # Errors
    /// Which log cannot be read, or has no header.
    pub fn finish(&mut self, mut report: impl FnMut(Event) -> Waiting) -> Result<(), String> {
        let mut buffer = vec![0; CHUNK_BYTES];
        for file in &mut self.files {
            let rest = file.read_rest(&mut buffer);
            rest.map_err(|e| format!("{}: {}", file.path.display(), plain(&e)))?;
            report(Event::Lines(file.take()));
        }
        Ok(())
    }

    /// The existing files, each once, and the state of the others.
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
                    // Opening a pipe would wait for a writer.
                    Ok(metadata) if !metadata.is_file() => {
                        state = State::Trouble(format!("{} is not a regular file", path.display()));
                    }
                    Ok(metadata) => {
                        let identity = identity(&metadata);
                        if present.iter().any(|(_, known)| *known == identity) {
                            continue;
                        }
                        if present.len() == self.most {
                            let (most, names) = (self.most, self.names.join(", "));
                            let reason =
                                format!("more than {most} logs match {names}; the others are left out");
                            return (present, state.or(State::Trouble(reason)));
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

    /// Reads a chunk of each log that has no row waiting. Reports the rows until one log has none left. False if there was nothing new.
    /// `buffer`: see [`LogFile::read`].
    fn merge(
        &mut self,
        buffer: &mut [u8],
        state: &mut State,
        report: &mut impl FnMut(Event) -> Waiting,
    ) -> Result<bool, Replaced> {
        let mut any = false;
        let mut faults = Faults::default();
        // Only a single log can leave lines unread: rows of several must be read to be merged.
        let part = if self.files.len() == 1 { self.part } else { Part::ALL };
        let most = (READ_BYTES / self.files.len().max(1)).min(CHUNK_BYTES);
        for file in &mut self.files {
            // A chunk may hold no row.
            while file.rows.is_empty() && file.unread.is_none() {
                match file.read(buffer, most, part) {
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
        let lines = Lines { faults, ..self.oldest_rows() };
        any |= !lines.rows.is_empty();
        if !lines.rows.is_empty() || lines.faults != Faults::default() {
            report(Event::Lines(lines));
        }
        for unread in self.files.iter_mut().filter_map(|file| file.unread.take()) {
            self.part = self.part.after(report(Event::Unread(unread)));
        }
        Ok(any)
    }

    /// Takes the waiting rows of all logs in order of time, until one log has none left. A row without a time follows the row before it
    /// in its log.
    fn oldest_rows(&mut self) -> Lines {
        let mut waiting: Vec<&mut LogFile> = self.files.iter_mut().filter(|f| !f.rows.is_empty()).collect();
        if let [only] = waiting.as_mut_slice() {
            return only.take();
        }
        let time = |file: &LogFile| file.rows.front().and_then(Row::time_s).unwrap_or(f64::NEG_INFINITY);
        let mut lines = Lines::default();
        while let Some(oldest) = waiting.iter_mut().min_by(|a, b| time(a).total_cmp(&time(b))) {
            let group = oldest.groups.pop();
            if let Some(classes) = oldest.classes.pop() {
                lines.classes.add(classes);
            }
            if let Some(row) = oldest.rows.pop_front() {
                lines.push(row, group);
            }
            if oldest.rows.is_empty() || lines.rows.len() == MERGED_ROWS {
                break;
            }
        }
        lines
    }
}

/// A log no longer holds what was read of it.
pub struct Replaced;

/// Makes a `pass` over `logs`, and another one from their start where one of them was replaced; `forget` what was read before.
pub fn read_all<L, R: FnMut(Event) -> Waiting>(
    logs: &mut L,
    mut report: R,
    pass: impl Fn(&mut L, &mut R) -> Result<State, Replaced>,
    forget: impl Fn(&mut L),
) -> State {
    // A log that is replaced more often waits for the next call.
    for _ in 0..3 {
        match pass(logs, &mut report) {
            Ok(state) => return state,
            Err(Replaced) => {
                forget(logs);
                report(Event::StartOver);
            }
        }
    }
    State::Following
}

pub fn trouble(path: &Path, error: &io::Error) -> State {
    State::Trouble(format!("{}: {}", path.display(), plain(error)))
}

/// A missing log may still appear, unless its directory is missing or cannot be read.
pub fn missing(name: &str) -> State {
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

/// The paths of a name: itself, or the matches of a pattern.
pub fn expand(name: &str) -> Vec<PathBuf> {
    if !is_pattern(name) {
        return vec![PathBuf::from(name)];
    }
    glob::glob(name).map(|paths| paths.filter_map(Result::ok).collect()).unwrap_or_default()
}

/// The system's message without Rust's " (os error 2)".
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::task::Task;
    use glue::testing::Directory;
    use std::cell::Cell;

    fn logs(directory: &Directory) -> Logs {
        Logs::new(vec![directory.file("*.csv").display().to_string()], 256, Format::of(Task::Regression))
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
                Event::Lines(lines) => {
                    found.extend(lines.rows.iter().map(|row| row.y_true as i32));
                    0
                }
                _ => panic!("rows only"),
            },
        );
        assert_eq!(found, [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn rows_of_several_logs_keep_their_groups() {
        let directory = Directory::new();
        let log = |rows: &[(i32, &str)]| {
            let rows = rows.iter().map(|(n, group)| format!("{n},{n},0,{},{group}\n", 1_732_341_600 + n));
            "y_true,y_pred,absolute_error,logged_at,group\n".to_owned() + &rows.collect::<String>()
        };
        // The rest of the first one comes by itself.
        directory.write("a.csv", log(&[(0, "x"), (2, ""), (4, "y"), (7, ""), (8, "x"), (9, "")]));
        directory.write("b.csv", log(&[(1, "y"), (3, "x"), (5, ""), (6, "z")]));
        let mut found = Vec::new();
        logs(&directory).follow(
            || false,
            |event| match event {
                Event::Lines(mut lines) => {
                    let group =
                        |row: &Row| format!("{}{}", row.y_true, str::from_utf8(lines.groups.pop()).unwrap());
                    found.extend(lines.rows.iter().map(group));
                    0
                }
                _ => panic!("rows only"),
            },
        );
        assert_eq!(found, ["0x", "1y", "2", "3x", "4y", "5", "6z", "7", "8x", "9"]);
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
                Event::Lines(lines) => {
                    merged.set(lines.rows.capacity());
                    0
                }
                _ => panic!("rows only"),
            },
        );
        let waiting: usize = logs.files.iter().map(|file| file.rows.capacity()).sum();
        assert!(merged.get() > 0);
        let bytes = (waiting + merged.get()) * size_of::<Row>();
        assert!(bytes < 64 << 20, "{bytes} bytes of rows");
    }
}
