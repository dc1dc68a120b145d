//! Message bodies, as CONTRACT.md has them.

use serde::{Serialize, Serializer as _};

/// A single sample of a few numbers fits.
const USUAL_BYTES: usize = 512;

#[derive(Serialize)]
pub struct Sample<'a, Body: Serialize> {
    pub id: &'a str,
    pub body: Body,
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
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn messages_are_those_of_the_contract() {
        for line in include_str!("../../contract/accepted.jsonl").lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            let samples: Vec<(&str, &Value)> =
                case["samples"].as_array().unwrap().iter().map(|s| (s[0].as_str().unwrap(), &s[1])).collect();
            let written = encode(samples.iter().map(|&(id, body)| Sample { id, body })).unwrap();
            let written: Value = serde_json::from_slice(&written).unwrap();
            let golden: Value = serde_json::from_str(case["body"].as_str().unwrap()).unwrap();
            assert_eq!(written.is_array(), golden.is_array(), "{}", case["name"]);
            assert_eq!(written.is_array(), samples.len() > 1);
        }
        let one = [Sample { id: "1732341600.123456-5f3a9c01", body: 151.0 }];
        assert_eq!(encode(one.into_iter()).unwrap(), br#"{"id":"1732341600.123456-5f3a9c01","body":151.0}"#);
        let two = [Sample { id: "a", body: [1.5, -2.0] }, Sample { id: "b", body: [0.0, 1e-9] }];
        assert_eq!(
            encode(two.into_iter()).unwrap(),
            br#"[{"id":"a","body":[1.5,-2.0]},{"id":"b","body":[0.0,1e-9]}]"#
        );
    }
}
