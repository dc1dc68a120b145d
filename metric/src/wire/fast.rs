//! Decodes usual messages in one pass: every id is a string without escapes, and nothing is wrong but a group. Anything else is an error without a reason:
//! `message.rs` then finds the reason.

use crate::wire::{
    group,
    labels::Labels,
    model::Model,
    sample::{Content, SAMPLES_MAX, Sample, Value},
    value,
};
use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{cell::Cell, fmt};

/// Appends the samples of one message to `samples`. Returns how many groups were dropped. After an error `samples` and the classes are
/// unchanged.
///
/// # Errors
/// The message is not a usual one.
pub fn decode(text: &str, content: &Content, samples: &mut Vec<Sample>) -> serde_json::Result<u64> {
    let (before, dropped) = (samples.len(), Cell::new(0));
    let one = One { content, dropped: &dropped };
    let mut json = serde_json::Deserializer::from_str(text);
    let decoded = content.labels.undo_on_error(|| {
        if text.starts_with('[') {
            json.deserialize_seq(Batch { one, samples })?;
        } else {
            samples.push(one.deserialize(&mut json)?);
        }
        json.end()
    });
    if decoded.is_err() {
        samples.truncate(before);
    }
    decoded.map(|()| dropped.get())
}

struct Batch<'c, 's> {
    one: One<'c>,
    samples: &'s mut Vec<Sample>,
}

impl<'de> Visitor<'de> for Batch<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an array of samples")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let mut count = 0;
        while let Some(sample) = elements.next_element_seed(self.one)? {
            self.samples.push(sample);
            count += 1;
        }
        if (1..=SAMPLES_MAX).contains(&count) { Ok(()) } else { Err(A::Error::custom("")) }
    }
}

#[derive(Clone, Copy)]
struct One<'c> {
    content: &'c Content<'c>,
    /// Groups that were dropped.
    dropped: &'c Cell<u64>,
}

impl<'de> DeserializeSeed<'de> for One<'_> {
    type Value = Sample;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Sample, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for One<'_> {
    type Value = Sample;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a sample")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sample, A::Error> {
        let (mut id, mut body, mut group) = (None, None, None);
        while let Some(key) = map.next_key::<&str>()? {
            let is_first = match key {
                "id" => id.replace(map.next_value::<&str>()?).is_none(),
                "body" => {
                    let labels = &self.content.labels;
                    let read = match self.content.value {
                        Value::Number => map.next_value()?,
                        Value::Features(model) => map.next_value_seed(Vector { model, labels })?,
                        Value::Outcome | Value::Probability | Value::Class => {
                            let raw = map.next_value::<&RawValue>()?.get();
                            value::read(raw, self.content).map_err(A::Error::custom)?
                        }
                    };
                    body.replace(read).is_none()
                }
                "group" => group.replace(map.next_value::<&RawValue>()?).is_none(),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    true
                }
            };
            if !is_first {
                return Err(A::Error::custom(""));
            }
        }
        let (Some(id), Some(value)) = (id, body) else { return Err(A::Error::custom("")) };
        self.content.check_id(id).map_err(A::Error::custom)?;
        let group = group.and_then(|raw| {
            let mut dropped = self.dropped.get();
            let group = group::read(raw.get(), &mut dropped);
            self.dropped.set(dropped);
            group
        });
        Ok(Sample { id: id.into(), value, group })
    }
}

/// The prediction for a vector.
struct Vector<'m> {
    model: &'m Model,
    labels: &'m Labels,
}

impl<'de> DeserializeSeed<'de> for Vector<'_> {
    type Value = f64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<f64, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Vector<'_> {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an array of numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<f64, A::Error> {
        let mut x = Vec::with_capacity(self.model.features());
        while let Some(number) = numbers.next_element()? {
            x.push(number);
        }
        self.model.predict(&x, self.labels).map_err(A::Error::custom)
    }
}
