//! Opens connections to the broker and declares queues, for `features` and `metric`. Never retries by itself: [`Broker::wait`] only waits
//! until a caller should.

use super::{
    amqp_url::AmqpUrl,
    backoff::Backoff,
    bodies::Bodies,
    socket::Socket,
    stream::Stream,
    tls::{Files, Tls},
};
use crate::{
    settings::{Setting, Values, setting},
    shutdown::Stop,
};
use amiquip::{
    AmqpValue, Connection, ConnectionOptions, ConnectionTuning, Error as AmqpError, FieldTable,
    QueueDeclareOptions,
};
use anyhow::{Context, Error, Result, bail};
use std::{
    collections::HashSet,
    fmt,
    path::PathBuf,
    time::{Duration, Instant},
};

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
    ..setting(
        "amqp-url",
        "AMQP_URL",
        "amqp://guest:guest@localhost:5672/%2f",
        "URL",
        "the broker; several with commas between them",
    )
};
const ALLOWED: &str = "amqp://user:password@host:port/vhost, or amqps://; several with commas between them, a comma in a password as %2C";
/// The setting `amqp-ca`.
pub const CA: Setting =
    setting("amqp-ca", "AMQP_CA", "", "FILE", "PEM to trust at amqps://; none: the public authorities");
/// The setting `amqp-cert`.
pub const CERT: Setting =
    setting("amqp-cert", "AMQP_CERT", "", "FILE", "client certificate for amqps://, PEM with its chain");
/// The setting `amqp-key`.
pub const KEY: Setting =
    setting("amqp-key", "AMQP_KEY", "", "FILE", "private key of the client certificate, PEM");
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

