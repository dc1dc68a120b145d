//! Makes samples when they are due, publishes them, and counts a sample as sent once the broker has confirmed both halves.

use crate::{
    config::{Config, Order},
    confirm_watch::{self, ConfirmWatch},
    dataset::{Dataset, Row},
    message::{Sample, encode},
    outbox::{Outbox, Queue},
    sample_id::SampleIds,
};
use amiquip::{AmqpProperties, Channel, Confirm, ConnectionBlockedNotification as Notification, Publish};
use anyhow::{Context, Result, anyhow, bail};
use crossbeam_channel::{after, never, select};
use glue::{
    amqp::{Broker, Partition},
    health::Health,
    number::counted,
    shutdown::Stop,
};
use std::{
    iter, thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Limit of unconfirmed messages. Enough to keep the broker busy, and fewer than amiquip takes before `publish` blocks.
const WINDOW_MESSAGES: usize = 1000;
/// No more messages are made once their bodies have this many bytes; the last two may exceed it. amiquip copies each body into a buffer that
/// may be twice as large as its content, and messages that the broker returns come on top.
const WINDOW_BYTES: usize = 2 << 20;
/// At the limit of messages, wait this long for confirms to gather: a few large writes instead of many small ones.
const GATHERING: Duration = Duration::from_millis(4);
/// How long to wait for confirms after a signal.
const LAST_CONFIRMS: Duration = Duration::from_secs(1);
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);
const PERSISTENT: u8 = 2;

pub struct Publisher<'a> {
    config: &'a Config,
    dataset: Dataset,
    stop: &'a Stop,
    random: fastrand::Rng,
    ids: SampleIds,
    outbox: Outbox,
    next_due: Instant,
    /// Samples sent at the last progress line, and its time.
    reported: (u64, Instant),
    confirm_watch: ConfirmWatch,
}

