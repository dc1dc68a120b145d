//! Which rules fire: each from when it is beyond its limit until it is safely back, also over a restart.
//! Never reads the clock or a file.

use crate::{
    alert::{
        judge::Finding,
        message::{Alert, Phase},
        rules::{Rule, Subject},
        verdict::{Facts, Verdict},
    },
    logs::follow::State,
};
use std::{collections::VecDeque, ops::RangeInclusive};

/// A number has to stay back within its limit for as many rows, or as long, before its rule resolves: otherwise one at its limit would
/// alert again and again.
const BACK_ROWS: u64 = 100;
const BACK_S: f64 = 30.0;

/// What starts together with this process has as long to begin its work before its silence or blindness fires.
const GRACE_S: f64 = 60.0;

/// Blindness that begins this soon after the start is that of a start as well: of `metric`, whose broker starts too.
const WITH_START_S: f64 = 20.0;

/// Seconds between two looks. Beyond them the machine slept, or its clock was set, and all may need a moment as at a start.
const BETWEEN_LOOKS_S: RangeInclusive<f64> = -1.0..=15.0;

/// Alerts that have resolved and are shown, the last ones.
const MOST_RESOLVED: usize = 20;

/// All rules, and what became of them.
pub struct Alarms {
    alarms: Vec<Alarm>,
    /// From new to old.
    resolved: VecDeque<Alert>,
    ids: Ids,
    /// Unix seconds of the start, or of the first look after a sleep; and of the last look.
    started_s: f64,
    judged_s: f64,
    /// All logs that there are were read at least once: before, much seems to have resolved.
    is_read: bool,
}

/// One rule.
struct Alarm {
    /// None for one that fired under other settings.
    rule: Option<Rule>,
    /// The last change.
    last: Option<Alert>,
    /// Number of rows and Unix seconds when its number came back.
    back: Option<(u64, f64)>,
    /// Of the last change that was queued for the receiver.
    queued: Phase,
}

/// Makes ids: `5f3a9c01-17`.
struct Ids {
    /// Of this process.
    prefix: u32,
    n: u64,
}

impl Alarms {
    /// `firing`: what fired at the end of the process before this one, as far as it was queued for the receiver; `prefix`: a random number.
    pub fn new(rules: &[Rule], mut firing: Vec<Alert>, prefix: u32, now_s: f64) -> Self {
        let mut fired = |text: &str| {
            let place = firing.iter().position(|alert| alert.rule == text);
            place.map(|place| firing.remove(place))
        };
        let mut alarms: Vec<Alarm> =
            rules.iter().map(|rule| Alarm::new(Some(rule.clone()), fired(&rule.text))).collect();
        alarms.extend(firing.into_iter().map(|alert| Alarm::new(None, Some(alert))));
        let ids = Ids { prefix, n: 0 };
        Alarms { alarms, resolved: VecDeque::new(), ids, started_s: now_s, judged_s: now_s, is_read: false }
    }

    /// A log was replaced: all are read again.
    pub fn start_over(&mut self) {
        self.is_read = false;
    }

    /// What has changed, in the order of the rules.
    pub fn judge(&mut self, facts: &Facts, verdict: &Verdict) -> Vec<Alert> {
        self.is_read |= matches!(facts.state, State::Following | State::Waiting(_));
        if !BETWEEN_LOOKS_S.contains(&(facts.now_s - self.judged_s)) {
            self.started_s = facts.now_s;
        }
        self.judged_s = facts.now_s;
        let is_starting = facts.now_s < self.started_s + GRACE_S;
        let mut changes = Vec::new();
        for alarm in &mut self.alarms {
            let Some(finding) = alarm.find(facts, verdict, self.is_read) else { continue };
            let is_early = is_starting && alarm.is_of_start(finding.since_s - self.started_s);
            if alarm.changes(&finding, facts) && !(finding.is_bad && is_early) {
                let alert = alarm.change(finding, facts, self.ids.next());
                if alert.phase == Phase::Resolved {
                    self.resolved.push_front(alert.clone());
                    self.resolved.truncate(MOST_RESOLVED);
                }
                changes.push(alert);
            }
        }
        changes
    }

