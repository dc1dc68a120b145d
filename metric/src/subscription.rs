//! A queue's subscription. Its thread makes the calls that wait for the broker's answer: that comes behind all messages that are on their way,
//! and the stream stops until those are taken. Whoever takes messages must not wait for it. Never looks into a message.

use amiquip::{Channel, ConsumerMessage, ConsumerOptions, Delivery};
use anyhow::{Context, Result, anyhow};
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::thread::{self, JoinHandle};

enum Command {
    /// Acknowledges the delivery and all before it on the channel.
    Acknowledge(Box<Delivery>),
    /// Subscribes anew with this prefetch.
    Prefetch(u16),
}

/// Where a consumer's messages come from, or why there is none.
pub type Consumer = Result<Receiver<ConsumerMessage>>;

pub struct Subscription {
    /// Closed by `drop`.
    commands: Option<Sender<Command>>,
    /// The first consumer, and those that take the place of the one before, whose messages end with `ClientCancelled`.
    pub consumers: Receiver<Consumer>,
    thread: Option<JoinHandle<()>>,
}

impl Subscription {
    pub fn new(channel: Channel, queue: &str, prefetch: u16) -> Subscription {
        let ((commands, received), (sender, consumers)) = (unbounded(), unbounded());
        let queue = queue.to_owned();
        let thread = thread::spawn(move || serve(&channel, &queue, prefetch, &received, &sender));
        Subscription { commands: Some(commands), consumers, thread: Some(thread) }
    }

    /// # Errors
    /// The subscription's end.
    pub fn acknowledge(&self, delivery: Delivery) -> Result<()> {
        self.command(Command::Acknowledge(Box::new(delivery)))
    }

    /// Puts another consumer in the place of the present one: a prefetch is that of the consumers that subscribe after it was set.
    ///
    /// # Errors
    /// The subscription's end.
    pub fn change_prefetch(&self, prefetch: u16) -> Result<()> {
        self.command(Command::Prefetch(prefetch))
    }

    fn command(&self, command: Command) -> Result<()> {
        let sent = self.commands.as_ref().and_then(|commands| commands.send(command).ok());
        sent.ok_or_else(|| anyhow!("connection lost"))
    }
}

impl Drop for Subscription {
    /// Hands the last acknowledgements to amiquip and waits until the channel is closed. Bodies must be discarded by then.
    fn drop(&mut self) {
        self.commands = None;
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Until the subscription is dropped. A failure ends the consumers.
fn serve(
    channel: &Channel,
    queue: &str,
    prefetch: u16,
    commands: &Receiver<Command>,
    consumers: &Sender<Consumer>,
) {
    let serve = || -> Result<()> {
        let mut consumer = subscribe(channel, queue, prefetch)?;
        let _ = consumers.send(Ok(consumer.receiver().clone()));
        for command in commands {
            match command {
                Command::Acknowledge(delivery) => delivery.ack_multiple(channel)?,
                Command::Prefetch(prefetch) => {
                    consumer.cancel()?;
                    consumer = subscribe(channel, queue, prefetch)?;
                    let _ = consumers.send(Ok(consumer.receiver().clone()));
                }
            }
        }
        Ok(())
    };
    if let Err(error) = serve() {
        let _ = consumers.send(Err(error));
    }
}

fn subscribe<'c>(channel: &'c Channel, queue: &str, prefetch: u16) -> Result<amiquip::Consumer<'c>> {
    let named = || format!("cannot consume queue {queue}");
    channel.qos(0, prefetch, false).with_context(named)?;
    channel.basic_consume(queue, ConsumerOptions::default()).with_context(named)
}
