//! Joins the two halves of each id. Pure: what was known before comes in through a function, what is to be kept goes out
//! as values; nothing is read or written here.

use crate::{id::Id, message::Sample};
use foldhash::fast::RandomState;
use std::{
    collections::{HashMap, hash_map::Entry},
    iter,
    sync::Arc,
};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Side {
    YTrue,
    YPred,
}

/// One of the two numbers that an id needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Half {
    pub side: Side,
    pub value: f64,
    /// Unix time.
    pub received_at_ms: u64,
}

/// What is known of an id before a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Known {
    Nothing,
    /// In the store, or held.
    Waiting(Half),
    /// Its row is in the log.
    Done,
}

/// Both halves of an id.
#[derive(Debug, PartialEq)]
pub struct Row {
    pub id: Id,
    /// The store has its first half.
    pub waited: bool,
    pub y_true: f64,
    pub y_pred: f64,
    pub absolute_error: f64,
}

/// A half that came with a delivery.
pub struct Arrival {
    pub side: Side,
    /// The delivery's number, counted per side.
    pub delivery: u64,
    pub sample: Sample,
}

/// Halves in the order in which they came.
#[derive(Default)]
pub struct Arrivals {
    samples: Vec<Sample>,
    /// Whose samples they are, in the same order: side, number and how many.
    deliveries: Vec<(Side, u64, usize)>,
}

impl Arrivals {
    /// Adds a delivery whose samples `decode` appends; gives how many they are.
    pub fn add(&mut self, side: Side, delivery: u64, decode: impl FnOnce(&mut Vec<Sample>)) -> usize {
        let before = self.samples.len();
        decode(&mut self.samples);
        let samples = self.samples.len() - before;
        self.deliveries.push((side, delivery, samples));
        samples
    }

    pub fn len(&self) -> usize {
        self.samples.len()
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

/// What a batch comes to.
#[derive(Debug, Default)]
pub struct Joined {
    /// In the order in which they became complete.
    pub rows: Vec<Row>,
    /// Halves that begin to wait in the store, in the order of their arrival.
    pub begun: Vec<(Id, Half)>,
    /// Halves that had been there before, with the same value.
    pub repeats: u64,
    /// Samples that cannot be joined with the half that was there before, and why.
    pub refused: Vec<(Side, Sample, String)>,
    /// Those halves, as far as they were only held. They must be in the store before the refusal is written down: the broker may
    /// send the two again in the other order, and then both would be refused.
    pub kept: Vec<(Id, Half)>,
    /// Deliveries by side and number, once for each half of theirs that is held from now on.
    pub held: Vec<(Side, u64)>,
    /// The same for each half that was held and is no longer.
    pub released: Vec<(Side, u64)>,
    /// The side whose halves are a little too early to be met in memory.
    pub ahead: Option<Side>,
}

/// A half that was met in the store so soon after its arrival says that its queue runs ahead of the other one.
const AHEAD_MAX_MS: u64 = 5000;

/// Ids that the store does not know yet.
#[derive(Default)]
pub struct Recent {
    /// By a hash that is fast and little else: its seed is drawn anew by each process, and those who may send could do worse than
    /// guess it.
    states: HashMap<Id, State, RandomState>,
    /// Those whose rows are durable, in the rows' order.
    done: Vec<DoneId>,
    /// The same, from when the store begins to be told of them until it knows them.
    storing: Arc<Vec<DoneId>>,
    /// Grows each time that the store begins to be told.
    generation: u64,
}

/// An id whose row is durable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DoneId {
    pub id: Id,
    /// The store has its first half.
    pub waited: bool,
}

enum State {
    /// Its delivery is not acknowledged: the other half is probably on its way.
    Held { half: Half, delivery: u64 },
    /// Among [`Joined::kept`].
    Kept(Half),
    /// Its row is in the log, or about to be.
    Done { generation: u64 },
}

impl Recent {
    /// Joins a batch of halves with each other, with those that are held, and with those in the store; `lookup` says what the
    /// store knows of an id. A half without its other one is held.
    ///
    /// # Errors
    /// Only those of `lookup`.
    pub fn join<E>(
        &mut self,
        arrivals: impl IntoIterator<Item = Arrival>,
        received_at_ms: u64,
        mut lookup: impl FnMut(&str) -> Result<Known, E>,
    ) -> Result<Joined, E> {
        let mut joined = Joined::default();
        for Arrival { side, delivery, sample: Sample { id, value } } in arrivals {
            let entry = self.states.entry(id);
            let known = match &entry {
                Entry::Occupied(recent) => match recent.get() {
                    State::Done { .. } => Known::Done,
                    State::Held { half, .. } | State::Kept(half) => Known::Waiting(*half),
                },
                Entry::Vacant(place) => lookup(place.key())?,
            };
            let other = match known {
                Known::Done => {
                    joined.repeats += 1;
                    continue;
                }
                Known::Nothing => {
                    let half = Half { side, value, received_at_ms };
                    joined.held.push((side, delivery));
                    entry.insert_entry(State::Held { half, delivery });
                    continue;
                }
                Known::Waiting(half) => half,
            };
            match pair(side, value, other) {
                Pair::Repeat => joined.repeats += 1,
                Pair::Refused(reason) => {
                    let id = entry.key().clone();
                    if let Entry::Occupied(mut recent) = entry
                        && let State::Held { half, delivery } = *recent.get()
                    {
                        recent.insert(State::Kept(half));
                        joined.released.push((half.side, delivery));
                        joined.kept.push((id.clone(), half));
                    }
                    joined.refused.push((side, Sample { id, value }, reason));
                }
                Pair::Row { y_true, y_pred, absolute_error } => {
                    let id = entry.key().clone();
                    let done = State::Done { generation: self.generation };
                    let waited = match entry {
                        Entry::Occupied(mut recent) => match recent.insert(done) {
                            State::Held { half, delivery } => {
                                joined.released.push((half.side, delivery));
                                false
                            }
                            State::Kept(_) | State::Done { .. } => true,
                        },
                        Entry::Vacant(place) => {
                            if received_at_ms.saturating_sub(other.received_at_ms) <= AHEAD_MAX_MS {
                                joined.ahead = Some(other.side);
                            }
                            place.insert(done);
                            true
                        }
                    };
                    joined.rows.push(Row { id, waited, y_true, y_pred, absolute_error });
                }
            }
        }
        Ok(joined)
    }

