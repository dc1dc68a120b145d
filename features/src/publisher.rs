//! Makes samples when they are due, publishes them, and counts one as sent once the broker has confirmed both halves.

use crate::{
    broker::{Backoff, Broker},
    config::{Config, Order},
    confirm_watch::{self, ConfirmWatch},
    dataset::{Dataset, Row},
    health::Health,
    message::{Sample, encode},
    outbox::{Outbox, Queue},
    sample_id::SampleIds,
};
use amiquip::{AmqpProperties, Channel, Confirm, ConnectionBlockedNotification as Notification, Publish};
use anyhow::{Context, Result, anyhow};
use crossbeam_channel::{Receiver, RecvTimeoutError, after, never, select};
use std::{
    convert::Infallible,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Unconfirmed messages at most. Enough to keep the broker busy, and fewer than amiquip takes before `publish` blocks.
const WINDOW_MESSAGES: usize = 1000;
/// Once there are so many, confirms are left to gather for so long: a few large writes instead of many small ones.
const GATHERING: Duration = Duration::from_millis(4);
/// How long confirms are waited for after a signal.
const LAST_CONFIRMS: Duration = Duration::from_secs(1);
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);
const PERSISTENT: u8 = 2;

/// Closes when the process is asked to stop.
pub type Stop = Receiver<Infallible>;

enum End {
    Stopped,
    /// All of `--count` are confirmed.
    Finished,
    /// The connection, or the right to use it, is gone; a new one is worth trying.
    Lost(anyhow::Error),
}

