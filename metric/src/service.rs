//! The service: consumes the two queues, digests batches and acknowledges what is durable, over one connection after another.

use crate::{
    clock::Now,
    config::{Config, Predictions},
    disk::RealDisk,
    join::Side,
    journal::{
        Journal,
        batch::{Batch, Digested},
        halt::Halt,
        lock::Lock,
        settings::Hooks,
    },
    progress::Progress,
    queues::{
        consumer::Consumer,
        flow::Flow,
        sole_consumer::{hold_lock, watch},
        worker::Worker,
    },
    status::{State, Status},
    wire::{model::Model, sample::Content},
};
use amiquip::Connection;
use anyhow::Result;
use crossbeam_channel::{never, select};
use glue::{
    amqp::{Bodies, Broker},
    health::Health,
    program::{Failure, Program},
    shutdown::{self, Stop},
};
use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

/// How long to wait between tries while the disk is full.
const FULL_DISK_WAIT: Duration = Duration::from_millis(500);

/// Works until asked to stop.
///
/// # Errors
/// Names the model, which is a wrong setting, or the file of the log directory, that cannot be used.
pub fn run(config: &Config) -> Result<(), Failure> {
    let stop = shutdown::on_signal()?;
    log::info!("broker {}, {}", config.broker, config.line);
    let model = match (config.predictions, &config.model) {
        (Predictions::YPred, _) => Ok(None),
        (Predictions::Model, None) => Model::embedded(config.task).map(Some),
        (Predictions::Model, Some(path)) => Model::load(path, config.task).map(Some),
    };
    let model = model.map_err(|error| Failure::Setting(format!("{error:#}")))?;
    let lock = Arc::new(Lock::hold(&config.log_dir)?);
    let status = Status::start(&config.log_dir, config.task, config.partition, lock.clone(), &stop);
    let result = serve(config, model.as_ref(), &lock, &status, &stop);
    status.stop(result.as_ref().err().map(|error| format!("{error:#}")));
    Ok(result?)
}

fn serve(config: &Config, model: Option<&Model>, lock: &Lock, status: &Status, stop: &Stop) -> Result<()> {
    let health = &Health::answer(&config.health_name());
    let hooks = Hooks {
        reading: Box::new(|path, read, all, counts| {
            let percent = 100 * read / all.max(1);
            let doing = format!("reading {}: {percent} % of {all} bytes", path.display());
            status.report(State::Recovering, Some(doing.clone()));
            status.count(counts);
            health.ok(doing);
            !stop.within(Duration::ZERO)
        }),
        wait_for_room: Box::new(|error| {
            status.report(State::WaitingForRoom, Some(format!("{error:#}")));
            health.unhealthy(format!("{error:#}; waiting for room"));
            !stop.within(FULL_DISK_WAIT)
        }),
    };
    health.ok("opening the log directory".to_owned());
    match Journal::open(RealDisk, &config.log_dir, config.journal(), hooks, Now::read()) {
        Ok(journal) => {
            let reason = "not connected yet".to_owned();
            health.unhealthy(reason.clone());
            status.report(State::Reconnecting, Some(reason));
            status.count(journal.counts());
            let progress = Progress::new(config.log_dir.join("rejected.jsonl"));
            let is_warned_of_lock = false;
            Service { config, model, lock, journal, progress, status, health, stop, is_warned_of_lock }.run()
        }
        Err(Halt::Failed(error)) => Err(error),
        Err(Halt::Stopped) => {
            log::info!("stopped while the log was being read; the next start resumes there");
            Ok(())
        }
    }
}

/// Why a connection ended.
enum End {
    Stopped,
    /// The connection, or the right to use it, is lost; a new one is worth trying.
    Lost(anyhow::Error),
    /// The process must end, because going on would break a promise.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for End {
    fn from(error: anyhow::Error) -> End {
        End::Lost(error)
    }
}

impl From<Halt> for End {
    fn from(halt: Halt) -> End {
        match halt {
            Halt::Stopped => End::Stopped,
            Halt::Failed(error) => End::Failed(error),
        }
    }
}

struct Service<'a> {
    config: &'a Config,
    /// `None` if predictions are consumed.
    model: Option<&'a Model>,
    lock: &'a Lock,
    journal: Journal<'a, RealDisk>,
    progress: Progress,
    status: &'a Status,
    health: &'a Health,
    stop: &'a Stop,
    /// The operator was warned that the lock queue is not permitted.
    is_warned_of_lock: bool,
}

