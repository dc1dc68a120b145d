//! Watches whether the broker confirms what it was given, and tells the operator and the health check where it does not.

use crate::health::Health;
use std::time::{Duration, Instant};

/// How long the oldest message may wait for its confirm until the operator is told, and until the process counts as unhealthy.
const WARN: Duration = Duration::from_secs(10);
const UNHEALTHY: Duration = Duration::from_secs(30);
/// How often [`ConfirmWatch::look`] wants to be called at least.
pub const LOOK: Duration = Duration::from_secs(5);

pub struct ConfirmWatch {
    health: Health,
    /// When the oldest message was confirmed last, or no confirm was owed.
    well_at: Instant,
    warned: bool,
}

impl ConfirmWatch {
    pub fn new(health: Health) -> ConfirmWatch {
        ConfirmWatch { health, well_at: Instant::now(), warned: false }
    }

    /// The oldest message was confirmed, or a connection came that owes no confirm yet.
    pub fn begin_anew(&mut self) {
        self.well_at = Instant::now();
    }

    pub fn disconnected(&mut self, reason: String) {
        self.health.ill(reason);
    }

    /// `unconfirmed` messages wait for their confirm; while the broker has blocked publishing none can be given to it.
    pub fn look(&mut self, unconfirmed: usize, is_blocked: bool) {
        let now = Instant::now();
        if unconfirmed == 0 && !is_blocked {
            self.well_at = now;
        }
        let waited = now.duration_since(self.well_at);
        let waited_s = waited.as_secs();
        let reason = || match is_blocked {
            true => format!("the broker has blocked publishing for {waited_s} s"),
            false => format!(
                "a message is unconfirmed for {waited_s} s: a queue may be without a leader, or the broker overloaded"
            ),
        };
        if waited < WARN && self.warned {
            log::info!("the broker confirms again");
            self.warned = false;
        }
        if waited >= WARN && !self.warned {
            log::warn!("{}; waiting, nothing is lost", reason());
            self.warned = true;
        }
        if waited >= UNHEALTHY {
            self.health.ill(reason());
        } else {
            self.health.well(format!("{unconfirmed} messages are not yet confirmed"));
        }
    }
}
