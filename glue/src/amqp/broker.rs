//! Opens connections to the broker and declares queues, for `features` and `metric`. Never retries: [`Backoff`] only says how long a caller
//! should wait before it does.

use super::{bodies::Bodies, stream::Stream};
use crate::{
    settings::{Setting, Values, setting},
    shutdown::Stop,
};
use amiquip::{
    AmqpValue, Auth, Connection, ConnectionOptions, ConnectionTuning, Error, FieldTable, QueueDeclareOptions,
};
use anyhow::{Context, Result, anyhow, bail};
use std::{collections::HashSet, fmt, net::TcpStream, net::ToSocketAddrs, time::Duration};
use url::Url;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// After this many seconds without a byte the peer asks for a sign of life; after twice as many the connection counts as dead.
const HEARTBEAT_SECONDS: u16 = 10;
/// Messages that amiquip takes before a publisher waits; with its default of 16 publishing costs twice the CPU.
const MEM_CHANNEL_BOUND: usize = 1024;
/// Redeliveries before the broker moves a message to the dead letters. RabbitMQ 4's default is 20, which a series of restarts reaches.
const DELIVERY_LIMIT: i64 = 1000;
const NOT_FOUND: u16 = 404;
const PRECONDITION_FAILED: u16 = 406;

/// The setting `amqp-url`.
pub const URL: Setting = Setting {
    is_secret: true,
    ..setting("amqp-url", "AMQP_URL", "amqp://guest:guest@localhost:5672/%2f", "URL", "the broker")
};
/// The setting `queue-prefix`.
pub const QUEUE_PREFIX: Setting =
    setting("queue-prefix", "QUEUE_PREFIX", "", "TEXT", "put before the name of every queue");
/// The setting `queue-type`.
pub const QUEUE_TYPE: Setting = setting(
    "queue-type",
    "QUEUE_TYPE",
    "quorum",
    "TYPE",
    "quorum, classic, or existing: never declare queues",
);

/// Where a broker is and who connects. Its `Display` leaves the password out.
#[derive(Clone)]
pub struct AmqpUrl {
    host: String,
    port: u16,
    vhost: String,
    username: String,
    password: String,
}

/// How queues are declared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum QueueType {
    /// Replicated and always durable, with a delivery limit and a queue for dead letters.
    Quorum,
    /// Durable, and nothing else.
    Classic,
    /// Never declared here: another program does.
    Existing,
}

/// A broker and how its queues are declared.
#[derive(Clone)]
pub struct Broker {
    /// Where it is and who connects.
    pub url: AmqpUrl,
    /// How its queues are declared.
    pub queue_type: QueueType,
    /// Put before the name of every queue.
    pub queue_prefix: String,
    /// Queues that another program declared with other arguments. They are used as they are and never declared here.
    pub foreign_queues: HashSet<String>,
}

/// Waits of 250 ms, doubling to 30 s, each shortened by up to half so that many clients do not come back at once.
#[derive(Default)]
pub struct Backoff {
    /// 0 before the first wait.
    next_ms: u64,
    /// Why the last connection was lost.
    reason: String,
}

impl AmqpUrl {
    /// Reads `amqp://user:password@host:port/vhost`. The defaults are guest, guest, localhost, 5672 and `/`.
    ///
    /// # Errors
    /// What is wrong with `text`, without repeating it: it may hold a password.
    pub fn parse(text: &str) -> Result<AmqpUrl> {
        let url = Url::parse(text).map_err(|e| anyhow!("not a URL ({e})"))?;
        match url.scheme() {
            "amqp" => {}
            "amqps" => bail!("TLS (amqps) is not built in; use amqp:// to a TLS proxy such as stunnel"),
            other => bail!("the scheme is {other:?}, not amqp"),
        }
        let decode = |part: &str| -> Result<String> {
            let decoded = percent_encoding::percent_decode_str(part).decode_utf8();
            Ok(decoded.context("a %-escape is not UTF-8")?.into_owned())
        };
        let vhost = url.path().strip_prefix('/').unwrap_or_default();
        if vhost.contains('/') {
            bail!("the virtual host holds a slash; write it as %2f");
        }
        if url.query().is_some() || url.fragment().is_some() {
            bail!("parameters after ? or # are not supported");
        }
        let or = |text: String, default: &str| if text.is_empty() { default.to_owned() } else { text };
        Ok(AmqpUrl {
            host: or(url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned(), "localhost"),
            port: url.port().unwrap_or(5672),
            vhost: or(decode(vhost)?, "/"),
            username: or(decode(url.username())?, "guest"),
            password: decode(url.password().unwrap_or("guest"))?,
        })
    }
}

