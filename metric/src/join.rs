//! Joins the two halves of each id. Pure: what was known before comes in through a function, what is to be kept goes out
//! as values; nothing is read or written here.

use crate::message::Sample;
use std::collections::HashMap;

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
    Waiting(Half),
    /// Its row is in the log.
    Done,
}

/// Both halves of an id.
#[derive(Debug, PartialEq)]
pub struct Row {
    pub id: String,
    pub y_true: f64,
    pub y_pred: f64,
    pub absolute_error: f64,
}

/// What a batch comes to.
#[derive(Debug, Default)]
pub struct Joined {
    /// In the order in which they became complete.
    pub rows: Vec<Row>,
    /// Halves that begin to wait, in the order of their arrival.
    pub begun: Vec<(String, Half)>,
    /// Ids that waited before the batch and wait no longer.
    pub ended: Vec<String>,
    /// Halves that had been there before, with the same value.
    pub repeats: u64,
    /// Samples of the batch (by position) that cannot be joined, and why.
    pub refused: Vec<(usize, String)>,
}

struct Entry {
    known: Known,
    /// Whether the half waited before this batch.
    stored: bool,
}

/// Joins a batch of halves; `lookup` says what is known of an id from before.
///
/// # Errors
/// Only those of `lookup`.
pub fn join<E>(
    samples: &[(Side, Sample)],
    received_at_ms: u64,
    mut lookup: impl FnMut(&str) -> Result<Known, E>,
) -> Result<Joined, E> {
    let mut joined = Joined::default();
    let mut entries: HashMap<&str, Entry> = HashMap::with_capacity(samples.len());
    let mut begun: Vec<&str> = Vec::new();
    for (position, (side, Sample { id, value })) in samples.iter().enumerate() {
        let (side, value) = (*side, *value);
        let entry = match entries.get_mut(id.as_str()) {
            Some(entry) => entry,
            None => {
                let known = lookup(id)?;
                let stored = matches!(known, Known::Waiting(_));
                entries.entry(id).or_insert(Entry { known, stored })
            }
        };
        match entry.known {
            Known::Done => joined.repeats += 1,
            Known::Nothing => {
                entry.known = Known::Waiting(Half { side, value, received_at_ms });
                begun.push(id);
            }
            Known::Waiting(half) if half.side == side && half.value == value => joined.repeats += 1,
            Known::Waiting(half) if half.side == side => {
                let reason =
                    format!("conflict: {value} differs from {}, which came first and stays", half.value);
                joined.refused.push((position, reason));
            }
            Known::Waiting(half) => {
                let (y_true, y_pred) =
                    if side == Side::YTrue { (value, half.value) } else { (half.value, value) };
                let absolute_error = (y_pred - y_true).abs();
                if absolute_error.is_finite() {
                    joined.rows.push(Row { id: id.clone(), y_true, y_pred, absolute_error });
                    entry.known = Known::Done;
                } else {
                    let reason = format!("the absolute error of {y_true} and {y_pred} overflows");
                    joined.refused.push((position, reason));
                }
            }
        }
    }
    for id in begun {
        if let Some(Entry { known: Known::Waiting(half), .. }) = entries.get(id) {
            joined.begun.push((id.to_owned(), *half));
        }
    }
    let ended = entries.into_iter().filter(|(_, entry)| entry.stored && entry.known == Known::Done);
    joined.ended = ended.map(|(id, _)| id.to_owned()).collect();
    Ok(joined)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn half(side: Side, id: &str, value: f64) -> (Side, Sample) {
        (side, Sample { id: id.to_owned(), value })
    }

    fn join_with(samples: &[(Side, Sample)], known: &[(&str, Known)]) -> Joined {
        let lookup = |id: &str| -> Result<Known, Infallible> {
            Ok(known.iter().find(|(k, _)| *k == id).map_or(Known::Nothing, |(_, known)| *known))
        };
        join(samples, 5, lookup).unwrap()
    }

    #[test]
    fn halves_in_any_order_give_one_row() {
        use Side::*;
        for samples in
            [[half(YTrue, "a", 1.0), half(YPred, "a", 3.5)], [half(YPred, "a", 3.5), half(YTrue, "a", 1.0)]]
        {
            let joined = join_with(&samples, &[]);
            let row = Row { id: "a".to_owned(), y_true: 1.0, y_pred: 3.5, absolute_error: 2.5 };
            assert_eq!(joined.rows, [row]);
            assert!(joined.begun.is_empty() && joined.ended.is_empty());
        }
    }

    #[test]
    fn a_half_waits_and_is_joined_later() {
        let first = join_with(&[half(Side::YTrue, "a", 1.0)], &[]);
        let waiting = Half { side: Side::YTrue, value: 1.0, received_at_ms: 5 };
        assert_eq!(first.begun, [("a".to_owned(), waiting)]);
        let second = join_with(&[half(Side::YPred, "a", 0.0)], &[("a", Known::Waiting(waiting))]);
        assert_eq!((second.rows.len(), second.ended), (1, vec!["a".to_owned()]));
    }

    #[test]
    fn repeats_and_conflicts_are_told_apart() {
        use Side::*;
        let samples = [
            half(YTrue, "a", 1.0),
            half(YTrue, "a", 1.0),
            half(YTrue, "a", 2.0),
            half(YPred, "a", 1.5),
            half(YPred, "a", 9.0),
            half(YTrue, "done", 1.0),
        ];
        let joined = join_with(&samples, &[("done", Known::Done)]);
        assert_eq!((joined.rows.len(), joined.repeats), (1, 3));
        assert_eq!(joined.rows[0].y_true, 1.0);
        assert_eq!(joined.refused.len(), 1);
        assert_eq!(joined.refused[0].0, 2);
        assert!(joined.refused[0].1.contains("conflict: 2 differs from 1"));
    }

    #[test]
    fn an_error_that_overflows_is_refused_and_the_first_half_stays() {
        let joined = join_with(&[half(Side::YTrue, "a", f64::MAX), half(Side::YPred, "a", -f64::MAX)], &[]);
        assert!(joined.rows.is_empty());
        assert_eq!((joined.refused.len(), joined.begun.len()), (1, 1));
    }
}
