//! The messages of a simulation, and the expected result: each id whose two halves came has one row, and no other id has.

use crate::{
    join::{Half, Side},
    journal::{batch::Batch, counts::Counts, rejects::Reject, settings::Settings},
    wire::{
        labels::{Labels, Task},
        sample::Sample,
    },
};
use std::collections::{HashMap, HashSet};

/// Where the task is classes, the value as text is the name of the class.
#[derive(Clone)]
pub enum Message {
    Half(Side, String, f64),
    Invalid(String),
}

pub struct Workload {
    pub name: &'static str,
    pub messages: Vec<Message>,
    pub settings: Settings,
    /// Files before the first start.
    pub files: Vec<(&'static str, String)>,
    /// Ids of the rows in those files.
    pub rows_before: Vec<String>,
    /// The messages from this index come once those before are acknowledged.
    pub late_from: usize,
}

pub fn unlimited() -> Settings {
    Settings {
        task: Task::Regression,
        queue_prefix: String::new(),
        queues: ["y_true", "y_pred"].map(str::to_owned),
        compares_predictions: true,
        halves_max: u64::MAX,
        age_max_ms: u64::MAX,
        done_ids: u64::MAX,
        log_max_bytes: u64::MAX,
    }
}

/// The settings of a regression or of classes, as the seed has it.
fn of_any_task(rng: &mut fastrand::Rng) -> Settings {
    Settings { task: if rng.bool() { Task::Classes } else { Task::Regression }, ..unlimited() }
}

/// A second value for a half.
pub const CONFLICT: f64 = -1.0;
pub const HEADER: &str = "id,y_true,y_pred,absolute_error,logged_at,label_delay,group\n";
/// As `metric` 0.1 began its logs.
const OLD_HEADER: &str = "id,y_true,y_pred,absolute_error,logged_at\n";

/// The body in the reject of a conflict.
fn body(task: Task, side: Side, id: &str, value: f64) -> String {
    let value = if task == Task::Classes { value.to_string().into() } else { serde_json::json!(value) };
    match group(side, id) {
        Some(group) => serde_json::json!({"id": id, "body": value, "group": group}).to_string(),
        None => serde_json::json!({"id": id, "body": value}).to_string(),
    }
}

fn number(id: &str) -> u32 {
    id.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
}

/// Of two predictions in three, and of every other truth. One begins as a formula does.
fn group(side: Side, id: &str) -> Option<&'static str> {
    match (side, number(id) % 6) {
        (Side::YPred, 0 | 3) => None,
        (Side::YPred, 1 | 4) => Some("-p"),
        (Side::YPred, _) => Some("p"),
        (Side::YTrue, 0 | 2 | 4) => Some("t"),
        (Side::YTrue, _) => None,
    }
}

/// One prediction in four is right.
pub fn value(side: Side, id: &str) -> f64 {
    let number = number(id);
    let is_truth = side == Side::YTrue || number.is_multiple_of(4);
    if is_truth { f64::from(number) * 0.1 } else { 1000.0 - f64::from(number) / 3.0 }
}

/// Halves of `ids` in a random order, the second up to `apart` places behind the first; some are repeated.
fn pairs(ids: std::ops::Range<usize>, apart: usize, rng: &mut fastrand::Rng) -> Vec<Message> {
    let mut timed = Vec::new();
    for number in ids {
        let id = format!("{}{number}", if number % 7 == 0 { "=" } else { "k" });
        let sides = if rng.bool() { [Side::YTrue, Side::YPred] } else { [Side::YPred, Side::YTrue] };
        for (side, at) in sides.into_iter().zip([number, number + rng.usize(..apart)]) {
            let message = Message::Half(side, id.clone(), value(side, &id));
            if rng.u8(..5) == 0 {
                timed.push((at + rng.usize(..apart), message.clone()));
            }
            timed.push((at, message));
        }
    }
    timed.sort_by_key(|&(at, _)| at);
    timed.into_iter().map(|(_, message)| message).collect()
}