pub struct Publisher<'a> {
    config: &'a Config,
    dataset: Dataset,
    stop: &'a Stop,
    random: fastrand::Rng,
    ids: SampleIds,
    outbox: Outbox,
    /// Samples made so far.
    made: u64,
    next_due: Instant,
    backoff: Backoff,
    told: (u64, Instant),
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
            made: 0,
            next_due: now,
            backoff: Backoff::new(),
            told: (0, now),
            confirm_watch: ConfirmWatch::new(health),
        }
    }

    /// Works until asked to stop or, with a count, until all samples are confirmed, over as many connections as it takes.
    ///
    /// # Errors
    /// Only where a message cannot be encoded.
    pub fn run(mut self) -> Result<()> {
        let Config { amqp_url, queue_type, queue_prefix, .. } = self.config;
        let mut broker = Broker::new(amqp_url.clone(), *queue_type, queue_prefix);
        let mut told = String::new();
        loop {
            let lost = match self.session(&mut broker)? {
                End::Stopped | End::Finished => break,
                End::Lost(error) => format!("{error:#}"),
            };
            self.outbox.connection_lost();
            if told != lost {
                log::warn!("{lost}; trying again");
                told.clone_from(&lost);
            }
            self.confirm_watch.disconnected(lost);
            if self.stop.recv_timeout(self.backoff.next()) == Err(RecvTimeoutError::Disconnected) {
                break;
            }
        }
        let unconfirmed = self.outbox.unconfirmed_samples();
        if unconfirmed > 0 {
            log::warn!("{unconfirmed} samples were not confirmed by the broker and do not count as sent");
        }
        log::info!("stopped; {} samples sent", self.outbox.sent());
        Ok(())
    }

    fn session(&mut self, broker: &mut Broker) -> Result<End> {
        let opened = broker.connect().and_then(|(mut connection, _)| {
            let queues =
                [broker.declare(&mut connection, "y_true")?, broker.declare(&mut connection, "features")?];
            let blocked = connection.listen_for_connection_blocked()?;
            let channel = connection.open_channel(None)?;
            let returns = channel.listen_for_returns()?;
            let confirms = channel.listen_for_publisher_confirms()?;
            channel.enable_publisher_confirms()?;
            Ok((connection, channel, queues, blocked, returns, confirms))
        });
        let (_connection, channel, queues, blocked, returns, confirms) = match opened {
            Ok(opened) => opened,
            Err(error) => return Ok(End::Lost(error)),
        };
        log::info!("connected to {}; publishing to {}", broker.url, queues.join(" and "));
        self.confirm_watch.begin_anew();
        let mut is_blocked = false;
        // Until asked to stop; then confirms are waited for, and no longer than `give_up`.
        let mut may_make = true;
        let mut stop = self.stop.clone();
        let mut give_up = never();
        loop {
            if may_make && self.is_stopped() {
                stop = never();
                give_up = after(LAST_CONFIRMS);
                may_make = false;
            }
            if may_make && !is_blocked {
                self.make_due_samples()?;
            }
            if let Err(error) = self.publish(&channel, &queues) {
                return Ok(End::Lost(error));
            }
            self.tell();
            self.confirm_watch.look(self.outbox.messages(), is_blocked);
            if self.outbox.messages() == 0 {
                if !may_make {
                    return Ok(End::Stopped);
                }
                if self.is_complete() {
                    return Ok(End::Finished);
                }
            }
            let due = if may_make && !is_blocked && self.has_room() {
                after(self.next_due.saturating_duration_since(Instant::now()))
            } else {
                never()
            };
            if self.is_full() {
                thread::sleep(GATHERING);
            }
            select! {
                recv(confirms) -> confirm => {
                    let mut oldest_is_confirmed = false;
                    // The broker returns a message that no queue took before it confirms it: such a confirm counts for nothing.
                    let confirms = std::iter::once(confirm.ok()).chain(confirms.try_iter().map(Some));
                    for confirm in confirms {
                        if let Ok(returned) = returns.try_recv() {
                            let reason = anyhow!("the broker returned a message for queue {}: {}", returned.routing_key, returned.reply_text);
                            return Ok(End::Lost(reason));
                        }
                        match confirm {
                            Some(Confirm::Ack(ack)) => oldest_is_confirmed |= self.outbox.confirm(ack.delivery_tag, ack.multiple),
                            Some(Confirm::Nack(_)) => return Ok(End::Lost(anyhow!("the broker refused a message (nack)"))),
                            None => return Ok(End::Lost(why_closed(&channel))),
                        }
                        self.backoff.reset();
                    }
                    if oldest_is_confirmed {
                        self.confirm_watch.begin_anew();
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
                    Err(_) => return Ok(End::Lost(why_closed(&channel))),
                },
                recv(stop) -> _ => {}
                recv(give_up) -> _ => return Ok(End::Stopped),
                recv(due) -> _ => {}
                default(confirm_watch::LOOK) => {}
            }
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.recv_timeout(Duration::ZERO) == Err(RecvTimeoutError::Disconnected)
    }

    fn is_full(&self) -> bool {
        self.outbox.messages() + 2 > WINDOW_MESSAGES
    }

    /// Whether another message may be made.
    fn has_room(&self) -> bool {
        !self.is_full() && !self.is_complete()
    }

    fn is_complete(&self) -> bool {
        self.config.count.is_some_and(|count| self.made >= count)
    }

    /// At a fixed rate from the start; moments that passed while there was no connection or no room are left out.
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

    /// Makes one message's worth of samples.
    fn make_message(&mut self) -> Result<()> {
        let left = self.config.count.map_or(u64::MAX, |count| count - self.made);
        let samples = self.config.batch.min(left);
        let rows = &self.dataset.rows;
        let mut chosen: Vec<(String, &Row)> = Vec::with_capacity(samples as usize);
        for _ in 0..samples {
            let index = match self.config.order {
                Order::Random => self.random.usize(..rows.len()),
                Order::Sequential => (self.made % rows.len() as u64) as usize,
            };
            let row = rows.get(index).context("the data set has no such row")?;
            chosen.push((self.ids.next(unix_time_us()), row));
            self.made += 1;
        }
        let y_true = encode(chosen.iter().map(|(id, row)| Sample { id, body: row.y }))?;
        let features = encode(chosen.iter().map(|(id, row)| Sample { id, body: &row.x }))?;
        let message_id = if samples == 1 { chosen.pop().map(|(id, _)| id) } else { None };
        self.outbox.push(samples, y_true, features, message_id);
        Ok(())
    }

    fn publish(&mut self, channel: &Channel, [y_true, features]: &[String; 2]) -> Result<()> {
        while let Some((message, message_id)) = self.outbox.publish_next() {
            let mut properties = AmqpProperties::default()
                .with_content_type("application/json".to_owned())
                .with_delivery_mode(PERSISTENT);
            if let Some(id) = message_id {
                properties = properties.with_message_id(id.to_owned());
            }
            let queue = if message.queue == Queue::YTrue { y_true } else { features };
            let mut publish = Publish::with_properties(&message.body, queue.as_str(), properties);
            publish.mandatory = true;
            channel.basic_publish("", publish).context("connection lost")?;
        }
        Ok(())
    }

    fn tell(&mut self) {
        let sent = self.outbox.sent();
        if sent != self.told.0 && (self.told.0 == 0 || self.told.1.elapsed() >= PROGRESS_INTERVAL) {
            log::info!("{sent} samples sent, {} not yet confirmed", self.outbox.unconfirmed_samples());
            self.told = (sent, Instant::now());
        }
    }
}

/// The reason that the broker gave for closing, which the next call on the channel answers with.
fn why_closed(channel: &Channel) -> anyhow::Error {
    match channel.qos(0, 0, false) {
        Err(amiquip::Error::EventLoopDropped) | Ok(()) => anyhow!("connection lost"),
        Err(error) => anyhow::Error::from(error).context("connection lost"),
    }
}

fn unix_time_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as u64)
}
