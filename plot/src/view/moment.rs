//! What picture, page and `/stats.json` show: the numbers of one moment, and the state of the service.
//! Plain values; never formats them.

use crate::{
    alert::{
        message::Alert,
        verdict::{Facts, Verdict},
    },
    logs::{follow::State, status::Status},
    stats::{backlog::Backlog, summary::Summary},
};
use std::{sync::Arc, time::Duration};

/// The page warns when the loop has not looked at the logs for this long. It looks twice a second, and between two chunks of a long read.
pub const STALLED: Duration = Duration::from_secs(30);

/// Two moments of the same `version` show the same.
#[derive(Clone)]
pub struct Moment {
    pub version: u64,
    pub summary: Arc<Summary>,
    pub state: State,
    /// Unix seconds at which rows were last read; none before.
    pub last_rows_s: Option<f64>,
    /// Why the picture could not be written; none where it could.
    pub picture_trouble: Option<String>,
    pub verdict: Verdict,
    /// What fires, then the last ones that have resolved.
    pub alerts: Vec<Alert>,
    /// How many rotated logs are gone and still count.
    pub gone_logs: usize,
    /// None beside a log that another program writes.
    pub metric: Option<Metric>,
}

/// What `metric` says, and what follows from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    pub status: Status,
    /// The share of all predictions that have their truth, from 0 to 1; none without predictions.
    pub coverage: Option<f64>,
    /// The share of the messages of the last ten minutes that were rejected, from 0 to 1; none if none came.
    pub rejected_share: Option<f64>,
}

impl Metric {
    pub fn of(backlog: &Backlog) -> Option<Metric> {
        let status = backlog.status.clone()?;
        Some(Metric { status, coverage: backlog.coverage(), rejected_share: backlog.rejections().share() })
    }
}

impl Moment {
    /// Before the first look at the logs.
    pub fn starting(summary: Arc<Summary>) -> Self {
        let (state, backlog) = (State::Starting, Backlog::default());
        let facts =
            Facts { summary: &summary, state: &state, backlog: &backlog, last_rows_s: None, now_s: 0.0 };
        let verdict = facts.verdict(None);
        Moment {
            version: 0,
            summary,
            state,
            last_rows_s: None,
            picture_trouble: None,
            verdict,
            alerts: Vec::new(),
            gone_logs: 0,
            metric: None,
        }
    }

    /// Whether another moment shows the same, its version and the time of the status aside.
    pub fn shows_the_same(&self, other: &Moment) -> bool {
        let timeless = |metric: &Option<Metric>| {
            let metric = metric.clone();
            metric.map(|metric| Metric { status: Status { at_s: 0.0, ..metric.status }, ..metric })
        };
        Arc::ptr_eq(&self.summary, &other.summary)
            && self.state == other.state
            && self.last_rows_s == other.last_rows_s
            && self.picture_trouble == other.picture_trouble
            && self.verdict == other.verdict
            && self.alerts == other.alerts
            && self.gone_logs == other.gone_logs
            && timeless(&self.metric) == timeless(&other.metric)
    }
}