/// From an empty directory: pairs, halves alone, repeats, conflicts and invalid messages.
pub fn mixed(rng: &mut fastrand::Rng) -> Workload {
    let mut messages = pairs(0..24, 9, rng);
    for alone in 100..104 {
        let side = if alone % 2 == 0 { Side::YTrue } else { Side::YPred };
        let id = format!("k{alone}");
        let at = rng.usize(..messages.len());
        messages.insert(at, Message::Half(side, id.clone(), value(side, &id)));
        // A second value for it, at once or later: a conflict that must be rejected, whether the other half comes or not.
        let conflict = Message::Half(side, id, CONFLICT);
        if alone % 2 == 0 {
            messages.insert(at + 1, conflict);
        } else {
            messages.push(conflict);
        }
    }
    for number in 0..4 {
        messages.insert(rng.usize(..messages.len()), Message::Invalid(format!("invalid {number}")));
    }
    let late_from = messages.len();
    for alone in 100..102 {
        let side = if alone % 2 == 0 { Side::YPred } else { Side::YTrue };
        let id = format!("k{alone}");
        messages.push(Message::Half(side, id.clone(), value(side, &id)));
    }
    // Other values for ids whose rows are in the log: conflicts with the row.
    for done in 0..3 {
        messages.push(Message::Half(Side::YPred, format!("k{}", done * 5 + 1), CONFLICT));
    }
    let (settings, files, rows_before) = (of_any_task(rng), vec![], vec![]);
    Workload { name: "mixed", messages, settings, files, rows_before, late_from }
}

/// Few halves may wait, so some expire.
pub fn limited(rng: &mut fastrand::Rng) -> Workload {
    let messages = pairs(0..30, 12, rng);
    let settings = Settings { halves_max: 5, age_max_ms: 4000, ..of_any_task(rng) };
    let (files, rows_before, late_from) = (vec![], vec![], messages.len());
    Workload { name: "limited", messages, settings, files, rows_before, late_from }
}

/// Few halves may wait, and files get a number soon. Some numbers are taken by files of other programs.
pub fn rotating(rng: &mut fastrand::Rng) -> Workload {
    let settings = Settings { log_max_bytes: rng.u64(1..400), ..limited(rng).settings };
    let files = vec![
        ("metric_log.2.csv", "a note\n".to_owned()),
        ("unmatched.000001.csv", "another note\n".to_owned()),
    ];
    Workload { name: "rotating", settings, files, ..limited(rng) }
}

/// One of the workloads as the seed has it, of classes.
pub fn of_classes(rng: &mut fastrand::Rng) -> Workload {
    let makes: [fn(&mut fastrand::Rng) -> Workload; 4] = [mixed, limited, inherited, rotating];
    loop {
        let workload = makes[rng.usize(..4)](rng);
        if workload.settings.task == Task::Classes {
            return workload;
        }
    }
}

/// Continues a log whose store is lost, with a note in it and a torn row at its end. Few done ids are kept.
pub fn inherited(rng: &mut fastrand::Rng) -> Workload {
    let settings = Settings { done_ids: 16, ..of_any_task(rng) };
    let mut text = OLD_HEADER.to_owned();
    let rows_before: Vec<String> = (200..220).map(|number| format!("k{number}")).collect();
    for (at, id) in rows_before.iter().enumerate() {
        let (y_true, y_pred) = (value(Side::YTrue, id), value(Side::YPred, id));
        text += &format!("{id},{y_true},{y_pred},{},1.000\n", settings.task.absolute_error(y_true, y_pred));
        if at == 9 {
            text += "a note\r\n\0\0,\"\n";
        }
    }
    text += "k300,1,2";
    let mut messages = pairs(300..324, 6, rng);
    // Rows of the log whose messages come again.
    for id in rows_before.iter().rev().take(4) {
        messages.insert(0, Message::Half(Side::YPred, id.clone(), value(Side::YPred, id)));
    }
    let (files, late_from) = (vec![("metric_log.csv", text)], messages.len());
    Workload { name: "inherited", messages, settings, files, rows_before, late_from }
}

