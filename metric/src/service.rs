//! Consumes the two queues, has batches digested and acknowledges what was made durable. Nothing is acknowledged
//! before that: a half whose other one is likely on its way is held in memory, and its delivery with it.

use crate::{
    broker::{Backoff, Broker},
    config::{Config, Predictions},
    digest::{Digested, Digester},
    disk::RealDisk,
    health::Health,
    intake::{Batch, Intake, Moment},
    join::Side,
    journal::{self, Journal},
    message::Content,
    model::Model,
    progress::{self, Progress},
};
use amiquip::{Channel, Connection};
use anyhow::Result;
use crossbeam_channel::{Receiver, RecvTimeoutError, never, select};
use std::{
    convert::Infallible,
    mem,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// How long the other halves are waited for while one queue is not taken from, if halves lately met in memory.
const GRACE: Duration = Duration::from_millis(100);

/// After a batch of so many halves, and fewer than [`BESIDE_FROM`], more are gathered for this time before the next: fewer syncs, fewer
/// acknowledgements.
const GATHERED_FROM: usize = 32;
const GATHERING: Duration = Duration::from_millis(5);

/// A batch of so many halves is digested beside the taking of the next. With the usual prefetch only batch messages come to that; for
/// others the broker needs the other core.
const BESIDE_FROM: usize = 3000;

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
        let opened = broker.connect().and_then(|(mut connection, bodies)| {
            let y_true = self.open(broker, &mut connection, "y_true")?;
            let other = match self.config.predictions {
                Predictions::Model => "features",
                Predictions::YPred => "y_pred",
            };
            let y_pred = self.open(broker, &mut connection, other)?;
            Ok((y_true, y_pred, connection, bodies))
        });
        let (y_true, y_pred, connection, bodies) = match opened {
            Ok(opened) => opened,
            Err(error) => return End::Lost(error),
        };
        let prefetch = self.config.prefetch;
        let end = match (
            Intake::new(Side::YTrue, y_true.0, y_true.1, &bodies, prefetch),
            Intake::new(Side::YPred, y_pred.0, y_pred.1, &bodies, prefetch),
        ) {
            (Ok(y_true), Ok(y_pred)) => {
                log::info!("connected to {}; consuming {} and {}", broker.url, y_true.queue, y_pred.queue);
                self.consume([y_true, y_pred])
            }
            (Err(error), _) | (_, Err(error)) => End::Lost(error),
        };
        // Closing flushes the last acknowledgements; without it their messages come again and are duplicates.
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
        let Service { model, journal, progress, health, stop, backoff, .. } = self;
        let of_y_pred = model.as_ref().map_or(Content::Number, Content::Features);
        let contents = [Content::Number, of_y_pred];
        let queues = intakes.each_ref().map(|intake| intake.queue.clone());
        let mut digester = Digester { journal, health, stop, queues };
        let never = never();
        let mut batch = Batch::default();
        // Whether halves met in memory since some were last given to the store.
        let mut meet = true;
        let mut gathers = false;
        loop {
            health.well();
            let is_quiet =
                digester.journal.is_stored() && intakes.iter().all(|intake| intake.age().is_zero());
            limit_leads(&mut intakes, meet);
            let wait = match intakes.iter().filter(|intake| intake.takes()).count() {
                _ if !batch.is_empty() => Duration::ZERO,
                2 if is_quiet => progress::INTERVAL,
                2 => journal::BEHIND_MAX,
                1 if meet || intakes.iter().any(|intake| intake.is_ahead) => GRACE,
                _ => Duration::ZERO,
            };
            gathers &= intakes.iter().all(|intake| intake.takes() && !intake.can_fill());
            if gathers && stop.recv_timeout(GATHERING) == Err(RecvTimeoutError::Disconnected) {
                return End::Stopped;
            }
            // Deliveries that came before the end of a connection come again on the next one.
            match take(&mut intakes, &contents, stop, &never, wait, meet, &mut batch) {
                Ok(Woken::ToStop) => return End::Stopped,
                Ok(_) => {}
                Err(error) => return End::Lost(error),
            }
            gathers = (GATHERED_FROM..BESIDE_FROM).contains(&batch.arrivals.len());
            let is_stuck = batch.arrivals.is_empty() && !intakes.iter().all(Intake::has_room);
            let releases = is_stuck || intakes.iter().any(|intake| intake.age() >= journal::BEHIND_MAX);
            intakes.iter_mut().for_each(Intake::give);
            let given = mem::take(&mut batch);
            let (digested, taken) = if given.arrivals.len() < BESIDE_FROM {
                (digester.digest(given, releases), Ok(()))
            } else {
                digester.digest_beside(given, releases, |digested| {
                    take_until(digested, &mut intakes, &contents, stop, meet, &mut batch)
                })
            };
            let Digested { outcome, joined, met_in_memory } = match digested {
                Ok(Some(digested)) => digested,
                Ok(None) => return End::Stopped,
                Err(error) => return End::Failed(error),
            };
            meet = joined.begun.is_empty() && (meet || met_in_memory);
            for intake in &mut intakes {
                intake.note(&joined.held, true);
                intake.note(&joined.released, false);
                intake.is_ahead = joined.ahead == Some(intake.side);
            }
            progress.add(&outcome);
            backoff.reset();
            if let Err(error) = intakes.iter_mut().try_for_each(Intake::acknowledge).and(taken) {
                return End::Lost(error);
            }
            progress.tell();
        }
    }
}

