//! Turns SIGINT, SIGTERM and SIGHUP into a channel that closes, for `features` and `metric`.

use crate::signals;
use anyhow::Result;
use crossbeam_channel::{Receiver, bounded};
use std::{convert::Infallible, process, thread, time::Duration};

/// What an orderly end may take. A broker that hangs or has blocked the connection can hold up its closing for minutes;
/// nothing is lost by leaving without it.
const GRACE: Duration = Duration::from_millis(1500);

/// A receiver that disconnects, and so wakes every wait on it, at the first signal. [`GRACE`] later the process ends by itself.
///
/// # Errors
/// If the handler cannot be installed.
pub fn on_signal() -> Result<Receiver<Infallible>> {
    let (alive, stop) = bounded(0);
    let mut alive = Some(alive);
    let handler = move || {
        drop(alive.take());
        thread::sleep(GRACE);
        log::warn!(
            "not stopped {GRACE:?} after the signal: a disk or the broker's connection hangs; exiting, nothing is lost"
        );
        process::exit(0);
    };
    signals::handle(handler)?;
    Ok(stop)
}
