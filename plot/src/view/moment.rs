//! What picture, page and `/stats.json` show: the numbers of one moment, and the state of the service.
//! Plain values; never formats them.

use crate::logs::follow::State;
use crate::stats::summary::Summary;
use std::time::Duration;

/// The page warns when the loop has not looked at the logs for this long. It looks twice a second, and between two chunks of a long read.
pub const STALLED: Duration = Duration::from_secs(30);

/// Two moments of the same `version` show the same.
pub struct Moment {
    pub version: u64,
    pub summary: Summary,
    pub state: State,
    /// Unix seconds at which rows were last read; none before.
    pub last_rows_s: Option<f64>,
    /// Why the picture could not be written; none where it could.
    pub picture_trouble: Option<String>,
}

impl Moment {
    /// Before the first look at the logs.
    pub fn starting(summary: Summary) -> Self {
        Moment { version: 0, summary, state: State::Starting, last_rows_s: None, picture_trouble: None }
    }
}
