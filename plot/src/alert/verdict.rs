//! The verdict: one word on how the model and its monitor do, since when, and a sentence.
//! Pure. Never reads the clock: what it needs is handed in.

use crate::{
    alert::missing,
    logs::follow::State,
    stats::{
        backlog::{Backlog, GONE_S},
        drift::{Change, Direction},
        summary::Summary,
    },
    words::{
        clock,
        number::{self, count, rows, short},
        terms::terms,
    },
};

/// No rows for this long is no silence, whatever is usual.
const SILENCE_LEAST_S: f64 = 15.0 * 60.0;

/// Silence is this many times the longest gap of the last seven days.
const SILENCE_GAPS: f64 = 3.0;

/// More than this share of the messages are rejected: nothing can be said of the model.
const REJECTED_MOST: f64 = 0.5;

/// What is blind stays so while more than this share are: where all truths are rejected, half of the messages are, now one more, now one
/// less.
const REJECTED_STILL: f64 = 0.4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The baseline does not have its rows yet.
    Learning,
    Steady,
    Worse,
    Better,
    /// No rows come.
    Silent,
    /// The monitor itself does not work.
    Blind,
}

impl Standing {
    pub const ALL: [Standing; 6] = [
        Standing::Learning,
        Standing::Steady,
        Standing::Worse,
        Standing::Better,
        Standing::Silent,
        Standing::Blind,
    ];

    /// Its name in `/stats.json`.
    pub fn name(self) -> &'static str {
        match self {
            Standing::Learning => "learning",
            Standing::Steady => "steady",
            Standing::Worse => "worse",
            Standing::Better => "better",
            Standing::Silent => "silent",
            Standing::Blind => "blind",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub state: Standing,
    /// Unix seconds. None where it is not known, or nothing began.
    pub since_s: Option<f64>,
    /// Of a change, in the unit of y_true.
    pub mae_before: Option<f64>,
    /// Of all rows since the change.
    pub mae_after: Option<f64>,
    /// A sentence, without its full stop.
    pub text: String,
}

impl Verdict {
    /// Of another state, or of another change of the error.
    pub fn is_another(&self, before: &Verdict) -> bool {
        (self.state, self.mae_before) != (before.state, before.mae_before)
    }
}

/// What the verdict is of.
pub struct Facts<'a> {
    pub summary: &'a Summary,
    pub state: &'a State,
    pub backlog: &'a Backlog,
    /// Unix seconds at which rows were last read; none before.
    pub last_rows_s: Option<f64>,
    /// Unix seconds.
    pub now_s: f64,
}

