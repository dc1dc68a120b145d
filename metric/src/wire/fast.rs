//! Decodes usual messages in one pass: every id is a string without escapes, and nothing is wrong. Anything else is an error without a reason:
//! `message.rs` then finds the reason.

use crate::wire::{
    id,
    model::Model,
    sample::{Content, SAMPLES_MAX, Sample},
};
use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use std::fmt;

/// Appends the samples of one message to `samples`. After an error `samples` is unchanged.
///
/// # Errors
/// The message is not a usual one.
pub fn decode(text: &str, content: &Content, samples: &mut Vec<Sample>) -> serde_json::Result<()> {
    let before = samples.len();
    let mut json = serde_json::Deserializer::from_str(text);
    let decoded = if text.starts_with('[') {
        json.deserialize_seq(Batch { content, samples })
    } else {
        One(content).deserialize(&mut json).map(|sample| samples.push(sample))
    };
    let decoded = decoded.and_then(|()| json.end());
    if decoded.is_err() {
        samples.truncate(before);
    }
    decoded
}

struct Batch<'c, 's> {
    content: &'c Content<'c>,
    samples: &'s mut Vec<Sample>,
}

impl<'de> Visitor<'de> for Batch<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an array of samples")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let mut count = 0;
        while let Some(sample) = elements.next_element_seed(One(self.content))? {
            self.samples.push(sample);
            count += 1;
        }
        if (1..=SAMPLES_MAX).contains(&count) { Ok(()) } else { Err(A::Error::custom("")) }
    }
}

struct One<'c>(&'c Content<'c>);

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
        let (mut id, mut value) = (None, None);
        while let Some(key) = map.next_key::<&str>()? {
            let is_first = match key {
                "id" => id.replace(map.next_value::<&str>()?).is_none(),
                "body" => match self.0 {
                    Content::Number => value.replace(map.next_value()?).is_none(),
                    Content::Features(model) => value.replace(map.next_value_seed(Vector(model))?).is_none(),
                },
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    true
                }
            };
            if !is_first {
                return Err(A::Error::custom(""));
            }
        }
        let (Some(id), Some(value)) = (id, value) else { return Err(A::Error::custom("")) };
        id::check(id).map_err(A::Error::custom)?;
        Ok(Sample { id: id.into(), value })
    }
}

/// The prediction for a vector.
struct Vector<'m>(&'m Model);

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
        let mut x = Vec::with_capacity(self.0.coefficients.len());
        while let Some(number) = numbers.next_element()? {
            x.push(number);
        }
        self.0.predict(&x).map_err(A::Error::custom)
    }
}
