//! `metric_status.json`: what `metric` is doing and what became of all samples, for `plot` and for people. A thread of its own writes it, so
//! that it is current while the service waits for a broker or a disk. Never fails the service.

use crate::{
    clock::Now,
    disk::cannot_write,
    journal::{
        counts::{BySide, Counts},
        lock::Lock,
    },
    wire::labels::Task,
};
use crossbeam_channel::{Receiver, Sender, bounded, never, select};
use glue::{amqp::Partition, shutdown::Stop};
use serde::Serialize;
use std::{
    convert::Infallible,
    fs::{self, OpenOptions},
    io::{self, Write},
    mem,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

const NAME: &str = "metric_status.json";
/// Shortest time between two writes.
const CHANGED_EVERY: Duration = Duration::from_secs(1);
/// Written this often if nothing changes. A reader takes a file that is older than 20 s for that of a process that is gone.
const UNCHANGED_EVERY: Duration = Duration::from_secs(5);
const STACK_BYTES: usize = 128 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Consuming,
    Reconnecting,
    WaitingForRoom,
    Recovering,
    Stopped,
}

/// What is written next.
struct Report {
    task: Task,
    partition: Option<Partition>,
    state: State,
    reason: Option<String>,
    /// `None` until the store was read. Then nothing is written.
    counts: Option<Counts>,
    /// Since the last write.
    has_changed: bool,
}

/// The file, as in CONTRACT.md.
#[derive(Serialize)]
struct Content<'r> {
    version: u32,
    at: f64,
    state: State,
    reason: Option<&'r str>,
    task: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<String>,
    rows: u64,
    duplicates: u64,
    conflicts: u64,
    rejected: u64,
    groups_dropped: u64,
    unmatched: BySide<u64>,
    waiting: BySide<u64>,
    oldest_waiting_at: BySide<Option<f64>>,
    last_rejection: Option<LastRejection<'r>>,
}

#[derive(Serialize)]
struct LastRejection<'r> {
    at: f64,
    reason: &'r str,
}

impl Report {
    /// The content of the file at a Unix time.
    fn json(&self, unix_ms: u64) -> Option<String> {
        let counts = self.counts.as_ref()?;
        let seconds = |ms: u64| ms as f64 / 1000.0;
        let BySide { y_true, y_pred } = counts.oldest_waiting_ms;
        let content = Content {
            version: 1,
            at: seconds(unix_ms),
            state: self.state,
            reason: self.reason.as_deref(),
            task: self.task.name(),
            partition: self.partition.map(|partition| partition.to_string()),
            rows: counts.rows,
            duplicates: counts.duplicates,
            conflicts: counts.conflicts,
            rejected: counts.rejected,
            groups_dropped: counts.groups_dropped,
            unmatched: counts.unmatched,
            waiting: counts.waiting,
            oldest_waiting_at: BySide { y_true: y_true.map(seconds), y_pred: y_pred.map(seconds) },
            last_rejection: counts
                .last_rejection
                .as_ref()
                .map(|last| LastRejection { at: seconds(last.at_ms), reason: &last.reason }),
        };
        Some(serde_json::to_string_pretty(&content).ok()? + "\n")
    }

    /// Notes a change. Returns whether the thread must hear of it: it knows of the next write from the first change on, but not while there
    /// is nothing to write.
    fn change_wakes(&mut self) -> bool {
        !mem::replace(&mut self.has_changed, self.counts.is_some())
    }

    /// How long to wait for the next write.
    fn wait(&self, since_written: Option<Duration>) -> Duration {
        let every = if self.has_changed { CHANGED_EVERY } else { UNCHANGED_EVERY };
        match since_written {
            _ if self.counts.is_none() => UNCHANGED_EVERY,
            None => Duration::ZERO,
            Some(since) => every.saturating_sub(since),
        }
    }
}

pub struct Status {
    report: Arc<Mutex<Report>>,
    /// Wakes the thread, and ends it when it is dropped.
    writer: Mutex<Option<(Sender<()>, JoinHandle<()>)>>,
}

