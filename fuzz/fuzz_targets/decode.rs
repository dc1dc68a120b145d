//! Whatever the bytes of a message are: each sample in it is accepted within the contract's limits, or refused with a reason.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metric::wire::{model::Model, oracle, sample::Content};
use std::sync::LazyLock;

static MODEL: LazyLock<Model> = LazyLock::new(|| Model::embedded().unwrap());

fuzz_target!(|body: &[u8]| {
    for content in [Content::Number, Content::Features(&MODEL)] {
        oracle::check(body, &content);
    }
});
