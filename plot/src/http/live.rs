//! What the loop shares with the page's thread: the current moment, the pictures, and a heartbeat.
//! Never computes or renders anything.

use crate::logs::follow::State;
use crate::stats::past::SharedPast;
use crate::stats::summary::Summary;
use crate::unix_time::now_s;
use crate::view::moment::{Moment, STALLED};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Shared between the loop and the server.
pub struct Live {
    /// Paths and patterns of the logs, for a person.
    pub logs: String,
    /// Host names that requests may be sent to, see [`super::hosts::check`].
    pub hosts: Vec<String>,
    /// Unix seconds; distinguishes this process from the one before it.
    pub started_s: u64,
    pub past: SharedPast,
    moment: Mutex<Arc<Moment>>,
    /// The pictures as last written, by the names of their files. In memory: the server reads no file, so a bad disk does not hold it up.
    pictures: Mutex<HashMap<&'static str, Arc<[u8]>>>,
    heartbeat_s: AtomicU64,
}

impl Live {
    pub fn new(logs: &[String], hosts: Vec<String>, summary: Arc<Summary>, past: SharedPast) -> Self {
        let started_s = now_s() as u64;
        Live {
            logs: logs.join(", "),
            hosts,
            started_s,
            past,
            moment: Mutex::new(Arc::new(Moment::starting(summary))),
            pictures: Mutex::default(),
            heartbeat_s: AtomicU64::new(started_s),
        }
    }

    pub fn moment(&self) -> Arc<Moment> {
        Arc::clone(&self.moment.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn publish(&self, moment: Moment) {
        *self.moment.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(moment);
    }

    pub fn picture(&self, name: &str) -> Option<Arc<[u8]>> {
        self.pictures.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub fn publish_picture(&self, name: &'static str, bytes: Arc<[u8]>) {
        self.pictures.lock().unwrap_or_else(PoisonError::into_inner).insert(name, bytes);
    }

    /// Records that the loop is alive at this Unix time.
    pub fn beat(&self, now_s: f64) {
        self.heartbeat_s.store(now_s as u64, Ordering::Relaxed);
    }

    /// Seconds since the last heartbeat, if they are more than [`STALLED`].
    pub fn stalled_s(&self) -> Option<f64> {
        let silent_s = now_s() - self.heartbeat_s.load(Ordering::Relaxed) as f64;
        (silent_s > STALLED.as_secs_f64()).then_some(silent_s)
    }

    /// # Errors
    /// Why the logs are not being followed.
    pub fn health(&self) -> Result<(), String> {
        if let Some(silent_s) = self.stalled_s() {
            return Err(format!("has not looked at the log for {silent_s:.0} s"));
        }
        match &self.moment().state {
            State::Starting => Err("reading the log for the first time".to_owned()),
            State::Following | State::Waiting(_) => Ok(()),
            State::Trouble(reason) => Err(format!("cannot read all logs: {reason}")),
        }
    }
}
