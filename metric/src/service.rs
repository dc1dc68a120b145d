//! Consumes the two queues, hands batches to the journal and acknowledges what it made durable. Nothing is acknowledged
//! before that: a half whose other one is likely on its way is held in memory, and its delivery with it.

use crate::{
    broker::{Backoff, Broker},
    config::{Config, Predictions},
    disk::RealDisk,
    health::Health,
    intake::{Batch, Intake, Moment},
    join::Side,
    journal::{self, Journal},
    message::Content,
    model::Model,
    progress::{self, Progress},
    rejects::Reject,
};
use amiquip::{Channel, Connection, ConsumerMessage};
use anyhow::Result;
use crossbeam_channel::{Receiver, RecvTimeoutError, never, select};
use std::{
    convert::Infallible,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// How long the other halves are waited for while one queue is not taken from, if halves lately met in memory.
const GRACE: Duration = Duration::from_millis(100);

/// After a batch of so many halves more are gathered for this time before the next: fewer syncs, fewer acknowledgements.
const GATHERED_FROM: usize = 32;
const GATHERING: Duration = Duration::from_millis(2);

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

impl<'a> Service<'a> {
    pub fn new(
        config: &'a Config,
        model: Option<Model>,
        journal: Journal<RealDisk>,
        health: Health,
        stop: &'a Stop,
    ) -> Service<'a> {
        Service { config, model, journal, progress: Progress::new(), health, stop, backoff: Backoff::new() }
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
            self.journal.drop_held();
            if told != lost {
                log::warn!("{lost}; trying again");
                told.clone_from(&lost);
            }
            self.health.ill(lost);
            if self.stop.recv_timeout(self.backoff.next()) == Err(RecvTimeoutError::Disconnected) {
                break;
            }
        }
        self.progress.waiting = self.journal.catch_up(unix_time_ms(), |_| false)?;
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
        let prefetch = self.config.prefetch;
        let end = match (
            Intake::new(Side::YTrue, &y_true.0, &y_true.1, prefetch),
            Intake::new(Side::YPred, &y_pred.0, &y_pred.1, prefetch),
        ) {
            (Ok(y_true), Ok(y_pred)) => {
                log::info!("connected to {}; consuming {} and {}", broker.url, y_true.queue, y_pred.queue);
                self.consume([y_true, y_pred])
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
        Ok((queue, connection.open_channel(None)?))
    }

    fn consume(&mut self, mut intakes: [Intake; 2]) -> End {
        let never = never();
        // Whether halves met in memory since some were last given to the store.
        let mut meet = true;
        let mut gathers = false;
        loop {
            self.health.well();
            let is_quiet = self.journal.is_stored() && intakes.iter().all(|intake| intake.age().is_zero());
            let wait = match intakes.iter().filter(|intake| intake.takes()).count() {
                2 if is_quiet => progress::INTERVAL,
                2 => journal::BEHIND_MAX,
                1 if meet || intakes.iter().any(|intake| intake.is_ahead) => GRACE,
                _ => Duration::ZERO,
            };
            let [first, second] = intakes.each_ref().map(|i| if i.takes() { i.receiver() } else { &never });
            gathers &= intakes.iter().all(|intake| intake.takes() && !intake.can_fill());
            if gathers && self.stop.recv_timeout(GATHERING) == Err(RecvTimeoutError::Disconnected) {
                return End::Stopped;
            }
            let (woken, message) = select! {
                recv(first) -> message => (Some(Side::YTrue), message.ok()),
                recv(second) -> message => (Some(Side::YPred), message.ok()),
                recv(self.stop) -> _ => return End::Stopped,
                default(wait) => (None, None),
            };
            let now = Moment { unix_ms: unix_time_ms(), instant: Instant::now() };
            let mut batch = Batch::default();
            // Deliveries that came before the end of a connection come again on the next one.
            if let Err(error) = self.take(&mut intakes, woken, message, now, &mut batch) {
                return End::Lost(error);
            }
            gathers = batch.arrivals.len() >= GATHERED_FROM;
            if let Err(end) = self.digest(&mut intakes, batch, now.unix_ms, &mut meet) {
                return end;
            }
            if let Err(error) = intakes.iter_mut().try_for_each(Intake::acknowledge) {
                return End::Lost(error);
            }
            self.progress.tell();
        }
    }

    /// Takes the message that woke the service, and what else is there.
    fn take(
        &self,
        intakes: &mut [Intake; 2],
        woken: Option<Side>,
        mut message: Option<ConsumerMessage>,
        now: Moment,
        batch: &mut Batch,
    ) -> Result<()> {
        let [y_true, y_pred] = intakes;
        let of_y_pred = self.model.as_ref().map_or(Content::Number, Content::Features);
        let mut sides = [(y_true, Content::Number), (y_pred, of_y_pred)];
        for (intake, content) in &mut sides {
            if woken == Some(intake.side) {
                intake.take(message.take(), content, now, batch)?;
            }
        }
        // In turn: the halves of a pair then meet while the first is in the processor's cache.
        let mut more = true;
        while more {
            more = false;
            for (intake, content) in &mut sides {
                more |= intake.take_ready(content, now, batch)?;
            }
        }
        sides.iter_mut().try_for_each(|(intake, content)| intake.adapt(content, now, batch))
    }

    /// Joins a batch and makes it durable. A full disk is waited for, with the deliveries in hand and the connection alive.
    fn digest(
        &mut self,
        intakes: &mut [Intake; 2],
        batch: Batch,
        now_ms: u64,
        meet: &mut bool,
    ) -> Result<(), End> {
        let mut backoff = Backoff::new();
        let (mut was_full, stop, health) = (false, self.stop, &self.health);
        let mut wait = |error: &anyhow::Error| {
            if !was_full {
                log::error!("{error:#}; waiting for room, nothing is lost");
            }
            health.ill(format!("{error:#}; it waits for room"));
            was_full = true;
            stop.recv_timeout(backoff.next().min(FULL_DISK_WAIT_MAX)) != Err(RecvTimeoutError::Disconnected)
        };
        let Batch { arrivals, mut rejects } = batch;
        let nothing_came = arrivals.is_empty();
        let joined = self.journal.join(arrivals, now_ms, &mut wait);
        let mut joined = joined.map_err(End::Failed)?.ok_or(End::Stopped)?;
        let met_in_memory = !joined.released.is_empty();
        let is_stuck = nothing_came && !intakes.iter().all(Intake::has_room);
        if is_stuck || intakes.iter().any(|intake| intake.age() >= journal::BEHIND_MAX) {
            self.journal.release(&mut joined);
        }
        *meet = joined.begun.is_empty() && (*meet || met_in_memory);
        for (side, sample, reason) in joined.refused.drain(..) {
            let queue = intakes.iter().find(|intake| intake.side == side).map_or("", |intake| &intake.queue);
            let body = serde_json::json!({"id": sample.id, "body": sample.value}).to_string();
            rejects.push(Reject::new(now_ms, queue, reason, body.as_bytes(), None));
        }
        let committed = self.journal.commit_when_room(&mut joined, &rejects, now_ms, wait);
        let outcome = committed.map_err(End::Failed)?.ok_or(End::Stopped)?;
        if was_full {
            log::info!("there is room again");
        }
        for intake in intakes {
            intake.note(&joined.held, true);
            intake.note(&joined.released, false);
            intake.is_ahead = joined.ahead == Some(intake.side);
        }
        self.progress.add(&outcome);
        self.backoff.reset();
        Ok(())
    }
}

fn unix_time_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}
