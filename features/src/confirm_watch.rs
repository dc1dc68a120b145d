//! Watches whether the broker confirms what it was given, and tells the operator and the health check where it does not.

use crate::health::Health;
use std::time::{Duration, Instant};

/// How long nothing may be confirmed until the operator is told, and until the process counts as unhealthy.
const WARN: Duration = Duration::from_secs(10);
const UNHEALTHY: Duration = Duration::from_secs(30);
/// How often [`ConfirmWatch::look`] wants to be called at least.
pub const LOOK: Duration = Duration::from_secs(5);

pub struct ConfirmWatch {
    health: Health,
    /// When a confirm came last, or none was owed.
    well_at: Instant,
    warned: bool,
}

impl ConfirmWatch {
    pub fn new(health: Health) -> ConfirmWatch {
        ConfirmWatch { health, well_at: Instant::now(), warned: false }
    }

    /// A confirm came, or a connection that owes none yet.
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
        let reason = if is_blocked {
            "the broker has blocked publishing"
        } else {
            "a queue may be without a leader, or the broker overloaded"
        };
        if waited < WARN && self.warned {
            log::info!("the broker confirms again");
            self.warned = false;
        }
        if waited >= WARN && !self.warned {
            log::warn!(
                "nothing was confirmed for {} s: {reason}; waiting, nothing is lost",
                waited.as_secs()
            );
            self.warned = true;
        }
        if waited >= UNHEALTHY {
            self.health.ill(format!("nothing was confirmed for {} s: {reason}", waited.as_secs()));
        } else {
            self.health.well();
        }
    }
}
