//! What a rule finds in the numbers of one moment.
//! Pure. Never knows what it found before.

use crate::{
    alert::{
        rules::{Rule, Subject},
        verdict::{Facts, Standing, Verdict},
    },
    stats::drift::Direction,
    words::{
        clock,
        number::{percent, rows, short},
        terms::terms,
    },
};

/// Fewer rows than these say little.
const LEAST_ROWS: u64 = 200;

/// What a rule finds.
#[derive(Debug, PartialEq)]
pub struct Finding {
    /// It is beyond its limit.
    pub is_bad: bool,
    pub value: Option<f64>,
    pub limit: Option<f64>,
    /// Unix seconds since which it is so.
    pub since_s: f64,
    pub text: String,
}

impl Rule {
    /// Numbers go back and forth at their limit.
    pub fn is_of_a_number(&self) -> bool {
        !matches!(self.subject, Subject::Drift | Subject::Silence | Subject::Blind)
    }

    /// All but whether the monitor works.
    pub fn needs_rows(&self) -> bool {
        self.subject != Subject::Blind
    }

    /// None where there is too little to judge by.
    pub fn judge(&self, facts: &Facts, verdict: &Verdict) -> Option<Finding> {
        let task = facts.summary.task;
        match self.subject {
            _ if !self.has_number(task) => {
                let (text, since_s) = (format!("Task {} has no such number", task.name()), facts.now_s);
                Some(Finding { is_bad: false, value: None, limit: self.limit, since_s, text })
            }
            Subject::Drift => drift(facts),
            Subject::Silence => self.silence(facts),
            Subject::Blind => Some(blind(facts, verdict)),
            _ => self.number(facts, LEAST_ROWS),
        }
    }

    /// Of a file, which is judged however few rows it has. None where there is no such number.
    pub fn judge_file(&self, facts: &Facts) -> Option<Finding> {
        match self.subject {
            Subject::Drift if facts.summary.change.is_none() => {
                let text = "no change of the error lasts".to_owned();
                Some(Finding { is_bad: false, value: None, limit: None, since_s: facts.now_s, text })
            }
            Subject::Drift => drift(facts),
            _ => self.number(facts, 1),
        }
    }

    /// Of the window's rows, of all rows of a group, of all predictions, or of the messages of the last minutes.
    fn number(&self, facts: &Facts, least_rows: u64) -> Option<Finding> {
        let (summary, backlog) = (facts.summary, facts.backlog);
        let window = &summary.window;
        let mae_name = terms(summary.task).mae;
        let over = format!("over the last {}", rows(window.n));
        let of_rows =
            |name: &str, value: Option<f64>| Some((value?, format!("{name} {} {over}", short(value))));
        let (value, text) = match self.subject {
            Subject::Rejected => {
                let share = backlog.rejections().share_of_many()?;
                (share, format!("{} of the messages of the last 10 min were rejected", percent(share)))
            }
            _ if summary.all.n < least_rows => return None,
            Subject::Mae => of_rows(mae_name, window.mae)?,
            Subject::Rmse => of_rows("RMSE", window.rmse)?,
            Subject::Bias => of_rows("mean error (bias)", window.bias)?,
            Subject::P95 => of_rows("p95 of the absolute error", window.p95)?,
            Subject::Accuracy => of_rows("accuracy", window.of_task.accuracy())?,
            Subject::Auc => of_rows("ROC AUC", window.of_task.binary()?.roc_auc)?,
            Subject::LogLoss => of_rows("log loss", window.of_task.binary()?.log_loss)?,
            Subject::GroupZ => {
                // They are sorted. The others must be as many, as z is of two sides.
                let enough = |n: u64| n >= LEAST_ROWS && summary.all.n - n >= LEAST_ROWS;
                let worst = summary.groups.all.iter().find(|group| enough(group.n))?;
                let name =
                    worst.group.as_ref().map_or("no group".to_owned(), |name| format!("group \"{name}\""));
                let (mae, z) = (short(Some(worst.mae)), worst.z?);
                (z, format!("{name}: {mae_name} {mae} over its {}, z {}", rows(worst.n), short(Some(z))))
            }
            Subject::Coverage => {
                let share = backlog.coverage()?;
                (share, format!("{} of the predictions have their truth", percent(share)))
            }
            Subject::DelayP95 => {
                let delay_s = summary.window_delay.p95_s.filter(|_| summary.delay.n >= least_rows)?;
                (delay_s, format!("p95 of the label delay {} {over}", clock::duration(delay_s)))
            }
            Subject::Drift | Subject::Silence | Subject::Blind => return None,
        };
        let limit = self.limit?;
        let (is_bad, word) = match self.subject {
            Subject::Coverage | Subject::Accuracy | Subject::Auc => (value < limit, "below"),
            Subject::Bias => (value.abs() > limit, "further from 0 than"),
            _ => (value > limit, "above"),
        };
        let not = if is_bad { "" } else { "not " };
        let text = format!("{text}, {not}{word} {}", self.limit_text());
        Some(Finding { is_bad, value: Some(value), limit: Some(limit), since_s: facts.now_s, text })
    }

