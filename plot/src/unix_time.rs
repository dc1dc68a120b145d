//! The system's clock. Nothing else of plot reads it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix seconds.
pub fn now_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
