//! What the loop knows, handed to the page's thread: the numbers, the pictures, and how it goes.
//! Never computes anything.

use crate::config::Config;
use crate::summary::Summary;
use std::sync::{Arc, Mutex, PoisonError, atomic::AtomicU64, atomic::Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The loop looks at the logs twice a second, and between two chunks of a long read.
pub const STALLED: Duration = Duration::from_secs(30);

/// One moment. Two of the same `version` show the same.
pub struct Moment {
    pub version: u64,
    pub summary: Summary,
    pub state: State,
    /// Unix seconds at which rows were last read; none before.
    pub last_rows_s: Option<f64>,
    /// Why the picture could not be written; none where it could.
    pub picture_trouble: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// The logs are read for the first time.
    Starting,
    Following,
    /// All there is was read; this log is not there (yet), but can come: its directory can be read.
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

/// The pictures as they were last written to their files; none before.
#[derive(Clone, Default)]
pub struct Pictures {
    pub png: Option<Arc<[u8]>>,
    pub svg: Option<Arc<[u8]>>,
}

/// Shared between the loop and the server.
pub struct Live {
    pub config: Config,
    /// Unix seconds; tells one process from the next.
    pub started_s: u64,
    moment: Mutex<Arc<Moment>>,
    /// So that the server needs no file, whatever the disk does.
    pictures: Mutex<Pictures>,
    heartbeat_s: AtomicU64,
}

impl Live {
    pub fn new(config: Config, summary: Summary) -> Self {
        let moment =
            Moment { version: 0, summary, state: State::Starting, last_rows_s: None, picture_trouble: None };
        let started_s = now_s() as u64;
        let moment = Mutex::new(Arc::new(moment));
        Live { config, started_s, moment, pictures: Mutex::default(), heartbeat_s: AtomicU64::new(started_s) }
    }

    pub fn moment(&self) -> Arc<Moment> {
        Arc::clone(&self.moment.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn publish(&self, moment: Moment) {
        *self.moment.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(moment);
    }

    pub fn pictures(&self) -> Pictures {
        self.pictures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn publish_pictures(&self, pictures: Pictures) {
        *self.pictures.lock().unwrap_or_else(PoisonError::into_inner) = pictures;
    }

    /// The loop is alive at this Unix time.
    pub fn beat(&self, now_s: f64) {
        self.heartbeat_s.store(now_s as u64, Ordering::Relaxed);
    }

    /// The loop has not looked at the logs for too long; since when, in seconds.
    pub fn stalled_s(&self) -> Option<f64> {
        let silent_s = now_s() - self.heartbeat_s.load(Ordering::Relaxed) as f64;
        (silent_s > STALLED.as_secs_f64()).then_some(silent_s)
    }

    /// # Errors
    /// Why the log is not being followed.
    pub fn health(&self) -> Result<(), String> {
        if let Some(silent_s) = self.stalled_s() {
            return Err(format!("has not looked at the log for {silent_s:.0} s"));
        }
        match &self.moment().state {
            State::Starting => Err("reading the log for the first time".to_owned()),
            State::Following | State::Waiting(_) => Ok(()),
            State::Trouble(reason) => Err(format!("cannot read all there is: {reason}")),
        }
    }
}

pub fn now_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
