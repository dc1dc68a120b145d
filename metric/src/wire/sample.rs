//! A decoded message: its samples, its refused parts, and the limits of the contract. Knows no JSON.

use crate::wire::{group::Group, id::Id, model::Model};

pub const BODY_BYTES_MAX: usize = 1 << 20;
pub const SAMPLES_MAX: usize = 10_000;

/// An id with its number: `y_true`, or `y_pred` as received or as computed from features.
#[derive(Debug, PartialEq)]
pub struct Sample {
    pub id: Id,
    pub value: f64,
    pub group: Group,
}

/// A message, or one sample of a batch, that cannot be used.
#[derive(Debug, PartialEq)]
pub struct Refused<'a> {
    pub reason: String,
    pub body: &'a [u8],
    /// The sample's place in its batch; `None` for a whole message.
    pub index: Option<usize>,
}

/// The kind of a queue's samples.
pub enum Content<'a> {
    Number,
    /// A feature vector. The sample's value is the prediction of this model.
    Features(&'a Model),
}