impl fmt::Display for AmqpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        write!(f, "amqp://{}@{host}:{} (vhost {})", self.username, self.port, self.vhost)
    }
}

impl Broker {
    /// Connects to nothing yet.
    pub fn new(url: AmqpUrl, queue_type: QueueType, queue_prefix: &str) -> Broker {
        Broker { url, queue_type, queue_prefix: queue_prefix.to_owned(), foreign_queues: HashSet::new() }
    }

    /// Reads the settings [`URL`], [`QUEUE_PREFIX`] and [`QUEUE_TYPE`].
    ///
    /// # Errors
    /// One line that names the flag or variable and what is allowed.
    pub fn read(values: &Values) -> Result<Broker, String> {
        const TYPES: &[(&str, QueueType)] = &[
            ("quorum", QueueType::Quorum),
            ("classic", QueueType::Classic),
            ("existing", QueueType::Existing),
        ];
        // Not through `Values::parse`, whose message would repeat the password.
        let url = AmqpUrl::parse(values.text(URL.flag)).map_err(|e| {
            format!("--amqp-url (AMQP_URL): {e:#}; allowed: amqp://user:password@host:port/vhost")
        })?;
        Ok(Broker::new(url, values.choose(QUEUE_TYPE.flag, TYPES)?, values.text(QUEUE_PREFIX.flag)))
    }

    /// Opens a connection with a heartbeat, `TCP_NODELAY` and bounded waits. A consumer must report each message that it has taken to
    /// [`Bodies`]; a program that does not consume drops them.
    ///
    /// # Errors
    /// What the resolver, the network or the broker refused, without the password.
    pub fn connect(&self) -> Result<(Connection, Bodies)> {
        let open = || -> Result<(Connection, Bodies)> {
            let mut refused = anyhow!("the name has no address");
            for address in (self.url.host.as_str(), self.url.port).to_socket_addrs()? {
                match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
                    Ok(stream) => return self.handshake(stream),
                    Err(e) => refused = e.into(),
                }
            }
            Err(refused)
        };
        open().with_context(|| format!("no connection to {}", self.url))
    }

    fn handshake(&self, stream: TcpStream) -> Result<(Connection, Bodies)> {
        // Without it a lone message waits some 40 ms for the acknowledgement of the one before.
        stream.set_nodelay(true)?;
        let auth = Auth::Plain { username: self.url.username.clone(), password: self.url.password.clone() };
        let options = ConnectionOptions::default()
            .auth(auth)
            .virtual_host(&self.url.vhost)
            .heartbeat(HEARTBEAT_SECONDS)
            .connection_timeout(Some(CONNECT_TIMEOUT));
        let tuning = ConnectionTuning::default().mem_channel_bound(MEM_CHANNEL_BOUND);
        let (stream, bodies) = Stream::new(mio::net::TcpStream::from_stream(stream)?);
        Ok((Connection::insecure_open_stream(stream, options, tuning)?, bodies))
    }

    /// The name of a queue, with the prefix.
    pub fn queue(&self, name: &str) -> String {
        format!("{}{name}", self.queue_prefix)
    }

    /// Makes sure that a queue exists. Returns its name with the prefix.
    ///
    /// # Errors
    /// The broker's reason; for a queue that another program must declare, also that it does not exist.
    pub fn declare(&mut self, connection: &mut Connection, name: &str) -> Result<String> {
        let queue = self.queue(name);
        if self.foreign_queues.contains(&queue) {
            let missing = "was declared by another program and is gone; that program must declare it again";
            exists(connection, &queue, missing)?;
            return Ok(queue);
        }
        match self.queue_type {
            QueueType::Existing => {
                exists(connection, &queue, "does not exist; another program must declare it")?
            }
            QueueType::Classic => {
                self.create(connection, &queue, arguments(&[("x-queue-type", "classic")]))?
            }
            QueueType::Quorum => {
                let dead_letters = self.queue("dead_letters");
                self.create(connection, &dead_letters, arguments(&[("x-queue-type", "quorum")]))?;
                let mut wanted = arguments(&[
                    ("x-queue-type", "quorum"),
                    ("x-dead-letter-exchange", ""),
                    ("x-dead-letter-routing-key", &dead_letters),
                    ("x-dead-letter-strategy", "at-least-once"),
                    ("x-overflow", "reject-publish"),
                ]);
                wanted.insert("x-delivery-limit".to_owned(), AmqpValue::LongLongInt(DELIVERY_LIMIT));
                self.create(connection, &queue, wanted)?;
            }
        }
        Ok(queue)
    }

    fn create(&mut self, connection: &mut Connection, queue: &str, arguments: FieldTable) -> Result<()> {
        if self.foreign_queues.contains(queue) {
            return Ok(());
        }
        let options = QueueDeclareOptions { durable: true, arguments, ..QueueDeclareOptions::default() };
        match connection.open_channel(None)?.queue_declare(queue, options) {
            Ok(_) => Ok(()),
            Err(Error::ServerClosedChannel { code: PRECONDITION_FAILED, message, .. }) => {
                log::warn!(
                    "queue {queue} was declared by another program, with other arguments; it is used as it is and never \
                     declared here: {message}"
                );
                self.foreign_queues.insert(queue.to_owned());
                Ok(())
            }
            Err(e) => Err(e).with_context(|| format!("cannot declare queue {queue}")),
        }
    }
}

