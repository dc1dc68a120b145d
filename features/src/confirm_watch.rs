//! Watches whether the broker confirms messages. Tells the operator and the health check if it does not.

use glue::{health::Health, number::counted};
use std::time::{Duration, Instant};

/// How long the oldest message may wait for its confirm before a warning, and before the process counts as unhealthy.
const WARN: Duration = Duration::from_secs(10);
const UNHEALTHY: Duration = Duration::from_secs(30);
/// Call [`ConfirmWatch::check`] at least this often.
pub const CHECK_EVERY: Duration = Duration::from_secs(5);

pub struct ConfirmWatch {
    health: Health,
    /// The last time at which the oldest message was confirmed, or none was unconfirmed.
    progress_at: Instant,
    is_warned: bool,
}

impl ConfirmWatch {
    pub fn new(health: Health) -> ConfirmWatch {
        ConfirmWatch { health, progress_at: Instant::now(), is_warned: false }
    }

    /// The oldest message was confirmed, or a new connection was opened.
    pub fn restart(&mut self) {
        self.progress_at = Instant::now();
    }

    pub fn disconnected(&mut self, reason: String) {
        self.health.unhealthy(reason);
    }

    /// `unconfirmed` counts messages. While the broker blocks publishing, it can be given none.
    pub fn check(&mut self, unconfirmed: usize, is_blocked: bool) {
        let now = Instant::now();
        if unconfirmed == 0 && !is_blocked {
            self.progress_at = now;
        }
        let waited = now.duration_since(self.progress_at);
        let waited_s = waited.as_secs();
        let reason = || match is_blocked {
            true => format!("the broker has blocked publishing for {waited_s} s"),
            false => format!(
                "a message has been unconfirmed for {waited_s} s: a queue may be without a leader, or the broker overloaded"
            ),
        };
        if waited < WARN && self.is_warned {
            log::info!("the broker confirms again");
            self.is_warned = false;
        }
        if waited >= WARN && !self.is_warned {
            log::warn!("{}; waiting, nothing is lost", reason());
            self.is_warned = true;
        }
        if waited >= UNHEALTHY {
            self.health.unhealthy(reason());
        } else {
            self.health.ok(format!("{} unconfirmed", counted(unconfirmed as u64, "message", "messages")));
        }
    }
}
