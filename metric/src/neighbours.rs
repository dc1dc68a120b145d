//! Other consumers of the queues: a queue's messages are split among its consumers, so that halves are missed. Keeps other `metric`
//! away and warns of other programs. Never touches a message.

use amiquip::{Channel, Connection, Error, QueueDeclareOptions};
use anyhow::{Context, Result, bail};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::{
    convert::Infallible,
    mem,
    thread::{self, JoinHandle},
    time::Duration,
};

const ACCESS_REFUSED: u16 = 403;
const RESOURCE_LOCKED: u16 = 405;
/// Behind the prefix: the exclusive queue of the one `metric` that consumes the queues. The exclusive flag of a consumer would not do:
/// RabbitMQ 3.10 ignores it on quorum queues.
const LOCK_QUEUE: &str = "metric_lock";

/// Takes the lock of the queues with `prefix`, which only one connection can hold, until the connection ends. Where that is not
/// permitted it goes without; `is_warned` says whether the operator knows.
///
/// # Errors
/// Another connection holds it, and consumes `queues`.
pub fn hold_lock(
    connection: &mut Connection,
    prefix: &str,
    queues: &[String; 2],
    is_warned: &mut bool,
) -> Result<()> {
    let lock = format!("{prefix}{LOCK_QUEUE}");
    let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    match connection.open_channel(None)?.queue_declare(lock.as_str(), options) {
        Ok(_) => Ok(()),
        Err(Error::ServerClosedChannel { code: RESOURCE_LOCKED, .. }) => {
            let [y_true, y_pred] = queues;
            bail!("another metric consumes {y_true} and {y_pred} (it holds the queue {lock})")
        }
        Err(Error::ServerClosedChannel { code: ACCESS_REFUSED, message, .. }) => {
            if !mem::replace(is_warned, true) {
                log::warn!(
                    "no lock on the queues is permitted, so a second metric would not be noticed: {message}"
                );
            }
            Ok(())
        }
        Err(e) => Err(e).with_context(|| format!("cannot declare queue {lock}")),
    }
}

/// How often consumers are counted.
const EVERY: Duration = Duration::from_secs(10);

/// Counts the consumers, on a channel and a thread of its own: nobody waits for the broker's answer.
pub struct Neighbours {
    /// Closed by `drop`.
    watching: Option<Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Neighbours {
    /// Watches queues that this process consumes, over `channel`, until dropped.
    pub fn watch(channel: Channel, queues: [String; 2]) -> Neighbours {
        let (watching, end) = bounded(0);
        let watch = thread::Builder::new()
            .name("neighbours".to_owned())
            .spawn(move || watch(&channel, &queues, &end));
        if let Err(error) = &watch {
            log::warn!("other consumers of the queues are not watched for: {error}");
        }
        Neighbours { watching: Some(watching), thread: watch.ok() }
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        self.watching = None;
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn watch(channel: &Channel, queues: &[String; 2], end: &Receiver<Infallible>) {
    let mut others = [0, 0];
    loop {
        for (queue, before) in queues.iter().zip(&mut others) {
            // The connection's end is told by the consumers.
            let Ok(found) = channel.queue_declare_passive(queue) else { return };
            let others = found.declared_consumer_count().unwrap_or(0).saturating_sub(1);
            match others {
                _ if others == *before => {}
                0 => log::info!("queue {queue} has no other consumer any more"),
                _ => log::warn!(
                    "queue {queue} has {others} other consumers: each message goes to only one of them, so halves are missed here"
                ),
            }
            *before = others;
        }
        if end.recv_timeout(EVERY) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}
