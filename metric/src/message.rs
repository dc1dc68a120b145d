//! Decodes message bodies into samples, as CONTRACT.md has it. Knows no broker and no disk, and never panics, whatever the
//! bytes are.

use crate::{id::Id, model::Model, plain};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{error::Category, value::RawValue};
use std::{borrow::Cow, str};

pub const BODY_BYTES_MAX: usize = 1 << 20;
pub const SAMPLES_MAX: usize = 10_000;
pub const ID_BYTES_MAX: usize = 128;

/// An id and the number that came with it: `y_true`, or `y_pred` as received or as computed from features.
#[derive(Debug, PartialEq)]
pub struct Sample {
    pub id: Id,
    pub value: f64,
}

/// A message, or one sample of a batch, that cannot be used.
#[derive(Debug, PartialEq)]
pub struct Refused<'a> {
    pub reason: String,
    pub body: &'a [u8],
    /// The sample's place in its batch; `None` for a whole message.
    pub index: Option<usize>,
}

/// What a queue's samples hold.
pub enum Content<'a> {
    Number,
    /// A feature vector, whose prediction by this model is the sample's value.
    Features(&'a Model),
}

/// Appends the samples of one message to `samples`, and to `refused` what in it cannot be used.
pub fn decode<'a>(
    body: &'a [u8],
    content: &Content,
    samples: &mut Vec<Sample>,
    refused: &mut Vec<Refused<'a>>,
) {
    let mut refuse = |reason, body, index| refused.push(Refused { reason, body, index });
    let text = match text(body) {
        Ok(text) => text,
        Err(reason) => return refuse(reason, body, None),
    };
    if plain::decode(text, content, samples).is_ok() {
        return;
    }
    let batch = match split(text) {
        Ok(Message::One(text)) => {
            return match sample(text, content) {
                Ok(sample) => samples.push(sample),
                Err(reason) => refuse(reason, body, None),
            };
        }
        Ok(Message::Batch(elements)) => elements,
        Err(reason) => return refuse(reason, body, None),
    };
    for (index, element) in batch.into_iter().enumerate() {
        match sample(element.get(), content) {
            Ok(sample) => samples.push(sample),
            Err(reason) => refuse(reason, element.get().as_bytes(), Some(index)),
        }
    }
}

enum Message<'a> {
    One(&'a str),
    Batch(Vec<&'a RawValue>),
}

fn text(body: &[u8]) -> Result<&str, String> {
    if body.len() > BODY_BYTES_MAX {
        return Err(format!("the message has more than {BODY_BYTES_MAX} bytes"));
    }
    let text = str::from_utf8(body).map_err(|e| format!("not UTF-8: {e}"))?;
    Ok(text.trim_ascii_start())
}

fn split(text: &str) -> Result<Message<'_>, String> {
    match text.as_bytes().first() {
        Some(b'{') => Ok(Message::One(text)),
        Some(b'[') => {
            let elements: Vec<&RawValue> =
                serde_json::from_str(text).map_err(|e| format!("not JSON: {e}"))?;
            match elements.len() {
                0 => Err("an empty array".to_owned()),
                1..=SAMPLES_MAX => Ok(Message::Batch(elements)),
                n => Err(format!("an array of {n} samples; at most {SAMPLES_MAX}")),
            }
        }
        _ => match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => Err("neither a sample nor an array of samples".to_owned()),
            Err(e) => Err(format!("not JSON: {e}")),
        },
    }
}

/// Both values as written: which kind a number is of, and its digits, must not be lost before they are looked at.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    body: &'a RawValue,
}

fn sample(text: &str, content: &Content) -> Result<Sample, String> {
    // An array would otherwise pass for the envelope's fields in order.
    if !text.starts_with('{') {
        return Err("the sample is not an object".to_owned());
    }
    let envelope: Envelope = serde_json::from_str(text).map_err(|e| match e.classify() {
        Category::Data => e.to_string(),
        _ => format!("not JSON: {e}"),
    })?;
    let id = id(envelope.id.get())?;
    let value = match content {
        Content::Number => number(envelope.body.get())?,
        Content::Features(model) => model.predict(&vector(envelope.body.get())?)?,
    };
    Ok(Sample { id: Id::from(&*id), value })
}