/// Why the service goes on.
enum Woken {
    /// By messages or the time.
    ToDigest,
    ToStop,
    /// What was being digested is.
    ByDigested,
}

/// Where one queue is far ahead of the other, whole batches would be taken of which no half meets its other one.
fn limit_leads(intakes: &mut [Intake; 2], meet: bool) {
    let [first, second] = intakes;
    let (of_first, of_second) = (first.samples(), second.samples());
    first.limit_lead(of_second, meet);
    second.limit_lead(of_first, meet);
}

/// Waits for a message, or for something else to happen, and takes what is there.
fn take(
    intakes: &mut [Intake; 2],
    contents: &[Content; 2],
    stop: &Stop,
    digested: &Receiver<Infallible>,
    wait: Duration,
    meet: bool,
    batch: &mut Batch,
) -> Result<Woken> {
    let never = never();
    let [first, second] = intakes.each_ref().map(|i| if i.takes() { i.receiver() } else { &never });
    let [first_next, second_next] = intakes.each_ref().map(Intake::next_consumer);
    let (side, mut message) = select! {
        recv(first) -> message => (Some(Side::YTrue), message.ok()),
        recv(second) -> message => (Some(Side::YPred), message.ok()),
        recv(first_next) -> consumer => {
            let [first, _] = intakes;
            first.take_consumer(consumer.ok())?;
            (None, None)
        }
        recv(second_next) -> consumer => {
            let [_, second] = intakes;
            second.take_consumer(consumer.ok())?;
            (None, None)
        }
        recv(stop) -> _ => return Ok(Woken::ToStop),
        recv(digested) -> _ => return Ok(Woken::ByDigested),
        default(wait) => (None, None),
    };
    let now = Moment { unix_ms: unix_time_ms(), instant: Instant::now() };
    for (intake, content) in intakes.iter_mut().zip(contents) {
        if side == Some(intake.side) {
            intake.take(message.take(), content, now, batch)?;
        }
    }
    // In turn: the halves of a pair then meet while the first is in the processor's cache.
    let mut more = true;
    while more {
        more = false;
        limit_leads(intakes, meet);
        for (intake, content) in intakes.iter_mut().zip(contents) {
            more |= intake.take_ready(content, now, batch)?;
        }
    }
    intakes.iter_mut().try_for_each(Intake::adapt)?;
    Ok(Woken::ToDigest)
}

/// Takes what comes until the batch before is digested.
fn take_until(
    digested: &Receiver<Infallible>,
    intakes: &mut [Intake; 2],
    contents: &[Content; 2],
    stop: &Stop,
    meet: bool,
    batch: &mut Batch,
) -> Result<()> {
    while let Woken::ToDigest = take(intakes, contents, stop, digested, journal::BEHIND_MAX, meet, batch)? {}
    Ok(())
}

pub fn unix_time_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}