    fn silence(&self, facts: &Facts) -> Option<Finding> {
        let (quiet_s, usual_s) = facts.quiet_s()?;
        let limit_s = self.limit.unwrap_or(usual_s);
        let (is_bad, last_s) = (quiet_s > limit_s, facts.now_s - quiet_s);
        let last = facts.time(last_s);
        let text = match (is_bad, facts.silence()) {
            (false, _) => format!("Rows come again, the last one at {last}"),
            (true, Some(verdict)) if self.limit.is_none() => verdict.text,
            (true, _) => format!("Silent since {last}: no rows for more than {}", clock::duration(limit_s)),
        };
        let since_s = if is_bad { last_s } else { facts.now_s };
        Some(Finding { is_bad, value: Some(quiet_s), limit: Some(limit_s), since_s, text })
    }
}

/// By the last change that is not over, also while it is silent or blind.
fn drift(facts: &Facts) -> Option<Finding> {
    let Some(change) = &facts.summary.change else {
        // With a new baseline an operator has accepted what was, or the log is a new one.
        let why =
            if facts.summary.changes.is_empty() { "the baseline is a new one" } else { "it is as before" };
        let text = format!("No change of the error lasts: {why}");
        let (since_s, has_rows) = (facts.now_s, facts.summary.all.n > 0);
        return has_rows.then_some(Finding { is_bad: false, value: None, limit: None, since_s, text });
    };
    let verdict = facts.changed(change);
    Some(Finding {
        is_bad: change.direction == Direction::Worse,
        value: verdict.mae_after,
        limit: None,
        since_s: verdict.since_s.unwrap_or(facts.now_s),
        text: verdict.text,
    })
}

