//! Properties of every body, whatever its bytes are. For the test of mutated bodies and the fuzz target; never part of the service.
#![expect(clippy::indexing_slicing, reason = "a panic is what the fuzzer looks for")]

use crate::wire::{
    group::GROUP_BYTES_MAX,
    id::ID_BYTES_MAX,
    labels::{CLASS_BYTES_MAX, Task},
    message::decode,
    sample::{Content, Refused, SAMPLES_MAX, Sample, Value},
};

/// Not JSON, but accepted as values.
pub const TOKENS: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// What became of a body.
pub struct Checked {
    /// Accepted ones.
    pub samples: usize,
    pub refused: usize,
    /// Accepted samples with a group.
    pub groups: usize,
}

/// Decodes a body and checks that no part of it vanishes, that accepted samples are within the limits, that others add no class, and that NaN
/// has the same effect as null.
pub fn check(body: &[u8], content: &Content) -> Checked {
    let classes = content.labels.count();
    let (samples, refused, dropped) = decoded(body, content);
    let added = content.labels.count() - classes;
    let text = || String::from_utf8_lossy(body);
    assert!((1..=SAMPLES_MAX).contains(&(samples.len() + refused.len())), "{}", text());
    assert!(samples.iter().all(|sample| is_within_the_limits(sample, content)), "{}", text());
    assert!(refused.iter().all(|refused| says_what_and_why(refused, body)), "{}", text());
    assert!(tokens_do_as_null_does(body, content, &samples, &refused), "{}", text());
    let has_class = |number: usize| samples.iter().any(|sample| sample.value == number as f64);
    assert!((classes..classes + added).all(has_class), "{}", text());
    let groups = samples.iter().filter(|sample| sample.group.is_some()).count();
    assert!(groups + dropped as usize <= samples.len() + refused.len(), "{}", text());
    Checked { samples: samples.len(), refused: refused.len(), groups }
}

/// With the number of groups that were dropped.
fn decoded<'a>(body: &'a [u8], content: &Content) -> (Vec<Sample>, Vec<Refused<'a>>, u64) {
    let (mut samples, mut refused) = (Vec::new(), Vec::new());
    let dropped = decode(body, content, &mut samples, &mut refused);
    (samples, refused, dropped)
}

/// The body with null in place of each token outside strings.
pub fn with_null(body: &[u8]) -> Vec<u8> {
    let (mut nulled, mut at, mut in_string) = (Vec::new(), 0, false);
    while let Some(&byte) = body.get(at) {
        let token = TOKENS.iter().find(|token| !in_string && body[at..].starts_with(token.as_bytes()));
        if let Some(token) = token {
            nulled.extend_from_slice(b"null");
            at += token.len();
            continue;
        }
        nulled.push(byte);
        if in_string && byte == b'\\' {
            nulled.extend(body.get(at + 1));
            at += 1;
        } else if byte == b'"' {
            in_string = !in_string;
        }
        at += 1;
    }
    nulled
}

/// With null in place of tokens the same samples are accepted and the same parts are refused.
fn tokens_do_as_null_does(body: &[u8], content: &Content, samples: &[Sample], refused: &[Refused]) -> bool {
    let nulled = with_null(body);
    if nulled == body {
        return true;
    }
    let (samples_of_null, refused_of_null, _) = decoded(&nulled, content);
    let is_same = |(refused, of_null): (&Refused, &Refused)| {
        refused.index == of_null.index && with_null(refused.body) == of_null.body
    };
    samples == samples_of_null
        && refused.len() == refused_of_null.len()
        && refused.iter().zip(&refused_of_null).all(is_same)
}

fn is_within_the_limits(sample: &Sample, content: &Content) -> bool {
    let is_text =
        |text: &str, bytes_max| (1..=bytes_max).contains(&text.len()) && !text.chars().any(char::is_control);
    let is_value = match (content.labels.task, &content.value) {
        (Task::Regression, _) => sample.value.is_finite(),
        (Task::Binary, Value::Outcome) => [0.0, 1.0].contains(&sample.value),
        (Task::Binary, _) => (0.0..=1.0).contains(&sample.value),
        (Task::Classes, _) => {
            content.labels.class(sample.value).is_some_and(|name| is_text(&name, CLASS_BYTES_MAX))
        }
    };
    is_value
        && is_text(&sample.id, ID_BYTES_MAX)
        && sample.group.as_ref().is_none_or(|group| is_text(group, GROUP_BYTES_MAX))
}

/// It has a reason, and its body is the whole message or one sample of it.
fn says_what_and_why(refused: &Refused, body: &[u8]) -> bool {
    let within = body.as_ptr_range().contains(&refused.body.as_ptr()) || refused.body.is_empty();
    !refused.reason.is_empty() && within && (refused.index.is_some() || refused.body == body)
}