/// A broker and how its queues are declared. Its `Display` names all URLs, without their passwords.
#[derive(Clone)]
pub struct Broker {
    /// Where it is and who connects: tried in turn.
    urls: Vec<AmqpUrl>,
    /// The one that was tried last.
    at: usize,
    backoff: Backoff,
    files: Files,
    /// `None` before the certificates are read.
    tls: Option<Tls>,
    /// How its queues are declared.
    pub queue_type: QueueType,
    /// Put before the name of every queue.
    pub queue_prefix: String,
    /// Queues that another program declared with other arguments. They are used as they are and never declared here.
    pub foreign_queues: HashSet<String>,
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, url) in self.urls.iter().enumerate() {
            write!(f, "{}{url}", if at > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

impl Broker {
    /// Connects to nothing yet. `urls` are tried in turn, with commas between them.
    ///
    /// # Errors
    /// What is wrong with which URL, without repeating it: it may hold a password.
    pub fn new(urls: &str, files: Files, queue_type: QueueType, queue_prefix: &str) -> Result<Broker> {
        Ok(Broker {
            urls: AmqpUrl::parse_list(urls, files.client.is_some())?,
            at: 0,
            backoff: Backoff::default(),
            files,
            tls: None,
            queue_type,
            queue_prefix: queue_prefix.to_owned(),
            foreign_queues: HashSet::new(),
        })
    }

    /// Reads the settings of this file. Reads no certificate: the process may have to become another user first.
    ///
    /// # Errors
    /// One line that names the flag or variable and what is allowed.
    pub fn read(values: &Values) -> Result<Broker, String> {
        const TYPES: &[(&str, QueueType)] = &[
            ("quorum", QueueType::Quorum),
            ("classic", QueueType::Classic),
            ("existing", QueueType::Existing),
        ];
        let path = |setting: Setting| values.optional(setting.flag).map(PathBuf::from);
        let client = match (path(CERT), path(KEY)) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err("--amqp-cert (AMQP_CERT) and --amqp-key (AMQP_KEY) go together".to_owned()),
        };
        let files = Files { ca: path(CA), client };
        let queue_type = values.choose(QUEUE_TYPE.flag, TYPES)?;
        // Not through `Values::parse`, whose message would repeat the password.
        let broker = Broker::new(values.text(URL.flag), files, queue_type, values.text(QUEUE_PREFIX.flag));
        let broker = broker.map_err(|e| format!("--amqp-url (AMQP_URL): {e:#}; allowed: {ALLOWED}"))?;
        let given = [CA, CERT].into_iter().find(|&setting| path(setting).is_some());
        if let Some(Setting { flag, variable, .. }) = given.filter(|_| !broker.has_tls()) {
            // Whoever gives a certificate takes the connection for a safe one.
            return Err(format!(
                "--{flag} ({variable}) goes with amqps://, which --amqp-url (AMQP_URL) has not"
            ));
        }
        Ok(broker)
    }

    fn has_tls(&self) -> bool {
        self.urls.iter().any(|url| url.is_tls)
    }

    /// Reads the certificates, if TLS is asked for. Call this at the start, as the user who runs the process.
    ///
    /// # Errors
    /// One line that names the flag, the file and what is wrong with it.
    pub fn read_certificates(&mut self) -> Result<(), String> {
        if self.tls.is_none() && self.has_tls() {
            self.tls = Some(Tls::load(&self.files)?);
        }
        Ok(())
    }

    /// Tries the broker whose turn it is. Opens a connection with a heartbeat, `TCP_NODELAY` and bounded waits. A consumer must report each
    /// message that it has taken to [`Bodies`]; a program that does not consume drops them.
    ///
    /// # Errors
    /// What the resolver, the network, TLS or the broker refused, without the password.
    pub fn connect(&mut self) -> Result<(Connection, Bodies)> {
        let socket = self.socket()?;
        let url = self.url()?;
        let options = ConnectionOptions::default()
            .auth(url.auth())
            .virtual_host(&url.vhost)
            .heartbeat(HEARTBEAT_SECONDS)
            .connection_timeout(Some(CONNECT_TIMEOUT));
        let tuning = ConnectionTuning::default().mem_channel_bound(MEM_CHANNEL_BOUND);
        let (stream, bodies) = Stream::new(socket);
        let connection = Connection::insecure_open_stream(stream, options, tuning);
        Ok((connection.with_context(|| format!("no connection to {url}"))?, bodies))
    }

    /// The first half of [`Broker::connect`]: the socket, with TLS if the URL says so, before the first byte of AMQP.
    ///
    /// # Errors
    /// Those of [`Broker::connect`].
    pub fn socket(&mut self) -> Result<Socket> {
        self.read_certificates().map_err(Error::msg)?;
        self.at = self.backoff.next(self.urls.len());
        self.backoff.begin();
        let url = self.url()?;
        let socket = Socket::connect(url, self.tls.as_ref(), CONNECT_TIMEOUT);
        socket.with_context(|| format!("no connection to {url}"))
    }

    fn url(&self) -> Result<&AmqpUrl> {
        self.urls.get(self.at).context("there is no URL")
    }

    /// The broker that was tried last, for messages.
    pub fn name(&self) -> String {
        self.urls.get(self.at).map(ToString::to_string).unwrap_or_default()
    }

    /// Waits before the next broker is tried, and logs why the last one was lost unless that is known of it. True if the process is asked to
    /// stop meanwhile.
    pub fn wait(&mut self, reason: &str, stop: &Stop) -> bool {
        self.backoff.lost(Instant::now());
        if self.backoff.is_news(self.at, reason) {
            match self.urls.get(self.backoff.next(self.urls.len())) {
                Some(next) if self.urls.len() > 1 => log::warn!("{reason}; trying {next}"),
                _ => log::warn!("{reason}; trying again"),
            }
        }
        self.backoff.wait(self.urls.len(), stop)
    }

    /// The connection is in use: no call that the broker may refuse is left. If it lasts it has served, also without a message.
    pub fn is_in_use(&mut self) {
        self.backoff.in_use(Instant::now());
    }

    /// The connection has served: once it is lost, the first broker is tried first, after the shortest wait.
    pub fn has_served(&mut self) {
        self.backoff.reset();
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
            Err(AmqpError::ServerClosedChannel { code: PRECONDITION_FAILED, message, .. }) => {
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
        Err(AmqpError::ServerClosedChannel { code: NOT_FOUND, .. }) => bail!("queue {queue} {missing}"),
        Err(e) => Err(e).with_context(|| format!("cannot use queue {queue}")),
    }
}

fn arguments(pairs: &[(&str, &str)]) -> FieldTable {
    pairs.iter().map(|(key, value)| (key.to_string(), AmqpValue::LongString(value.to_string()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_arguments_are_those_of_the_contract() {
        let golden = include_str!("../../../contract/queue_arguments.json");
        assert!(golden.contains(&format!("\"x-delivery-limit\": {DELIVERY_LIMIT}")));
    }
}