impl Facts<'_> {
    /// `before`: the verdict until now, whose time goes on while its state does.
    pub fn verdict(&self, before: Option<&Verdict>) -> Verdict {
        let was_blind = before.filter(|before| before.state == Standing::Blind);
        let blind = self.blindness(was_blind.is_some()).map(|(since_s, text)| {
            let known = was_blind.and_then(|before| before.since_s);
            let since_s = known.or(since_s).unwrap_or(self.now_s);
            plain(Standing::Blind, Some(since_s), format!("Blind since {}: {text}", self.time(since_s)))
        });
        blind.or_else(|| self.silence()).unwrap_or_else(|| self.verdict_of_rows())
    }

    /// The verdict by the rows alone, as that of a file.
    pub fn verdict_of_rows(&self) -> Verdict {
        match &self.summary.change {
            Some(change) => self.changed(change),
            None => self.unchanged(),
        }
    }

    /// Why the monitor sees nothing, and since when, in Unix seconds.
    fn blindness(&self, was_blind: bool) -> Option<(Option<f64>, String)> {
        let Facts { backlog, now_s, .. } = self;
        if let State::Trouble(reason) = self.state {
            return Some((None, format!("not all logs can be read: {reason}")));
        }
        if let Some(trouble) = &backlog.trouble {
            return Some((None, format!("it is not known how metric is: {trouble}")));
        }
        let status = backlog.status.as_ref()?;
        if status.state == "stopped" {
            let text = match &status.reason {
                Some(reason) => format!("{} has failed: {reason}", status.metric()),
                None => format!("{} was stopped; start it again", status.metric()),
            };
            return Some((Some(status.at_s), text));
        }
        if backlog.is_gone(*now_s) {
            return Some((Some(status.at_s), format!("{} is gone; start it again", status.metric())));
        }
        if let Some(since_s) = backlog.idle_since_s.filter(|since_s| now_s - since_s > GONE_S) {
            return Some((Some(since_s), missing::work(status)));
        }
        let rejections = backlog.rejections();
        let share = rejections.share_of_many()?;
        let most = if was_blind { REJECTED_STILL } else { REJECTED_MOST };
        (share > most).then(|| {
            let last = missing::last_rejection(status);
            (None, format!("metric rejects {} of the messages{last}", number::percent(share)))
        })
    }

    /// Seconds since the last row, and from how many on it counts as silence. None without rows.
    pub fn quiet_s(&self) -> Option<(f64, f64)> {
        let last_s = self.last_row_s()?;
        let limit_s = (self.summary.longest_gap_s * SILENCE_GAPS).max(SILENCE_LEAST_S);
        Some(((self.now_s - last_s).max(0.0), limit_s))
    }

    /// By the row's own time. Rows without times, and those of a clock that is ahead, count from when they were read.
    fn last_row_s(&self) -> Option<f64> {
        let row_s = self.summary.last_row_s.filter(|row_s| *row_s <= self.now_s);
        row_s.or(self.last_rows_s).filter(|_| self.summary.all.n > 0)
    }

    /// None while rows come as usual.
    pub fn silence(&self) -> Option<Verdict> {
        let last_s = self.last_row_s()?;
        let (quiet_s, limit_s) = self.quiet_s()?;
        (quiet_s > limit_s).then(|| {
            let usual = clock::duration(self.summary.longest_gap_s);
            let text = format!(
                "Silent since {}: no rows; the longest gap of the last 7 days of rows was {usual}",
                self.time(last_s)
            );
            plain(Standing::Silent, Some(last_s), text)
        })
    }

    /// The verdict by the last change that is not over, whatever else is wrong.
    pub fn changed(&self, change: &Change) -> Verdict {
        let (state, word) = match change.direction {
            Direction::Worse => (Standing::Worse, "Worse"),
            Direction::Better => (Standing::Better, "Better"),
        };
        let after = self.summary.mae_since_change.unwrap_or(change.mae_after);
        let since = change
            .time_s
            .map_or_else(|| format!("row {}", count(change.number())), |time_s| self.time(time_s));
        let ratio = after / change.mae_before;
        let share = match (ratio - 1.0) * 100.0 {
            share if !share.is_finite() => String::new(),
            share if share < 0.0 => format!(" (−{:.0} %)", -share),
            share => format!(" (+{share:.0} %)"),
        };
        let (before, now) = (short(Some(change.mae_before)), short(Some(after)));
        Verdict {
            state,
            since_s: change.time_s,
            mae_before: Some(change.mae_before),
            mae_after: Some(after),
            text: format!("{word} since {since}: {} {before} → {now}{share}", self.mae()),
        }
    }

    fn unchanged(&self) -> Verdict {
        let Summary { all, window, baseline_mae, .. } = self.summary;
        match baseline_mae {
            Some(baseline) if window.n > 0 => {
                let (now, before) = (short(window.mae), short(Some(*baseline)));
                let (mae, last) = (self.mae(), rows(window.n));
                let text = format!("Steady: {mae} {now} over the last {last}; baseline {before}");
                plain(Standing::Steady, None, text)
            }
            _ if all.n > 0 => {
                let text = format!(
                    "Learning what is usual: {} of {}; {} {} so far",
                    count(self.summary.baseline_rows_read),
                    rows(self.summary.baseline_rows),
                    self.mae(),
                    short(all.mae)
                );
                plain(Standing::Learning, None, text)
            }
            _ => plain(Standing::Learning, None, missing::rows(self.state, self.backlog)),
        }
    }

    /// What MAE is called in the task.
    fn mae(&self) -> &'static str {
        terms(self.summary.task).mae
    }

    /// A time for a person: without its day if that is today.
    pub fn time(&self, time_s: f64) -> String {
        clock::since((time_s * 1000.0) as i64, (self.now_s * 1000.0) as i64)
    }
}