impl Service<'_> {
    /// Opens one connection after another.
    fn run(mut self) -> Result<()> {
        let mut broker = self.config.broker.clone();
        broker.foreign_queues = self.journal.foreign_queues()?;
        loop {
            let reason = match self.session(&mut broker) {
                Err(End::Failed(error)) => return Err(error),
                Err(End::Stopped) => break,
                Err(End::Lost(error)) => format!("{error:#}"),
            };
            self.health.unhealthy(reason.clone());
            self.status.report(State::Reconnecting, Some(reason.clone()));
            if broker.wait(&reason, self.stop) {
                break;
            }
        }
        self.progress.log_stopped(self.journal.counts().waiting.sum());
        Ok(())
    }

    fn session(&mut self, broker: &mut Broker) -> Result<Infallible, End> {
        let (mut connection, bodies) = broker.connect()?;
        let names = self.config.queue_names();
        let queues = names.map(|name| broker.queue(name));
        hold_lock(&mut connection, &broker.queue_prefix, &queues, &mut self.is_warned_of_lock)?;
        for name in names {
            broker.declare(&mut connection, name)?;
        }
        for queue in &broker.foreign_queues {
            self.journal.remember_foreign_queue(queue)?;
        }
        let mut flow = Flow::new(self.config.prefetch);
        let contents = Content::of_queues(self.journal.labels(), self.model, self.config.partition);
        let subscribed = subscribe(&mut connection, &queues, contents, &flow, &bodies).map_err(End::Lost);
        let end = subscribed.and_then(|(mut consumers, _watch)| {
            let [y_true, y_pred] = &queues;
            log::info!("connected to {}; consuming {y_true} and {y_pred}", broker.name());
            broker.is_in_use();
            let end = self.consume(&mut consumers, &mut flow, broker);
            // Before anything waits for the broker, so that the store is not behind the log meanwhile.
            let end = match (end, self.journal.end_connection()) {
                (end @ Err(End::Failed(_)), _) | (end, Ok(())) => end,
                (_, Err(halt)) => Err(halt.into()),
            };
            if let Err(End::Stopped) = end {
                self.status.stop(None);
            }
            end
        });
        // Closing flushes the last acknowledgements. Without it their messages are redelivered and count as duplicates.
        let _ = connection.close();
        end
    }

    fn consume(
        &mut self,
        consumers: &mut [Consumer; 2],
        flow: &mut Flow,
        broker: &mut Broker,
    ) -> Result<Infallible, End> {
        loop {
            self.health.ok(self.progress.to_string());
            self.status.report(State::Consuming, None);
            let mut batch = Batch::default();
            // If the connection ends here, these deliveries are redelivered on the next one.
            self.take(consumers, flow, &mut batch)?;
            // Never write to a directory that another process may have locked, and never acknowledge then.
            self.lock.check().map_err(End::Failed)?;
            let now = Now::read();
            let releases = flow.releases(batch.is_empty(), now.instant);
            let digested = self.journal.digest(batch, releases, now)?;
            let Digested { held, released, met_in_memory, added_waiting, .. } = &digested;
            flow.digested(held, released, *met_in_memory, *added_waiting);
            self.lock.check().map_err(End::Failed)?;
            broker.has_served();
            consumers.iter_mut().try_for_each(|consumer| consumer.acknowledge(flow))?;
            self.status.count(self.journal.counts());
            self.progress.add(digested);
            self.progress.log();
        }
    }

    /// Waits for a delivery, or for something else to be due, and takes the deliveries that have arrived.
    fn take(
        &self,
        [y_true, y_pred]: &mut [Consumer; 2],
        flow: &mut Flow,
        batch: &mut Batch,
    ) -> Result<(), End> {
        let is_stopped = y_true.is_stopped() || y_pred.is_stopped();
        let wait = flow.wait(self.journal.sync_due(), Instant::now(), is_stopped);
        let messages = |consumer: &Consumer| {
            if flow.may_take(consumer.side) { consumer.messages.clone() } else { never() }
        };
        let [of_y_true, of_y_pred] = [messages(y_true), messages(y_pred)];
        let [y_true_changes, y_pred_changes] =
            [&*y_true, &*y_pred].map(|consumer| consumer.subscription.consumers.clone());
        select! {
            recv(of_y_true) -> message => y_true.take(message.ok(), Now::read(), flow, batch)?,
            recv(of_y_pred) -> message => y_pred.take(message.ok(), Now::read(), flow, batch)?,
            recv(y_true_changes) -> messages => y_true.change(messages.ok())?,
            recv(y_pred_changes) -> messages => y_pred.change(messages.ok())?,
            recv(self.stop.0) -> _ => return Err(End::Stopped),
            default(wait) => {}
        }
        let now = Now::read();
        // Alternates, so that the halves of a pair meet while the first is in the processor's cache.
        while y_true.take_ready(now, flow, batch)? | y_pred.take_ready(now, flow, batch)? {}
        Ok(())
    }
}

fn subscribe<'b>(
    connection: &mut Connection,
    [y_true, y_pred]: &[String; 2],
    [truths, predictions]: [Content<'b>; 2],
    flow: &Flow,
    bodies: &'b Bodies,
) -> Result<([Consumer<'b>; 2], Worker<Infallible>)> {
    let mut subscribe = |side, queue: &String, content| {
        let channel = connection.open_channel(None)?;
        Consumer::new(side, queue.clone(), content, channel, flow.prefetch(side), bodies)
    };
    let consumers = [subscribe(Side::YTrue, y_true, truths)?, subscribe(Side::YPred, y_pred, predictions)?];
    let watch = watch(connection.open_channel(None)?, [y_true.clone(), y_pred.clone()]);
    Ok((consumers, watch))
}
