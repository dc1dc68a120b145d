//! Joins the two halves of each id. Pure: looks ids up through a function and returns what is to be kept as values. Never reads or writes.

use crate::{
    clock::ClockMark,
    wire::{
        group::Group,
        id::Id,
        labels::{Labels, Task},
        sample::Sample,
    },
};
use foldhash::fast::RandomState;
use std::{
    collections::{HashMap, hash_map::Entry},
    iter,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    YTrue,
    YPred,
}

impl Side {
    /// The one of two things that belongs to this side.
    pub fn of<T>(self, [y_true, y_pred]: &[T; 2]) -> &T {
        if self == Side::YTrue { y_true } else { y_pred }
    }
}

/// One of the two values that an id needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Half {
    pub side: Side,
    pub value: f64,
    pub received: ClockMark,
    pub group: Group,
}

/// What is known of an id.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    Nothing,
    /// One half waits, in the store or held in memory.
    Waiting(Half),
    /// Its row is in the log, with these values.
    Done(Values),
}

/// The two values of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Values {
    pub y_true: f64,
    pub y_pred: f64,
}

/// An id with both halves.
#[derive(Debug, PartialEq)]
pub struct Row {
    pub id: Id,
    /// The store holds its first half.
    pub waited: bool,
    pub values: Values,
    pub absolute_error: f64,
    /// From the arrival of the prediction to that of the truth; negative if the truth came first.
    pub label_delay_ms: i64,
    /// That of the prediction, or else that of the truth.
    pub group: Group,
}

/// A half that came with a delivery.
pub struct Arrival {
    pub side: Side,
    /// The number of the delivery, counted per side.
    pub delivery: u64,
    pub sample: Sample,
}

/// Halves in the order in which they came.
#[derive(Default)]
pub struct Arrivals {
    samples: Vec<Sample>,
    /// Their deliveries, in the same order: side, number and count of samples.
    deliveries: Vec<(Side, u64, usize)>,
}

impl Arrivals {
    /// Adds a delivery whose samples `decode` appends. Returns how many.
    pub fn add(&mut self, side: Side, delivery: u64, decode: impl FnOnce(&mut Vec<Sample>)) -> usize {
        let before = self.samples.len();
        decode(&mut self.samples);
        let samples = self.samples.len() - before;
        self.deliveries.push((side, delivery, samples));
        samples
    }

    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    pub fn in_order(self) -> impl Iterator<Item = Arrival> {
        let each = |(side, delivery, samples)| iter::repeat_n((side, delivery), samples);
        let deliveries = self.deliveries.into_iter().flat_map(each);
        deliveries.zip(self.samples).map(|((side, delivery), sample)| Arrival { side, delivery, sample })
    }
}

/// The result of joining a batch.
#[derive(Debug, Default)]
pub struct Joined {
    /// In the order in which they became complete.
    pub rows: Vec<Row>,
    /// Halves that are to wait in the store, in the order of their arrival.
    pub waiting: Vec<(Id, Half)>,
    /// Halves that were known already, with the same value.
    pub duplicates: u64,
    /// Samples that cannot be joined with what is known.
    pub refused: Vec<Refused>,
    /// The known halves of those ids that were only held. They must be durable before the refusals are: the broker may redeliver the two in
    /// the other order, and then both would be refused.
    pub kept: Vec<(Id, Half)>,
    /// Deliveries by side and number, once for each of their halves that is held from now on.
    pub held: Vec<(Side, u64)>,
    /// The same for each half that is no longer held.
    pub released: Vec<(Side, u64)>,
}

/// A sample that is set aside, and why.
#[derive(Debug)]
pub struct Refused {
    pub side: Side,
    pub sample: Sample,
    pub reason: String,
    /// This half is known with another value.
    pub is_conflict: bool,
}

/// Holds halves in memory whose other halves are probably on their way. Their deliveries are not acknowledged.
pub struct Join {
    /// The hash is fast, not cryptographic. Each process draws its seed anew, and publishers are trusted.
    states: HashMap<Id, State, RandomState>,
    /// Whether a second prediction for an id is compared with the first. A model's prediction is not: the same features may be redelivered to
    /// another model.
    compares_predictions: bool,
    labels: Labels,
}

