//! Turns SIGINT, SIGTERM and SIGHUP into a channel that closes, for `features` and `metric`.

use crate::signals;
use anyhow::Result;
use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use std::{convert::Infallible, process, thread, time::Duration};

/// The time for an orderly end. A broker that hangs or has blocked the connection can delay closing for minutes; nothing is lost without it.
const GRACE: Duration = Duration::from_millis(1500);

/// Disconnects at the first signal, and so wakes every wait on it.
#[derive(Clone)]
pub struct Stop(pub Receiver<Infallible>);

impl Stop {
    /// Waits; true as soon as the process is asked to stop.
    pub fn within(&self, wait: Duration) -> bool {
        self.0.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected)
    }
}

/// Handles signals from now on. The process exits by itself 1.5 s after the first one.
///
/// # Errors
/// If the handler cannot be installed.
pub fn on_signal() -> Result<Stop> {
    let (alive, stop) = bounded(0);
    let mut alive = Some(alive);
    signals::handle(move || {
        drop(alive.take());
        thread::sleep(GRACE);
        log::warn!(
            "not stopped {GRACE:?} after the signal: a disk or the broker's connection hangs; exiting, nothing is lost"
        );
        process::exit(0);
    })?;
    Ok(Stop(stop))
}