impl Message {
    fn into_batch(self, batch: &mut Batch, labels: &Labels) {
        match self {
            Message::Half(side, id, value) => {
                let group = group(side, &id).map(Into::into);
                let value = match labels.task {
                    Task::Classes => labels.number(&value.to_string()).unwrap(),
                    Task::Regression | Task::Binary => value,
                };
                let sample = Sample { id: id.as_str().into(), value, group };
                batch.arrivals.add(side, 0, |samples| samples.push(sample));
            }
            Message::Invalid(body) => {
                batch.rejects.push(Reject::new(0, "y_true", "not JSON".to_owned(), body.as_bytes(), None));
            }
        }
    }
}

pub fn batch(messages: &[Message], labels: &Labels) -> Batch {
    let mut batch = Batch::default();
    messages.iter().cloned().for_each(|message| message.into_batch(&mut batch, labels));
    batch
}

/// A line of `unmatched.csv`.
#[derive(PartialEq, Eq, Hash)]
pub struct Given {
    pub id: String,
    pub side: Side,
    pub value: String,
    pub line: String,
}

/// Id and values, as in the log.
pub type Row = (String, f64, f64);

/// Reads the rows of a log and checks its header. A power cut may leave a line that holds zeros. Classes have names that are numbers.
pub fn rows(log: &[u8], task: Task) -> Vec<Row> {
    let text = std::str::from_utf8(log).unwrap();
    let header = [HEADER, OLD_HEADER].into_iter().find(|header| text.starts_with(header));
    let columns = header.unwrap_or_else(|| panic!("no header: {text:?}")).split(',').count();
    assert!(text.ends_with('\n'), "torn: {text:?}");
    let lines = text.lines().skip(1).filter(|line| !line.contains('\0'));
    let records = lines.map(|line| line.split(',').collect::<Vec<_>>());
    records
        .filter(|fields| fields.len() == columns)
        .map(|fields| {
            let number = |at: usize| fields[at].trim_start_matches('\'').parse::<f64>().unwrap();
            assert_eq!(number(3), task.absolute_error(number(1), number(2)));
            let is_guarded = task == Task::Classes && number(2) == CONFLICT;
            assert_eq!(fields[2].starts_with('\''), is_guarded, "{fields:?}");
            let id = fields[0].trim_start_matches('\'');
            if let [_, _, _, _, _, label_delay, found] = fields.as_slice() {
                assert!(label_delay.parse::<f64>().is_ok(), "{label_delay}");
                let group = group(Side::YPred, id).or(group(Side::YTrue, id)).unwrap_or_default();
                assert_eq!(found.trim_start_matches('\''), group, "group of {id}");
            }
            (id.to_owned(), number(1), number(2))
        })
        .collect()
}

impl Workload {
    /// Compares the rows of all logs with the messages. `refused` are the bodies of conflicts.
    pub fn check_rows(&self, rows: &[Row], unmatched: &HashSet<Given>, refused: &HashSet<String>) {
        let mut halves: HashMap<&str, [bool; 2]> = HashMap::new();
        let mut conflicts: HashMap<&str, Side> = HashMap::new();
        for message in &self.messages {
            let Message::Half(side, id, value) = message else { continue };
            halves.entry(id).or_default()[(*side == Side::YPred) as usize] = true;
            if *value == CONFLICT {
                conflicts.insert(id, *side);
            }
        }
        // After a crash the broker may redeliver the two in the other order. One stays and the other is refused, for good.
        let mut stays: HashMap<&str, f64> = HashMap::new();
        for (&id, &side) in &conflicts {
            let of_conflict = [value(side, id), CONFLICT];
            let body = |value| body(self.settings.task, side, id, value);
            let is_refused = of_conflict.map(|value| refused.contains(&body(value)));
            assert_ne!(
                is_refused[0], is_refused[1],
                "{id}: which of {of_conflict:?} is refused: {is_refused:?}"
            );
            stays.insert(id, if is_refused[0] { CONFLICT } else { of_conflict[0] });
        }
        let mut seen = HashSet::new();
        for (id, y_true, y_pred) in rows {
            assert!(seen.insert(id.as_str()), "{id} has two rows");
            let expected = [Side::YTrue, Side::YPred].map(|side| match stays.get(id.as_str()) {
                Some(stays) if conflicts.get(id.as_str()) == Some(&side) => *stays,
                _ => value(side, id),
            });
            assert_eq!([*y_true, *y_pred], expected, "{id}");
            let known = halves.get(id.as_str()) == Some(&[true; 2]) || self.rows_before.contains(id);
            assert!(known, "a row for {id}, which never was complete");
        }
        for id in &self.rows_before {
            assert!(seen.contains(id.as_str()), "the row of {id} is gone");
        }
        for (id, sides) in halves {
            let given_up = unmatched.iter().any(|given| given.id == id);
            assert!(sides != [true; 2] || seen.contains(id) || given_up, "{id} has no row");
        }
    }