impl<'a> Publisher<'a> {
    pub fn new(config: &'a Config, dataset: Dataset, health: Health, stop: &'a Stop) -> Publisher<'a> {
        let random = config.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        let (ids, outbox, now) = (SampleIds::new(fastrand::u32(..)), Outbox::new(), Instant::now());
        Publisher {
            config,
            dataset,
            stop,
            random,
            ids,
            outbox,
            next_due: now,
            reported: (0, now),
            confirm_watch: ConfirmWatch::new(health),
        }
    }

    /// Works until asked to stop or, with a count, until all samples are confirmed, over as many connections as it takes.
    pub fn run(mut self) {
        let mut partitions = self.config.brokers();
        let mut broker = self.config.broker.clone();
        while let Err(error) = self.session(&mut broker, &mut partitions) {
            let reason = format!("{error:#}");
            self.outbox.connection_lost();
            self.confirm_watch.disconnected(reason.clone());
            if broker.wait(&reason, self.stop) {
                break;
            }
        }
        let unconfirmed = self.outbox.unconfirmed_samples();
        if unconfirmed > 0 {
            log::warn!("unconfirmed and not counted as sent: {}", samples(unconfirmed));
        }
        log::info!("stopped; {} sent", samples(self.outbox.sent));
    }

    /// One connection's life. Ends without an error if the process is asked to stop, or once all of `--count` are confirmed.
    ///
    /// # Errors
    /// The connection, or the right to use it, is lost; a new one is worth trying.
    fn session(&mut self, broker: &mut Broker, partitions: &mut [Broker]) -> Result<()> {
        let (mut connection, _) = broker.connect()?;
        let mut queues: Vec<[String; 2]> = Vec::new();
        for partition in partitions {
            queues.push([
                partition.declare(&mut connection, "y_true")?,
                partition.declare(&mut connection, "features")?,
            ]);
        }
        let blocked = connection.listen_for_connection_blocked()?;
        let channel = connection.open_channel(None)?;
        let returns = channel.listen_for_returns()?;
        let confirms = channel.listen_for_publisher_confirms()?;
        channel.enable_publisher_confirms()?;
        let names: Vec<String> = queues.iter().map(|queues| queues.join(" and ")).collect();
        log::info!("connected to {}; publishing to {}", broker.name(), names.join(", "));
        broker.is_in_use();
        self.confirm_watch.restart();
        let mut is_blocked = false;
        // Until asked to stop. After that, confirms are waited for until `give_up`.
        let mut may_make = true;
        let mut stop = self.stop.0.clone();
        let mut give_up = never();
        loop {
            if may_make && self.stop.within(Duration::ZERO) {
                stop = never();
                give_up = after(LAST_CONFIRMS);
                may_make = false;
            }
            if may_make && !is_blocked {
                self.make_due_samples()?;
            }
            self.publish(&channel, &queues)?;
            self.report_progress();
            self.confirm_watch.check(self.outbox.messages(), is_blocked);
            if self.outbox.messages() == 0 && (!may_make || self.is_complete()) {
                return Ok(());
            }
            let due = if may_make && !is_blocked && self.has_room() {
                after(self.next_due.saturating_duration_since(Instant::now()))
            } else {
                never()
            };
            if self.has_many_messages() {
                thread::sleep(GATHERING);
            }
            select! {
                recv(confirms) -> confirm => {
                    let mut oldest_is_confirmed = false;
                    // If no queue takes a message, the broker returns it and then confirms it: such a confirm does not count.
                    for confirm in iter::once(confirm.ok()).chain(confirms.try_iter().map(Some)) {
                        if let Ok(returned) = returns.try_recv() {
                            let (queue, reason) = (returned.routing_key, returned.reply_text);
                            bail!("the broker returned a message for queue {queue}: {reason}");
                        }
                        match confirm {
                            Some(Confirm::Ack(ack)) => oldest_is_confirmed |= self.outbox.confirm(ack.delivery_tag, ack.multiple),
                            Some(Confirm::Nack(_)) => bail!("the broker refused a message (nack)"),
                            None => return Err(why_closed(&channel)),
                        }
                        broker.has_served();
                    }
                    if oldest_is_confirmed {
                        self.confirm_watch.restart();
                    }
                }
                recv(blocked) -> note => match note {
                    Ok(Notification::Blocked(reason)) => {
                        is_blocked = true;
                        log::warn!("the broker has blocked publishing: {reason}; waiting");
                    }
                    Ok(Notification::Unblocked) => {
                        is_blocked = false;
                        log::info!("the broker takes messages again");
                    }
                    Err(_) => return Err(why_closed(&channel)),
                },
                recv(stop) -> _ => {}
                recv(give_up) -> _ => return Ok(()),
                recv(due) -> _ => {}
                default(confirm_watch::CHECK_EVERY) => {}
            }
        }
    }

    fn has_many_messages(&self) -> bool {
        self.outbox.messages() + 2 * self.config.partitions.unwrap_or(1) as usize > WINDOW_MESSAGES
    }

    /// Whether another message may be made.
    fn has_room(&self) -> bool {
        !self.has_many_messages() && self.outbox.bytes < WINDOW_BYTES && !self.is_complete()
    }

    fn is_complete(&self) -> bool {
        self.config.count.is_some_and(|count| self.outbox.made >= count)
    }

    /// Keeps a fixed rate from the start. Samples that were due while there was no connection or no room are left out.
    fn make_due_samples(&mut self) -> Result<()> {
        while self.has_room() && Instant::now() >= self.next_due {
            self.make_message()?;
            if !self.config.interval.is_zero() {
                let late = self.next_due.elapsed();
                let steps = late.as_nanos() / self.config.interval.as_nanos() + 1;
                let ahead = self.config.interval.as_nanos() * steps;
                self.next_due += Duration::from_nanos(ahead.min(u64::MAX.into()) as u64);
            }
        }
        Ok(())
    }

    /// Makes the samples of one message, or of one for each partition that has any of them.
    fn make_message(&mut self) -> Result<()> {
        let made = self.outbox.made;
        let left = self.config.count.map_or(u64::MAX, |count| count - made);
        let samples = self.config.batch.min(left);
        let rows = self.dataset.len();
        let of = self.config.partitions.unwrap_or(1);
        let mut chosen: Vec<Vec<(String, Row<'_>)>> = (0..of).map(|_| Vec::new()).collect();
        for number in made..made + samples {
            let index = match self.config.order {
                Order::Random => self.random.usize(..rows),
                Order::Sequential => (number % rows as u64) as usize,
            };
            let row =
                self.dataset.row(index, self.is_shifted(number)).context("the data set has no such row")?;
            let id = self.ids.next(unix_time_us());
            let partition = Partition::of_id(&id, of).number as usize;
            chosen.get_mut(partition).context("there is no such partition")?.push((id, row));
        }
        for (partition, mut chosen) in chosen.into_iter().enumerate().filter(|(_, chosen)| !chosen.is_empty())
        {
            let y_true = encode(chosen.iter().map(|(id, row)| Sample { id, body: row.y, group: row.group }))?;
            let features =
                encode(chosen.iter().map(|(id, row)| Sample { id, body: row.x, group: row.group }))?;
            let count = chosen.len() as u64;
            let message_id = if count == 1 { chosen.pop().map(|(id, _)| id) } else { None };
            self.outbox.push(partition, count, [y_true, features], message_id);
        }
        Ok(())
    }

    /// Whether a sample's true value is shifted.
    fn is_shifted(&self, number: u64) -> bool {
        let Some(shift) = self.config.shift.filter(|shift| number >= shift.after) else { return false };
        if number == shift.after {
            log::info!("from here on true values are shifted by {:+}", self.dataset.shift);
        }
        true
    }

    /// `queues`: of true values and of features, of each partition.
    fn publish(&mut self, channel: &Channel, queues: &[[String; 2]]) -> Result<()> {
        while let Some(message) = self.outbox.publish_next() {
            let [y_true, features] = queues.get(message.partition).context("there is no such partition")?;
            let mut properties = AmqpProperties::default()
                .with_content_type("application/json".to_owned())
                .with_delivery_mode(PERSISTENT);
            if let Some(id) = &message.samples.message_id {
                properties = properties.with_message_id(id.clone());
            }
            let queue = if message.queue == Queue::YTrue { y_true } else { features };
            let mut publish = Publish::with_properties(&message.body, queue.as_str(), properties);
            publish.mandatory = true;
            channel.basic_publish("", publish).context("connection lost")?;
        }
        Ok(())
    }

    fn report_progress(&mut self) {
        let (sent, (before, at)) = (self.outbox.sent, self.reported);
        if sent != before && (before == 0 || at.elapsed() >= PROGRESS_INTERVAL) {
            log::info!("{} sent, {} not yet confirmed", samples(sent), self.outbox.unconfirmed_samples());
            self.reported = (sent, Instant::now());
        }
    }
}

fn samples(count: u64) -> String {
    counted(count, "sample", "samples")
}

/// The broker's reason for closing: the next call on the channel returns it.
fn why_closed(channel: &Channel) -> anyhow::Error {
    match channel.qos(0, 0, false) {
        Err(amiquip::Error::EventLoopDropped) | Ok(()) => anyhow!("connection lost"),
        Err(error) => anyhow::Error::from(error).context("connection lost"),
    }
}

fn unix_time_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as u64)
}
