//! One queue's subscription: the thin edge around `flow`. Takes deliveries, has them decoded, and acknowledges them; decides neither.

use crate::{
    broker::Bodies,
    clock::Now,
    flow::Flow,
    join::Side,
    journal::Batch,
    message::{self, Content, Refused, Sample},
    rejects::Reject,
    subscription::{Messages, Subscription},
};
use amiquip::{Channel, ConsumerMessage, Delivery};
use anyhow::{Context, Result, bail};
use crossbeam_channel::{Receiver, never};
use std::{collections::VecDeque, mem};

/// Of the deliveries that are not acknowledged one in so many, as a part of the prefetch, is kept as it came, and the last: each takes
/// half a kilobyte, and to acknowledge one acknowledges all before it.
const KEPT_PER_PREFETCH: u64 = 64;

pub struct Consumer<'c> {
    pub side: Side,
    pub queue: String,
    subscription: Subscription,
    bodies: &'c Bodies,
    /// Of the present subscription.
    messages: Receiver<ConsumerMessage>,
    change: Change,
    /// By their numbers.
    to_acknowledge: VecDeque<(u64, Delivery)>,
}

/// The prefetch is changed by a further subscription that follows the present one. The end of the one and the beginning of the other
/// are heard of in either order; all messages of the one are taken first.
enum Change {
    None,
    Asked,
    /// The present subscription has ended.
    Ended,
    /// The messages of the next one.
    Begun(Receiver<ConsumerMessage>),
}

impl<'c> Consumer<'c> {
    /// # Errors
    /// Names the queue.
    pub fn new(
        side: Side,
        queue: String,
        channel: Channel,
        prefetch: u16,
        bodies: &'c Bodies,
    ) -> Result<Consumer<'c>> {
        let subscription = Subscription::new(channel, &queue, prefetch);
        let messages = subscription.consumers.recv().context("connection lost")??;
        let to_acknowledge = VecDeque::new();
        Ok(Consumer { side, queue, subscription, bodies, messages, change: Change::None, to_acknowledge })
    }

    pub fn messages(&self) -> &Receiver<ConsumerMessage> {
        &self.messages
    }

    /// Whether no message can come before others are taken.
    pub fn is_stopped(&self) -> bool {
        self.bodies.are_full()
    }

    /// Where the messages of the next subscription come from, once there is one.
    pub fn changes(&self) -> &Receiver<Messages> {
        &self.subscription.consumers
    }

    /// Takes messages of the next subscription once all of the present one are taken.
    ///
    /// # Errors
    /// Why there is none.
    pub fn change(&mut self, messages: Option<Messages>) -> Result<()> {
        let messages = messages.context("connection lost")??;
        if let Change::Ended = self.change {
            (self.messages, self.change) = (messages, Change::None);
        } else {
            self.change = Change::Begun(messages);
        }
        Ok(())
    }

    /// Takes a delivery, or the end of a subscription that another one follows. Every other message means that no more will come. A
    /// closed channel means the same: the connection died.
    ///
    /// # Errors
    /// The broker's reason for ending the connection or the subscription.
    pub fn take(
        &mut self,
        message: Option<ConsumerMessage>,
        content: &Content,
        now: Now,
        flow: &mut Flow,
        batch: &mut Batch,
    ) -> Result<()> {
        let mut delivery = match message {
            Some(ConsumerMessage::Delivery(delivery)) => delivery,
            Some(ConsumerMessage::ClientCancelled) => {
                (self.messages, self.change) = match mem::replace(&mut self.change, Change::None) {
                    Change::Begun(next) => (next, Change::None),
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
        let decode = |samples: &mut _| message::decode(&body, content, samples, &mut refused);
        let samples = batch.arrivals.add(self.side, number, decode);
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
            self.subscription.change_prefetch(prefetch)?;
        }
        Ok(())
    }

    /// Takes the next delivery if it is there already and there is room for it; gives whether it did.
    ///
    /// # Errors
    /// As of [`Consumer::take`].
    pub fn take_ready(
        &mut self,
        content: &Content,
        now: Now,
        flow: &mut Flow,
        batch: &mut Batch,
    ) -> Result<bool> {
        if !flow.may_take(self.side) {
            return Ok(false);
        }
        let Ok(message) = self.messages.try_recv() else { return Ok(false) };
        self.take(Some(message), content, now, flow, batch)?;
        Ok(true)
    }

    /// Acknowledges what may be.
    ///
    /// # Errors
    /// The connection's end.
    pub fn acknowledge(&mut self, flow: &mut Flow) -> Result<()> {
        let Some(number) = flow.acknowledge(self.side) else { return Ok(()) };
        let done = self.to_acknowledge.partition_point(|(kept, _)| *kept <= number);
        let last = self.to_acknowledge.drain(..done).next_back();
        last.map_or(Ok(()), |(_, delivery)| self.subscription.acknowledge(delivery))
    }
}

impl Drop for Consumer<'_> {
    /// The subscription's end waits for the broker, and nobody takes messages meanwhile.
    fn drop(&mut self) {
        self.bodies.discard();
    }
}
