//! Shares out the files that the process may open: a quarter for logs, a quarter for clients, the rest for everything else.
//! Never opens one.

use nix::sys::resource::{Resource, getrlimit};

/// Bounds memory: each connection has a buffer, and each log rows that wait to be merged.
const MOST: usize = 256;

/// Limit of logs that are read at once, and of open connections to the live page.
pub fn quarter() -> usize {
    MOST.min(limit() / 4).max(1)
}

fn limit() -> usize {
    // If the call fails, assume the usual limit.
    let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    usize::try_from(limit).unwrap_or(usize::MAX)
}
