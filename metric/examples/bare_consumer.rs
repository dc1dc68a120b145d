//! What the bench compares `metric` with: takes messages from its two queues, drops them, and acknowledges every 1,000.
//!
//!     bare_consumer AMQP_URL QUEUE_PREFIX PREFETCH MESSAGES

#[allow(dead_code, reason = "the bench connects as the service does, and never a second time")]
#[path = "../../glue/broker.rs"]
mod broker;

use amiquip::{Channel, ConsumerMessage, ConsumerOptions, Delivery};
use anyhow::{Context, Result, bail};
use broker::{AmqpUrl, Broker, QueueType};
use crossbeam_channel::select;
use std::env;

const ACKNOWLEDGED_AT_ONCE: usize = 1000;

fn main() -> Result<()> {
    let mut args = env::args().skip(1);
    let mut arg = |name: &str| args.next().with_context(|| format!("{name} is missing"));
    let (url, prefix) = (AmqpUrl::parse(&arg("AMQP_URL")?)?, arg("QUEUE_PREFIX")?);
    let (prefetch, messages): (u16, usize) = (arg("PREFETCH")?.parse()?, arg("MESSAGES")?.parse()?);

    let mut broker = Broker::new(url, QueueType::Existing, &prefix);
    let mut connection = broker.connect()?;
    let mut open = |name| -> Result<(String, Channel)> {
        let queue = broker.declare(&mut connection, name)?;
        let channel = connection.open_channel(None)?;
        channel.qos(0, prefetch, false)?;
        Ok((queue, channel))
    };
    let (y_true, features) = (open("y_true")?, open("features")?);
    let first = y_true.1.basic_consume(y_true.0.as_str(), ConsumerOptions::default())?;
    let second = features.1.basic_consume(features.0.as_str(), ConsumerOptions::default())?;
    let mut unacknowledged = [Unacknowledged::default(), Unacknowledged::default()];
    let [of_first, of_second] = &mut unacknowledged;
    for _ in 0..messages {
        select! {
            recv(first.receiver()) -> message => of_first.take(message?, &y_true.1)?,
            recv(second.receiver()) -> message => of_second.take(message?, &features.1)?,
        }
    }
    of_first.acknowledge(&y_true.1)?;
    of_second.acknowledge(&features.1)?;
    // Before the consumers are dropped: amiquip's I/O thread does not bear that while it answers their cancellation.
    Ok(connection.close()?)
}

#[derive(Default)]
struct Unacknowledged {
    messages: usize,
    last: Option<Delivery>,
}

impl Unacknowledged {
    fn take(&mut self, message: ConsumerMessage, channel: &Channel) -> Result<()> {
        let ConsumerMessage::Delivery(delivery) = message else { bail!("connection lost: {message:?}") };
        self.messages += 1;
        self.last = Some(delivery);
        if self.messages == ACKNOWLEDGED_AT_ONCE { self.acknowledge(channel) } else { Ok(()) }
    }

    fn acknowledge(&mut self, channel: &Channel) -> Result<()> {
        self.messages = 0;
        Ok(self.last.take().map_or(Ok(()), |delivery| delivery.ack_multiple(channel))?)
    }
}
