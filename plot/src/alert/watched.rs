//! Tests of the alarms: which rules fire while a log grows, and is read by a process that starts again.

use crate::{
    alert::{
        alarms::Alarms,
        message::{Alert, Phase},
        rules,
        verdict::{Facts, Standing, Verdict},
    },
    logs::{
        follow::State,
        lines::{Event, Lines},
        row::Row,
        task::Task,
    },
    stats::{backlog::Backlog, statistics::Statistics, summary::Summary},
};

const START_S: f64 = 1_732_341_600.0;

/// A log that grows, and the alarms that watch it.
struct Watched {
    statistics: Statistics,
    alarms: Alarms,
    state: State,
    verdict: Verdict,
    now_s: f64,
}

impl Watched {
    fn new(rules: &str, firing: Vec<Alert>) -> Self {
        let verdict = Verdict {
            state: Standing::Steady,
            since_s: None,
            mae_before: None,
            mae_after: None,
            text: String::new(),
        };
        let (statistics, state) = (Statistics::new(200), State::Following);
        let alarms = Alarms::new(&rules::parse(rules).unwrap(), firing, 0x5f3a_9c01, START_S);
        Watched { statistics, alarms, state, verdict, now_s: START_S }
    }

    /// Looks every 10 s, and `after_s` from now with rows of an error; returns what has changed.
    fn look(&mut self, rows: usize, error: f64, after_s: f64) -> Vec<String> {
        let (end_s, mut changes) = (self.now_s + after_s, Vec::new());
        while self.now_s + 10.0 < end_s {
            self.now_s += 10.0;
            changes.extend(self.judge());
        }
        self.now_s = end_s;
        self.add(rows, error);
        changes.extend(self.judge());
        changes
    }

    fn add(&mut self, rows: usize, error: f64) {
        let rows = (0..rows).map(|_| Row::new(0.0, error, Some(self.now_s))).collect();
        self.statistics.apply(&Event::Lines(Lines { rows, ..Lines::default() }));
    }

    fn judge(&mut self) -> Vec<String> {
        let Watched { statistics, alarms, state, verdict, now_s } = self;
        let (summary, backlog) = (Summary::of(statistics), Backlog::default());
        let (last_rows_s, now_s) = (Some(*now_s), *now_s);
        let facts = Facts { summary: &summary, state, backlog: &backlog, last_rows_s, now_s };
        let changes = alarms.judge(&facts, verdict);
        changes.iter().map(|alert| format!("{} {} {:?}", alert.id, alert.rule, alert.phase)).collect()
    }

    fn blind_since(&mut self, since_s: Option<f64>) {
        let state = if since_s.is_some() { Standing::Blind } else { Standing::Steady };
        self.verdict = Verdict { state, since_s, ..self.verdict.clone() };
    }
}

const FIRES: &str = "5f3a9c01-1 mae>60 Firing";
const NOTHING: [&str; 0] = [];

#[test]
fn a_number_resolves_after_a_hundred_rows_or_half_a_minute() {
    let fired = || {
        let mut watched = Watched::new("mae>60", Vec::new());
        assert_eq!(watched.look(199, 61.0, 1.0), NOTHING);
        assert_eq!(watched.look(1, 61.0, 1.0), [FIRES]);
        assert_eq!(watched.look(100, 61.0, 1.0), NOTHING);
        watched
    };
    let mut by_rows = fired();
    assert_eq!(by_rows.look(200, 1.0, 1.0), NOTHING);
    assert_eq!(by_rows.look(99, 1.0, 1.0), NOTHING);
    assert_eq!(by_rows.look(1, 1.0, 0.0), ["5f3a9c01-2 mae>60 Resolved"]);
    assert_eq!(by_rows.look(500, 1.0, 100.0), NOTHING);
    assert_eq!(by_rows.look(200, 61.0, 1.0), ["5f3a9c01-3 mae>60 Firing"]);

    let mut by_time = fired();
    assert_eq!(by_time.look(200, 1.0, 1.0), NOTHING);
    assert_eq!(by_time.look(0, 1.0, 29.9), NOTHING);
    assert_eq!(by_time.look(0, 1.0, 0.1), ["5f3a9c01-2 mae>60 Resolved"]);

    // A clock that is set back, or far ahead and back, delays it by half a minute at most.
    let mut by_a_clock_that_is_set = fired();
    assert_eq!(by_a_clock_that_is_set.look(200, 1.0, 1.0), NOTHING);
    assert_eq!(by_a_clock_that_is_set.look(0, 1.0, -1e6), NOTHING);
    assert_eq!(by_a_clock_that_is_set.look(0, 1.0, 30.0), ["5f3a9c01-2 mae>60 Resolved"]);
}

