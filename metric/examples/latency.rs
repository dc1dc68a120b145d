//! What the bench measures latency with: 100 times a second it publishes the true value of a sample, then its features, and waits until `metric`
//! logs that the row is durable. Then it sends a message through the broker and syncs a line to a file beside the log. Prints how both halves
//! came and both times, in µs, the first from the publishing of the features: `apart 900 800`.
//!
//! `apart`: the features come 4 ms after the true value. `together`: at once, every second time; the broker then syncs two messages, one after
//! the other.
//!
//!     latency AMQP_URL QUEUE_PREFIX LOG_DIR SAMPLES METRIC

use amiquip::{AmqpProperties, Channel, ConsumerOptions, Publish};
use anyhow::{Context, Result};
use glue::amqp::{Broker, Files, QueueType};
use std::{
    env,
    fs::File,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

const INTERVAL: Duration = Duration::from_millis(10);
/// Between the halves of a sample that come apart: longer than the broker needs for the first.
const APART: Duration = Duration::from_millis(4);
/// What `metric` logs at level debug once a batch's rows are synced.
const DURABLE: &str = "durable";
/// As long as a row.
const LINE: &[u8] = b"1732341600.123456-5f3a9c01,151,206.11706979018396,55.11706979018396,1732341600.201\n";

fn main() -> Result<()> {
    let mut args = env::args().skip(1);
    let mut arg = |name: &str| args.next().with_context(|| format!("{name} is missing"));
    let (url, prefix, log_dir) = (arg("AMQP_URL")?, arg("QUEUE_PREFIX")?, PathBuf::from(arg("LOG_DIR")?));
    let (samples, binary): (usize, String) = (arg("SAMPLES")?.parse()?, arg("METRIC")?);

    let mut metric = Command::new(binary)
        .args(["--amqp-url", &url, "--queue-prefix", &prefix, "--log-dir"])
        .arg(&log_dir)
        .env("RUST_LOG", "debug,amiquip=off")
        .stderr(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(metric.stderr.take().context("no stderr")?).lines();
    let mut wait_for = |part: &str| -> Result<()> {
        while !lines.next().context("metric has ended")??.contains(part) {}
        Ok(())
    };
    wait_for("consuming")?;

    let mut broker = Broker::new(&url, Files::default(), QueueType::Quorum, &prefix)?;
    let (mut connection, _) = broker.connect()?;
    let [y_true, features, round_trip] =
        ["y_true", "features", "round_trip"].map(|name| broker.declare(&mut connection, name));
    let (y_true, features, round_trip) = (y_true?, features?, round_trip?);
    let channel = connection.open_channel(None)?;
    let consumer = channel.basic_consume(round_trip.as_str(), ConsumerOptions::default())?;
    let mut file = File::create(log_dir.join("synced"))?;
    let mut next = Instant::now();
    for n in 0..samples {
        let (how, between) = if n % 2 == 0 { ("apart", APART) } else { ("together", Duration::ZERO) };
        let id = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
        let sample = |body: &str| format!(r#"{{"id":"{id}","body":{body}}}"#);
        publish(&channel, &y_true, &sample("151.0"))?;
        thread::sleep(between);
        let begun = Instant::now();
        publish(&channel, &features, &sample("[0.04,0.05,0.06,0.02,-0.04,-0.03,-0.04,-0.01,0.02,-0.02]"))?;
        wait_for(DURABLE)?;
        let row_us = begun.elapsed().as_micros();

        let begun = Instant::now();
        publish(&channel, &round_trip, &sample("151.0"))?;
        let message = consumer.receiver().recv()?;
        file.write_all(LINE)?;
        file.sync_data()?;
        let reference_us = begun.elapsed().as_micros();
        if let amiquip::ConsumerMessage::Delivery(delivery) = message {
            delivery.ack(&channel)?;
        }
        writeln!(std::io::stdout(), "{how} {row_us} {reference_us}")?;
        next += INTERVAL;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    metric.kill()?;
    metric.wait()?;
    Ok(connection.close()?)
}

fn publish(channel: &Channel, queue: &str, body: &str) -> Result<()> {
    let properties = AmqpProperties::default().with_delivery_mode(2);
    Ok(channel.basic_publish("", Publish::with_properties(body.as_bytes(), queue, properties))?)
}
