//! Whatever the bytes of a message are: each sample in it is accepted within the contract's limits, or refused with a reason.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metric::wire::{
    labels::{Labels, Task},
    model::Model,
    oracle,
    sample::Content,
};
use std::sync::LazyLock;

static MODELS: LazyLock<[Model; 3]> =
    LazyLock::new(|| Task::ALL.map(|(_, task)| Model::embedded(task).unwrap()));

fuzz_target!(|body: &[u8]| {
    for ((_, task), model) in Task::ALL.into_iter().zip(&*MODELS) {
        for model in [None, Some(model)] {
            let contents = Content::of_queues(&Labels::new(task), model, None);
            contents.iter().for_each(|content| _ = oracle::check(body, content));
        }
    }
});
