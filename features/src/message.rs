//! Encodes message bodies as in CONTRACT.md.

use crate::sample_id::SampleIds;
use serde::{Serialize, Serializer as _};
use std::iter;

/// Limit of a body.
pub const MESSAGE_MAX_BYTES: usize = 1 << 20;
/// Holds a single sample of a few numbers.
const USUAL_BYTES: usize = 512;

#[derive(Serialize)]
pub struct Sample<'a, Body: Serialize> {
    pub id: &'a str,
    pub body: Body,
    /// The part of the traffic that the sample belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<&'a str>,
}

/// The JSON of one sample, or of several as a batch.
///
/// # Errors
/// Never in practice: ids and finite numbers can always be written.
pub fn encode<'a, Body: Serialize>(
    mut samples: impl ExactSizeIterator<Item = Sample<'a, Body>>,
) -> serde_json::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    let mut json = serde_json::Serializer::new(&mut bytes);
    if samples.len() == 1 {
        samples.try_for_each(|sample| sample.serialize(&mut json))?
    } else {
        json.collect_seq(samples)?
    }
    if bytes.capacity() > USUAL_BYTES {
        // It grew by doubling, and many bodies wait for their confirms.
        bytes.shrink_to_fit();
    }
    Ok(bytes)
}

/// The bytes of a sample with this body and group, alone in its message. All ids have one length.
///
/// # Errors
/// Those of [`encode`].
pub fn sample_bytes(body: impl Serialize, group: Option<&str>) -> serde_json::Result<usize> {
    let id = SampleIds::new(0).next(0);
    Ok(encode(iter::once(Sample { id: &id, body, group }))?.len())
}

/// How many samples of `sample_bytes` bytes fit into a message; may be 0.
pub fn batch_max(sample_bytes: usize) -> u64 {
    if sample_bytes > MESSAGE_MAX_BYTES {
        return 0;
    }
    // A batch has a bracket before its samples, and a comma or bracket behind each. A single sample has none.
    ((MESSAGE_MAX_BYTES - 1) / (sample_bytes + 1)).max(1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn messages_are_those_of_the_contract() {
        for line in include_str!("../../contract/accepted.jsonl").lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            let samples = case["samples"].as_array().unwrap().iter();
            let samples: Vec<(&str, &Value, Option<&str>)> =
                samples.map(|s| (s[0].as_str().unwrap(), &s[1], s.get(2).and_then(Value::as_str))).collect();
            let written =
                encode(samples.iter().map(|&(id, body, group)| Sample { id, body, group })).unwrap();
            let written: Value = serde_json::from_slice(&written).unwrap();
            // The contract takes other forms too; this is the plain one.
            let plain = |(id, body, group): &(&str, &Value, Option<&str>)| match group {
                Some(group) => serde_json::json!({"id": id, "body": body, "group": group}),
                None => serde_json::json!({"id": id, "body": body}),
            };
            let plain = match samples.as_slice() {
                [one] => plain(one),
                many => many.iter().map(plain).collect(),
            };
            assert_eq!(written, plain, "{}", case["name"]);
        }
        let one = [Sample { id: "1732341600.123456-5f3a9c01", body: 151.0, group: None }];
        assert_eq!(encode(one.into_iter()).unwrap(), br#"{"id":"1732341600.123456-5f3a9c01","body":151.0}"#);
        let two = [
            Sample { id: "a", body: [1.5, -2.0], group: Some("v2") },
            Sample { id: "b", body: [0.0, 1e-9], group: None },
        ];
        assert_eq!(
            encode(two.into_iter()).unwrap(),
            br#"[{"id":"a","body":[1.5,-2.0],"group":"v2"},{"id":"b","body":[0.0,1e-9]}]"#
        );
    }

    #[test]
    fn the_largest_batch_fits_and_one_more_sample_does_not() {
        let id = SampleIds::new(0).next(0);
        let bytes = |body: &str, samples: u64| {
            let batch = (0..samples as usize).map(|_| Sample { id: &id, body, group: None });
            encode(batch.collect::<Vec<_>>().into_iter()).unwrap().len()
        };
        // Bodies of the lengths around which one sample fewer fits; in the end not even one.
        for samples in [1, 2, 1000] {
            for shorter in 44..48 {
                let body = "x".repeat(MESSAGE_MAX_BYTES / samples - shorter);
                let most = batch_max(sample_bytes(&body, None).unwrap());
                assert!(most == 0 || bytes(&body, most) <= MESSAGE_MAX_BYTES, "{most} of {}", body.len());
                assert!(bytes(&body, most + 1) > MESSAGE_MAX_BYTES, "{most} of {}", body.len());
            }
        }
    }
}
