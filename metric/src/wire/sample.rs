//! A decoded message: its samples, its refused parts, and the limits of the contract. Knows no JSON.

use crate::wire::{
    group::Group,
    id::{self, Id},
    labels::{Labels, Task},
    model::Model,
};
use glue::amqp::Partition;

pub const BODY_BYTES_MAX: usize = 1 << 20;
pub const SAMPLES_MAX: usize = 10_000;

/// An id with its value: `y_true`, or `y_pred` as received or as computed from features. The value of a class is its number in [`Labels`].
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
pub struct Content<'a> {
    pub value: Value<'a>,
    pub labels: Labels,
    /// Its ids are of this one; none: of any.
    pub partition: Option<Partition>,
}

/// What a body is.
pub enum Value<'a> {
    Number,
    /// 0 or 1.
    Outcome,
    /// Of 1.
    Probability,
    /// The name of a class.
    Class,
    /// A feature vector. The sample's value is the prediction of this model.
    Features(&'a Model),
}

impl<'a> Content<'a> {
    /// The contents of the queue of true values and of the other one: that of features if there is a model, else that of predictions.
    pub fn of_queues(
        labels: &Labels,
        model: Option<&'a Model>,
        partition: Option<Partition>,
    ) -> [Content<'a>; 2] {
        let (y_true, y_pred) = match labels.task {
            Task::Regression => (Value::Number, Value::Number),
            Task::Binary => (Value::Outcome, Value::Probability),
            Task::Classes => (Value::Class, Value::Class),
        };
        let y_pred = model.map_or(y_pred, Value::Features);
        [y_true, y_pred].map(|value| Content { value, labels: labels.clone(), partition })
    }

    /// # Errors
    /// Says what is wrong with the id.
    pub fn check_id(&self, id: &str) -> Result<(), String> {
        id::check(id)?;
        self.partition.map_or(Ok(()), |partition| partition.check(id))
    }
}
