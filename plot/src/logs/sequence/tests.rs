//! Histories of logs that are renamed, deleted and begun again, against a plain account of their rows.

use super::*;
use crate::logs::interned::Interned;
use crate::logs::task::Task;
use glue::testing::{Directory, count, figure, random};

const LOG: &str = "metric_log.csv";
const HEADER: &str = "id,y_true,y_pred,absolute_error,logged_at\n";

fn sequence(directory: &Directory) -> Sequence {
    Sequence::new(directory.file(LOG), Format::of(Task::Regression))
}

/// One look. Adds the y_true of the rows to `rows`, which a start over empties; true if there was one.
fn look(sequence: &mut Sequence, rows: &mut Vec<u32>) -> bool {
    let mut has_started_over = false;
    sequence.follow(
        || false,
        |event| {
            let lines = match event {
                Event::StartOver => {
                    has_started_over = true;
                    rows.clear();
                    return 0;
                }
                Event::Lines(lines) => lines,
                Event::Unread(unread) => unread.read(&mut Interned::default()),
            };
            assert_eq!(lines.faults, Faults::default());
            rows.extend(lines.rows.iter().map(|row| row.y_true as u32));
            0
        },
    );
    has_started_over
}

/// Row n has y_true n and the time n seconds after 2024-11-23 06:00.
fn text(rows: impl IntoIterator<Item = u32>) -> String {
    rows.into_iter().map(|n| format!("x,{n},{n},0,{}\n", 1_732_341_600 + n)).collect()
}

/// A file of a history, and what plot knows of it.
struct Log {
    name: String,
    rows: Vec<u32>,
    /// How many of the rows were there when plot looked last.
    read: usize,
    is_known: bool,
    /// It got rows after it was renamed: they may stand before older ones.
    is_late: bool,
    /// It was the log that is written to when plot looked last.
    was_log: bool,
}

impl Log {
    fn is_found(&self) -> bool {
        self.is_known || self.name == LOG || is_rotated(&self.name, LOG)
    }
}

/// A directory in which logs are written, renamed and deleted, a plain account of which rows count, and plot.
struct History {
    directory: Directory,
    files: Vec<Log>,
    /// Files that were moved away, with their bytes.
    away: Vec<(Vec<u8>, Log)>,
    /// Rows that were read of logs that are gone.
    gone: Vec<u32>,
    /// The log that was written to is gone, and plot will start over where another one is in its place.
    is_lost: bool,
    /// Rows and names so far.
    rows: u32,
    names: u32,
    plot: Sequence,
    found: Vec<u32>,
}

impl History {
    fn new() -> History {
        let directory = Directory::new();
        let plot = sequence(&directory);
        let (files, away, gone, found) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        History { directory, files, away, gone, is_lost: false, rows: 0, names: 0, plot, found }
    }

    fn log(&self) -> Option<usize> {
        self.files.iter().position(|file| file.name == LOG)
    }

    /// Appends to a file, or to the log, which it begins.
    fn append(&mut self, place: Option<usize>, rows: usize) {
        let place = place.or(self.log()).unwrap_or_else(|| {
            self.directory.write(LOG, HEADER);
            let name = LOG.to_owned();
            self.files.push(Log {
                name,
                rows: Vec::new(),
                read: 0,
                is_known: false,
                is_late: false,
                was_log: false,
            });
            self.files.len() - 1
        });
        let new = self.rows..self.rows + rows as u32;
        self.rows = new.end;
        let file = &mut self.files[place];
        self.directory.append(&file.name, text(new.clone()));
        file.is_late |= file.name != LOG && rows > 0;
        file.rows.extend(new);
    }

    /// Gives a name that no file had before: as `metric` does, or as people do. A log without rows gets none of its own, as it would
    /// not be known again.
    fn name(&mut self, kind: usize, place: usize) -> String {
        self.names += 1;
        let (n, is_empty) = (self.names, self.files.get(place).is_none_or(|file| file.read == 0));
        match if is_empty { kind.min(2) } else { kind } {
            0 => format!("metric_log.{n:06}.csv"),
            1 => format!("metric_log-2026{n:04}.csv"),
            2 => format!("metric_log.csv.{n}"),
            _ => format!("old {n}.csv"),
        }
    }

    fn rename(&mut self, place: usize, name: String) {
        let file = &mut self.files[place];
        fs::rename(self.directory.file(&file.name), self.directory.file(&name)).unwrap();
        file.name = name;
    }

    fn remove(&mut self, place: usize) {
        let log = self.files.remove(place);
        let bytes = fs::read(self.directory.file(&log.name)).unwrap();
        fs::remove_file(self.directory.file(&log.name)).unwrap();
        self.gone.extend(&log.rows[..log.read]);
        self.is_lost |= log.was_log;
        self.away.push((bytes, log));
    }

    /// Puts a file that was moved away back, as another one.
    fn restore(&mut self, place: usize, name: String) {
        let (bytes, log) = self.away.swap_remove(place);
        self.directory.write(&name, bytes);
        self.gone.retain(|row| !log.rows.contains(row));
        self.files.push(Log { name, read: 0, is_known: false, was_log: false, ..log });
    }

    fn restart(&mut self) {
        (self.plot, self.is_lost) = (sequence(&self.directory), false);
        self.found.clear();
        self.forget();
        self.look(false);
        let mut files: Vec<&Log> =
            self.files.iter().filter(|file| file.is_found() && !file.rows.is_empty()).collect();
        files.sort_by_key(|file| file.rows[0]);
        if files.iter().all(|file| !file.is_late) && files.iter().flat_map(|file| &file.rows).is_sorted() {
            assert!(self.found.is_sorted(), "read from old to new: {:?}", self.found);
        }
    }