    /// Gives all halves that are held to the store, by way of `joined`.
    pub fn release(&mut self, joined: &mut Joined) {
        let mut released: Vec<(u64, Id, Half)> = Vec::new();
        for (id, state) in self.states.extract_if(|_, state| matches!(state, State::Held { .. })) {
            if let State::Held { half, delivery } = state {
                joined.released.push((half.side, delivery));
                released.push((delivery, id, half));
            }
        }
        released.sort_unstable_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        joined.begun.extend(released.into_iter().map(|(_, id, half)| (id, half)));
    }

    /// Forgets the halves that are held: their deliveries come again.
    pub fn drop_held(&mut self) {
        self.states.retain(|_, state| !matches!(state, State::Held { .. }));
    }

    /// These rows are durable.
    pub fn done(&mut self, rows: impl IntoIterator<Item = Row>) {
        self.done.extend(rows.into_iter().map(|row| DoneId { id: row.id, waited: row.waited }));
    }

    /// The ids of durable rows that the store does not know of. They stay known here until [`Recent::end_storing`].
    pub fn begin_storing(&mut self) -> Arc<Vec<DoneId>> {
        self.generation += 1;
        // Most often empty before: only what failed is still there.
        Arc::make_mut(&mut self.storing).append(&mut self.done);
        self.storing.clone()
    }

    /// Forgets what was being stored: the store knows it now.
    pub fn end_storing(&mut self) {
        self.storing = Arc::default();
        let stored =
            |state: &State| matches!(state, State::Done { generation } if *generation < self.generation);
        self.states.retain(|_, state| !stored(state));
    }

