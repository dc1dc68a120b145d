//! The other side of the queues.

use super::{deadline, wait_for};
use amiquip::{
    AmqpProperties, Channel, Confirm, ConfirmSmoother, Connection, ConsumerMessage, ConsumerOptions,
    Delivery, Publish, QueueDeclareOptions,
};
use anyhow::{Context, Result, bail};
use std::cell::{Cell, RefCell};

/// Messages that `publish_until_confirmed` publishes per round.
const ROUND_MESSAGES: usize = 500;

/// Publishes the messages 0 to `count` (queue and body) in order, in rounds, over one connection after another; of several URLs with commas
/// between them to each in turn. A round that is not confirmed as a whole is published again.
pub fn publish_until_confirmed(urls: &str, count: usize, message: impl Fn(usize) -> (String, Vec<u8>)) {
    let mut confirmed = 0;
    let mut urls = urls.split(',').cycle();
    let mut rounds = || -> Result<()> {
        let url = urls.next().context("no URL")?;
        let mut connection =
            Connection::insecure_open(&format!("{url}?heartbeat=10&connection_timeout=5000"))?;
        let channel = connection.open_channel(None)?;
        let confirms = channel.listen_for_publisher_confirms()?;
        channel.enable_publisher_confirms()?;
        let (mut published, mut answered, mut in_order) = (0, 0, ConfirmSmoother::new());
        while confirmed < count {
            let round = confirmed..(confirmed + ROUND_MESSAGES).min(count);
            for i in round.clone() {
                let (queue, body) = message(i);
                let properties = AmqpProperties::default().with_delivery_mode(2);
                channel.basic_publish("", Publish::with_properties(&body, queue, properties))?;
                published += 1;
            }
            while answered < published {
                for confirm in in_order.process(confirms.recv_timeout(deadline()).context("no confirm")?) {
                    match confirm {
                        Confirm::Ack(_) => answered += 1,
                        Confirm::Nack(_) => bail!("refused"),
                    }
                }
            }
            confirmed = round.end;
        }
        Ok(())
    };
    wait_for("publication", || rounds().ok());
}

const DRAIN_PREFETCH: u16 = 1000;

/// A connection that publishes with confirms and reads queues.
pub struct Peer {
    /// For other calls.
    pub channel: Channel,
    confirms: crossbeam_channel::Receiver<amiquip::Confirm>,
    published: u64,
    acknowledged: Cell<u64>,
    in_order: RefCell<ConfirmSmoother>,
    _connection: Connection,
    url: String,
}

impl Peer {
    /// Waits until the broker takes connections.
    pub fn connect(url: &str) -> Peer {
        let mut connection = wait_for("connection", || Connection::insecure_open(url).ok());
        let channel = connection.open_channel(None).unwrap();
        let confirms = channel.listen_for_publisher_confirms().unwrap();
        channel.enable_publisher_confirms().unwrap();
        Peer {
            channel,
            confirms,
            published: 0,
            acknowledged: Cell::new(0),
            in_order: RefCell::default(),
            _connection: connection,
            url: url.to_owned(),
        }
    }

    /// Publishes; [`Peer::confirmed`] waits for the confirm.
    pub fn publish(&mut self, queue: &str, body: &[u8]) {
        self.publish_with(queue, body, AmqpProperties::default());
    }

    /// Publishes with properties of its own.
    pub fn publish_with(&mut self, queue: &str, body: &[u8], properties: AmqpProperties) {
        let properties = properties.with_delivery_mode(2);
        self.channel.basic_publish("", Publish::with_properties(body, queue, properties)).unwrap();
        self.published += 1;
    }

    /// Waits until the broker has confirmed all messages.
    pub fn confirmed(&self) {
        let mut in_order = self.in_order.borrow_mut();
        while self.acknowledged.get() < self.published {
            let confirm = self.confirms.recv_timeout(deadline()).unwrap();
            for confirm in in_order.process(confirm) {
                assert!(matches!(confirm, amiquip::Confirm::Ack(_)), "{confirm:?}");
                self.acknowledged.set(self.acknowledged.get() + 1);
            }
        }
    }

    /// A transient classic queue, as older services declare it.
    pub fn declare_transient(&self, queue: &str) {
        self.channel.queue_declare(queue, QueueDeclareOptions::default()).unwrap();
    }

    /// Takes all messages that are in a queue now. Uses a connection of its own: amiquip reports a delivery to an ended consumer as a broken
    /// connection, and further ones may be on their way. Those go back to the queue.
    pub fn drain(&self, queue: &str) -> Vec<Delivery> {
        let depth = self.depth(queue);
        let mut connection = Connection::insecure_open(&self.url).unwrap();
        let channel = connection.open_channel(None).unwrap();
        channel.qos(0, DRAIN_PREFETCH, false).unwrap();
        let consumer = channel.basic_consume(queue, ConsumerOptions::default()).unwrap();
        let mut received = Vec::new();
        while received.len() < depth as usize {
            match consumer.receiver().recv_timeout(deadline()) {
                Ok(ConsumerMessage::Delivery(delivery)) => received.push(delivery),
                other => panic!("{other:?} after {} of {depth} messages", received.len()),
            }
            if received.len() % usize::from(DRAIN_PREFETCH / 2) == 0 || received.len() == depth as usize {
                received[received.len() - 1].clone().ack_multiple(&channel).unwrap();
            }
        }
        // The answer comes after the acknowledgements were processed.
        channel.qos(0, 0, false).unwrap();
        received
    }

    /// Messages ready in a queue.
    pub fn depth(&self, queue: &str) -> u32 {
        self.channel.queue_declare_passive(queue).unwrap().declared_message_count().unwrap()
    }
}
