//! Consumes the two queues, has batches digested and acknowledges what was made durable, over as many connections as it takes.

use crate::{
    broker::{Backoff, Bodies, Broker},
    clock::Now,
    config::Config,
    consumer::Consumer,
    disk::RealDisk,
    flow::Flow,
    halt::Halt,
    health::Health,
    join::Side,
    journal::{Batch, Journal},
    lock::Lock,
    message::Content,
    model::Model,
    neighbours::{Neighbours, hold_lock},
    progress::Progress,
};
use amiquip::Connection;
use anyhow::Result;
use crossbeam_channel::{Receiver, RecvTimeoutError, never, select};
use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

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

impl From<Halt> for End {
    fn from(halt: Halt) -> End {
        match halt {
            Halt::Stopped => End::Stopped,
            Halt::Failed(error) => End::Failed(error),
        }
    }
}

pub struct Service<'a> {
    pub config: &'a Config,
    /// Of the predictions, where they are computed here.
    pub model: Option<Model>,
    pub lock: Lock,
    pub journal: Journal<'a, RealDisk>,
    pub progress: Progress,
    pub health: &'a Health,
    pub stop: &'a Stop,
    /// The operator knows that the lock of the queues is not permitted.
    pub is_warned_of_lock: bool,
}

impl Service<'_> {
    /// Works until asked to stop.
    ///
    /// # Errors
    /// A file of the log directory that cannot be written or read.
    pub fn run(mut self) -> Result<()> {
        let mut broker = self.broker()?;
        let mut backoff = Backoff::new();
        let mut told = String::new();
        loop {
            let lost = match self.session(&mut broker, &mut backoff) {
                End::Failed(error) => return Err(error),
                End::Stopped => break,
                End::Lost(error) => format!("{error:#}"),
            };
            if told != lost {
                log::warn!("{lost}; waiting and trying again");
                told.clone_from(&lost);
            }
            self.health.ill(lost);
            if self.stop.recv_timeout(backoff.next()) == Err(RecvTimeoutError::Disconnected) {
                break;
            }
        }
        self.progress.waiting = self.journal.waiting();
        log::info!("stopped; {}", self.progress);
        Ok(())
    }

    /// With the queues that other programs have declared, as the store remembers them.
    fn broker(&mut self) -> Result<Broker> {
        let Config { amqp_url, queue_type, queue_prefix, .. } = self.config;
        let mut broker = Broker::new(amqp_url.clone(), *queue_type, queue_prefix);
        broker.foreign_queues = self.journal.foreign_queues()?;
        Ok(broker)
    }

    fn session(&mut self, broker: &mut Broker, backoff: &mut Backoff) -> End {
        let (mut connection, bodies) = match broker.connect() {
            Ok(opened) => opened,
            Err(error) => return End::Lost(error),
        };
        let names = self.config.queue_names();
        let queues = names.map(|name| broker.queue(name));
        let prefix = &self.config.queue_prefix;
        let declared = hold_lock(&mut connection, prefix, &queues, &mut self.is_warned_of_lock)
            .and_then(|()| names.iter().try_for_each(|name| broker.declare(&mut connection, name).map(drop)));
        if let Err(error) = declared {
            return End::Lost(error);
        }
        for queue in &broker.foreign_queues {
            if let Err(halt) = self.journal.remember_foreign_queue(queue) {
                return halt.into();
            }
        }
        let mut flow = Flow::new(self.config.prefetch);
        let end = match subscribe(&mut connection, &queues, &flow, &bodies) {
            Ok((mut consumers, _neighbours)) => {
                let [y_true, y_pred] = &queues;
                log::info!("connected to {}; consuming {y_true} and {y_pred}", broker.url);
                let end = self.consume(&mut consumers, &mut flow, backoff);
                // Before all that waits for the broker: the store is not behind the log meanwhile.
                match (end, self.journal.end_connection()) {
                    (end @ End::Failed(_), _) | (end, Ok(())) => end,
                    (_, Err(halt)) => halt.into(),
                }
            }
            Err(error) => End::Lost(error),
        };
        // Closing flushes the last acknowledgements; without it their messages come again and are duplicates.
        let _ = connection.close();
        end
    }

    fn consume(&mut self, consumers: &mut [Consumer; 2], flow: &mut Flow, backoff: &mut Backoff) -> End {
        loop {
            self.health.well(self.progress.to_string());
            let mut batch = Batch::default();
            // Deliveries that came before the end of a connection come again on the next one.
            match self.take(consumers, flow, &mut batch) {
                Ok(true) => {}
                Ok(false) => return End::Stopped,
                Err(error) => return End::Lost(error),
            }
            // Nothing is written to a directory that another process may hold, and nothing acknowledged.
            if let Err(error) = self.lock.check() {
                return End::Failed(error);
            }
            let now = Now::read();
            let releases = flow.releases(batch.is_empty(), now.instant);
            let digested = match self.journal.digest(batch, releases, now) {
                Ok(digested) => digested,
                Err(halt) => return halt.into(),
            };
            flow.digested(&digested.held, &digested.released, digested.met_in_memory, digested.begun);
            if let Err(error) = self.lock.check() {
                return End::Failed(error);
            }
            backoff.reset();
            if let Err(error) = consumers.iter_mut().try_for_each(|consumer| consumer.acknowledge(flow)) {
                return End::Lost(error);
            }
            self.progress.add(digested);
            self.progress.tell();
        }
    }

    /// Waits for a delivery, or for something else to be due, and takes what is there. False where the process is asked to stop.
    fn take(&self, consumers: &mut [Consumer; 2], flow: &mut Flow, batch: &mut Batch) -> Result<bool> {
        let of_y_pred = self.model.as_ref().map_or(Content::Number, Content::Features);
        let contents = [Content::Number, of_y_pred];
        let is_stopped = consumers.iter().any(|consumer| consumer.is_stopped());
        let wait = flow.wait(self.journal.sync_due(), Instant::now(), is_stopped);
        let never = never();
        let (mut message, mut change) = ([None, None], [None, None]);
        {
            let [first, second] = consumers
                .each_ref()
                .map(|consumer| if flow.may_take(consumer.side) { consumer.messages() } else { &never });
            let [of_first, of_second] = consumers.each_ref().map(Consumer::changes);
            select! {
                recv(first) -> taken => message = [Some(taken.ok()), None],
                recv(second) -> taken => message = [None, Some(taken.ok())],
                recv(of_first) -> changed => change = [Some(changed.ok()), None],
                recv(of_second) -> changed => change = [None, Some(changed.ok())],
                recv(self.stop) -> _ => return Ok(false),
                default(wait) => {}
            }
        }
        let now = Now::read();
        for (((consumer, content), message), change) in
            consumers.iter_mut().zip(&contents).zip(message).zip(change)
        {
            if let Some(message) = message {
                consumer.take(message, content, now, flow, batch)?;
            }
            if let Some(messages) = change {
                consumer.change(messages)?;
            }
        }
        // In turn: the halves of a pair then meet while the first is in the processor's cache.
        let mut more = true;
        while more {
            more = false;
            for (consumer, content) in consumers.iter_mut().zip(&contents) {
                more |= consumer.take_ready(content, now, flow, batch)?;
            }
        }
        Ok(true)
    }
}

fn subscribe<'b>(
    connection: &mut Connection,
    [y_true, y_pred]: &[String; 2],
    flow: &Flow,
    bodies: &'b Bodies,
) -> Result<([Consumer<'b>; 2], Neighbours)> {
    let mut subscribe = |side, queue: &String| {
        let channel = connection.open_channel(None)?;
        Consumer::new(side, queue.clone(), channel, flow.prefetch(side), bodies)
    };
    let consumers = [subscribe(Side::YTrue, y_true)?, subscribe(Side::YPred, y_pred)?];
    let neighbours = Neighbours::watch(connection.open_channel(None)?, [y_true.clone(), y_pred.clone()]);
    Ok((consumers, neighbours))
}

/// How long a full disk is waited for before the next try.
pub const FULL_DISK_WAIT: Duration = Duration::from_millis(500);

/// Whether the process is asked to stop within this time.
pub fn stops_within(stop: &Stop, wait: Duration) -> bool {
    stop.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected)
}
