//! Whatever the bytes of a message are: each sample in it is accepted within the contract's limits, or refused with a reason.
#![no_main]
#![allow(dead_code, reason = "the service uses the rest")]

#[path = "../../metric/src/id.rs"]
mod id;
#[path = "../../metric/src/message.rs"]
mod message;
#[path = "../../metric/src/model.rs"]
mod model;
#[path = "../../metric/src/plain.rs"]
mod plain;

use libfuzzer_sys::fuzz_target;
use message::{Content, decode};
use model::Model;
use std::sync::LazyLock;

static MODEL: LazyLock<Model> = LazyLock::new(|| Model::embedded().unwrap());

fuzz_target!(|body: &[u8]| {
    for content in [Content::Number, Content::Features(&MODEL)] {
        let (mut samples, mut refused) = (Vec::new(), Vec::new());
        decode(body, &content, &mut samples, &mut refused);
        assert!(!samples.is_empty() || !refused.is_empty(), "vanished");
        for sample in &samples {
            assert!(sample.value.is_finite());
            assert!((1..=message::ID_BYTES_MAX).contains(&sample.id.len()));
            assert!(!sample.id.chars().any(char::is_control));
        }
        for refused in &refused {
            assert!(!refused.reason.is_empty());
        }
    }
});