    /// Compares the counts with the files and the messages. `waiting` are the halves that wait, the oldest first.
    pub fn check_counts(
        &self,
        counts: &Counts,
        rows: &[Row],
        unmatched: &HashSet<Given>,
        waiting: &[(String, Half)],
        labels: &Labels,
    ) {
        // In quotes if it is a class.
        let text = |value: f64| labels.text(value).trim_matches('"').to_owned();
        for (id, half) in waiting {
            let values = [value(half.side, id), CONFLICT].map(|value| value.to_string());
            assert!(values.contains(&text(half.value)), "{id} waits with {}", text(half.value));
        }
        for given in unmatched {
            let values = [value(given.side, &given.id), CONFLICT].map(|value| value.to_string());
            assert!(values.contains(&given.value), "{}", given.line);
        }
        assert_eq!(counts.rows, rows.len() as u64, "rows");
        let mut counts_of_sides = counts.clone();
        let with_row: HashSet<&str> = rows.iter().map(|(id, ..)| id.as_str()).collect();
        for side in [Side::YTrue, Side::YPred] {
            let mut waits = waiting.iter().filter(|(_, half)| half.side == side).peekable();
            let oldest_ms = waits.peek().map(|(_, half)| half.received.unix_ms);
            let waits: HashSet<&str> = waits.map(|(id, _)| id.as_str()).collect();
            assert_eq!(*counts_of_sides.waiting.of(side), waits.len() as u64, "waiting {side:?}");
            assert_eq!(*counts_of_sides.oldest_waiting_ms.of(side), oldest_ms, "oldest {side:?}");
            // Equal lines count once. A crash between a line and its commit may leave the half waiting, or a row to be made of it.
            let lines: Vec<&str> =
                unmatched.iter().filter(|given| given.side == side).map(|given| given.id.as_str()).collect();
            let forgotten = lines.iter().filter(|id| !with_row.contains(*id) && !waits.contains(*id)).count();
            let of_lines = forgotten as u64..=lines.len() as u64;
            let count = *counts_of_sides.unmatched.of(side);
            assert!(of_lines.contains(&count), "unmatched {side:?}: {count}, lines {of_lines:?}");
            // What has no row and was not given up waits.
            for message in &self.messages {
                if let Message::Half(of, id, _) = message
                    && (*of, with_row.contains(id.as_str())) == (side, false)
                {
                    assert!(waits.contains(id.as_str()) || lines.contains(&id.as_str()), "{side:?} of {id}");
                }
            }
        }
        let (mut duplicates, mut conflicts, mut rejected) = (0, 0, 0);
        let mut known: HashSet<(&str, Side)> = HashSet::new();
        known.extend(self.rows_before.iter().map(|id| (id.as_str(), Side::YPred)));
        for message in &self.messages {
            match message {
                Message::Invalid(_) => rejected += 1,
                Message::Half(_, _, value) if *value == CONFLICT => conflicts += 1,
                Message::Half(side, id, _) => duplicates += u64::from(!known.insert((id, *side))),
            }
        }
        // A repeat of a half that was given up begins to wait.
        if self.settings.halves_max == u64::MAX {
            assert!(counts.duplicates >= duplicates, "duplicates: {} of {duplicates}", counts.duplicates);
        }
        assert!(counts.conflicts >= conflicts, "conflicts: {} of {conflicts}", counts.conflicts);
        assert!(counts.rejected >= rejected, "rejected: {} of {rejected}", counts.rejected);
        assert_eq!(counts.last_rejection.is_some(), counts.rejected + counts.conflicts > 0);
    }
}
