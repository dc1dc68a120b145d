//! What the bench compares `metric` with: takes messages from its two queues, drops them, and acknowledges every 1,000.
//!
//!     bare_consumer AMQP_URL QUEUE_PREFIX PREFETCH MESSAGES
//!
//! With TLS it takes the socket of the services, and AMQP_CA.

use amiquip::{
    Auth, Channel, Connection, ConnectionOptions, ConnectionTuning, ConsumerMessage, ConsumerOptions,
    Delivery,
};
use anyhow::{Context, Result, bail};
use crossbeam_channel::select;
use glue::amqp::{Broker, Files, QueueType};
use std::env;

const ACKNOWLEDGED_AT_ONCE: usize = 1000;

fn main() -> Result<()> {
    let mut args = env::args().skip(1);
    let mut arg = |name: &str| args.next().with_context(|| format!("{name} is missing"));
    let (url, prefix) = (arg("AMQP_URL")?, arg("QUEUE_PREFIX")?);
    let (prefetch, messages): (u16, usize) = (arg("PREFETCH")?.parse()?, arg("MESSAGES")?.parse()?);

    let mut connection = if url.starts_with("amqps:") {
        let files = Files { ca: env::var_os("AMQP_CA").map(Into::into), client: None };
        let socket = Broker::new(&url, files, QueueType::Existing, &prefix)?.socket()?;
        // The user, password and virtual host of the bench's broker.
        let options = ConnectionOptions::<Auth>::default();
        Connection::insecure_open_stream(socket, options, ConnectionTuning::default())?
    } else {
        Connection::insecure_open(&url)?
    };
    let (y_true, features) = (connection.open_channel(None)?, connection.open_channel(None)?);
    let consume = |channel, queue| -> Result<_> {
        Channel::qos(channel, 0, prefetch, false)?;
        Ok(channel.basic_consume(format!("{prefix}{queue}"), ConsumerOptions::default())?)
    };
    let (first, second) = (consume(&y_true, "y_true")?, consume(&features, "features")?);
    let mut unacknowledged = [Unacknowledged::default(), Unacknowledged::default()];
    let [of_first, of_second] = &mut unacknowledged;
    for _ in 0..messages {
        select! {
            recv(first.receiver()) -> message => of_first.take(message?, &y_true)?,
            recv(second.receiver()) -> message => of_second.take(message?, &features)?,
        }
    }
    of_first.acknowledge(&y_true)?;
    of_second.acknowledge(&features)?;
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
