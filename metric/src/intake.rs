//! A queue being consumed: how many deliveries the broker sends ahead, and those in hand until all that they hold is durable.

use crate::{
    broker::Bodies,
    join::{Arrivals, Side},
    message::{self, Content},
    rejects::Reject,
    subscription::{Consumer, Subscription},
};
use amiquip::{Channel, ConsumerMessage, Delivery};
use anyhow::{Context, Result, bail};
use crossbeam_channel::{Receiver, never};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Deliveries in hand at most, as a part of the prefetch: while they are made durable the rest is on its way.
const HANDS_PER_PREFETCH: usize = 2;
/// Deliveries by which others are acknowledged, as a part of the prefetch: the fewer, the longer the broker waits to send more.
const ACKS_PER_PREFETCH: u64 = 64;
/// Samples in hand from which on no further delivery is taken: bounds memory.
const SAMPLES_MAX: usize = 4_000;
/// Samples in hand at most beyond those of the other side, where halves meet in memory: alone they come to no rows.
const LEAD_MAX: usize = 1_000;
/// Samples on their way at most.
const AHEAD_SAMPLES: usize = 16_000;
/// Bodies on their way at most; fewer deliveries are asked for where they are large.
const AHEAD_BYTES: usize = 3 << 20;
/// The prefetch until the size of bodies is known: each of them may have 10,000 samples.
const FIRST_PREFETCH: u16 = 4;
/// Deliveries from which the size of bodies is taken, if so many are sent ahead.
const SIZED_DELIVERIES: u16 = 32;

pub struct Intake<'c> {
    pub side: Side,
    pub queue: String,
    subscription: Subscription,
    bodies: &'c Bodies,
    /// Of the present consumer; nothing comes between two of them, and then the next one here.
    messages: Receiver<ConsumerMessage>,
    next_consumer: Receiver<Consumer>,
    prefetch: u16,
    prefetch_max: u16,
    /// The next consumer's, while it takes the place of the present one.
    next_prefetch: Option<u16>,
    /// Since the prefetch was chosen.
    seen: Sizes,
    /// Those that hold halves, those that are being digested, and those taken since, in this order.
    in_hand: VecDeque<InHand>,
    /// Some of them as they came, with their numbers: the last, and before it one in [`Intake::ack_step`]. They take half a kilobyte
    /// each, and to acknowledge one acknowledges all before it.
    to_ack: VecDeque<(u64, Delivery)>,
    /// The number of the first of `in_hand`.
    first: u64,
    holding: Load,
    taken: Load,
    /// Samples in hand from which on no further delivery is taken: [`SAMPLES_MAX`] or fewer.
    samples_max: usize,
    /// Its halves had to wait in the store, and the others come now: nothing more is taken until those have caught up, so that
    /// halves meet in memory.
    pub is_ahead: bool,
}

/// When a batch is taken, by both clocks: what is written down must be a date, what is waited for must not jump.
#[derive(Clone, Copy)]
pub struct Moment {
    pub unix_ms: u64,
    pub instant: Instant,
}

#[derive(Default)]
struct Sizes {
    deliveries: usize,
    bytes: usize,
    samples: usize,
}

/// Some of the deliveries in hand.
#[derive(Default)]
struct Load {
    deliveries: usize,
    samples: usize,
}

struct InHand {
    taken_at: Instant,
    /// Its halves that are neither in the log nor in the store.
    held: usize,
}

/// What was taken and is not yet joined.
#[derive(Default)]
pub struct Batch {
    pub arrivals: Arrivals,
    pub rejects: Vec<Reject>,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.arrivals.is_empty() && self.rejects.is_empty()
    }
}

