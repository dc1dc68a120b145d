//! The oracle of the tests that kill: what was confirmed to have been published, and what the log and the rejects must say of it
//! in the end and after every restart.

use glue::testing::{Directory, Peer, prefix, publish_until_confirmed, wait_for};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// The second half of a pair comes up to this number of pairs after the first.
const APART: usize = 10_000;
/// One id in 100 is given a second, different first half.
const CONFLICT_EVERY: usize = 100;
/// Its value.
const CONFLICT: f64 = -1.5;
/// With one id in 50 comes a message that no one can use.
const INVALID_EVERY: usize = 50;

#[derive(Clone, Copy)]
enum Kind {
    Half,
    /// Another value for a half that waits.
    Conflict,
    Invalid,
}

#[derive(Clone, Copy)]
struct Message {
    queue: &'static str,
    id: usize,
    kind: Kind,
}

/// Pairs with the ids `k0`, `k1`, …: one half in ten is repeated, some ids have conflicts, and among them are messages that no one can use.
pub struct Ledger {
    /// Otherwise of a regression.
    is_of_classes: bool,
    pairs: usize,
    /// Samples to a message.
    batch: usize,
    prefix: String,
    /// In the order of publication.
    messages: Vec<Message>,
    /// Second halves of ids that have a conflict: they must wait until it has been found.
    late: Vec<Message>,
}

/// Of two predictions in three, and of every other truth.
fn group(queue: &str, id: usize) -> Option<String> {
    match queue {
        "y_pred" => (!id.is_multiple_of(3)).then(|| format!("-g{}", id % 5)),
        _ => id.is_multiple_of(2).then(|| "t".to_owned()),
    }
}

/// Names of classes, which are numbers.
const CLASSES: usize = 3000;

impl Ledger {
    pub fn new(pairs: usize, batch: usize, rng: &mut fastrand::Rng) -> Ledger {
        let (mut timed, mut late) = (Vec::new(), Vec::new());
        for id in 0..pairs {
            let (first, second) = if rng.bool() { ("y_true", "y_pred") } else { ("y_pred", "y_true") };
            let half = |queue| Message { queue, id, kind: Kind::Half };
            if id % CONFLICT_EVERY == 0 {
                timed.push((id, half(first)));
                timed.push((id + rng.usize(..APART), Message { kind: Kind::Conflict, ..half(first) }));
                late.push(half(second));
                continue;
            }
            for (queue, at) in [(first, id), (second, id + rng.usize(..APART))] {
                timed.push((at, half(queue)));
                if rng.u8(..10) == 0 {
                    timed.push((at + rng.usize(..APART), half(queue)));
                }
            }
            if id % INVALID_EVERY == 1 {
                timed.push((id, Message { kind: Kind::Invalid, ..half(first) }));
            }
        }
        // A stable sort: a conflict stays behind the half that it is one with.
        timed.sort_by_key(|&(at, _)| at);
        let messages = timed.into_iter().map(|(_, message)| message).collect();
        Ledger { is_of_classes: false, pairs, batch, prefix: prefix(), messages, late }
    }

    /// With classes instead of numbers.
    pub fn of_classes(self) -> Ledger {
        Ledger { is_of_classes: true, ..self }
    }

    /// The setting for `metric`.
    pub fn task(&self) -> (&'static str, &'static str) {
        ("task", if self.is_of_classes { "classes" } else { "regression" })
    }

    /// `y_true` or `y_pred` of an id, recomputed whenever it is needed.
    fn value(&self, queue: &str, id: usize) -> f64 {
        match (queue, self.is_of_classes) {
            ("y_true", false) => id as f64 * 0.1,
            (_, false) => 1000.0 - id as f64 / 3.0,
            ("y_true", true) => (id % CLASSES) as f64,
            (_, true) => ((id + id % 3) % CLASSES) as f64,
        }
    }