enum State {
    Held {
        half: Half,
        delivery: u64,
    },
    /// In [`Joined::kept`] of this batch.
    Kept(Half),
    /// In [`Joined::rows`] of this batch.
    Done(Values),
}

impl Join {
    pub fn new(compares_predictions: bool, labels: Labels) -> Join {
        Join { states: HashMap::default(), compares_predictions, labels }
    }

    /// Joins a batch of halves with each other, with those that are held, and with those in the store. `lookup` returns what the store knows of
    /// an id. A half without the other half is held.
    ///
    /// # Errors
    /// Only those of `lookup`.
    pub fn join<E>(
        &mut self,
        arrivals: impl IntoIterator<Item = Arrival>,
        received: ClockMark,
        mut lookup: impl FnMut(&str) -> Result<Known, E>,
    ) -> Result<Joined, E> {
        let mut joined = Joined::default();
        for Arrival { side, delivery, sample: Sample { id, value, group } } in arrivals {
            let mut half = Half { side, value, received, group };
            let compares = side == Side::YTrue || self.compares_predictions;
            let entry = self.states.entry(id);
            let known = match &entry {
                Entry::Occupied(state) => match state.get() {
                    State::Done(values) => Known::Done(*values),
                    State::Held { half, .. } | State::Kept(half) => Known::Waiting(half.clone()),
                },
                Entry::Vacant(place) => lookup(place.key())?,
            };
            let outcome = match known {
                Known::Nothing => {
                    joined.held.push((side, delivery));
                    entry.insert_entry(State::Held { half, delivery });
                    continue;
                }
                Known::Waiting(other) if other.side == side => {
                    again(value, other.value, compares, "which came first and stays", &self.labels)
                }
                Known::Waiting(other) => pair(&mut half, other, self.labels.task),
                Known::Done(Values { y_true, y_pred }) => {
                    let logged = if side == Side::YTrue { y_true } else { y_pred };
                    again(value, logged, compares, "which is in the log", &self.labels)
                }
            };
            match outcome {
                Outcome::Duplicate => joined.duplicates += 1,
                Outcome::Refused { reason, is_conflict } => {
                    let id = entry.key().clone();
                    if let Entry::Occupied(mut state) = entry
                        && let State::Held { half: stays, delivery } = state.get()
                    {
                        let (stays, delivery) = (stays.clone(), *delivery);
                        joined.released.push((stays.side, delivery));
                        joined.kept.push((id.clone(), stays.clone()));
                        state.insert(State::Kept(stays));
                    }
                    let sample = Sample { id, value, group: half.group };
                    joined.refused.push(Refused { side, sample, reason, is_conflict });
                }
                Outcome::Row { values, absolute_error, label_delay_ms, group } => {
                    let id = entry.key().clone();
                    let before = match entry {
                        Entry::Occupied(mut state) => Some(state.insert(State::Done(values))),
                        Entry::Vacant(place) => {
                            place.insert(State::Done(values));
                            None
                        }
                    };
                    let waited = match before {
                        Some(State::Held { half, delivery }) => {
                            joined.released.push((half.side, delivery));
                            false
                        }
                        _ => true,
                    };
                    joined.rows.push(Row { id, waited, values, absolute_error, label_delay_ms, group });
                }
            }
        }
        Ok(joined)
    }

    /// Moves all held halves to `joined.waiting`.
    pub fn release(&mut self, joined: &mut Joined) {
        let mut released: Vec<(u64, Id, Half)> = Vec::new();
        for (id, state) in self.states.extract_if(|_, state| matches!(state, State::Held { .. })) {
            if let State::Held { half, delivery } = state {
                joined.released.push((half.side, delivery));
                released.push((delivery, id, half));
            }
        }
        released.sort_unstable_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        joined.waiting.extend(released.into_iter().map(|(_, id, half)| (id, half)));
    }

