//! Consumes the two queues, hands batches to the journal and acknowledges what it made durable. Nothing is acknowledged
//! before that.

use crate::{
    broker::{Backoff, Broker},
    config::{Config, Predictions},
    disk::RealDisk,
    health::Health,
    join::Side,
    journal::{Batch, Journal},
    message::{self, Content},
    model::Model,
    progress::{self, Progress},
    rejects::Reject,
};
use amiquip::{Channel, Connection, Consumer, ConsumerMessage, ConsumerOptions, Delivery};
use anyhow::{Context, Result, bail};
use crossbeam_channel::{Receiver, RecvTimeoutError, select};
use std::{
    convert::Infallible,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Deliveries of one queue that a batch takes at most, as a part of the prefetch: while it is made durable the rest is on its way.
const BATCHES_PER_PREFETCH: usize = 2;

/// Longest time between two looks at whether a full disk has room.
const FULL_DISK_WAIT_MAX: Duration = Duration::from_secs(5);

/// Closes when the process is asked to stop.
pub type Stop = Receiver<Infallible>;

/// What a session, one connection's life, ended with.
enum End {
    Stopped,
    /// The connection, or the right to use it, is gone; a new one is worth trying.
    Lost(anyhow::Error),
    /// Going on would break a promise.
    Failed(anyhow::Error),
}

pub struct Service<'a> {
    config: &'a Config,
    model: Option<Model>,
    journal: Journal<RealDisk>,
    progress: Progress,
    health: Health,
    stop: &'a Stop,
    backoff: Backoff,
}

/// A queue being consumed.
struct Intake<'c> {
    side: Side,
    queue: String,
    channel: &'c Channel,
    consumer: Consumer<'c>,
}