    /// Queues changes for the receiver. Where `push` has no room and returns false, the last change of the rule is tried again later, unless
    /// the rule is by then as the receiver knows it.
    pub fn queue(&mut self, mut push: impl FnMut(&Alert) -> bool) {
        for alarm in &mut self.alarms {
            if let Some(last) = &alarm.last
                && last.phase != alarm.queued
                && push(last)
            {
                alarm.queued = last.phase;
            }
        }
    }

    /// What fires, in the order of the rules, then the last ones that have resolved, from new to old.
    pub fn shown(&self) -> Vec<Alert> {
        let firing =
            self.alarms.iter().filter(|alarm| alarm.is_firing()).filter_map(|alarm| alarm.last.clone());
        firing.chain(self.resolved.iter().cloned()).collect()
    }
}

impl Alarm {
    fn new(rule: Option<Rule>, fired: Option<Alert>) -> Self {
        let queued = if fired.is_some() { Phase::Firing } else { Phase::Resolved };
        Alarm { rule, last: fired, back: None, queued }
    }

    fn is_firing(&self) -> bool {
        self.last.as_ref().is_some_and(|last| last.phase == Phase::Firing)
    }

    /// Whether what began `after_s` seconds after the start came with it.
    fn is_of_start(&self, after_s: f64) -> bool {
        match self.rule.as_ref().map(|rule| rule.subject) {
            Some(Subject::Silence) => after_s < 0.0,
            Some(Subject::Blind) => after_s < WITH_START_S,
            _ => false,
        }
    }

    fn find(&self, facts: &Facts, verdict: &Verdict, is_read: bool) -> Option<Finding> {
        match &self.rule {
            Some(rule) if is_read || !rule.needs_rows() => rule.judge(facts, verdict),
            Some(_) => None,
            None => {
                let text = "This is no rule any more".to_owned();
                Some(Finding { is_bad: false, value: None, limit: None, since_s: facts.now_s, text })
            }
        }
    }

    /// Whether it fires, or resolves, by this finding.
    fn changes(&mut self, finding: &Finding, facts: &Facts) -> bool {
        if finding.is_bad || !self.is_firing() {
            self.back = None;
            return finding.is_bad && !self.is_firing();
        }
        if !self.rule.as_ref().is_some_and(Rule::is_of_a_number) {
            return true;
        }
        let now = (facts.summary.all.n, facts.now_s);
        // Fewer rows: of another log. An earlier time: of a clock that was set.
        let back = self.back.filter(|(n, at_s)| *n <= now.0 && *at_s <= now.1);
        let (n, at_s) = *self.back.insert(back.unwrap_or(now));
        now.0 - n >= BACK_ROWS || now.1 - at_s >= BACK_S
    }

    fn change(&mut self, finding: Finding, facts: &Facts, id: String) -> Alert {
        let Finding { is_bad, value, limit, since_s, mut text } = finding;
        let fired = self.last.take().filter(|_| !is_bad);
        if let Some(fired) = &fired {
            text += &format!("; fired at {}", facts.time(fired.since_s));
        }
        let rule = match (&self.rule, fired) {
            (Some(rule), _) => rule.text.clone(),
            (None, fired) => fired.map_or(String::new(), |fired| fired.rule),
        };
        let phase = if is_bad { Phase::Firing } else { Phase::Resolved };
        let alert = Alert { id, rule, phase, value, limit, since_s, text: Alert::cut(&text) };
        self.back = None;
        self.last = Some(alert.clone());
        alert
    }
}

impl Ids {
    fn next(&mut self) -> String {
        self.n += 1;
        format!("{:08x}-{}", self.prefix, self.n)
    }
}
