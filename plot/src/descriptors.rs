//! How many files the process may have open, and for what: a quarter of them for logs, a quarter for clients, the rest for all else, so
//! that neither takes what the others need.
//! Never opens one.

use nix::sys::resource::{Resource, getrlimit};

/// Each connection has a buffer as well.
const MOST_CLIENTS: usize = 256;

/// Each log has rows that wait as well.
const MOST_LOGS: usize = 256;

/// Logs that may be read at once.
pub fn for_logs() -> usize {
    MOST_LOGS.min(limit() / 4).max(1)
}

/// Connections of the live page that may be open at once.
pub fn for_clients() -> usize {
    MOST_CLIENTS.min(limit() / 4).max(1)
}

fn limit() -> usize {
    // The usual limit, where there is no answer.
    let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    usize::try_from(limit).unwrap_or(usize::MAX)
}
