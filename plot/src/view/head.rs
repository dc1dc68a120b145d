//! The head of the page: the verdict, its sign in the tab, which logs are followed, and what else is wrong.
//! Never computes a number.

use crate::{
    alert::verdict::Standing,
    logs::{follow::State, task::Task},
    stats::summary::Summary,
    view::{
        html::{escape, minute_as, time},
        moment::{Moment, STALLED},
    },
    words::number::{self, percent, rows, short},
};

/// The page warns if more than one in this many lines is not a row.
const NOTABLE: u64 = 100;

/// How a state looks. Each part differs from that of every other state, so colour is never the only sign.
struct Sign {
    character: char,
    /// As an SVG path, 16 × 16.
    path: &'static str,
    /// Of the tab's icon, on light and dark tabs.
    colour: &'static str,
}

fn sign(state: Standing) -> Sign {
    let (character, path, colour) = match state {
        // A ring, a disc, a triangle up, a triangle down, two bars, a cross.
        Standing::Learning => {
            ('○', "M8 1a7 7 0 1 1 0 14a7 7 0 1 1 0-14zM8 4a4 4 0 1 0 0 8a4 4 0 1 0 0-8z", "8a939c")
        }
        Standing::Steady => ('●', "M8 1a7 7 0 1 1 0 14a7 7 0 1 1 0-14z", "2e9e4f"),
        Standing::Worse => ('▲', "M8 1L16 15H0z", "d83a3a"),
        Standing::Better => ('▼', "M8 15L0 1H16z", "3a86d8"),
        Standing::Silent => ('‖', "M2 1h4v14h-4zM10 1h4v14h-4z", "d98a1e"),
        Standing::Blind => ('×', "M3 1L8 6L13 1L15 3L10 8L15 13L13 15L8 10L3 15L1 13L6 8L1 3z", "9b59d0"),
    };
    Sign { character, path, colour }
}

/// Its state, the sentence, and the Unix seconds that it says. Numbers that are not looked at any more have no verdict.
pub fn verdict(moment: &Moment, logs: &str, is_stalled: bool) -> (Standing, String, Option<f64>) {
    if is_stalled {
        let stalled_s = STALLED.as_secs();
        let text = format!(
            "Blind: {logs} was not looked at for more than {stalled_s} s; the page shows old numbers"
        );
        return (Standing::Blind, text, None);
    }
    (moment.verdict.state, moment.verdict.text.clone(), moment.verdict.since_s)
}

/// `since_s`: the time that the text says, in Unix seconds.
pub fn line(state: Standing, text: &str, since_s: Option<f64>) -> String {
    // A number and its unit stay on one line.
    let (name, path, text) = (state.name(), sign(state).path, escape(text).replace(" %", "\u{a0}%"));
    let text = since_s.and_then(|since_s| with_time(&text, since_s)).unwrap_or(text);
    format!(
        "<p class=\"verdict {name}\"><svg viewBox=\"0 0 16 16\" aria-hidden=\"true\"><path d=\"{path}\" /></svg> <span>{text}.</span></p>"
    )
}

/// None where it says none.
fn with_time(text: &str, since_s: f64) -> Option<String> {
    const SINCE: &str = " since ";
    let (before, rest) = text.split_once(SINCE)?;
    let (at, behind) = rest.split_once(" UTC")?;
    Some(format!("{before}{SINCE}{}{behind}", minute_as(at, since_s as i64)))
}

/// Of the tab.
pub fn title(state: Standing) -> String {
    format!("{} {} – Model error", sign(state).character, state.name())
}

/// The tab's icon, as an address that holds it.
pub fn icon(state: Standing) -> String {
    let Sign { path, colour, .. } = sign(state);
    format!(
        "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath fill='%23{colour}' d='{path}'/%3E%3C/svg%3E"
    )
}

/// Which logs are followed. Holds no number, as screen readers read out every change.
pub fn following(moment: &Moment, logs: &str) -> String {
    let (n, not_rows) = (moment.summary.all.n, not_rows(&moment.summary));
    let (class, text) = match &moment.state {
        // The verdict says all.
        State::Starting => return String::new(),
        State::Trouble(_) if n == 0 => return String::new(),
        State::Trouble(_) => ("bad", "The page shows the rows that could be read.".to_owned()),
        State::Waiting(name) if n == 0 => ("wait", format!("Waiting for {name}, which does not exist.")),
        State::Waiting(name) => {
            ("wait", format!("{name} does not exist now. The page shows what was read before."))
        }
        State::Following if n == 0 && not_rows > 0 => {
            ("bad", format!("{logs} has lines, and none is a row."))
        }
        State::Following if n == 0 => ("wait", format!("Following {logs}.")),
        State::Following => ("good", format!("Following {logs}.")),
    };
    // In the form of `innerHTML`: the script leaves an equal text alone, and so do screen readers.
    format!("<span class=\"{class}\">{}</span>", escape(&text))
}

/// What is wrong although the logs are followed.
pub fn warning(moment: &Moment) -> String {
    let (n, not_rows) = (moment.summary.all.n, not_rows(&moment.summary));
    let mut warnings = Vec::new();
    if not_rows * NOTABLE > n + not_rows {
        let share = percent(not_rows as f64 / (n + not_rows) as f64);
        warnings.push(format!("{share} of all lines are not rows: {}.", faults(&moment.summary)));
    }
    if let Some(reason) = &moment.picture_trouble {
        warnings.push(format!("The picture cannot be written: {}. The last picture stays.", escape(reason)));
    }
    if warnings.is_empty() { String::new() } else { format!("<span class=bad>{}</span>", warnings.join(" ")) }
}

/// What the numbers are of, and their units.
pub fn meaning(summary: &Summary) -> String {
    match summary.task {
        Task::Regression => "Errors are y_pred − y_true, in the unit of y_true.".to_owned(),
        Task::Binary => format!(
            "y is 0 or 1, p the predicted probability of 1. From p = {} on (--threshold), 1 is predicted. Scores are from 0 to 1, p − y from −1 to 1.",
            short(Some(summary.threshold))
        ),
        Task::Classes => {
            "The error rate is the share of rows whose predicted class is not the true one. Rates and scores are from 0 to 1. Macro: each class weighs the same; weighted: as many rows as it has."
                .to_owned()
        }
    }
}

/// Rows so far, and whether some are of logs that are gone.
pub fn news(moment: &Moment) -> String {
    let gone = match moment.gone_logs {
        0 => String::new(),
        1 => " Those of 1 log that is gone count until plot starts again.".to_owned(),
        n => format!(" Those of {n} logs that are gone count until plot starts again."),
    };
    match (moment.summary.all.n, moment.last_rows_s) {
        (n @ 1.., Some(last_s)) => {
            format!("{}, the last ones read at {}.{gone}", rows(n), time(last_s))
        }
        _ => String::new(),
    }
}

fn not_rows(summary: &Summary) -> u64 {
    summary.faults.iter().map(|(_, n)| n).sum()
}

/// Lines that are not rows, by kind.
pub fn faults(summary: &Summary) -> String {
    let kinds = number::faults(&summary.faults).replace('_', " ");
    if kinds.is_empty() { "none".to_owned() } else { kinds }
}
