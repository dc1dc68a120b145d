//! What `nohup` asks for: to outlive the terminal.

use nix::sys::signal::{SigSet, Signal};
use std::fs;

/// Where SIGHUP is ignored it stays without effect; ctrlc would take it over and end the service with its terminal. Threads
/// that start after this call block the signal as well, so it comes before any of them.
///
/// # Errors
/// If the signal cannot be blocked.
pub fn heed_nohup() -> nix::Result<()> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if ignores_hangup(&status) { SigSet::from(Signal::SIGHUP).thread_block() } else { Ok(()) }
}

/// By the mask of ignored signals, in hexadecimal, whose lowest bit is signal 1.
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 << (Signal::SIGHUP as i32 - 1) != 0)
}
