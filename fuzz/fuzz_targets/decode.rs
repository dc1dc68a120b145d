//! Whatever the bytes of a message are: each sample in it is accepted within the contract's limits, or refused with a reason.
#![no_main]
#![allow(dead_code, reason = "the service uses the rest")]

#[path = "../../metric/src/describe.rs"]
mod describe;
#[path = "../../metric/src/id.rs"]
mod id;
#[path = "../../metric/src/json.rs"]
mod json;
#[path = "../../metric/src/message.rs"]
mod message;
#[path = "../../metric/src/model.rs"]
mod model;
#[path = "../../metric/src/message/oracle.rs"]
mod oracle;
#[path = "../../metric/src/plain.rs"]
mod plain;
#[path = "../../metric/src/value.rs"]
mod value;

use libfuzzer_sys::fuzz_target;
use message::Content;
use model::Model;
use std::sync::LazyLock;

static MODEL: LazyLock<Model> = LazyLock::new(|| Model::embedded().unwrap());

fuzz_target!(|body: &[u8]| {
    for content in [Content::Number, Content::Features(&MODEL)] {
        oracle::check(body, &content);
    }
});
