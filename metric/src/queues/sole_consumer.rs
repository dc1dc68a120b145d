//! Makes this process the only consumer of its queues: a queue's messages are split among its consumers, and halves would be missed. Holds a
//! lock against other `metric`, and warns of other programs. Never touches a message.

use crate::queues::worker::Worker;
use amiquip::{Channel, Connection, Error, QueueDeclareOptions};
use anyhow::{Context, Result, bail};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use glue::number::counted;
use std::{convert::Infallible, mem, time::Duration};

const ACCESS_REFUSED: u16 = 403;
const RESOURCE_LOCKED: u16 = 405;
/// Name, behind the prefix, of the exclusive queue of the one `metric` that consumes the queues. The exclusive flag of a consumer would not
/// do: RabbitMQ 3.10 ignores it on quorum queues.
const LOCK_QUEUE: &str = "metric_lock";

/// Takes the lock of the queues with `prefix`. Only one connection can hold it, until it ends. If the broker does not permit the lock queue,
/// `metric` works without it; `is_warned` is set once the operator is warned.
///
/// # Errors
/// Another connection holds the lock, and consumes `queues`.
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
                    "the lock queue {lock} is not permitted, so a second metric would go unnoticed: {message}"
                );
            }
            Ok(())
        }
        Err(e) => Err(e).with_context(|| format!("cannot declare queue {lock}")),
    }
}

const COUNT_EVERY: Duration = Duration::from_secs(10);
/// For a moment after its broker has restarted, a quorum queue counts consumers of before, which are gone. So what is found is looked at again.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Counts the other consumers of queues that this process consumes, on a channel and a thread of its own, and logs changes. Ends when it is
/// dropped, or with the connection.
pub fn watch(channel: Channel, queues: [String; 2]) -> Worker<Infallible> {
    Worker::spawn(move |end| watch_until(end, &channel, &queues))
}

fn watch_until(end: &Receiver<Infallible>, channel: &Channel, queues: &[String; 2]) {
    let mut known = [0, 0];
    let mut seen = known;
    loop {
        // The consumers report the end of the connection.
        let Ok(found) = count_others(channel, queues) else { return };
        // Changes that are there at two looks in a row.
        for ((queue, known), (found, seen)) in queues.iter().zip(&mut known).zip(found.into_iter().zip(seen))
        {
            if found == seen && found != *known {
                *known = found;
                log_others(queue, found);
            }
        }
        seen = found;
        let wait = if found == known { COUNT_EVERY } else { LOOK_AGAIN_AFTER };
        if end.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

/// Consumers of each queue without this process.
fn count_others(channel: &Channel, queues: &[String; 2]) -> amiquip::Result<[u32; 2]> {
    let count = |queue: &String| {
        let found = channel.queue_declare_passive(queue)?;
        Ok(found.declared_consumer_count().unwrap_or(0).saturating_sub(1))
    };
    let [y_true, y_pred] = queues;
    Ok([count(y_true)?, count(y_pred)?])
}

fn log_others(queue: &str, others: u32) {
    if others == 0 {
        log::info!("queue {queue} has no other consumer any more");
    } else {
        let others = counted(others.into(), "other consumer", "other consumers");
        log::warn!(
            "queue {queue} has {others}: each message goes to only one consumer, so halves are missed here"
        );
    }
}
