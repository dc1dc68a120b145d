//! A queue's subscription. A thread makes the calls that wait for the broker's answer, which comes after all messages that are already on
//! their way. While those are not taken the stream stops, so whoever takes messages must never wait for the answer. Never looks into a message.

use crate::queues::worker::Worker;
use amiquip::{Channel, Consumer, ConsumerMessage, ConsumerOptions, Delivery};
use anyhow::{Context, Result};
use crossbeam_channel::{Receiver, Sender, unbounded};

pub enum Command {
    /// Acknowledges the delivery and all before it on the channel.
    Acknowledge(Box<Delivery>),
    /// Replaces the consumer: a new prefetch applies only to consumers that subscribe after it was set.
    Prefetch(u16),
}

/// A consumer's messages, or why there is no consumer.
pub type Messages = Result<Receiver<ConsumerMessage>>;

/// Dropping it hands the last acknowledgements to amiquip and waits until the channel is closed. Discard bodies before.
pub struct Subscription {
    pub commands: Worker<Command>,
    /// The first consumer, and those that replace it. The messages of a replaced consumer end with `ClientCancelled`.
    pub consumers: Receiver<Messages>,
}

impl Subscription {
    pub fn new(channel: Channel, queue: &str, prefetch: u16) -> Subscription {
        let (sender, consumers) = unbounded();
        let queue = queue.to_owned();
        let commands = Worker::spawn(move |commands| {
            if let Err(error) = serve(&channel, &queue, prefetch, commands, &sender) {
                let _ = sender.send(Err(error));
            }
        });
        Subscription { commands, consumers }
    }
}

/// Serves commands until the subscription is dropped.
fn serve(
    channel: &Channel,
    queue: &str,
    prefetch: u16,
    commands: &Receiver<Command>,
    consumers: &Sender<Messages>,
) -> Result<()> {
    let mut consumer = subscribe(channel, queue, prefetch, consumers)?;
    for command in commands {
        match command {
            Command::Acknowledge(delivery) => delivery.ack_multiple(channel)?,
            Command::Prefetch(prefetch) => {
                consumer.cancel()?;
                consumer = subscribe(channel, queue, prefetch, consumers)?;
            }
        }
    }
    Ok(())
}

fn subscribe<'c>(
    channel: &'c Channel,
    queue: &str,
    prefetch: u16,
    consumers: &Sender<Messages>,
) -> Result<Consumer<'c>> {
    let named = || format!("cannot consume queue {queue}");
    channel.qos(0, prefetch, false).with_context(named)?;
    let consumer = channel.basic_consume(queue, ConsumerOptions::default()).with_context(named)?;
    let _ = consumers.send(Ok(consumer.receiver().clone()));
    Ok(consumer)
}
