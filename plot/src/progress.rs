//! Says on stderr how far a long read is: on a terminal one line that changes, otherwise a line of the log now and then.
//! Never says anything within the first second.

use crate::logs::lines::Event;
use crate::words::number::rows;
use log::{Level, info, log_enabled};
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A log has the first line after a second, and then one in as many.
const SECONDS_OF_LINE: u64 = 10;

/// Ends what it says when it is dropped.
pub struct Progress {
    rows: Arc<AtomicU64>,
    /// Closes to end the thread.
    running: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// `logs`: what is read, for a person.
    pub fn start(logs: String) -> Progress {
        let (rows, (running, ended)) = (Arc::new(AtomicU64::new(0)), channel());
        let read = Arc::clone(&rows);
        let thread =
            thread::Builder::new().name("progress".to_owned()).spawn(move || say(&logs, &read, &ended));
        // Without a thread nothing is said.
        Progress { rows, running: Some(running), thread: thread.ok() }
    }

    pub fn count(&self, event: &Event) {
        let new = match event {
            Event::Lines(lines) => lines.rows.len(),
            Event::Unread(unread) => memchr::memchr_iter(b'\n', &unread.bytes).count(),
            Event::StartOver => return self.rows.store(0, Ordering::Relaxed),
        };
        self.rows.fetch_add(new as u64, Ordering::Relaxed);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.running.take());
        // It panics nowhere.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn say(logs: &str, read: &AtomicU64, ended: &Receiver<()>) {
    let is_changed = io::stderr().is_terminal() && log_enabled!(Level::Info);
    let mut seconds = 0;
    while ended.recv_timeout(SECOND) == Err(RecvTimeoutError::Timeout) {
        let line = format!("{} of {logs} read", rows(read.load(Ordering::Relaxed)));
        if is_changed {
            // A terminal that fails has no reader.
            let _ = write!(io::stderr(), "\r\x1b[K{line}");
        } else if seconds % SECONDS_OF_LINE == 0 {
            info!("{line} so far");
        }
        seconds += 1;
    }
    if is_changed && seconds > 0 {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
}