impl<'c> Intake<'c> {
    /// # Errors
    /// Names the queue.
    pub fn new(
        side: Side,
        queue: String,
        channel: Channel,
        bodies: &'c Bodies,
        prefetch_max: u16,
    ) -> Result<Intake<'c>> {
        let prefetch = prefetch_max.min(FIRST_PREFETCH);
        let subscription = Subscription::new(channel, &queue, prefetch);
        let messages = subscription.consumers.recv().context("connection lost")??;
        let (seen, in_hand) = (Sizes::default(), VecDeque::new());
        Ok(Intake {
            side,
            queue,
            subscription,
            bodies,
            messages,
            next_consumer: never(),
            prefetch,
            prefetch_max,
            next_prefetch: None,
            seen,
            in_hand,
            to_ack: VecDeque::new(),
            first: 0,
            holding: Load::default(),
            taken: Load::default(),
            samples_max: SAMPLES_MAX,
            is_ahead: false,
        })
    }

    pub fn receiver(&self) -> &Receiver<ConsumerMessage> {
        &self.messages
    }

    /// Gives the next consumer once the present one has ended.
    pub fn next_consumer(&self) -> &Receiver<Consumer> {
        &self.next_consumer
    }

    /// Takes messages of the next consumer from now on.
    ///
    /// # Errors
    /// Why there is none.
    pub fn take_consumer(&mut self, consumer: Option<Consumer>) -> Result<()> {
        self.messages = consumer.context("connection lost")??;
        self.next_consumer = never();
        self.prefetch = self.next_prefetch.take().unwrap_or(self.prefetch);
        log::debug!("queue {}: prefetch {}", self.queue, self.prefetch);
        Ok(())
    }

    /// What is being digested does not count: there is room for as much.
    pub fn has_room(&self) -> bool {
        self.room() > 0 && self.samples() < self.samples_max
    }

    /// In hand; those that are being digested do not count.
    pub fn samples(&self) -> usize {
        self.holding.samples + self.taken.samples
    }

    /// Lets this side be no further ahead of the other, which has so many samples in hand, than it may; `meet` says whether halves
    /// meet in memory.
    pub fn limit_lead(&mut self, other_samples: usize, meet: bool) {
        self.samples_max = if meet { SAMPLES_MAX.min(other_samples + LEAD_MAX) } else { SAMPLES_MAX };
    }

    fn room(&self) -> usize {
        self.hands().saturating_sub(self.holding.deliveries + self.taken.deliveries)
    }

    fn hands(&self) -> usize {
        (usize::from(self.prefetch) / HANDS_PER_PREFETCH).max(1)
    }

    fn ack_step(&self) -> u64 {
        (u64::from(self.prefetch) / ACKS_PER_PREFETCH).max(1)
    }

    /// Whether as many deliveries have come as there is room for.
    pub fn can_fill(&self) -> bool {
        self.receiver().len() >= self.room()
    }

    /// Whether more is to be taken.
    pub fn takes(&self) -> bool {
        self.has_room() && !self.is_ahead
    }

    /// How long the first delivery in hand has been there.
    pub fn age(&self) -> Duration {
        self.in_hand.front().map_or(Duration::ZERO, |first| first.taken_at.elapsed())
    }

    /// Takes a delivery, or the end of a consumer that another one follows; every other message means that no more will come. A closed
    /// channel means the same: the connection died.
    ///
    /// # Errors
    /// The broker's reason for ending the connection or the subscription.
    pub fn take(
        &mut self,
        message: Option<ConsumerMessage>,
        content: &Content,
        now: Moment,
        batch: &mut Batch,
    ) -> Result<()> {
        let mut delivery = match message {
            Some(ConsumerMessage::Delivery(delivery)) => delivery,
            Some(ConsumerMessage::ClientCancelled) if self.next_prefetch.is_some() => {
                (self.messages, self.next_consumer) = (never(), self.subscription.consumers.clone());
                return Ok(());
            }
            Some(ConsumerMessage::ServerClosedChannel(e) | ConsumerMessage::ServerClosedConnection(e)) => {
                return Err(e).context("connection lost");
            }
            Some(ConsumerMessage::ServerCancelled) => {
                bail!("the broker ended the subscription; was the queue deleted?")
            }
            Some(_) | None => bail!("connection lost"),
        };
        let body = std::mem::take(&mut delivery.body);
        let mut refused = Vec::new();
        let (side, number) = (self.side, self.first + self.in_hand.len() as u64);
        let decode = |samples: &mut _| message::decode(&body, content, samples, &mut refused);
        let samples = batch.arrivals.add(side, number, decode);
        self.taken.deliveries += 1;
        self.taken.samples += samples;
        self.seen.deliveries += 1;
        self.seen.bytes += body.len();
        self.seen.samples += samples;
        self.in_hand.push_back(InHand { taken_at: now.instant, held: 0 });
        let step = self.ack_step();
        self.to_ack.pop_back_if(|(number, _)| *number % step != 0);
        self.to_ack.push_back((number, delivery));
        let reject = |r: message::Refused| Reject::new(now.unix_ms, &self.queue, r.reason, r.body, r.index);
        batch.rejects.extend(refused.into_iter().map(reject));
        let len = body.len();
        drop(body);
        self.bodies.taken(len);
        Ok(())
    }

    /// Takes the next delivery if it is there already and there is room for it; gives whether it did.
    ///
    /// # Errors
    /// As of [`Intake::take`].
    pub fn take_ready(&mut self, content: &Content, now: Moment, batch: &mut Batch) -> Result<bool> {
        if !self.takes() {
            return Ok(false);
        }
        let Ok(message) = self.receiver().try_recv() else { return Ok(false) };
        self.take(Some(message), content, now, batch)?;
        Ok(true)
    }

    /// What was taken is about to be digested.
    pub fn give(&mut self) {
        self.taken = Load::default();
    }

    /// Notes what became of halves of this side: the numbers of their deliveries, once for each half.
    pub fn note(&mut self, side_and_number: &[(Side, u64)], is_held: bool) {
        for (_, number) in side_and_number.iter().filter(|(side, _)| *side == self.side) {
            let at = number.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
            if let Some(in_hand) = at.and_then(|at| self.in_hand.get_mut(at)) {
                in_hand.held = if is_held { in_hand.held + 1 } else { in_hand.held.saturating_sub(1) };
            }
        }
    }

    /// Acknowledges the deliveries that are digested and of which no half is held, up to the first of which one is.
    ///
    /// # Errors
    /// The connection's end.
    pub fn acknowledge(&mut self) -> Result<()> {
        let taken = self.taken.deliveries;
        while self.in_hand.len() > taken && self.in_hand.pop_front_if(|in_hand| in_hand.held == 0).is_some() {
            self.first += 1;
        }
        let samples = self.in_hand.iter().map(|in_hand| in_hand.held).sum();
        self.holding = Load { deliveries: self.in_hand.len() - taken, samples };
        let done = self.to_ack.partition_point(|(number, _)| *number < self.first);
        let last = self.to_ack.drain(..done).next_back();
        last.map_or(Ok(()), |(_, delivery)| self.subscription.acknowledge(delivery))
    }

    /// Asks for as many deliveries ahead as their bytes and samples allow, where that is far from what it was.
    ///
    /// # Errors
    /// The connection's end.
    pub fn adapt(&mut self) -> Result<()> {
        let is_sized = self.seen.deliveries >= usize::from(SIZED_DELIVERIES.min(self.prefetch));
        if self.next_prefetch.is_some() || !is_sized {
            return Ok(());
        }
        let Sizes { deliveries, bytes, samples } = std::mem::take(&mut self.seen);
        let of_bytes = AHEAD_BYTES * deliveries / bytes.max(1);
        let of_samples = AHEAD_SAMPLES * deliveries / samples.max(1);
        let affordable = u16::try_from(of_bytes.min(of_samples)).unwrap_or(u16::MAX);
        let wanted = affordable.clamp(1, self.prefetch_max);
        if wanted < self.prefetch.saturating_mul(2) && self.prefetch < wanted.saturating_mul(2) {
            return Ok(());
        }
        self.next_prefetch = Some(wanted);
        self.subscription.change_prefetch(wanted)
    }
}

impl Drop for Intake<'_> {
    /// The subscription's end waits for the broker, and nobody takes messages meanwhile.
    fn drop(&mut self) {
        self.bodies.discard();
    }
}