    /// Call this once the store knows the batch. Only held halves stay.
    pub fn end_batch(&mut self) {
        self.states.retain(|_, state| matches!(state, State::Held { .. }));
    }

    /// Forgets the held halves, whose deliveries come again.
    pub fn drop_held(&mut self) {
        self.states.clear();
    }
}

/// The result of joining one half.
enum Outcome {
    Row { values: Values, absolute_error: f64, label_delay_ms: i64, group: Group },
    Duplicate,
    Refused { reason: String, is_conflict: bool },
}

/// A half that is known with the value `known`.
fn again(value: f64, known: f64, compares: bool, which: &str, labels: &Labels) -> Outcome {
    if value == known || !compares {
        return Outcome::Duplicate;
    }
    let [value, known] = [value, known].map(|value| labels.text(value));
    Outcome::Refused { reason: format!("conflict: {value} differs from {known}, {which}"), is_conflict: true }
}

/// Makes a row of the two halves of an id. If it cannot, `other` stays.
fn pair(half: &mut Half, mut other: Half, task: Task) -> Outcome {
    let (truth, prediction) = if half.side == Side::YTrue { (half, &mut other) } else { (&mut other, half) };
    let values = Values { y_true: truth.value, y_pred: prediction.value };
    let Values { y_true, y_pred } = values;
    let absolute_error = task.absolute_error(y_true, y_pred);
    if !absolute_error.is_finite() {
        let reason = format!("the absolute error of {y_true} and {y_pred} overflows");
        return Outcome::Refused { reason, is_conflict: false };
    }
    let label_delay_ms =
        truth.received.age_ms.cast_signed().wrapping_sub(prediction.received.age_ms.cast_signed());
    let group = prediction.group.take().or_else(|| truth.group.take());
    Outcome::Row { values, absolute_error, label_delay_ms, group }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    /// Of a regression.
    fn numbers(compares_predictions: bool) -> Join {
        Join::new(compares_predictions, Labels::new(Task::Regression))
    }

    const RECEIVED: ClockMark = ClockMark { age_ms: 5, unix_ms: 7 };

    fn half(side: Side, id: &str, value: f64) -> (Side, Sample) {
        (side, Sample { id: id.into(), value, group: None })
    }

    fn waiting(side: Side, value: f64) -> Half {
        Half { side, value, received: RECEIVED, group: None }
    }

    /// Joins halves, each in a delivery of its own; the store knows `known`.
    fn join(join: &mut Join, halves: Vec<(Side, Sample)>, known: &[(&str, Known)]) -> Joined {
        let arrivals = (0..).zip(halves).map(|(delivery, (side, sample))| Arrival { side, delivery, sample });
        let lookup = |id: &str| {
            let found = known.iter().find(|(known, _)| *known == id);
            Ok::<_, Infallible>(found.map_or(Known::Nothing, |(_, known)| known.clone()))
        };
        join.join(arrivals, RECEIVED, lookup).unwrap()
    }

    #[test]
    fn halves_of_one_batch_are_joined_in_either_order() {
        use Side::*;
        for halves in
            [[half(YTrue, "a", 1.0), half(YPred, "a", 3.5)], [half(YPred, "a", 3.5), half(YTrue, "a", 1.0)]]
        {
            let first = halves[0].0;
            let joined = join(&mut numbers(true), halves.into(), &[]);
            let values = Values { y_true: 1.0, y_pred: 3.5 };
            let row = Row {
                id: "a".into(),
                waited: false,
                values,
                absolute_error: 2.5,
                label_delay_ms: 0,
                group: None,
            };
            assert_eq!(joined.rows, [row]);
            assert!(joined.waiting.is_empty());
            assert_eq!((joined.held, joined.released), (vec![(first, 0)], vec![(first, 0)]));
        }
    }

    #[test]
    fn a_half_is_held_over_batches_and_joined_later() {
        let mut held = numbers(true);
        assert_eq!(join(&mut held, vec![half(Side::YTrue, "a", 1.0)], &[]).held, [(Side::YTrue, 0)]);
        held.end_batch();
        let joined = join(&mut held, vec![half(Side::YPred, "a", 0.0)], &[]);
        assert_eq!((joined.rows.len(), joined.rows[0].waited), (1, false));
        assert_eq!((joined.held, joined.released), (vec![], vec![(Side::YTrue, 0)]));
        held.end_batch();
        // The store is asked for what is not held.
        assert_eq!(join(&mut held, vec![half(Side::YPred, "a", 0.0)], &[]).held, [(Side::YPred, 0)]);
    }

    #[test]
    fn held_halves_go_to_the_store_in_the_order_of_their_arrival() {
        let mut held = numbers(true);
        let halves = vec![half(Side::YTrue, "b", 1.0), half(Side::YTrue, "a", 2.0)];
        let mut first = join(&mut held, halves, &[]);
        held.release(&mut first);
        held.end_batch();
        let [of_b, of_a] = [1.0, 2.0].map(|value| waiting(Side::YTrue, value));
        assert_eq!(first.waiting, [(Id::from("b"), of_b), (Id::from("a"), of_a.clone())]);
        assert_eq!(first.held.len(), first.released.len());
        let known = [("a", Known::Waiting(of_a))];
        let second = join(&mut held, vec![half(Side::YPred, "a", 0.0)], &known);
        assert_eq!((second.rows.len(), second.rows[0].waited), (1, true));
        let third = join(&mut held, vec![half(Side::YPred, "a", 0.0)], &known);
        assert_eq!((third.rows.len(), third.duplicates), (0, 1));
    }

    #[test]
    fn held_halves_are_forgotten_with_their_connection() {
        use Side::*;
        let mut held = numbers(true);
        join(&mut held, vec![half(YTrue, "a", 1.0)], &[]);
        held.end_batch();
        held.drop_held();
        let again = join(&mut held, vec![half(YPred, "a", 1.0)], &[]);
        assert_eq!((again.rows.len(), again.held.len()), (0, 1));
    }

    #[test]
    fn another_value_is_a_conflict_with_a_half_and_with_a_row() {
        use Side::*;
        let logged = Known::Done(Values { y_true: 5.0, y_pred: 6.0 });
        let halves = || {
            vec![
                half(YTrue, "a", 1.0),
                half(YTrue, "a", 1.0),
                half(YTrue, "a", 2.0),
                half(YPred, "a", 1.5),
                half(YPred, "a", 9.0),
                half(YTrue, "done", 5.0),
                half(YPred, "done", 6.0),
                half(YTrue, "done", 7.0),
                half(YPred, "done", 8.0),
                half(YTrue, "zero", 0.0),
                half(YTrue, "zero", -0.0),
            ]
        };
        let mut joined = join(&mut numbers(true), halves(), &[("done", logged.clone())]);
        assert_eq!((joined.rows.len(), joined.duplicates), (1, 4));
        assert_eq!(joined.rows[0].values, Values { y_true: 1.0, y_pred: 1.5 });
        let reasons: Vec<&str> = joined.refused.iter().map(|refused| refused.reason.as_str()).collect();
        assert_eq!(
            reasons,
            [
                "conflict: 2 differs from 1, which came first and stays",
                "conflict: 9 differs from 1.5, which is in the log",
                "conflict: 7 differs from 5, which is in the log",
                "conflict: 8 differs from 6, which is in the log",
            ]
        );
        assert!(joined.refused.drain(..).all(|refused| refused.is_conflict));
        // A second prediction of the model, which may have changed, is never a conflict.
        let joined = join(&mut numbers(false), halves(), &[("done", logged)]);
        assert_eq!((joined.duplicates, joined.refused.len()), (6, 2));
        assert!(joined.refused.iter().all(|refused| refused.side == YTrue));
    }

    #[test]
    fn the_half_that_stays_in_a_conflict_goes_to_the_store_even_if_its_row_comes_at_once() {
        use Side::*;
        let mut held = numbers(true);
        let halves = vec![half(YTrue, "a", 1.0), half(YTrue, "a", 2.0), half(YTrue, "a", 3.0)];
        let joined = join(&mut held, halves, &[]);
        assert_eq!(
            (joined.kept, joined.released),
            (vec![(Id::from("a"), waiting(YTrue, 1.0))], vec![(YTrue, 0)])
        );
        assert_eq!(joined.refused.len(), 2);
        let second = join(&mut held, vec![half(YPred, "a", 0.5)], &[]);
        assert_eq!((second.rows[0].values.y_true, second.rows[0].waited), (1.0, true));
    }

    #[test]
    fn a_row_has_the_group_of_the_prediction_or_else_of_the_truth_and_the_time_between_them() {
        use Side::*;
        let of_group =
            |id: &str, group: &str| Sample { id: id.into(), value: 1.0, group: Some(group.into()) };
        let (early, late) = (ClockMark { age_ms: 1000, unix_ms: 9 }, ClockMark { age_ms: 3500, unix_ms: 7 });
        let nothing = |_: &str| Ok::<_, Infallible>(Known::Nothing);
        for first in [YTrue, YPred] {
            let mut join = numbers(true);
            let mut take = |side, samples: [Sample; 3], received| {
                let arrivals = samples.into_iter().map(|sample| Arrival { side, delivery: 0, sample });
                let joined = join.join(arrivals, received, nothing).unwrap();
                join.end_batch();
                joined
            };
            let samples = |side| match side {
                YTrue => [of_group("both", "t"), of_group("truth", "t"), half(YTrue, "prediction", 1.0).1],
                YPred => [of_group("both", "p"), half(YPred, "truth", 1.0).1, of_group("prediction", "p")],
            };
            take(first, samples(first), early);
            let second = if first == YTrue { YPred } else { YTrue };
            let joined = take(second, samples(second), late);
            let delay_ms = if first == YTrue { -2500 } else { 2500 };
            let found: Vec<_> =
                joined.rows.iter().map(|row| (&*row.id, row.group.as_deref(), row.label_delay_ms)).collect();
            let expected = [("both", Some("p")), ("truth", Some("t")), ("prediction", Some("p"))];
            assert_eq!(found, expected.map(|(id, group)| (id, group, delay_ms)));
        }
    }

    #[test]
    fn classes_are_equal_or_not_and_conflicts_name_them() {
        use Side::*;
        let labels = Labels::new(Task::Classes);
        let half = |side, id: &str, name: &str| half(side, id, labels.number(name).unwrap());
        let halves = vec![
            half(YTrue, "a", "bird"),
            half(YPred, "a", "a, b"),
            half(YTrue, "b", "3"),
            half(YPred, "b", "3"),
            half(YTrue, "b", "3.0"),
            half(YPred, "b", "3"),
            half(YPred, "c", "cat"),
            half(YPred, "c", "bird"),
        ];
        let joined = join(&mut Join::new(true, labels.clone()), halves, &[]);
        assert_eq!(joined.rows.iter().map(|row| row.absolute_error).collect::<Vec<_>>(), [1.0, 0.0]);
        let reasons: Vec<&str> = joined.refused.iter().map(|refused| refused.reason.as_str()).collect();
        let expected = [
            "conflict: \"3.0\" differs from \"3\", which is in the log",
            "conflict: \"bird\" differs from \"cat\", which came first and stays",
        ];
        assert_eq!((reasons, joined.duplicates), (expected.to_vec(), 1));
    }

    #[test]
    fn an_error_that_overflows_is_refused_and_the_first_half_stays() {
        let halves = vec![half(Side::YTrue, "a", f64::MAX), half(Side::YPred, "a", -f64::MAX)];
        let joined = join(&mut numbers(true), halves, &[]);
        assert!(joined.rows.is_empty());
        assert_eq!((joined.refused.len(), joined.kept.len()), (1, 1));
        assert!(!joined.refused[0].is_conflict);
    }
}