fn plain(state: Standing, since_s: Option<f64>, text: String) -> Verdict {
    Verdict { state, since_s, mae_before: None, mae_after: None, text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        logs::{
            lines::{Event, Lines},
            row::Row,
            status::{Halves, Status},
        },
        stats::{drift::Baseline, statistics::Statistics},
    };

    const START_S: f64 = 1_732_341_600.0;

    /// A row each second from 2024-11-23 06:00 on, with these absolute errors.
    fn summary(errors: impl IntoIterator<Item = f64>) -> Summary {
        let baseline = Baseline { rows: 100, since_s: None, mae: None };
        let mut statistics = Statistics::new(50).with_baseline(baseline);
        let row = |(n, error): (usize, f64)| Row::new(0.0, error, Some(START_S + n as f64));
        let rows = errors.into_iter().enumerate().map(row).collect();
        statistics.apply(&Event::Lines(Lines { rows, ..Lines::default() }));
        Summary::of(&statistics)
    }

    fn errors(mae: f64, rows: usize) -> impl Iterator<Item = f64> {
        [0.5, 1.5, 1.0, 0.75, 1.25].into_iter().cycle().take(rows).map(move |part| part * mae)
    }

    fn verdict(summary: &Summary, status: Option<Status>, after_s: f64) -> Verdict {
        let now_s = START_S + after_s;
        let mut backlog = Backlog::default();
        let status = status.map(|status| Status { at_s: now_s + status.at_s, ..status });
        backlog.take(Ok(status), now_s - 30.0);
        Facts { summary, state: &State::Following, backlog: &backlog, last_rows_s: Some(now_s), now_s }
            .verdict(None)
    }

    fn consuming() -> Status {
        Status { state: "consuming".to_owned(), ..Status::default() }
    }

    #[test]
    fn it_learns_is_steady_and_turns() {
        let learning = verdict(&summary(errors(4.0, 60)), None, 60.0);
        assert_eq!(learning.state, Standing::Learning);
        assert_eq!(learning.text, "Learning what is usual: 60 of 100 rows; MAE 4 so far");
        let steady = verdict(&summary(errors(4.0, 500)), Some(consuming()), 500.0);
        assert_eq!((steady.state, steady.since_s), (Standing::Steady, None));
        assert_eq!(steady.text, "Steady: MAE 4 over the last 50 rows; baseline 4");
        let worse = verdict(&summary(errors(4.0, 1200).chain(errors(6.0, 600))), None, 1800.0);
        assert_eq!(
            (worse.state, worse.since_s.map(|s| (s - START_S - 1200.0).abs() < 5.0)),
            (Standing::Worse, Some(true))
        );
        assert!(worse.text.starts_with("Worse since 06:20 UTC: MAE 3.999 → 6.0"), "{worse:?}");
        assert!(worse.text.ends_with(" (+50 %)"), "{worse:?}");
        assert!((worse.mae_after.unwrap() - 6.0).abs() < 0.05, "{worse:?}");
        let over = errors(4.0, 1200).chain(errors(6.0, 60)).chain(errors(4.0, 5000));
        assert_eq!(verdict(&summary(over), None, 7000.0).state, Standing::Steady);
        let once_more = errors(4.0, 1200).chain(errors(6.0, 600)).chain(errors(30.0, 200));
        let once_more = verdict(&summary(once_more), None, 2000.0);
        assert!(once_more.is_another(&worse) && !worse.is_another(&worse), "{once_more:?}");
        let better = verdict(&summary(errors(4.0, 1200).chain(errors(1.0, 600))), None, 86_400.0 * 2.0);
        assert_eq!(better.state, Standing::Silent, "silence comes first: {better:?}");
        let better = verdict(&summary(errors(4.0, 1200).chain(errors(1.0, 600))), None, 1900.0);
        assert_eq!(better.state, Standing::Better);
        assert!(better.text.ends_with("(−75 %)"), "{better:?}");
    }

    #[test]
    fn silence_is_longer_than_what_is_usual() {
        let rows = summary(errors(4.0, 200));
        assert_eq!(verdict(&rows, None, 199.0 + 900.0).state, Standing::Steady);
        let silent = verdict(&rows, Some(consuming()), 199.0 + 901.0);
        assert_eq!((silent.state, silent.since_s), (Standing::Silent, Some(START_S + 199.0)));
        assert!(silent.text.starts_with("Silent since 06:03 UTC: no rows"), "{silent:?}");
        assert_eq!(verdict(&summary([]), None, 1e6).state, Standing::Learning);
    }

    #[test]
    fn a_monitor_that_does_not_work_is_blind() {
        let rows = summary(errors(4.0, 200));
        let with = |status| verdict(&rows, Some(status), 5000.0);
        let gone = with(Status { at_s: -21.0, ..consuming() });
        assert_eq!((gone.state, gone.since_s), (Standing::Blind, Some(START_S + 5000.0 - 21.0)));
        assert!(gone.text.contains("metric is gone"), "{gone:?}");
        let stopped = with(Status { state: "stopped".to_owned(), ..Status::default() });
        assert!(stopped.text.contains("metric was stopped"), "{stopped:?}");
        let reason = Some("connection refused".to_owned());
        let failed =
            with(Status { state: "stopped".to_owned(), reason: reason.clone(), ..Status::default() });
        assert!(failed.text.contains("metric has failed: connection refused"), "{failed:?}");
        let idle = with(Status { state: "reconnecting".to_owned(), reason, ..Status::default() });
        assert_eq!((idle.state, idle.since_s), (Standing::Blind, Some(START_S + 4970.0)));
        assert!(
            idle.text.contains("metric waits for the broker: connection refused; see that it runs"),
            "{idle:?}"
        );
        assert_eq!(with(consuming()).state, Standing::Silent);
        let (mut backlog, now_s) = (Backlog::default(), START_S + 200.0);
        for rejected in [0, 30] {
            backlog
                .take(Ok(Some(Status { at_s: now_s, rejected, rows: rejected / 3, ..consuming() })), now_s);
        }
        let (summary, state) = (&rows, &State::Following);
        let facts = Facts { summary, state, backlog: &backlog, last_rows_s: None, now_s };
        let blind = facts.verdict(None);
        assert!(blind.text.contains("metric rejects 60.0 % of the messages"), "{blind:?}");
        // All truths are rejected: half of the messages, now one more, now one less.
        let mut backlog = Backlog::default();
        let mut verdict = None;
        for n in 0..100 {
            let (rows, waiting) = (0, Halves { y_true: 0, y_pred: 50 + n / 2 });
            let half = Status { rows, waiting, rejected: 50 + n.div_ceil(2), ..consuming() };
            backlog.take(Ok(Some(Status { at_s: now_s, ..half })), now_s);
            verdict = Some(Facts { backlog: &backlog, ..facts }.verdict(verdict.as_ref()));
            let state = verdict.as_ref().map(|verdict| verdict.state == Standing::Blind);
            assert_eq!(state, Some(n > 20), "after {n} messages: {verdict:?}");
        }
        // Its time goes on, whatever the reason is by then.
        let state = &State::Trouble("x".to_owned());
        let later = Facts { state, now_s: now_s + 60.0, ..facts }.verdict(Some(&blind));
        assert_eq!((later.state, later.since_s), (Standing::Blind, Some(now_s)));
    }
}