impl Status {
    /// Writes the file in `directory` as long as this process has locked it. After a signal the state is `stopped`, also if no orderly end
    /// follows.
    pub fn start(
        directory: &Path,
        task: Task,
        partition: Option<Partition>,
        lock: Arc<Lock>,
        stop: &Stop,
    ) -> Status {
        let state = State::Recovering;
        let report = Report { task, partition, state, reason: None, counts: None, has_changed: false };
        let report = Arc::new(Mutex::new(report));
        let (wake, woken) = bounded(1);
        let (path, stop, shared) = (directory.join(NAME), stop.0.clone(), report.clone());
        let write = move || write_until_end(&path, &lock, &shared, &woken, stop);
        let writer = thread::Builder::new().stack_size(STACK_BYTES).spawn(write);
        let writer = writer.inspect_err(|error| log::warn!("{NAME} is not written: {error}"));
        Status { report, writer: Mutex::new(writer.ok().map(|writer| (wake, writer))) }
    }

    /// Reports what the service does now. Nothing follows `stopped`.
    pub fn report(&self, state: State, reason: Option<String>) {
        let report = &mut *lock(&self.report);
        if report.state != State::Stopped && (report.state, &report.reason) != (state, &reason) {
            (report.state, report.reason) = (state, reason);
            self.wake_for(report);
        }
    }

    pub fn count(&self, counts: &Counts) {
        let report = &mut *lock(&self.report);
        if report.counts.as_ref() != Some(counts) {
            report.counts = Some(counts.clone());
            self.wake_for(report);
        }
    }

    fn wake_for(&self, report: &mut Report) {
        if report.change_wakes()
            && let Some((wake, _)) = &*lock(&self.writer)
        {
            let _ = wake.try_send(());
        }
    }

