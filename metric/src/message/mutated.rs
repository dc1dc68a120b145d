//! A million bodies made of the golden ones by cutting, doubling, joining and overwriting, or of nothing: whatever they are, each gives samples
//! within the contract's limits, or a reason; and what one pass takes, the close look takes alike.

use super::{Content, ID_BYTES_MAX, Message, Refused, SAMPLES_MAX, Sample, decode, sample, split, text};
use crate::{model::Model, plain};
use serde_json::Value;
use std::env;

/// What bodies are made of; the rejected ones that are large on purpose would only take time.
fn golden() -> Vec<Vec<u8>> {
    let accepted = include_str!("../../../contract/accepted.jsonl");
    let rejected = include_str!("../../../contract/rejected.jsonl");
    let bodies = accepted.lines().chain(rejected.lines()).filter_map(|line| {
        let case: Value = serde_json::from_str(line).unwrap();
        case["body"].as_str().or_else(|| case["body"][0][0].as_str()).map(|body| body.as_bytes().to_vec())
    });
    bodies.collect()
}

fn body(rng: &mut fastrand::Rng, golden: &[Vec<u8>]) -> Vec<u8> {
    let some = |rng: &mut fastrand::Rng| golden[rng.usize(..golden.len())].clone();
    let mut body = if rng.u8(..10) == 0 { vec![rng.u8(..); rng.usize(..50)] } else { some(rng) };
    for _ in 0..rng.usize(..4) {
        let at = rng.usize(..=body.len());
        match rng.u8(..7) {
            0 => body.truncate(at),
            1 => body.insert(at, rng.u8(..)),
            2 => body.insert(at, *rng.choice(b"{}[]\",:\\-0e.").unwrap()),
            3 => body.extend_from_within(at..),
            4 => drop(body.splice(at..at, some(rng))),
            5 => body = [b"[", &body[..], b",", &some(rng), b"]"].concat(),
            _ => {
                if let Some(byte) = body.get_mut(at) {
                    *byte = rng.u8(..);
                }
            }
        }
    }
    body
}

fn is_within_the_limits(sample: &Sample) -> bool {
    let id = &sample.id;
    sample.value.is_finite() && (1..=ID_BYTES_MAX).contains(&id.len()) && !id.chars().any(char::is_control)
}

/// Its body is the whole message, or one sample of it.
fn says_what_and_why(refused: &Refused, body: &[u8]) -> bool {
    let within = body.as_ptr_range().contains(&refused.body.as_ptr()) || refused.body.is_empty();
    !refused.reason.is_empty() && within && (refused.index.is_some() || refused.body == body)
}

/// What one pass takes, the close look takes alike.
fn agree(body: &[u8], content: &Content) -> bool {
    let Ok(text) = text(body) else { return true };
    let (mut once, close) = (Vec::new(), |text: &str| sample(text, content).unwrap());
    plain::decode(text, content, &mut once).is_err()
        || match split(text).unwrap() {
            Message::One(text) => once == [close(text)],
            Message::Batch(elements) => {
                once.iter().eq(&elements.iter().map(|e| close(e.get())).collect::<Vec<_>>())
            }
        }
}

#[test]
fn mutated_bodies_never_panic_and_never_vanish() {
    let seed = env::var("TEST_SEED").map_or_else(|_| fastrand::u64(..), |text| text.parse().unwrap());
    println!("TEST_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let (model, golden) = (Model::embedded().unwrap(), golden());
    let (mut accepted, mut rejected) = (0, 0);
    for round in 0..1_000_000 {
        let body = body(&mut rng, &golden);
        let content = if round % 2 == 0 { Content::Number } else { Content::Features(&model) };
        let (mut samples, mut refused) = (Vec::new(), Vec::new());
        decode(&body, &content, &mut samples, &mut refused);
        let text = || String::from_utf8_lossy(&body);
        assert!(agree(&body, &content), "{}", text());
        assert!((1..=SAMPLES_MAX).contains(&(samples.len() + refused.len())), "{}", text());
        assert!(samples.iter().all(is_within_the_limits), "{}", text());
        assert!(refused.iter().all(|refused| says_what_and_why(refused, &body)), "{}", text());
        accepted += samples.len();
        rejected += refused.len();
    }
    println!("{accepted} samples accepted, {rejected} refused");
    assert!(accepted > 20_000 && rejected > 200_000, "the mutations are of one kind");
}