impl<'a> Service<'a> {
    pub fn new(
        config: &'a Config,
        model: Option<Model>,
        journal: Journal<RealDisk>,
        health: Health,
        stop: &'a Stop,
    ) -> Service<'a> {
        Service {
            config,
            model,
            journal,
            progress: Progress::default(),
            health,
            stop,
            backoff: Backoff::new(),
        }
    }

    /// Works until asked to stop, over as many connections as it takes.
    ///
    /// # Errors
    /// A file of the log directory that cannot be written or read.
    pub fn run(mut self) -> Result<()> {
        let Config { amqp_url, queue_type, queue_prefix, .. } = self.config.clone();
        let mut broker = Broker::new(amqp_url, queue_type, &queue_prefix);
        let mut told = String::new();
        loop {
            let lost = match self.session(&mut broker) {
                End::Stopped => break,
                End::Failed(error) => return Err(error),
                End::Lost(error) => format!("{error:#}"),
            };
            if told != lost {
                log::warn!("{lost}; trying again");
                told.clone_from(&lost);
            }
            self.health.ill(lost);
            if self.stop.recv_timeout(self.backoff.next()) == Err(RecvTimeoutError::Disconnected) {
                break;
            }
        }
        log::info!("stopped; {}", self.progress);
        Ok(())
    }

    fn session(&mut self, broker: &mut Broker) -> End {
        let opened = broker.connect().and_then(|mut connection| {
            let y_true = self.open(broker, &mut connection, "y_true")?;
            let other = match self.config.predictions {
                Predictions::Model => "features",
                Predictions::YPred => "y_pred",
            };
            let y_pred = self.open(broker, &mut connection, other)?;
            Ok((y_true, y_pred, connection))
        });
        let (y_true, y_pred, connection) = match opened {
            Ok(opened) => opened,
            Err(error) => return End::Lost(error),
        };
        let end = match (intake(Side::YTrue, &y_true), intake(Side::YPred, &y_pred)) {
            (Ok(y_true), Ok(y_pred)) => {
                log::info!("connected to {}; consuming {} and {}", broker.url, y_true.queue, y_pred.queue);
                self.consume([&y_true, &y_pred])
            }
            (Err(error), _) | (_, Err(error)) => End::Lost(error),
        };
        // Closing flushes the last acknowledgements; without it their messages come again and are duplicates.
        drop((y_true, y_pred));
        let _ = connection.close();
        end
    }

    fn open(
        &self,
        broker: &mut Broker,
        connection: &mut Connection,
        name: &str,
    ) -> Result<(String, Channel)> {
        let queue = broker.declare(connection, name)?;
        let channel = connection.open_channel(None)?;
        channel.qos(0, self.config.prefetch, false)?;
        Ok((queue, channel))
    }

    fn consume(&mut self, intakes: [&Intake; 2]) -> End {
        let [first, second] = intakes.map(|intake| intake.consumer.receiver());
        let per_batch = (usize::from(self.config.prefetch) / BATCHES_PER_PREFETCH).max(1);
        loop {
            self.health.well();
            let mut deliveries = [Vec::new(), Vec::new()];
            let [of_first, of_second] = &mut deliveries;
            let woken = select! {
                recv(first) -> message => take(message.ok(), of_first),
                recv(second) -> message => take(message.ok(), of_second),
                recv(self.stop) -> _ => return End::Stopped,
                default(progress::INTERVAL) => Ok(()),
            };
            let filled = woken
                .and_then(|()| fill(first, of_first, per_batch))
                .and_then(|()| fill(second, of_second, per_batch));
            // Deliveries that came before the end of a connection come again on the next one.
            if let Err(error) = filled {
                return End::Lost(error);
            }
            if let Err(end) = self.digest(intakes, &deliveries) {
                return end;
            }
            for (intake, deliveries) in intakes.into_iter().zip(deliveries) {
                if let Some(last) = deliveries.into_iter().next_back()
                    && let Err(error) = last.ack_multiple(intake.channel)
                {
                    return End::Lost(error.into());
                }
            }
            self.progress.tell();
        }
    }

    /// Makes what the deliveries hold durable. A full disk is waited for, with the deliveries held and the connection alive.
    fn digest(&mut self, intakes: [&Intake; 2], deliveries: &[Vec<Delivery>; 2]) -> Result<(), End> {
        let now_ms = unix_time_ms();
        let mut batch = Batch::default();
        let mut samples = Vec::new();
        for (intake, deliveries) in intakes.into_iter().zip(deliveries) {
            let content = match (&self.model, intake.side) {
                (Some(model), Side::YPred) => Content::Features(model),
                _ => Content::Number,
            };
            for delivery in deliveries {
                let mut refused = Vec::new();
                message::decode(&delivery.body, &content, &mut samples, &mut refused);
                batch.samples.extend(samples.drain(..).map(|sample| (intake.side, sample)));
                let reject =
                    |r: message::Refused| Reject::new(now_ms, &intake.queue, r.reason, r.body, r.index);
                batch.rejects.extend(refused.into_iter().map(reject));
            }
        }
        let queue_of =
            |side| intakes.iter().find(|i| i.side == side).map_or_else(String::new, |i| i.queue.clone());
        let mut backoff = Backoff::new();
        let (mut was_full, stop, health) = (false, self.stop, &self.health);
        let committed = self.journal.commit_when_room(&batch, now_ms, queue_of, |error| {
            if !was_full {
                log::error!("{error:#}; waiting for room, nothing is lost");
            }
            health.ill(format!("{error:#}; it waits for room"));
            was_full = true;
            stop.recv_timeout(backoff.next().min(FULL_DISK_WAIT_MAX)) != Err(RecvTimeoutError::Disconnected)
        });
        let outcome = committed.map_err(End::Failed)?.ok_or(End::Stopped)?;
        if was_full {
            log::info!("there is room again");
        }
        self.progress.add(&outcome);
        self.backoff.reset();
        Ok(())
    }
}

fn intake(side: Side, (queue, channel): &(String, Channel)) -> Result<Intake<'_>> {
    let consumer = channel.basic_consume(queue.as_str(), ConsumerOptions::default());
    let consumer = consumer.with_context(|| format!("cannot consume queue {queue}"))?;
    Ok(Intake { side, queue: queue.clone(), channel, consumer })
}

/// Keeps a delivery; every other message means that no more will come. A closed channel means the same: the connection died.
fn take(message: Option<ConsumerMessage>, deliveries: &mut Vec<Delivery>) -> Result<()> {
    match message {
        Some(ConsumerMessage::Delivery(delivery)) => deliveries.push(delivery),
        Some(ConsumerMessage::ServerClosedChannel(e) | ConsumerMessage::ServerClosedConnection(e)) => {
            return Err(e).context("connection lost");
        }
        Some(ConsumerMessage::ServerCancelled) => {
            bail!("the broker ended the subscription; was the queue deleted?")
        }
        Some(_) | None => bail!("connection lost"),
    }
    Ok(())
}

/// Takes what is there already, up to `most`.
fn fill(receiver: &Receiver<ConsumerMessage>, deliveries: &mut Vec<Delivery>, most: usize) -> Result<()> {
    while deliveries.len() < most
        && let Ok(message) = receiver.try_recv()
    {
        take(Some(message), deliveries)?;
    }
    Ok(())
}

fn unix_time_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}
