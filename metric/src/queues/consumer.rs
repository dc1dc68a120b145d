//! One queue's deliveries: the thin edge around `flow`. Takes deliveries, decodes them, and acknowledges them. Never decides when.

use crate::{
    clock::Now,
    join::Side,
    journal::{batch::Batch, rejects::Reject},
    queues::{
        flow::Flow,
        subscription::{Command, Messages, Subscription},
    },
    wire::{
        message,
        sample::{Content, Refused, Sample},
    },
};
use amiquip::{Channel, ConsumerMessage, Delivery};
use anyhow::{Context, Result, bail};
use crossbeam_channel::{Receiver, never};
use glue::amqp::Bodies;
use std::{collections::VecDeque, mem};

/// How many unacknowledged deliveries are kept per prefetch, spread evenly, and in addition the last one. A delivery takes half a kilobyte,
/// and acknowledging one acknowledges all before it.
const KEPT_PER_PREFETCH: u64 = 64;

pub struct Consumer<'c> {
    pub side: Side,
    pub queue: String,
    pub subscription: Subscription,
    content: Content<'c>,
    bodies: &'c Bodies,
    /// The messages of the present consumer.
    pub messages: Receiver<ConsumerMessage>,
    change: Change,
    /// Numbers and deliveries.
    to_acknowledge: VecDeque<(u64, Delivery)>,
}

/// A change of the prefetch replaces the consumer. The end of the old one and the start of the new one arrive in either order. All messages of
/// the old one are taken first.
enum Change {
    None,
    Asked,
    /// The old consumer has ended.
    Ended,
    /// The messages of the new one.
    Started(Receiver<ConsumerMessage>),
}

impl<'c> Consumer<'c> {
    /// # Errors
    /// Names the queue.
    pub fn new(
        side: Side,
        queue: String,
        content: Content<'c>,
        channel: Channel,
        prefetch: u16,
        bodies: &'c Bodies,
    ) -> Result<Consumer<'c>> {
        let subscription = Subscription::new(channel, &queue, prefetch);
        let messages = subscription.consumers.recv().context("connection lost")??;
        let (change, to_acknowledge) = (Change::None, VecDeque::new());
        Ok(Consumer { side, queue, subscription, content, bodies, messages, change, to_acknowledge })
    }

    /// True if no message can arrive before others are taken.
    pub fn is_stopped(&self) -> bool {
        self.bodies.is_stopped()
    }

    /// Switches to the messages of the next consumer once all of the present one are taken.
    ///
    /// # Errors
    /// Why there is no next one.
    pub fn change(&mut self, messages: Option<Messages>) -> Result<()> {
        let messages = messages.context("connection lost")??;
        if let Change::Ended = self.change {
            (self.messages, self.change) = (messages, Change::None);
        } else {
            self.change = Change::Started(messages);
        }
        Ok(())
    }

    /// Takes a delivery, or the end of a consumer that is being replaced. Any other message, and a closed channel (`None`), mean that no more
    /// will come.
    ///
    /// # Errors
    /// The broker's reason for closing the connection or the consumer.
    pub fn take(
        &mut self,
        message: Option<ConsumerMessage>,
        now: Now,
        flow: &mut Flow,
        batch: &mut Batch,
    ) -> Result<()> {
        let mut delivery = match message {
            Some(ConsumerMessage::Delivery(delivery)) => delivery,
            Some(ConsumerMessage::ClientCancelled) => {
                (self.messages, self.change) = match mem::replace(&mut self.change, Change::None) {
                    Change::Started(next) => (next, Change::None),
                    _ => (never(), Change::Ended),
                };
                return Ok(());
            }
            Some(ConsumerMessage::ServerClosedChannel(e) | ConsumerMessage::ServerClosedConnection(e)) => {
                return Err(e).context("connection lost");
            }
            Some(ConsumerMessage::ServerCancelled) => {
                bail!("the broker ended the subscription to queue {}; was the queue deleted?", self.queue)
            }
            Some(_) | None => bail!("connection lost"),
        };
        let body = mem::take(&mut delivery.body);
        let (mut refused, mut kept_bytes) = (Vec::new(), 0);
        let number = flow.next_number(self.side);
        let groups_dropped = &mut batch.groups_dropped;
        let samples = batch.arrivals.add(self.side, number, |samples| {
            *groups_dropped += message::decode(&body, &self.content, samples, &mut refused);
        });
        for Refused { reason, body, index } in refused {
            let reject = Reject::new(now.unix_ms, &self.queue, reason, body, index);
            kept_bytes += reject.memory_bytes();
            batch.rejects.push(reject);
        }
        kept_bytes += samples * size_of::<Sample>();
        let body_bytes = body.len();
        drop(body);
        self.bodies.taken(body_bytes);
        flow.taken(self.side, samples, body_bytes, kept_bytes, now.instant);
        let step = (u64::from(flow.prefetch(self.side)) / KEPT_PER_PREFETCH).max(1);
        self.to_acknowledge.pop_back_if(|(number, _)| *number % step != 0);
        self.to_acknowledge.push_back((number, delivery));
        if let Change::None = self.change
            && let Some(prefetch) = flow.choose_prefetch(self.side)
        {
            self.change = Change::Asked;
            self.subscription.commands.send(Command::Prefetch(prefetch))?;
        }
        Ok(())
    }

    /// Takes the next delivery if it has arrived and there is room. Returns whether it did.
    ///
    /// # Errors
    /// Those of [`Consumer::take`].
    pub fn take_ready(&mut self, now: Now, flow: &mut Flow, batch: &mut Batch) -> Result<bool> {
        if !flow.may_take(self.side) {
            return Ok(false);
        }
        let Ok(message) = self.messages.try_recv() else { return Ok(false) };
        self.take(Some(message), now, flow, batch)?;
        Ok(true)
    }

    /// Acknowledges the deliveries that `flow` allows.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn acknowledge(&mut self, flow: &mut Flow) -> Result<()> {
        let Some(number) = flow.acknowledge(self.side) else { return Ok(()) };
        let done = self.to_acknowledge.partition_point(|(kept, _)| *kept <= number);
        let last = self.to_acknowledge.drain(..done).next_back();
        let Some((_, delivery)) = last else { return Ok(()) };
        self.subscription.commands.send(Command::Acknowledge(Box::new(delivery)))
    }
}

impl Drop for Consumer<'_> {
    /// The end of the subscription waits for the broker while nobody takes messages.
    fn drop(&mut self) {
        self.bodies.discard();
    }
}
