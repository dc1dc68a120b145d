//! Decodes message bodies into samples, as in CONTRACT.md. Never panics, whatever the bytes are.

use crate::wire::{
    describe, fast, group,
    id::Id,
    json,
    sample::{BODY_BYTES_MAX, Content, Refused, SAMPLES_MAX, Sample},
    value,
};
use std::{borrow::Cow, str};

/// Appends the samples of one message to `samples`, and the parts that cannot be used to `refused`. Returns how many groups were dropped.
/// Only accepted samples add classes.
pub fn decode<'a>(
    body: &'a [u8],
    content: &Content,
    samples: &mut Vec<Sample>,
    refused: &mut Vec<Refused<'a>>,
) -> u64 {
    let text = text(body);
    if let Ok(text) = text
        && let Ok(dropped) = fast::decode(text, content, samples)
    {
        return dropped;
    }
    let mut dropped = 0;
    let mut refuse = |reason, body, index| refused.push(Refused { reason, body, index });
    match text.and_then(split) {
        Ok((elements, is_batch)) => {
            for (index, element) in elements.into_iter().enumerate() {
                match sample(element, content, &mut dropped) {
                    Ok(sample) => samples.push(sample),
                    Err(reason) if is_batch => refuse(reason, element.as_bytes(), Some(index)),
                    Err(reason) => refuse(whole(body, reason), body, None),
                }
            }
        }
        Err(reason) => refuse(whole(body, reason), body, None),
    }
    dropped
}

/// Why a whole message is refused: its format, if that is known and not JSON, otherwise `reason`.
fn whole(body: &[u8], reason: String) -> String {
    match describe::format(body) {
        Some(format) if body.len() <= BODY_BYTES_MAX => format!("the message is {format}"),
        _ => reason,
    }
}

fn text(body: &[u8]) -> Result<&str, String> {
    if body.len() > BODY_BYTES_MAX {
        return Err(format!("the message has more than {BODY_BYTES_MAX} bytes"));
    }
    let text = str::from_utf8(body).map_err(|e| format!("not UTF-8: {e}"))?;
    // Windows tools write a byte order mark.
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text).trim_ascii_start())
}

/// The samples of a message, and whether it is a batch of them.
fn split(text: &str) -> Result<(Vec<&str>, bool), String> {
    let not_json = |e| format!("not JSON: {e}");
    match text.as_bytes().first() {
        None => Err("the message is empty".to_owned()),
        Some(b'{') => Ok((vec![text], false)),
        Some(b'[') => match json::elements(text, SAMPLES_MAX).map_err(not_json)? {
            (_, 0) => Err("the message is an empty array".to_owned()),
            (elements, 1..=SAMPLES_MAX) => Ok((elements, true)),
            (_, n) => Err(format!("the message is an array of {n} samples; at most {SAMPLES_MAX}")),
        },
        _ => {
            json::check(text).map_err(not_json)?;
            let what = describe::value(text.trim_ascii_end());
            Err(format!("the message is {what}, neither a sample nor an array of samples"))
        }
    }
}

fn sample(text: &str, content: &Content, dropped: &mut u64) -> Result<Sample, String> {
    if !text.starts_with('{') {
        return Err(format!("the sample is {}, not an object", describe::value(text)));
    }
    let ([id, body], group) =
        json::fields(text).map_err(|e| match e.to_string().split('`').collect::<Vec<_>>()[..] {
            ["missing field ", key, ..] => {
                format!("the sample has no key {key}; it is {}", describe::value(text))
            }
            ["duplicate field ", key, ..] => format!("the key {key} is there twice"),
            _ => format!("not JSON: {e}"),
        })?;
    let id = sample_id(id, content)?;
    let value = value::read(body, content)?;
    let group = group.and_then(|raw| group::read(raw, dropped));
    Ok(Sample { id: Id::from(&*id), value, group })
}

fn sample_id<'a>(raw: &'a str, content: &Content) -> Result<Cow<'a, str>, String> {
    let id = match json::text(raw) {
        Some(text) => text.map_err(|e| format!("the id: {e}"))?,
        None => return Err(format!("the id is {}, neither a string nor a number", describe::value(raw))),
    };
    content.check_id(&id)?;
    Ok(id)
}

