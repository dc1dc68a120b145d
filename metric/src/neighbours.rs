//! Warns of other consumers of the queues: a queue's messages are split among its consumers, so that halves are missed. Never
//! touches a message, and asks on a channel and a thread of its own: nobody waits for the answer.

use amiquip::Channel;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::{
    convert::Infallible,
    thread::{self, JoinHandle},
    time::Duration,
};

/// How often consumers are counted.
const EVERY: Duration = Duration::from_secs(10);

pub struct Neighbours {
    /// Closed by `drop`.
    watching: Option<Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Neighbours {
    /// Watches queues that this process consumes, over `channel`, until dropped.
    pub fn watch(channel: Channel, queues: [String; 2]) -> Neighbours {
        let (watching, end) = bounded(0);
        let watch = thread::Builder::new().name("neighbours".to_owned()).spawn(move || watch(&channel, &queues, &end));
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