fn blind(facts: &Facts, verdict: &Verdict) -> Finding {
    let is_bad = verdict.state == Standing::Blind;
    let (since_s, text) = match verdict.since_s.filter(|_| is_bad) {
        Some(since_s) => (since_s, verdict.text.clone()),
        None => (facts.now_s, "The monitor works again".to_owned()),
    };
    Finding { is_bad, value: None, limit: None, since_s, text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        alert::rules,
        logs::{
            follow::State,
            lines::{Event, Lines},
            row::Row,
            status::{Halves, Status},
        },
        stats::{backlog::Backlog, drift::Baseline, statistics::Statistics, summary::Summary},
    };

    /// 2024-11-23 06:00.
    const START_S: f64 = 1_732_341_600.0;

    /// A row each second: its error, and its label delay in seconds.
    fn summary(rows: impl IntoIterator<Item = (f64, f64)>) -> Summary {
        let baseline = Baseline { rows: 100, since_s: None, mae: None };
        let mut statistics = Statistics::new(1000).with_baseline(baseline);
        let row = |(n, (error, delay_s)): (usize, (f64, f64))| {
            Row::new(0.0, error, Some(START_S + n as f64)).with_label_delay(Some(delay_s))
        };
        let rows = rows.into_iter().enumerate().map(row).collect();
        statistics.apply(&Event::Lines(Lines { rows, ..Lines::default() }));
        Summary::of(&statistics)
    }

    /// Rows of groups: each its name, how many, and its MAE.
    fn grouped(groups: &[(&str, usize, f64)]) -> Summary {
        let mut lines = Lines::default();
        for (group, n, mae) in groups {
            let wave = [0.5, 1.5, 1.0, 0.75, 1.25].into_iter().cycle().take(*n);
            wave.for_each(|part| lines.push(Row::new(0.0, part * mae, Some(START_S)), group.as_bytes()));
        }
        let mut statistics = Statistics::new(1000);
        statistics.apply(&Event::Lines(lines));
        Summary::of(&statistics)
    }

    fn status(rows: u64, waiting: u64, rejected: u64) -> Status {
        let waiting = Halves { y_true: 0, y_pred: waiting };
        Status { state: "consuming".to_owned(), rows, waiting, rejected, ..Status::default() }
    }

    fn judge(rule: &str, summary: &Summary, statuses: &[Status], now_s: f64) -> Option<Finding> {
        let mut backlog = Backlog::default();
        for (status, n) in statuses.iter().zip(0..) {
            backlog.take(Ok(Some(Status { at_s: now_s, ..status.clone() })), now_s - 60.0 + f64::from(n));
        }
        let (state, last_rows_s) = (State::Following, Some(now_s));
        let facts = Facts { summary, state: &state, backlog: &backlog, last_rows_s, now_s };
        rules::parse(rule).unwrap()[0].judge(&facts, &facts.verdict(None))
    }

    #[test]
    fn numbers_are_of_the_last_rows_and_need_two_hundred() {
        let few = summary((0..199).map(|_| (-4.0, 90.0)));
        let rows = summary((0..1500).map(|n| (if n < 500 { 100.0 } else { -4.0 }, 90.0)));
        let now_s = START_S + 1500.0;
        for (rule, is_bad, value, text) in [
            ("mae>3.9", true, 4.0, "MAE 4 over the last 1,000 rows, above 3.9"),
            ("mae>4", false, 4.0, "MAE 4 over the last 1,000 rows, not above 4"),
            ("rmse>3.99", true, 4.0, "RMSE 4 over the last 1,000 rows, above 3.99"),
            (
                "bias>3.5",
                true,
                -4.0,
                "mean error (bias) −4 over the last 1,000 rows, further from 0 than 3.5",
            ),
            (
                "bias>4",
                false,
                -4.0,
                "mean error (bias) −4 over the last 1,000 rows, not further from 0 than 4",
            ),
            ("p95>3.5", true, 4.0, "p95 of the absolute error 4 over the last 1,000 rows, above 3.5"),
            (
                "delay_p95>1m",
                true,
                90.0,
                "p95 of the label delay 1 min 30 s over the last 1,000 rows, above 1m",
            ),
            (
                "delay_p95>2m",
                false,
                90.0,
                "p95 of the label delay 1 min 30 s over the last 1,000 rows, not above 2m",
            ),
        ] {
            let finding = judge(rule, &rows, &[], now_s).unwrap();
            assert_eq!((finding.is_bad, finding.text.as_str()), (is_bad, text), "{rule}");
            let close = |a: f64, b: f64| (a - b).abs() <= 1e-3 * b.abs();
            assert!(close(finding.value.unwrap(), value), "{rule}: {finding:?}");
            assert!(finding.limit.is_some() && finding.since_s == now_s, "{rule}: {finding:?}");
            assert_eq!(judge(rule, &few, &[], now_s), None, "{rule}");
        }
        // Truths that came first have no delay.
        let first = summary((0..1500).map(|n| (1.0, if n < 199 { 5.0 } else { -5.0 })));
        assert_eq!(judge("delay_p95>1s", &first, &[], now_s), None);
    }

    #[test]
    fn the_worst_group_of_two_hundred_rows_is_judged() {
        let judge = |groups: &[(&str, usize, f64)]| judge("group z>5", &grouped(groups), &[], START_S);
        let bad = judge(&[("v1", 1000, 4.0), ("v2", 200, 6.0), ("v3", 199, 90.0)]).unwrap();
        // v3 is too small to be judged, and one of the others all the same.
        assert!(!bad.is_bad && bad.text.starts_with("group \"v2\": MAE 6 over its 200 rows, z −"), "{bad:?}");
        let bad = judge(&[("v1", 1000, 4.0), ("v2", 200, 6.0), ("", 300, 4.0)]).unwrap();
        let z = bad.value.unwrap();
        assert!(bad.is_bad && z > 5.0 && bad.limit == Some(5.0), "{bad:?}");
        assert_eq!(bad.text, format!("group \"v2\": MAE 6 over its 200 rows, z {}, above 5", short(Some(z))));
        let good = judge(&[("v1", 1000, 4.0), ("v2", 200, 4.1)]).unwrap();
        assert!(!good.is_bad && good.text.ends_with(", not above 5"), "{good:?}");
        let none = judge(&[("v1", 1000, 4.0), ("", 500, 8.0)]).unwrap();
        assert!(none.is_bad && none.text.starts_with("no group: MAE 8 over its 500 rows, z "), "{none:?}");
        for too_few in
            [&[][..], &[("", 1000, 4.0)], &[("v1", 1000, 4.0)], &[("v1", 1000, 4.0), ("v2", 199, 9.0)]]
        {
            assert_eq!(judge(too_few), None, "{too_few:?}");
        }
    }

    #[test]
    fn coverage_and_rejections_are_those_of_metric() {
        let (rows, now_s) = (summary((0..300).map(|_| (4.0, 0.0))), START_S + 300.0);
        let coverage = judge("coverage<0.9", &rows, &[status(80, 20, 0)], now_s).unwrap();
        assert_eq!((coverage.is_bad, coverage.value), (true, Some(0.8)));
        assert_eq!(coverage.text, "80.0 % of the predictions have their truth, below 0.9");
        assert!(!judge("coverage<80%", &rows, &[status(80, 20, 0)], now_s).unwrap().is_bad);
        assert_eq!(judge("coverage<80%", &rows, &[], now_s), None);
        let few = summary((0..199).map(|_| (4.0, 0.0)));
        assert_eq!(judge("coverage<0.9", &few, &[status(80, 20, 0)], now_s), None);

        let rejected = judge("rejected>1%", &few, &[status(0, 0, 0), status(49, 0, 2)], now_s).unwrap();
        assert_eq!((rejected.is_bad, rejected.value, rejected.limit), (true, Some(0.02), Some(0.01)));
        assert_eq!(rejected.text, "2.00 % of the messages of the last 10 min were rejected, above 1%");
        assert!(!judge("rejected>2%", &few, &[status(0, 0, 0), status(49, 0, 2)], now_s).unwrap().is_bad);
        assert_eq!(judge("rejected>1%", &few, &[status(0, 0, 0), status(9, 0, 1)], now_s), None);
    }

    #[test]
    fn drift_goes_by_the_last_change() {
        let course = |parts: &[(f64, usize)]| {
            let wave = [0.5, 1.5, 1.0, 0.75, 1.25];
            summary(parts.iter().flat_map(|(mae, n)| (0..*n).map(move |i| (mae * wave[i % 5], 0.0))))
        };
        let judge = |summary: &Summary| judge("drift", summary, &[], START_S + 10_000.0);
        assert_eq!(judge(&summary([])), None);
        let steady = judge(&course(&[(4.0, 1500)])).unwrap();
        assert_eq!((steady.is_bad, steady.value), (false, None));
        let worse = judge(&course(&[(4.0, 1500), (8.0, 500)])).unwrap();
        assert!(worse.is_bad && (worse.value.unwrap() - 8.0).abs() < 0.1, "{worse:?}");
        assert!((worse.since_s - START_S - 1500.0).abs() < 5.0, "{worse:?}");
        // Nothing came for hours: that is another rule's.
        assert!(worse.text.starts_with("Worse since 06:2"), "{worse:?}");
        let better = judge(&course(&[(4.0, 1500), (8.0, 500), (4.0, 500)])).unwrap();
        assert!(!better.is_bad && better.text.starts_with("Better since "), "{better:?}");
        // Too few rows for their end to be a change as well.
        let short = |rows| judge(&course(&[(4.0, 5000), (6.0, 60), (4.0, rows)])).unwrap();
        assert!(short(500).is_bad && !short(5000).is_bad);
        assert_eq!(short(5000).text, "No change of the error lasts: it is as before");
    }

    #[test]
    fn silence_is_longer_than_usual_or_than_its_limit() {
        let rows = summary((0..300).map(|_| (4.0, 0.0)));
        let last_s = START_S + 299.0;
        for (rule, quiet_s, is_bad, limit_s) in [
            ("silence", 900.0, false, 900.0),
            ("silence", 901.0, true, 900.0),
            ("silence>20s", 20.0, false, 20.0),
            ("silence>20s", 21.0, true, 20.0),
            ("silence>1h", 901.0, false, 3600.0),
        ] {
            let finding = judge(rule, &rows, &[], last_s + quiet_s).unwrap();
            assert_eq!((finding.is_bad, finding.limit), (is_bad, Some(limit_s)), "{rule} {quiet_s}");
            assert_eq!(finding.value, Some(quiet_s));
            if is_bad {
                assert_eq!(finding.since_s, last_s);
                assert!(finding.text.starts_with("Silent since 06:04 UTC: no rows"), "{finding:?}");
            }
        }
        assert_eq!(judge("silence>20s", &summary([]), &[], last_s), None);
    }

    #[test]
    fn blindness_is_the_verdict() {
        let (rows, now_s) = (summary((0..300).map(|_| (4.0, 0.0))), START_S + 300.0);
        let blind = |state: &str| {
            let status = Status { state: state.to_owned(), ..Status::default() };
            judge("blind", &rows, &[status], now_s).unwrap()
        };
        assert!(!blind("consuming").is_bad);
        let stopped = blind("stopped");
        assert!(stopped.is_bad && stopped.text.contains("metric was stopped"), "{stopped:?}");
        assert!(!judge("blind", &summary([]), &[], now_s).unwrap().is_bad);
    }
}