    fn forget(&mut self) {
        self.gone.clear();
        // Restored later, they are new.
        self.away.iter_mut().map(|(_, log)| log).chain(&mut self.files).for_each(|log| {
            (log.read, log.is_known, log.was_log) = (0, false, false);
        });
    }

    /// Looks, and compares what plot found with a plain reading.
    fn look(&mut self, is_rewritten: bool) {
        let starts_over = is_rewritten || self.is_lost && self.log().is_some();
        assert_eq!(look(&mut self.plot, &mut self.found), starts_over, "starts over");
        if starts_over {
            self.is_lost = false;
            self.forget();
        }
        for file in self.files.iter_mut().filter(|file| file.is_found()) {
            (file.read, file.is_known, file.was_log) = (file.rows.len(), true, file.name == LOG);
        }
        let counted = self.files.iter().flat_map(|file| &file.rows[..file.read]).chain(&self.gone);
        let (mut counted, mut found): (Vec<u32>, Vec<u32>) = (counted.copied().collect(), self.found.clone());
        counted.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, counted);
    }

    /// One thing that happens to logs.
    fn step(&mut self, random: &mut impl FnMut(usize) -> usize) {
        let rotated: Vec<usize> = (0..self.files.len()).filter(|at| self.files[*at].name != LOG).collect();
        let one = rotated.get(random(rotated.len().max(1))).copied();
        match (random(20), self.log(), one) {
            (0..6, ..) => self.append(None, random(50)),
            (6..9, Some(log), _) => {
                let name = self.name(random(5), log);
                self.rename(log, name);
                if random(2) == 0 {
                    self.append(None, 0);
                }
            }
            (9, _, Some(one)) => {
                let name = self.name(1 + random(3), one);
                self.rename(one, name);
            }
            // Rows that were on their way when it was renamed.
            (10, _, Some(one)) => self.append(Some(one), random(3)),
            (11, _, Some(one)) => self.remove(one),
            (12, ..) if self.away.iter().any(|(_, log)| !log.was_log) => {
                let place = self.away.iter().position(|(_, log)| !log.was_log).unwrap();
                let name = self.name(1 + random(2), usize::MAX);
                self.restore(place, name);
                self.look(false);
            }
            (13, Some(log), _) if self.files[log].read > 0 => {
                self.files[log].rows.clear();
                self.directory.write(LOG, HEADER);
                self.append(None, random(100));
                self.look(true);
            }
            (14, Some(log), _) => {
                self.remove(log);
                self.append(None, random(9));
            }
            (15, ..) => self.restart(),
            _ => self.look(false),
        }
    }
}

#[test]
fn a_history_of_rotations_counts_each_row_once() {
    let (mut rng, seed) = random();
    let histories = count("CHAOS_ROTATIONS", 100);
    for _ in 0..histories {
        let mut history = History::new();
        for _ in 0..100 {
            history.step(&mut |below| rng.usize(..below));
        }
        history.look(false);
    }
    figure(
        "histories of plot's logs: rotated, renamed, appended to, read again",
        &histories.to_string(),
        seed,
    );
}

#[test]
fn hundreds_of_logs_are_read_from_old_to_new_with_few_of_them_open() {
    let directory = Directory::new();
    for n in 0..300 {
        directory
            .write(&format!("metric_log.{:06}.csv", n + 1), HEADER.to_owned() + &text(n * 10..n * 10 + 10));
    }
    directory.write(LOG, HEADER.to_owned() + &text(3000..3005));
    let (mut sequence, mut found) = (sequence(&directory), Vec::new());
    look(&mut sequence, &mut found);
    assert!(found.iter().copied().eq(0..3005));
    let open = |sequence: &Sequence| sequence.files.iter().filter(|file| file.is_open()).count();
    assert_eq!(open(&sequence), 1);
    // Rotated once more, with rows that nobody has seen.
    directory.append(LOG, text(3005..3010));
    fs::rename(directory.file(LOG), directory.file("metric_log.000301.csv")).unwrap();
    look(&mut sequence, &mut found);
    assert_eq!(open(&sequence), 0);
    directory.write(LOG, HEADER.to_owned() + &text(3010..3012));
    fs::remove_file(directory.file("metric_log.000001.csv")).unwrap();
    fs::remove_file(directory.file("metric_log.000002.csv")).unwrap();
    look(&mut sequence, &mut found);
    assert!(found.iter().copied().eq(0..3012));
    assert_eq!((open(&sequence), sequence.gone.len()), (1, 2));
    assert_eq!(sequence.newly_gone, ["metric_log.000001.csv", "metric_log.000002.csv"]);
}

#[test]
fn a_log_that_is_moved_away_and_back_is_known_again() {
    let directory = Directory::new();
    directory.write(LOG, HEADER.to_owned() + &text(0..10));
    let (mut sequence, mut found) = (sequence(&directory), Vec::new());
    look(&mut sequence, &mut found);
    // Another file in the end, as over the border of a file system.
    let bytes = fs::read(directory.file(LOG)).unwrap();
    fs::remove_file(directory.file(LOG)).unwrap();
    look(&mut sequence, &mut found);
    directory.write("metric_log-20260101.csv", bytes);
    assert!(!look(&mut sequence, &mut found));
    directory.write(LOG, HEADER.to_owned() + &text(10..20));
    assert!(!look(&mut sequence, &mut found));
    assert!(found.iter().copied().eq(0..20), "{found:?}");
}