#[test]
fn a_number_that_goes_back_and_forth_at_its_limit_alerts_once() {
    let mut watched = Watched::new("mae>60", Vec::new());
    assert_eq!(watched.look(300, 61.0, 1.0), [FIRES]);
    for _ in 0..50 {
        // As many rows as the window has: each turns the number.
        assert_eq!(watched.look(200, 59.0, 10.0), NOTHING);
        assert_eq!(watched.look(99, 59.0, 10.0), NOTHING);
        assert_eq!(watched.look(200, 61.0, 10.0), NOTHING);
    }
}

#[test]
fn a_rule_of_another_task_never_fires_and_resolves_what_fired() {
    let mut watched = Watched::new("accuracy<0.9,auc<0.8,logloss>0.5", Vec::new());
    assert_eq!(watched.look(300, 1.0, 1.0), NOTHING);
    watched.statistics = watched.statistics.anew(Task::Binary);
    // All of y_true 0, and given the probability 1 of 1: an AUC there is not.
    let fired = ["5f3a9c01-1 accuracy<0.9 Firing", "5f3a9c01-2 logloss>0.5 Firing"];
    assert_eq!(watched.look(300, 1.0, 1.0), fired);
    watched.statistics = watched.statistics.anew(Task::Regression);
    assert_eq!(watched.look(300, 1.0, 1.0), NOTHING);
    let resolved = ["5f3a9c01-3 accuracy<0.9 Resolved", "5f3a9c01-4 logloss>0.5 Resolved"];
    assert_eq!(watched.look(0, 1.0, 30.0), resolved);
    assert!(watched.alarms.shown()[0].text.starts_with("Task regression has no such number"));
}

#[test]
fn numbers_of_a_classifier_are_those_of_the_window() {
    let mut watched = Watched::new("accuracy<0.75,auc<0.5,logloss>1", Vec::new());
    watched.statistics = watched.statistics.anew(Task::Binary);
    // The window has 200 rows: one in five is wrong, then four in five.
    let rows = |ones: usize| {
        let row =
            |n: usize| Row::new((n % 2) as f64, if n % 5 < ones { 1 - n % 2 } else { n % 2 } as f64, None);
        Event::Lines(Lines { rows: (0..200).map(row).collect(), ..Lines::default() })
    };
    watched.statistics.apply(&rows(1));
    assert_eq!(watched.judge(), ["5f3a9c01-1 logloss>1 Firing"]);
    watched.statistics.apply(&rows(4));
    assert_eq!(watched.judge(), ["5f3a9c01-2 accuracy<0.75 Firing", "5f3a9c01-3 auc<0.5 Firing"]);
    let texts: Vec<_> = watched.alarms.shown().iter().map(|alert| alert.text.clone()).collect();
    assert_eq!(texts[0], "accuracy 0.2 over the last 200 rows, below 0.75");
    assert_eq!(texts[1], "ROC AUC 0.2 over the last 200 rows, below 0.5");
}

#[test]
fn time_alone_resolves_at_once() {
    let mut watched = Watched::new("silence>10s,blind", Vec::new());
    assert_eq!(watched.look(1, 1.0, 61.0), NOTHING);
    assert_eq!(watched.look(0, 1.0, 11.0), ["5f3a9c01-1 silence>10s Firing"]);
    watched.blind_since(Some(watched.now_s));
    assert_eq!(watched.look(1, 1.0, 1.0), ["5f3a9c01-2 silence>10s Resolved", "5f3a9c01-3 blind Firing"]);
    watched.blind_since(None);
    assert_eq!(watched.look(0, 1.0, 1.0), ["5f3a9c01-4 blind Resolved"]);
    let shown = watched.alarms.shown();
    assert_eq!(shown.iter().map(|alert| alert.id.as_str()).collect::<Vec<_>>(), ["5f3a9c01-4", "5f3a9c01-2"]);
    assert_eq!(shown[0].text, "The monitor works again; fired at 06:01 UTC");
}

#[test]
fn what_starts_with_this_process_has_a_minute() {
    let mut watched = Watched::new("silence>10s,blind", Vec::new());
    watched.blind_since(Some(START_S - 500.0));
    watched.now_s -= 400.0;
    watched.add(1, 1.0);
    watched.now_s += 400.0;
    assert_eq!(watched.look(0, 1.0, 59.0), NOTHING);
    let both = ["5f3a9c01-1 silence>10s Firing", "5f3a9c01-2 blind Firing"];
    assert_eq!(watched.look(0, 1.0, 1.0), both);
    // `metric` waits for a broker that starts as well.
    let mut watched = Watched::new("blind", Vec::new());
    watched.blind_since(Some(START_S + 19.0));
    assert_eq!(watched.look(1, 1.0, 39.5), NOTHING);
    watched.blind_since(None);
    assert_eq!(watched.look(1, 1.0, 30.0), NOTHING);
    // What began later does not wait.
    let mut watched = Watched::new("silence>10s,blind", Vec::new());
    assert_eq!(watched.look(1, 1.0, 1.0), NOTHING);
    assert_eq!(watched.look(0, 1.0, 11.0), ["5f3a9c01-1 silence>10s Firing"]);
    watched.blind_since(Some(START_S + 20.0));
    assert_eq!(watched.look(0, 1.0, 10.0), ["5f3a9c01-2 blind Firing"]);
}