fn id(raw: &str) -> Result<Cow<'_, str>, String> {
    let id = match raw.as_bytes().first() {
        Some(b'"') if raw.contains('\\') => {
            Cow::Owned(serde_json::from_str(raw).map_err(|e| format!("the id: {e}"))?)
        }
        Some(b'"') => Cow::Borrowed(raw.trim_matches('"')),
        Some(b'-' | b'0'..=b'9') => Cow::Borrowed(raw),
        _ => return Err("the id is neither a string nor a number".to_owned()),
    };
    check_id(&id)?;
    Ok(id)
}

pub fn check_id(id: &str) -> Result<(), String> {
    if id.is_empty() {
        return Err("the id is empty".to_owned());
    }
    if id.len() > ID_BYTES_MAX {
        return Err(format!("the id has {} bytes; at most {ID_BYTES_MAX}", id.len()));
    }
    // Most ids are plain, which is seen without decoding characters; to look at all bytes is faster than to stop at the first other one.
    let is_plain = id.bytes().fold(true, |is_plain, byte| is_plain & matches!(byte, b' '..=b'~'));
    if !is_plain && id.chars().any(char::is_control) {
        return Err("the id holds a control character".to_owned());
    }
    Ok(())
}

fn number(raw: &str) -> Result<f64, String> {
    if !raw.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return Err("the body is not a number".to_owned());
    }
    // The text is a JSON number already; the standard library gives the nearest f64, infinity beyond the largest.
    match raw.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(format!("the body is out of range: {raw}")),
    }
}

fn vector(raw: &str) -> Result<Vec<f64>, String> {
    serde_json::from_str(raw).map_err(|e| {
        if e.is_data() {
            format!("the body is not an array of numbers: {e}")
        } else {
            format!("the body is out of range: {e}")
        }
    })
}

#[cfg(test)]
mod mutated;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn content<'a>(queue: &str, model: &'a Model) -> Content<'a> {
        if queue == "features" { Content::Features(model) } else { Content::Number }
    }

    fn decode_all<'a>(body: &'a [u8], content: &Content) -> (Vec<Sample>, Vec<Refused<'a>>) {
        let (mut samples, mut refused) = (Vec::new(), Vec::new());
        decode(body, content, &mut samples, &mut refused);
        (samples, refused)
    }

    fn golden(text: &str) -> Vec<Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn golden_messages_are_accepted() {
        let model = Model::embedded().unwrap();
        for case in golden(include_str!("../../contract/accepted.jsonl")) {
            let queue = case["queue"].as_str().unwrap();
            let body = case["body"].as_str().unwrap().as_bytes();
            let (samples, refused) = decode_all(body, &content(queue, &model));
            assert_eq!(refused, [], "{}", case["name"]);
            let expected: Vec<Sample> = case["samples"]
                .as_array()
                .unwrap()
                .iter()
                .map(|sample| Sample {
                    id: sample[0].as_str().unwrap().into(),
                    value: match sample[1].as_array() {
                        Some(x) => {
                            model.predict(&x.iter().map(|v| v.as_f64().unwrap()).collect::<Vec<_>>()).unwrap()
                        }
                        None => sample[1].as_f64().unwrap(),
                    },
                })
                .collect();
            assert_eq!(samples, expected, "{}", case["name"]);
        }
    }

    #[test]
    fn golden_messages_are_refused_with_their_reason() {
        let model = Model::embedded().unwrap();
        for case in golden(include_str!("../../contract/rejected.jsonl")) {
            let Some(parts) = case["body"].as_array() else { continue };
            let body: String = parts
                .iter()
                .map(|part| part[0].as_str().unwrap().repeat(part[1].as_u64().unwrap() as usize))
                .collect();
            let (samples, refused) =
                decode_all(body.as_bytes(), &content(case["queue"].as_str().unwrap(), &model));
            assert_eq!((samples.len(), refused.len()), (0, 1), "{}", case["name"]);
            let reason = case["reason"].as_str().unwrap();
            assert!(refused[0].reason.contains(reason), "{}: {}", case["name"], refused[0].reason);
        }
    }

    #[test]
    fn the_good_samples_of_a_batch_are_kept() {
        let body = br#"[{"id": "a", "body": 1}, {"id": "b"}, 7, {"id": "c", "body": 3}]"#;
        let (samples, refused) = decode_all(body, &Content::Number);
        assert_eq!(samples.iter().map(|s| &*s.id).collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(refused.iter().map(|r| r.index).collect::<Vec<_>>(), [Some(1), Some(2)]);
        assert_eq!(refused[0].body, br#"{"id": "b"}"#);
    }
}