    /// Forgets [`Joined::kept`]: the store knows them now.
    pub fn end_keeping(&mut self, kept: &[(Id, Half)]) {
        for (id, _) in kept {
            if let Some(State::Kept(_)) = self.states.get(id) {
                self.states.remove(id);
            }
        }
    }
}

enum Pair {
    Row { y_true: f64, y_pred: f64, absolute_error: f64 },
    Repeat,
    Refused(String),
}

/// What a half comes to with one that was there before.
fn pair(side: Side, value: f64, other: Half) -> Pair {
    if other.side == side {
        if other.value == value {
            return Pair::Repeat;
        }
        return Pair::Refused(format!(
            "conflict: {value} differs from {}, which came first and stays",
            other.value
        ));
    }
    let (y_true, y_pred) = if side == Side::YTrue { (value, other.value) } else { (other.value, value) };
    let absolute_error = (y_pred - y_true).abs();
    if absolute_error.is_finite() {
        Pair::Row { y_true, y_pred, absolute_error }
    } else {
        Pair::Refused(format!("the absolute error of {y_true} and {y_pred} overflows"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn half(side: Side, id: &str, value: f64) -> (Side, Sample) {
        (side, Sample { id: id.into(), value })
    }

    fn join_with(recent: &mut Recent, halves: Vec<(Side, Sample)>, known: &[(&str, Known)]) -> Joined {
        let lookup = |id: &str| -> Result<Known, Infallible> {
            Ok(known.iter().find(|(k, _)| *k == id).map_or(Known::Nothing, |(_, known)| *known))
        };
        let arrivals =
            halves.into_iter().zip(0..).map(|((side, sample), delivery)| Arrival { side, delivery, sample });
        let joined = recent.join(arrivals, 5, lookup).unwrap();
        recent.done(joined.rows.iter().map(|row| Row { id: row.id.clone(), ..*row }));
        joined
    }

    fn store_all(recent: &mut Recent) -> Vec<(Id, bool)> {
        let done = recent.begin_storing();
        recent.end_storing();
        done.iter().map(|done| (done.id.clone(), done.waited)).collect()
    }

    #[test]
    fn halves_in_any_order_give_one_row() {
        use Side::*;
        for halves in
            [[half(YTrue, "a", 1.0), half(YPred, "a", 3.5)], [half(YPred, "a", 3.5), half(YTrue, "a", 1.0)]]
        {
            let first = halves[0].0;
            let mut recent = Recent::default();
            let joined = join_with(&mut recent, halves.into(), &[]);
            let row = Row { id: "a".into(), waited: false, y_true: 1.0, y_pred: 3.5, absolute_error: 2.5 };
            assert_eq!(joined.rows, [row]);
            assert!(joined.begun.is_empty());
            assert_eq!((joined.held, joined.released), (vec![(first, 0)], vec![(first, 0)]));
            assert_eq!(store_all(&mut recent), [(Id::from("a"), false)]);
        }
    }

    #[test]
    fn a_half_is_held_and_joined_later() {
        let mut recent = Recent::default();
        assert_eq!(join_with(&mut recent, vec![half(Side::YTrue, "a", 1.0)], &[]).held, [(Side::YTrue, 0)]);
        let joined = join_with(&mut recent, vec![half(Side::YPred, "a", 0.0)], &[]);
        assert_eq!((joined.rows.len(), joined.released), (1, vec![(Side::YTrue, 0)]));
        assert!(joined.held.is_empty());
        let mut repeated = join_with(&mut recent, vec![half(Side::YPred, "a", 0.0)], &[]);
        recent.release(&mut repeated);
        assert_eq!((repeated.repeats, repeated.begun.len()), (1, 0));
    }

    #[test]
    fn a_half_is_given_to_the_store_and_joined_later() {
        let mut recent = Recent::default();
        let halves = vec![half(Side::YTrue, "b", 1.0), half(Side::YTrue, "a", 2.0)];
        let mut first = join_with(&mut recent, halves, &[]);
        recent.release(&mut first);
        let waiting = |value| Half { side: Side::YTrue, value, received_at_ms: 5 };
        assert_eq!(first.begun, [(Id::from("b"), waiting(1.0)), (Id::from("a"), waiting(2.0))]);
        assert_eq!(first.held.len(), first.released.len());
        let known = [("a", Known::Waiting(waiting(2.0)))];
        let second = join_with(&mut recent, vec![half(Side::YPred, "a", 0.0)], &known);
        assert_eq!((second.rows.len(), second.ahead), (1, Some(Side::YTrue)));
        let third = join_with(&mut recent, vec![half(Side::YPred, "a", 0.0)], &known);
        assert_eq!((third.rows.len(), third.repeats), (0, 1));
        assert_eq!(store_all(&mut recent), [(Id::from("a"), true)]);
    }

    #[test]
    fn only_a_half_that_has_waited_for_a_moment_says_that_its_queue_runs_ahead() {
        let half_of = |received_at_ms| Known::Waiting(Half { side: Side::YTrue, value: 2.0, received_at_ms });
        for (now_ms, ahead) in [(5 + AHEAD_MAX_MS, Some(Side::YTrue)), (6 + AHEAD_MAX_MS, None)] {
            let (side, sample) = half(Side::YPred, "a", 0.0);
            let arrival = Arrival { side, delivery: 0, sample };
            let lookup = |_: &str| Ok::<_, Infallible>(half_of(5));
            assert_eq!(Recent::default().join([arrival], now_ms, lookup).unwrap().ahead, ahead);
        }
    }

    #[test]
    fn what_is_held_is_forgotten_with_its_connection_and_what_is_done_is_not() {
        let mut recent = Recent::default();
        let halves =
            vec![half(Side::YTrue, "a", 1.0), half(Side::YPred, "a", 1.0), half(Side::YTrue, "b", 1.0)];
        join_with(&mut recent, halves, &[]);
        recent.drop_held();
        let again =
            join_with(&mut recent, vec![half(Side::YTrue, "a", 1.0), half(Side::YPred, "b", 1.0)], &[]);
        assert_eq!((again.repeats, again.rows.len(), again.held.len()), (1, 0, 1));
        assert_eq!(store_all(&mut recent), [(Id::from("a"), false)]);
        assert_eq!(store_all(&mut recent), []);
    }

    #[test]
    fn a_row_is_known_until_the_store_knows_it() {
        use Side::*;
        let mut recent = Recent::default();
        let pair = |id| vec![half(YTrue, id, 1.0), half(YPred, id, 1.0)];
        join_with(&mut recent, pair("a"), &[]);
        assert_eq!(recent.begin_storing().len(), 1);
        assert_eq!(join_with(&mut recent, pair("a").into_iter().chain(pair("b")).collect(), &[]).repeats, 2);
        // As if the first try had failed.
        assert_eq!(recent.begin_storing().len(), 2);
        join_with(&mut recent, pair("c"), &[]);
        recent.end_storing();
        assert_eq!(join_with(&mut recent, pair("b").into_iter().chain(pair("c")).collect(), &[]).repeats, 2);
        assert_eq!(store_all(&mut recent), [(Id::from("c"), false), (Id::from("b"), false)]);
    }

    #[test]
    fn repeats_and_conflicts_are_told_apart() {
        use Side::*;
        let halves = vec![
            half(YTrue, "a", 1.0),
            half(YTrue, "a", 1.0),
            half(YTrue, "a", 2.0),
            half(YPred, "a", 1.5),
            half(YPred, "a", 9.0),
            half(YTrue, "done", 1.0),
        ];
        let joined = join_with(&mut Recent::default(), halves, &[("done", Known::Done)]);
        assert_eq!((joined.rows.len(), joined.repeats), (1, 3));
        assert_eq!(joined.rows[0].y_true, 1.0);
        assert_eq!(joined.refused.len(), 1);
        assert_eq!(joined.refused[0].1.value, 2.0);
        assert!(joined.refused[0].2.contains("conflict: 2 differs from 1"));
    }

    #[test]
    fn the_half_that_stays_in_a_conflict_is_given_to_the_store_even_if_its_row_comes_at_once() {
        use Side::*;
        let mut recent = Recent::default();
        let halves = vec![half(YTrue, "a", 1.0), half(YTrue, "a", 2.0), half(YTrue, "a", 3.0)];
        let joined = join_with(&mut recent, halves, &[]);
        let stays = Half { side: YTrue, value: 1.0, received_at_ms: 5 };
        assert_eq!((joined.kept, joined.released), (vec![(Id::from("a"), stays)], vec![(YTrue, 0)]));
        assert_eq!(joined.refused.len(), 2);
        let second = join_with(&mut recent, vec![half(YPred, "a", 0.5)], &[]);
        assert_eq!((second.rows[0].y_true, store_all(&mut recent)), (1.0, vec![(Id::from("a"), true)]));
    }

    #[test]
    fn an_error_that_overflows_is_refused_and_the_first_half_stays() {
        let mut recent = Recent::default();
        let halves = vec![half(Side::YTrue, "a", f64::MAX), half(Side::YPred, "a", -f64::MAX)];
        let joined = join_with(&mut recent, halves, &[]);
        assert!(joined.rows.is_empty());
        assert_eq!((joined.refused.len(), joined.kept.len()), (1, 1));
    }
}
