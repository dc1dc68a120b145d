//! Message bodies, as CONTRACT.md has them.

use serde::Serialize;

#[derive(Serialize)]
pub struct Sample<'a, Body: Serialize> {
    pub id: &'a str,
    pub body: Body,
}

/// The JSON of one sample, or of several as a batch.
///
/// # Errors
/// Never in practice: ids and finite numbers can always be written.
pub fn encode<Body: Serialize>(samples: &[Sample<Body>]) -> serde_json::Result<Vec<u8>> {
    match samples {
        [sample] => serde_json::to_vec(sample),
        batch => serde_json::to_vec(batch),
    }
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
            let samples: Vec<_> = samples.iter().map(|&(id, body)| Sample { id, body }).collect();
            let written: Value = serde_json::from_slice(&encode(&samples).unwrap()).unwrap();
            let golden: Value = serde_json::from_str(case["body"].as_str().unwrap()).unwrap();
            assert_eq!(written.is_array(), golden.is_array(), "{}", case["name"]);
            assert_eq!(written.is_array(), samples.len() > 1);
        }
        let one = [Sample { id: "1732341600.123456-5f3a9c01", body: 151.0 }];
        assert_eq!(encode(&one).unwrap(), br#"{"id":"1732341600.123456-5f3a9c01","body":151.0}"#);
        let two = [Sample { id: "a", body: [1.5, -2.0] }, Sample { id: "b", body: [0.0, 1e-9] }];
        assert_eq!(encode(&two).unwrap(), br#"[{"id":"a","body":[1.5,-2.0]},{"id":"b","body":[0.0,1e-9]}]"#);
    }
}
