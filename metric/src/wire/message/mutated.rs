//! A million bodies, made from the golden ones by cutting, doubling, joining and overwriting, or from nothing. Each leads to samples within
//! the contract's limits or to a reason; both decoders agree on usual messages; and NaN has the same effect as null.

use super::{sample, split, text};
use crate::wire::{
    fast,
    labels::{Labels, Task},
    model::Model,
    oracle::{Checked, TOKENS, check, with_null},
    sample::{Content, Sample},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use std::env;

/// Larger bodies would only take time.
const GOLDEN_BYTES_MAX: usize = 2000;

/// The body of a case of `contract/rejected.jsonl`.
pub fn rejected_body(case: &Value) -> Vec<u8> {
    let Some(parts) = case["body"].as_array() else {
        return STANDARD.decode(case["base64"].as_str().unwrap()).unwrap();
    };
    let part = |part: &Value| part[0].as_str().unwrap().repeat(part[1].as_u64().unwrap() as usize);
    parts.iter().map(part).collect::<String>().into_bytes()
}

/// The golden bodies.
fn golden() -> Vec<Vec<u8>> {
    let cases =
        |text: &str| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
    let accepted = cases(include_str!("../../../../contract/accepted.jsonl"));
    let rejected = cases(include_str!("../../../../contract/rejected.jsonl"));
    let accepted = accepted.iter().map(|case| case["body"].as_str().unwrap().as_bytes().to_vec());
    let bodies = accepted.chain(rejected.iter().map(rejected_body));
    bodies.filter(|body| body.len() <= GOLDEN_BYTES_MAX).collect()
}

fn body(rng: &mut fastrand::Rng, golden: &[Vec<u8>]) -> Vec<u8> {
    let some = |rng: &mut fastrand::Rng| golden[rng.usize(..golden.len())].clone();
    let mut body = if rng.u8(..10) == 0 { vec![rng.u8(..); rng.usize(..50)] } else { some(rng) };
    for _ in 0..rng.usize(..4) {
        let at = rng.usize(..=body.len());
        match rng.u8(..9) {
            0 => body.truncate(at),
            1 => body.insert(at, rng.u8(..)),
            2 => body.insert(at, *rng.choice(b"{}[]\",:\\-0e.").unwrap()),
            3 => body.extend_from_within(at..),
            4 => drop(body.splice(at..at, some(rng))),
            5 => body = [b"[", &body[..], b",", &some(rng), b"]"].concat(),
            6 => body = replaced(rng, &body),
            7 => drop(body.splice(at..at, rng.choice(TOKENS).unwrap().bytes())),
            _ => {
                if let Some(byte) = body.get_mut(at) {
                    *byte = rng.u8(..);
                }
            }
        }
    }
    body
}

/// The body with a token in place of the text between two of `,:[]{}`.
fn replaced(rng: &mut fastrand::Rng, body: &[u8]) -> Vec<u8> {
    let is_end = |byte: &u8| b",:[]{}".contains(byte);
    let from = rng.usize(..=body.len());
    let Some(begin) = body[from..].iter().position(is_end).map(|at| from + at + 1) else {
        return body.to_vec();
    };
    let end = body[begin..].iter().position(is_end).map_or(body.len(), |at| begin + at);
    [&body[..begin], rng.choice(TOKENS).unwrap().as_bytes(), &body[end..]].concat()
}

/// Messages that `fast` accepts have the same samples in `message`, and as many dropped groups.
fn agree(body: &[u8], content: &Content) -> bool {
    let Ok(text) = text(body) else { return true };
    let mut once = Vec::new();
    let Ok(dropped_once) = fast::decode(text, content, &mut once) else { return true };
    let (texts, mut dropped) = (split(text).unwrap().0, 0);
    let close: Vec<Sample> =
        texts.into_iter().map(|text| sample(text, content, &mut dropped).unwrap()).collect();
    (once, dropped_once) == (close, dropped)
}

#[test]
fn mutated_bodies_never_panic_and_never_vanish() {
    let seed = env::var("TEST_SEED").map_or_else(|_| fastrand::u64(..), |text| text.parse().unwrap());
    println!("TEST_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let (models, golden) = (Task::ALL.map(|(_, task)| Model::embedded(task).unwrap()), golden());
    let (mut accepted, mut rejected, mut next_to_a_token, mut grouped) = (0, 0, 0, 0);
    for _ in 0..1_000_000 {
        let body = body(&mut rng, &golden);
        let (task, side) = (rng.usize(..3), rng.usize(..2));
        let model = rng.bool().then_some(&models[task]);
        let content = &Content::of_queues(&Labels::new(Task::ALL[task].1), model, None)[side];
        assert!(agree(&body, content), "{}", String::from_utf8_lossy(&body));
        let Checked { samples, refused, groups } = check(&body, content);
        accepted += samples;
        rejected += refused;
        grouped += groups;
        if with_null(&body) != body {
            next_to_a_token += samples;
        }
    }
    println!(
        "{accepted} samples accepted, {next_to_a_token} next to a token, {grouped} with a group; {rejected} refused"
    );
    assert!(
        accepted > 20_000 && next_to_a_token > 4_000 && grouped > 1_000 && rejected > 200_000,
        "the mutations are of one kind"
    );
}
