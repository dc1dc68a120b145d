//! Handles SIGINT, SIGTERM, and SIGHUP unless `nohup` ignores it. No other file handles signals.

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal};
use std::fs;

/// Calls `handler` at each signal. Call this before any thread is started: threads inherit the blocked signals.
///
/// # Errors
/// If signals cannot be blocked or handled.
pub fn handle(handler: impl FnMut() + Send + 'static) -> Result<()> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if ignores_hangup(&status) {
        // ctrlc would handle it all the same, and the service would end with its terminal.
        SigSet::from(Signal::SIGHUP).thread_block().context("cannot block SIGHUP")?;
    }
    ctrlc::set_handler(handler).context("cannot handle signals")
}

/// `SigIgn` is a hexadecimal mask of ignored signals; its lowest bit is signal 1.
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 << (Signal::SIGHUP as i32 - 1) != 0)
}
