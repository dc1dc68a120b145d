//! What the bench compares `features` with: publishes messages like its own, made beforehand, with confirms on their way
//! for as many. The bare consumer then takes them, as metric takes those of `features`.
//!
//!     bare_publisher AMQP_URL QUEUE_PREFIX SAMPLES

use amiquip::{AmqpProperties, Confirm, ConfirmSmoother, Publish};
use anyhow::{Context, Result, bail};
use glue::amqp::{Broker, Files, QueueType};
use std::env;

/// As many as `features` has.
const UNCONFIRMED_MAX: u64 = 1000;
const ID: &str = "1732341600.123456-5f3a9c01";
const Y_TRUE: &str = r#"{"id":"1732341600.123456-5f3a9c01","body":151.0}"#;
/// A row of the diabetes data.
const FEATURES: &str = r#"{"id":"1732341600.123456-5f3a9c01","body":[0.038075906433423026,0.05068011873981862,0.061696206518683294,0.0218723855140367,-0.04422349842444599,-0.03482076283769895,-0.04340084565202491,-0.002592261998183278,0.019907486170462722,-0.01764612515980379]}"#;

fn main() -> Result<()> {
    let mut args = env::args().skip(1);
    let mut arg = |name: &str| args.next().with_context(|| format!("{name} is missing"));
    let (url, prefix) = (arg("AMQP_URL")?, arg("QUEUE_PREFIX")?);
    let samples: u64 = arg("SAMPLES")?.parse()?;

    let mut broker = Broker::new(&url, Files::default(), QueueType::Quorum, &prefix)?;
    let (mut connection, _) = broker.connect()?;
    let queues = [broker.declare(&mut connection, "y_true")?, broker.declare(&mut connection, "features")?];
    let channel = connection.open_channel(None)?;
    let confirms = channel.listen_for_publisher_confirms()?;
    channel.enable_publisher_confirms()?;
    let properties = AmqpProperties::default()
        .with_content_type("application/json".to_owned())
        .with_delivery_mode(2)
        .with_message_id(ID.to_owned());
    let mut smoother = ConfirmSmoother::new();
    let (mut published, mut confirmed) = (0, 0);
    while confirmed < samples * 2 {
        while published < samples * 2 && published + 2 <= confirmed + UNCONFIRMED_MAX {
            for (queue, body) in queues.iter().zip([Y_TRUE, FEATURES]) {
                let mut publish =
                    Publish::with_properties(body.as_bytes(), queue.as_str(), properties.clone());
                publish.mandatory = true;
                channel.basic_publish("", publish)?;
                published += 1;
            }
        }
        for confirm in std::iter::once(confirms.recv()?).chain(confirms.try_iter()) {
            for confirm in smoother.process(confirm) {
                match confirm {
                    Confirm::Ack(_) => confirmed += 1,
                    Confirm::Nack(_) => bail!("the broker refused a message"),
                }
            }
        }
    }
    Ok(connection.close()?)
}