    /// Its own queues' prefix.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    fn body(&self, message: &Message) -> Vec<u8> {
        let Message { queue, id, kind } = *message;
        match kind {
            Kind::Half | Kind::Conflict => {
                let value = if let Kind::Half = kind { self.value(queue, id) } else { CONFLICT };
                let value = if self.is_of_classes { json!(value.to_string()) } else { json!(value) };
                let half = json!({"id": format!("k{id}"), "body": value, "group": group(queue, id)});
                half.to_string().into_bytes()
            }
            Kind::Invalid => match id / INVALID_EVERY % 4 {
                0 => format!("not JSON {id}").into_bytes(),
                1 => format!("{{\"id\": \"{id}\", \"body\": {{}}}}").into_bytes(),
                2 => format!("[{{\"id\": \"{id}\"}}]").into_bytes(),
                _ => [format!("{{\"id\": {id}, \"body\": 1").as_bytes(), b"\xff}"].concat(),
            },
        }
    }

    fn publish_all(&self, url: &str, messages: &[Message]) {
        let batches = self.batches(messages);
        publish_until_confirmed(url, batches.len(), |i| {
            let queue = format!("{}{}", self.prefix, batches[i][0].queue);
            let bodies: Vec<Vec<u8>> = batches[i].iter().map(|message| self.body(message)).collect();
            match bodies.as_slice() {
                [only] => (queue, only.clone()),
                _ => (queue, [b"[".as_slice(), &bodies.join(b",".as_slice()), b"]"].concat()),
            }
        });
    }

    /// What is published together: halves of one queue, in their order. What no one can use goes alone.
    fn batches(&self, messages: &[Message]) -> Vec<Vec<Message>> {
        let (mut batches, mut open) = (Vec::new(), HashMap::<_, Vec<Message>>::new());
        for message in messages {
            if let Kind::Invalid = message.kind {
                batches.push(vec![*message]);
                continue;
            }
            let batch = open.entry(message.queue).or_default();
            batch.push(*message);
            if batch.len() == self.batch {
                batches.push(std::mem::take(batch));
            }
        }
        batches.extend(open.into_values().filter(|batch| !batch.is_empty()));
        batches
    }

    /// Publishes everything but the late halves; returns once the broker has confirmed it, however often it dies.
    pub fn publish(&self, url: &str) {
        self.publish_all(url, &self.messages);
    }

    /// Part `part` (from 0) of `of` parts.
    pub fn publish_part(&self, url: &str, part: usize, of: usize) {
        let bounds = [part, part + 1].map(|n| n * self.messages.len() / of);
        self.publish_all(url, &self.messages[bounds[0]..bounds[1]]);
    }

    pub fn pairs(&self) -> usize {
        self.pairs
    }

    /// Rows that can be there before the late halves.
    pub fn early_rows(&self) -> usize {
        self.pairs - self.late.len()
    }

    /// Halves that are published again.
    fn repeats(&self) -> u64 {
        let halves = self.messages.iter().filter(|message| matches!(message.kind, Kind::Half));
        let mut known = HashSet::new();
        halves.filter(|half| !known.insert((half.queue, half.id))).count() as u64
    }

    /// Waits until both queues are empty: all is acknowledged.
    pub fn wait_until_drained(&self, url: &str) {
        let peer = Peer::connect(url);
        for queue in ["y_true", "y_pred"] {
            let queue = format!("{}{queue}", self.prefix());
            wait_for("empty queue", || (peer.depth(&queue) == 0).then_some(()));
        }
    }

    /// To be called once no more is killed: publishes the late halves, and waits until there is a row of every pair and all is counted.
    pub fn finish(&self, url: &str, directory: &Directory) {
        let conflicts: HashSet<usize> = self.late.iter().map(|message| message.id).collect();
        wait_for("reject of every conflict", || {
            let refused = rejected(directory).0;
            (refused.iter().map(|(id, _)| *id).collect::<HashSet<_>>() == conflicts).then_some(())
        });
        self.publish_all(url, &self.late);
        wait_for("row of every pair", || {
            (crate::rows_of_all_logs(directory).len() >= self.pairs).then_some(())
        });
        wait_for("count of every repeat", || {
            crate::status(directory).filter(|status| status["duplicates"].as_u64() >= Some(self.repeats()))
        });
    }

    /// Asserts that `metric` has stopped and its counts are right; a kill may have counted again what came again.
    fn check_status(&self, directory: &Directory) {
        let status = crate::status(directory).unwrap();
        let invalid = (1..self.pairs).step_by(INVALID_EVERY).count() as u64;
        let none = json!({"y_true": 0, "y_pred": 0});
        assert_eq!((&status["state"], &status["reason"]), (&"stopped".into(), &Value::Null), "{status}");
        assert_eq!((&status["rows"], &status["groups_dropped"]), (&self.pairs.into(), &0.into()), "{status}");
        assert_eq!((&status["waiting"], &status["unmatched"]), (&none, &none), "{status}");
        assert_eq!(status["oldest_waiting_at"], json!({"y_true": null, "y_pred": null}), "{status}");
        for (key, at_least) in
            [("duplicates", self.repeats()), ("conflicts", self.late.len() as u64), ("rejected", invalid)]
        {
            assert!(status[key].as_u64().unwrap() >= at_least, "{key}, at least {at_least}: {status}");
        }
    }

    /// To be called once `metric` has stopped: asserts that there is exactly one row of each pair, with its values and its group, and a reject
    /// of each invalid message; and nothing else.
    pub fn check(&self, directory: &Directory) {
        self.check_status(directory);
        for record in crate::all_logs(directory).iter().flat_map(|log| crate::records_of(log)) {
            let id = record[0][1..].parse().unwrap();
            let expected = group("y_pred", id).or(group("y_true", id)).unwrap_or_default();
            assert_eq!(crate::unguarded(&record[6]), expected, "group of k{id}");
            assert!(record[5].parse::<f64>().is_ok(), "delay of k{id}: {:?}", &record[5]);
        }
        let rows = crate::rows_of_all_logs(directory);
        let by_id: HashMap<&str, _> = rows.iter().map(|row| (row.0.as_str(), row)).collect();
        assert_eq!(
            (by_id.len(), rows.len()),
            (self.pairs, self.pairs),
            "an id has two rows or is of another test"
        );
        let (mut refused, invalid) = rejected(directory);
        let late: HashMap<usize, &str> =
            self.late.iter().map(|message| (message.id, message.queue)).collect();
        for id in 0..self.pairs {
            let (_, y_true, y_pred, error) =
                by_id.get(format!("k{id}").as_str()).unwrap_or_else(|| panic!("k{id} has no row"));
            for (queue, logged) in [("y_true", *y_true), ("y_pred", *y_pred)] {
                let mut expected = self.value(queue, id);
                // Which of the two came first is the broker's to say: after a kill it may send them in the other order. One stays, and
                // only the other one is ever refused.
                if late.get(&id).is_some_and(|late| *late != queue) {
                    let [first, second] =
                        [expected, CONFLICT].map(|value| refused.remove(&(id, value.to_bits())));
                    assert_ne!(first, second, "k{id}: refused are {first} and {second}");
                    expected = if first { CONFLICT } else { expected };
                }
                assert_eq!(logged, expected, "{queue} of k{id}");
            }
            let expected =
                if self.is_of_classes { f64::from(y_true != y_pred) } else { (y_pred - y_true).abs() };
            assert_eq!(*error, expected);
        }
        assert_eq!(refused, HashSet::new());
        assert_eq!(invalid, (1..self.pairs).step_by(INVALID_EVERY).collect());
    }
}