    /// Returns once the last state is written; `reason` is why the process fails. Further calls do nothing.
    pub fn stop(&self, reason: Option<String>) {
        let Some((wake, writer)) = lock(&self.writer).take() else { return };
        {
            let report = &mut *lock(&self.report);
            (report.state, report.reason) = (State::Stopped, reason);
        }
        drop(wake);
        let _ = writer.join();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write_until_end(
    path: &Path,
    directory_lock: &Lock,
    report: &Mutex<Report>,
    woken: &Receiver<()>,
    mut stop: Receiver<Infallible>,
) {
    let (mut written_at, mut is_failing): (Option<Instant>, _) = (None, false);
    loop {
        let wait = lock(report).wait(written_at.map(|at| at.elapsed()));
        let mut is_end = false;
        select! {
            recv(woken) -> woken => match woken {
                // What is due may have changed.
                Ok(()) => continue,
                Err(_) => is_end = true,
            },
            recv(stop) -> _ => {
                stop = never();
                let report = &mut *lock(report);
                (report.state, report.reason) = (State::Stopped, None);
            }
            default(wait) => {}
        }
        let json = {
            let report = &mut *lock(report);
            report.has_changed = false;
            report.json(Now::read().unix_ms)
        };
        // Another `metric` may have the directory where the lock is lost; then this one ends.
        if let Some(json) = json.filter(|_| directory_lock.check().is_ok()) {
            written_at = Some(Instant::now());
            let written = replace(path, &json);
            if let (Err(error), false) = (&written, is_failing) {
                log::warn!("{}: {error}; metric goes on without it", cannot_write(path));
            }
            is_failing = written.is_err();
        }
        if is_end {
            return;
        }
    }
}

/// Replaces the file whole. Not synced: after a power cut it may be old or empty, until the next start writes it. A disk without room for
/// another file still takes what goes over the old one, so that a reader learns of it.
fn replace(path: &Path, content: &str) -> io::Result<()> {
    let unfinished = path.with_extension("json.new");
    let written = fs::write(&unfinished, content).and_then(|()| fs::rename(&unfinished, path));
    written.or_else(|error| {
        let _ = fs::remove_file(&unfinished);
        overwrite(path, content).map_err(|_| error)
    })
}

/// Writes over the file in one call. Spaces cover the rest of a longer one, so that it is JSON all the time.
fn overwrite(path: &Path, content: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let len = file.metadata()?.len() as usize;
    file.write_all(format!("{content:len$}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::counts::Rejection;

    fn report() -> Report {
        let counts = Counts {
            rows: 1_200_345,
            duplicates: 31,
            conflicts: 2,
            rejected: 5,
            groups_dropped: 4,
            unmatched: BySide { y_true: 0, y_pred: 17 },
            waiting: BySide { y_true: 0, y_pred: 250 },
            oldest_waiting_ms: BySide { y_true: None, y_pred: Some(1_732_255_200_123) },
            last_rejection: Some(Rejection {
                at_ms: 1_732_341_599_500,
                reason: "queue y_true: the body is null, not a finite number".to_owned(),
            }),
        };
        let (state, reason) = (State::Reconnecting, Some("connection lost".to_owned()));
        let counts = Some(counts);
        Report { task: Task::Regression, partition: None, state, reason, counts, has_changed: false }
    }

    #[test]
    fn the_file_is_as_the_contract_has_it() {
        let golden = include_str!("../../contract/metric_status.json");
        assert_eq!(report().json(1_732_341_605_250).unwrap(), golden);
        let states = [
            (State::Consuming, "consuming"),
            (State::WaitingForRoom, "waiting_for_room"),
            (State::Recovering, "recovering"),
            (State::Stopped, "stopped"),
        ];
        for (state, name) in states {
            let counts = Some(Counts::default());
            let report = Report {
                task: Task::Classes,
                partition: Partition::parse("1/2"),
                state,
                reason: None,
                counts,
                has_changed: false,
            };
            let json: serde_json::Value = serde_json::from_str(&report.json(0).unwrap()).unwrap();
            assert_eq!((&json["state"], &json["reason"]), (&name.into(), &serde_json::Value::Null));
            assert_eq!((&json["task"], &json["partition"]), (&"classes".into(), &"1/2".into()));
            assert_eq!((&json["last_rejection"], &json["rows"]), (&serde_json::Value::Null, &0.into()));
        }
    }

    #[test]
    fn a_change_is_written_within_a_second_and_the_file_every_five_anyway() {
        let seconds = |tenths: u64| Duration::from_millis(100 * tenths);
        let mut report = report();
        let wait = |report: &Report| [0, 4, 12, 60].map(|tenths| report.wait(Some(seconds(tenths))));
        assert_eq!(wait(&report), [50, 46, 38, 0].map(seconds));
        report.has_changed = true;
        assert_eq!(wait(&report), [10, 6, 0, 0].map(seconds));
        assert_eq!(report.wait(None), Duration::ZERO);
        report.counts = None;
        assert_eq!((report.wait(None), report.json(0)), (seconds(50), None), "nothing is known yet");
    }

    #[test]
    fn the_first_counts_wake_the_writer_whatever_was_reported_before() {
        let counts = report().counts;
        let mut report = Report { counts: None, ..report() };
        assert_eq!([report.change_wakes(), report.change_wakes()], [true, true]);
        report.counts = counts;
        assert_eq!([report.change_wakes(), report.change_wakes()], [true, false]);
    }

    #[test]
    fn a_file_that_cannot_be_replaced_is_written_over() {
        let directory = std::env::temp_dir().join(format!("status-{:016x}", fastrand::u64(..)));
        let path = directory.join(NAME);
        // As where the disk has no room for it.
        fs::create_dir_all(path.with_extension("json.new")).unwrap();
        assert!(replace(&path, "{}").is_err(), "there is none to write over");
        fs::write(&path, "{\"rows\": 12}\n").unwrap();
        for content in ["{}\n", "{\"rows\": 12345}\n", "[1]\n"] {
            replace(&path, content).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap().trim_end(), content.trim_end());
        }
        fs::remove_dir_all(&directory).unwrap();
    }
}
