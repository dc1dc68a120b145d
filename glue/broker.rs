//! Opens connections to the broker and declares queues, for `features` and `metric`. Never retries: [`Backoff`] only
//! says how long a caller should wait before it does.

#[path = "stream.rs"]
mod stream;

use amiquip::{
    AmqpValue, Auth, Connection, ConnectionOptions, ConnectionTuning, Error, FieldTable, QueueDeclareOptions,
};
use anyhow::{Context, Result, anyhow, bail};
use std::{collections::HashSet, fmt, net::TcpStream, net::ToSocketAddrs, time::Duration};
use stream::Stream;
use url::Url;

pub use stream::Bodies;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Seconds without a byte after which the peer asks for a sign of life; twice as many and it counts as dead.
const HEARTBEAT_SECONDS: u16 = 10;
/// Messages that amiquip takes before a publisher waits; with its default of 16 publishing costs twice the CPU.
const MEM_CHANNEL_BOUND: usize = 1024;
/// A message that came back so often is set aside: not RabbitMQ 4's 20, which a series of restarts reaches.
const DELIVERY_LIMIT: i64 = 1000;
const NOT_FOUND: u16 = 404;
const PRECONDITION_FAILED: u16 = 406;

/// Where a broker is and who asks. Its `Display` leaves the password out.
#[derive(Clone)]
pub struct AmqpUrl {
    host: String,
    port: u16,
    vhost: String,
    username: String,
    password: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum QueueType {
    Quorum,
    Classic,
    /// Never declared here: somebody else does.
    Existing,
}

/// A broker and how its queues are declared.
pub struct Broker {
    pub url: AmqpUrl,
    pub queue_type: QueueType,
    pub queue_prefix: String,
    /// Queues that another program had declared otherwise when they were used first. They are waited for, never declared.
    pub foreign_queues: HashSet<String>,
}

/// 250 ms, doubling to 30 s, each shortened by up to half so that many clients do not come back at once.
pub struct Backoff {
    next_ms: u64,
}

impl AmqpUrl {
    /// Reads `amqp://user:password@host:port/vhost`; what is absent is guest, guest, localhost, 5672 and `/`.
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

impl AmqpUrl {
    /// The setting `amqp-url`. Not through `Values::parse`: its message would repeat the password.
    ///
    /// # Errors
    /// One line that names flag and variable, what is wrong, and what is allowed.
    pub fn from_setting(text: &str) -> Result<AmqpUrl, String> {
        AmqpUrl::parse(text).map_err(|e| {
            format!("--amqp-url (AMQP_URL): {e:#}; allowed: amqp://user:password@host:port/vhost")
        })
    }
}

impl fmt::Display for AmqpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        write!(f, "amqp://{}@{host}:{} (vhost {})", self.username, self.port, self.vhost)
    }
}

impl QueueType {
    pub fn parse(text: &str) -> Option<QueueType> {
        match text {
            "quorum" => Some(QueueType::Quorum),
            "classic" => Some(QueueType::Classic),
            "existing" => Some(QueueType::Existing),
            _ => None,
        }
    }
}

/// As it is given.
impl fmt::Display for QueueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            QueueType::Quorum => "quorum",
            QueueType::Classic => "classic",
            QueueType::Existing => "existing",
        })
    }
}

impl Broker {
    pub fn new(url: AmqpUrl, queue_type: QueueType, queue_prefix: &str) -> Broker {
        Broker { url, queue_type, queue_prefix: queue_prefix.to_owned(), foreign_queues: HashSet::new() }
    }

    /// Opens a connection with a heartbeat, `TCP_NODELAY` and bounded waits. A consumer must say of each message when it has taken it; who
    /// does not consume drops the [`Bodies`].
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

    /// Makes sure that a queue is there and gives its name, which is `name` behind the prefix.
    ///
    /// # Errors
    /// The broker's reason; with [`QueueType::Existing`] also that nobody has declared the queue yet.
    pub fn declare(&mut self, connection: &mut Connection, name: &str) -> Result<String> {
        let queue = self.queue(name);
        if self.foreign_queues.contains(&queue) {
            exists(
                connection,
                &queue,
                "was declared by another program and is gone; that program must declare it again",
            )?;
            return Ok(queue);
        }
        match self.queue_type {
            QueueType::Existing => {
                exists(connection, &queue, "does not exist; somebody else must declare it")?
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

/// `missing` says what becomes of it where the queue is not there.
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

    pub fn new() -> Backoff {
        Backoff { next_ms: Self::FIRST_MS }
    }

    /// How long to wait before the next attempt.
    pub fn next(&mut self) -> Duration {
        let whole_ms = self.next_ms;
        self.next_ms = (whole_ms * 2).min(Self::LAST_MS);
        Duration::from_millis(fastrand::u64(whole_ms / 2..=whole_ms))
    }

    /// Begins anew after a success.
    pub fn reset(&mut self) {
        *self = Backoff::new();
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
    fn a_queue_type_prints_as_it_is_given() {
        for text in ["quorum", "classic", "existing"] {
            assert_eq!(QueueType::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn queue_arguments_are_those_of_the_contract() {
        let golden = include_str!("../contract/queue_arguments.json");
        assert!(golden.contains(&format!("\"x-delivery-limit\": {DELIVERY_LIMIT}")));
    }

    #[test]
    fn backoff_doubles_to_its_limit_and_begins_anew() {
        let mut backoff = Backoff::new();
        let waits: Vec<u64> = (0..12).map(|_| backoff.next().as_millis() as u64).collect();
        for (i, wait) in waits.iter().enumerate() {
            let whole = (250u64 << i).min(30_000);
            assert!((whole / 2..=whole).contains(wait), "{waits:?}");
        }
        backoff.reset();
        assert!(backoff.next() <= Duration::from_millis(250));
    }
}