/// Ids of the conflicts in `rejected.jsonl`, with the bits of the value that was refused, and ids of the invalid messages.
fn rejected(directory: &Directory) -> (HashSet<(usize, u64)>, HashSet<usize>) {
    let (mut conflicts, mut invalid) = (HashSet::new(), HashSet::new());
    let text = directory.read("rejected.jsonl");
    for line in text[..text.rfind('\n').map_or(0, |end| end + 1)].lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let body = match line["encoding"].as_str().unwrap() {
            "text" => line["body"].as_str().unwrap().to_owned(),
            _ => {
                use base64::{Engine, engine::general_purpose::STANDARD};
                let bytes = STANDARD.decode(line["body"].as_str().unwrap()).unwrap();
                String::from_utf8_lossy(&bytes).into_owned()
            }
        };
        let is_conflict = line["reason"].as_str().unwrap().starts_with("conflict");
        if is_conflict {
            let sample: Value = serde_json::from_str(&body).unwrap();
            let id = sample["id"].as_str().unwrap()[1..].parse().unwrap();
            let value = sample["body"].as_str().map(|class| class.parse().unwrap());
            let value: f64 = value.unwrap_or_else(|| sample["body"].as_f64().unwrap());
            conflicts.insert((id, value.to_bits()));
        } else {
            let digits = body.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit);
            invalid.insert(digits.collect::<String>().parse().unwrap());
        }
    }
    (conflicts, invalid)
}

/// The whole lines that were seen of the log and of all that it was renamed to: none of them may go or change.
#[derive(Default)]
pub struct Seen(Vec<String>);

impl Seen {
    /// Asserts that what was seen is still there. Returns the number of new rows.
    pub fn look(&mut self, directory: &Directory) -> usize {
        let before = self.rows();
        let mut now = crate::all_logs(directory);
        now.iter_mut().for_each(|log| log.truncate(log.rfind('\n').map_or(0, |end| end + 1)));
        let is_there = |seen: &String| now.iter().any(|log| log.starts_with(seen));
        assert!(self.0.iter().all(is_there), "a row that was seen is gone or changed");
        self.0 = now;
        self.rows() - before
    }

    pub fn bytes(&self) -> usize {
        self.0.iter().map(String::len).sum()
    }

    pub fn rows(&self) -> usize {
        self.0.iter().map(|log| log.lines().count().saturating_sub(1)).sum()
    }
}