/// Fails with `missing` if the queue does not exist.
fn exists(connection: &mut Connection, queue: &str, missing: &str) -> Result<()> {
    match connection.open_channel(None)?.queue_declare_passive(queue) {
        Ok(_) => Ok(()),
        Err(Error::ServerClosedChannel { code: NOT_FOUND, .. }) => bail!("queue {queue} {missing}"),
        Err(e) => Err(e).with_context(|| format!("cannot use queue {queue}")),
    }
}

fn arguments(pairs: &[(&str, &str)]) -> FieldTable {
    pairs.iter().map(|(key, value)| (key.to_string(), AmqpValue::LongString(value.to_string()))).collect()
}

impl Backoff {
    const FIRST_MS: u64 = 250;
    const LAST_MS: u64 = 30_000;

    /// Waits before the next attempt, and logs why the connection was lost unless the last reason was the same. True if the process is
    /// asked to stop meanwhile.
    pub fn wait(&mut self, reason: &str, stop: &Stop) -> bool {
        if self.reason != reason {
            log::warn!("{reason}; trying again");
            self.reason = reason.to_owned();
        }
        stop.within(self.next_wait())
    }

    fn next_wait(&mut self) -> Duration {
        let whole_ms = self.next_ms.max(Self::FIRST_MS);
        self.next_ms = (whole_ms * 2).min(Self::LAST_MS);
        Duration::from_millis(fastrand::u64(whole_ms / 2..=whole_ms))
    }

    /// Starts again with the shortest wait, after a success.
    pub fn reset(&mut self) {
        self.next_ms = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_defaults_and_escapes() {
        let url = AmqpUrl::parse("amqp://us%40er:p%2fw@[::1]:7/my%2fhost").unwrap();
        assert_eq!((url.host.as_str(), url.port, url.vhost.as_str()), ("::1", 7, "my/host"));
        assert_eq!((url.username.as_str(), url.password.as_str()), ("us@er", "p/w"));
        assert!(!url.to_string().contains("p/w"));
        for short in ["amqp://", "amqp://localhost", "amqp://localhost:5672/", "amqp://localhost/%2f"] {
            let url = AmqpUrl::parse(short).unwrap();
            assert_eq!(url.to_string(), "amqp://guest@localhost:5672 (vhost /)", "{short}");
            assert_eq!(url.password, "guest");
        }
    }

    #[test]
    fn bad_urls_are_named_without_their_password() {
        let bad = ["", "localhost:5672", "http://u:secret@h", "amqps://u:secret@h", "amqp://u:secret@h/a/b"];
        for text in bad.into_iter().chain(["amqp://u:secret@h/?heartbeat=3", "amqp://u:secret@h:99999"]) {
            let error = AmqpUrl::parse(text).err().expect(text);
            assert!(!format!("{error:#}").contains("secret"), "{error:#}");
        }
    }

    #[test]
    fn queue_arguments_are_those_of_the_contract() {
        let golden = include_str!("../../../contract/queue_arguments.json");
        assert!(golden.contains(&format!("\"x-delivery-limit\": {DELIVERY_LIMIT}")));
    }

    #[test]
    fn backoff_doubles_to_its_limit_and_starts_again() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..12).map(|_| backoff.next_wait().as_millis() as u64).collect();
        for (i, wait) in waits.iter().enumerate() {
            let whole = (250u64 << i).min(30_000);
            assert!((whole / 2..=whole).contains(wait), "{waits:?}");
        }
        backoff.reset();
        assert!(backoff.next_wait() <= Duration::from_millis(250));
    }
}