#[test]
fn a_machine_that_slept_or_whose_clock_was_set_has_a_minute() {
    for (lasts, slept_s) in [(false, 3600.0), (true, 3600.0), (true, -1e6)] {
        let mut watched = Watched::new("silence>10s,blind", Vec::new());
        assert_eq!(watched.look(0, 1.0, 100.0), NOTHING);
        assert_eq!(watched.look(1, 1.0, 5.0), NOTHING);
        watched.now_s += slept_s;
        watched.blind_since(Some(watched.now_s - 20.0));
        assert_eq!(watched.judge(), NOTHING);
        if lasts {
            assert_eq!(watched.look(0, 1.0, 59.0), NOTHING);
            let fires = watched.look(0, 1.0, 1.0);
            // By a clock that was set back, the row is yet to come.
            let silence = (slept_s > 0.0).then_some("silence>10s");
            let rules = fires.iter().filter_map(|line| line.split(' ').nth(1));
            assert_eq!(rules.collect::<Vec<_>>(), silence.into_iter().chain(["blind"]).collect::<Vec<_>>());
        } else {
            watched.blind_since(None);
            assert_eq!(watched.look(1, 1.0, 5.0), NOTHING);
        }
    }
}

fn fired_before(rule: &str) -> Alert {
    Alert {
        id: "0000abcd-9".to_owned(),
        rule: rule.to_owned(),
        phase: Phase::Firing,
        value: None,
        limit: None,
        since_s: START_S - 60.0,
        text: "MAE 61".to_owned(),
    }
}

#[test]
fn after_a_restart_what_still_fires_is_no_change() {
    let firing = || ["mae>60", "drift", "mae>99"].map(fired_before).to_vec();
    let mut watched = Watched::new("drift,mae>60", firing());
    // Not before all logs were read: only a rule that is none any more resolves.
    watched.state = State::Trouble("x".to_owned());
    assert_eq!(watched.look(300, 61.0, 1.0), ["5f3a9c01-1 mae>99 Resolved"]);
    watched.state = State::Following;
    assert_eq!(watched.look(0, 61.0, 1.0), ["5f3a9c01-2 drift Resolved"]);
    assert_eq!(watched.look(300, 61.0, 1.0), NOTHING);
    let shown: Vec<String> = watched.alarms.shown().into_iter().map(|alert| alert.id).collect();
    assert_eq!(shown, ["0000abcd-9", "5f3a9c01-2", "5f3a9c01-1"]);
    watched.look(300, 1.0, 1.0);
    assert_eq!(watched.look(100, 1.0, 1.0), ["5f3a9c01-3 mae>60 Resolved"]);
}

#[test]
fn a_log_that_is_replaced_is_judged_once_it_is_read() {
    let mut watched = Watched::new("drift,mae>60", vec![fired_before("drift")]);
    watched.statistics.apply(&Event::StartOver);
    watched.alarms.start_over();
    watched.state = State::Trouble("x".to_owned());
    assert_eq!(watched.look(300, 61.0, 1.0), NOTHING);
    watched.state = State::Waiting("b.csv".to_owned());
    assert_eq!(watched.look(0, 1.0, 1.0), ["5f3a9c01-1 drift Resolved", "5f3a9c01-2 mae>60 Firing"]);
    // A number needs its rows again.
    watched.statistics.apply(&Event::StartOver);
    watched.alarms.start_over();
    watched.state = State::Following;
    assert_eq!(watched.look(199, 1.0, 100.0), NOTHING);
    assert_eq!(watched.look(1, 1.0, 1.0), NOTHING);
    assert_eq!(watched.look(0, 1.0, 30.0), ["5f3a9c01-3 mae>60 Resolved"]);
}

#[test]
fn a_receiver_without_room_gets_the_last_state_of_each_rule() {
    let mut watched = Watched::new("blind,mae>60", Vec::new());
    let queue = |watched: &mut Watched, has_room: bool| {
        let mut queued = Vec::new();
        watched.alarms.queue(|alert| {
            queued.push(format!("{} {:?}", alert.id, alert.phase));
            has_room
        });
        queued
    };
    watched.blind_since(Some(START_S + 30.0));
    assert_eq!(watched.look(300, 61.0, 31.0).len(), 2);
    assert_eq!(queue(&mut watched, false), ["5f3a9c01-1 Firing", "5f3a9c01-2 Firing"]);
    watched.blind_since(None);
    assert_eq!(watched.look(0, 61.0, 1.0).len(), 1);
    // One has resolved before anybody heard that it fired.
    assert_eq!(queue(&mut watched, true), ["5f3a9c01-2 Firing"]);
    assert_eq!(queue(&mut watched, true), NOTHING);
}