#[cfg(test)]
mod mutated;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{
        labels::{Labels, Task},
        model::Model,
        sample,
    };
    use serde_json::Value;

    /// The embedded models, in the order of [`Task::ALL`].
    fn models() -> [Model; 3] {
        Task::ALL.map(|(_, task)| Model::embedded(task).unwrap())
    }

    /// The content of the queue that a golden case names, of its task.
    fn content<'a>(case: &Value, models: &'a [Model; 3]) -> Content<'a> {
        let name = case["task"].as_str().unwrap_or("regression");
        let at = Task::ALL.iter().position(|(task, _)| *task == name).unwrap();
        let (task, model) = (Task::ALL[at].1, (case["queue"] == "features").then_some(&models[at]));
        let [y_true, y_pred] = Content::of_queues(&Labels::new(task), model, None);
        if case["queue"] == "y_true" { y_true } else { y_pred }
    }

    fn numbers() -> Content<'static> {
        let [y_true, _] = Content::of_queues(&Labels::new(Task::Regression), None, None);
        y_true
    }

    fn decode_all<'a>(body: &'a [u8], content: &Content) -> (Vec<Sample>, Vec<Refused<'a>>) {
        let (samples, refused, _) = decode_and_count(body, content);
        (samples, refused)
    }

    /// With the number of groups that were dropped.
    fn decode_and_count<'a>(body: &'a [u8], content: &Content) -> (Vec<Sample>, Vec<Refused<'a>>, u64) {
        let (mut samples, mut refused) = (Vec::new(), Vec::new());
        let dropped = decode(body, content, &mut samples, &mut refused);
        (samples, refused, dropped)
    }

    fn golden(text: &str) -> Vec<Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The samples of a case: id, value and, if it has one, group; features as the model's prediction, and classes by their names.
    fn samples(case: &Value, Content { value, labels, .. }: &Content) -> Vec<Sample> {
        let number = |value: &Value| value.as_f64().unwrap();
        let sample = |sample: &Value| Sample {
            id: sample[0].as_str().unwrap().into(),
            value: match (&sample[1], value) {
                (Value::Array(x), sample::Value::Features(model)) => {
                    model.predict(&x.iter().map(number).collect::<Vec<_>>(), labels).unwrap()
                }
                (Value::String(class), _) => labels.number(class).unwrap(),
                (value, _) => number(value),
            },
            group: sample[2].as_str().map(Into::into),
        };
        case["samples"].as_array().map_or(Vec::new(), |samples| samples.iter().map(sample).collect())
    }

    #[test]
    fn golden_messages_are_accepted() {
        let models = models();
        for case in golden(include_str!("../../../contract/accepted.jsonl")) {
            let content = content(&case, &models);
            let (found, refused, dropped) =
                decode_and_count(case["body"].as_str().unwrap().as_bytes(), &content);
            assert_eq!(refused, [], "{}", case["name"]);
            let classes = content.labels.count();
            assert_eq!(found, samples(&case, &content), "{}", case["name"]);
            assert_eq!(content.labels.count(), classes, "{}", case["name"]);
            assert_eq!(dropped, case["groups_dropped"].as_u64().unwrap_or(0), "{}", case["name"]);
        }
    }

    #[test]
    fn golden_messages_are_refused_with_their_reason() {
        let models = models();
        for case in golden(include_str!("../../../contract/rejected.jsonl")) {
            let (body, content) = (mutated::rejected_body(&case), content(&case, &models));
            let (found, refused) = decode_all(&body, &content);
            let classes = content.labels.count();
            assert_eq!(found, samples(&case, &content), "{}", case["name"]);
            assert_eq!(content.labels.count(), classes, "{}", case["name"]);
            let [Refused { reason, body: kept, index }] = refused.as_slice() else {
                panic!("{}: {refused:?}", case["name"])
            };
            assert!(reason.contains(case["reason"].as_str().unwrap()), "{}: {reason}", case["name"]);
            if let Some(expected) = case["index"].as_u64() {
                assert_eq!(*index, Some(expected as usize), "{}", case["name"]);
            }
            assert!(index.is_some() || *kept == body, "{}", case["name"]);
        }
    }

    #[test]
    fn one_nan_takes_no_other_sample_along() {
        for token in ["NaN", "Infinity", "-Infinity", "[NaN]", "[0, {\"x\": [-Infinity]}]"] {
            let sample = |i| format!("{{\"id\": {i}, \"body\": {}}}", if i == 500 { token } else { "1" });
            let batch: Vec<String> = (0..1000).map(sample).collect();
            let body = format!("[{}]", batch.join(","));
            let (found, refused) = decode_all(body.as_bytes(), &numbers());
            assert_eq!((found.len(), refused.len()), (999, 1), "{token}");
            assert_eq!((refused[0].index, refused[0].body), (Some(500), batch[500].as_bytes()));
        }
    }

    #[test]
    fn a_megabyte_of_tokens_and_quotes_is_read_in_one_pass() {
        let sample = r#"{"id": NaN, "body": [-Infinity, "\"-Infinity", "NaN"]}"#;
        let mut body = format!("[{}", vec![sample; SAMPLES_MAX].join(","));
        body.push(']');
        let (found, refused) = decode_all(body.as_bytes(), &numbers());
        assert_eq!((found.len(), refused.len()), (0, SAMPLES_MAX));
        for body in [
            "[NaN,".repeat(200_000),
            "\"-".repeat(500_000),
            "-".repeat(1_000_000),
            "{\"body\":".repeat(100_000),
        ] {
            assert_eq!(decode_all(body.as_bytes(), &numbers()).1.len(), 1);
        }
    }

    #[test]
    fn the_good_samples_of_a_batch_are_kept() {
        let body = br#"[{"id": "a", "body": 1}, {"id": "b"}, 7, {"id": "c", "body": 3}]"#;
        let (samples, refused) = decode_all(body, &numbers());
        assert_eq!(samples.iter().map(|s| &*s.id).collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(refused.iter().map(|r| r.index).collect::<Vec<_>>(), [Some(1), Some(2)]);
        assert_eq!(refused[0].body, br#"{"id": "b"}"#);
    }
}
