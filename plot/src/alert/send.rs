//! Sends alerts to a receiver by HTTP: one after the other, on a thread of its own, each until it is answered.
//! Never prints the URL: whoever has it may write where it leads.

use crate::{
    alert::{
        message::{Alert, Format},
        outbox::Outbox,
        retry,
    },
    logs::follow::plain,
    unix_time::now_s,
    words::clock,
};
use anyhow::{Context, Result, ensure};
use glue::number::counted;
use log::{info, warn};
use rustls::CertificateError;
use std::{
    fmt, fs,
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};
use ureq::{
    Agent, Error, Timeout,
    http::{Uri, header::RETRY_AFTER},
    tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(10);

/// Limit of a certificate file.
const MOST_CA_BYTES: u64 = 4 * 1024 * 1024;

/// Where alerts go. Its `Debug` leaves the URL out.
#[derive(Clone)]
pub struct Receiver {
    url: Uri,
    pub format: Format,
    /// Trusted instead of the public authorities.
    pub ca: Option<PathBuf>,
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("format", &self.format).field("ca", &self.ca).finish_non_exhaustive()
    }
}

impl Receiver {
    /// None if `url` is no URL of HTTP.
    pub fn new(url: &str, format: Format, ca: Option<PathBuf>) -> Option<Self> {
        let url: Uri = url.parse().ok()?;
        let is_http = matches!(url.scheme_str(), Some("http" | "https"));
        let (host, authority) = (url.host().filter(|host| !host.is_empty())?, url.authority()?.as_str());
        // A port that is no number is left out without a word.
        let port = url.port_u16().map_or(String::new(), |port| format!(":{port}"));
        (is_http && authority.ends_with(&format!("{host}{port}"))).then_some(Receiver { url, format, ca })
    }
}

/// Starts the thread.
///
/// # Errors
/// The file of the certificate authority is not usable, or there can be no thread.
pub fn start(receiver: &Receiver, outbox: Arc<Outbox>) -> Result<JoinHandle<()>> {
    let roots = match &receiver.ca {
        Some(path) => authorities(path).with_context(|| format!("--alert-ca {}", path.display()))?,
        None => RootCerts::WebPki,
    };
    let agent = Agent::config_builder()
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_global(Some(TIMEOUT))
        // An alert goes where the operator said, and nowhere else.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        // A connection that was kept may have ended unseen, just when an alert is due.
        .max_idle_connections(0)
        .user_agent(concat!("monitor-plot/", env!("CARGO_PKG_VERSION")))
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .build()
        .new_agent();
    let sender = Sender { agent, receiver: receiver.clone(), failures: 0, trouble: None };
    Ok(thread::Builder::new().name("alerts".to_owned()).spawn(move || sender.run(&outbox))?)
}

fn authorities(path: &Path) -> Result<RootCerts> {
    let metadata = fs::metadata(path).map_err(|e| anyhow::anyhow!(plain(&e)))?;
    ensure!(metadata.len() <= MOST_CA_BYTES, "more than {MOST_CA_BYTES} bytes");
    let text = fs::read(path).map_err(|e| anyhow::anyhow!(plain(&e)))?;
    let certificates: Vec<Certificate<'static>> = parse_pem(&text)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    ensure!(!certificates.is_empty(), "no certificate in PEM (-----BEGIN CERTIFICATE-----) is in it");
    Ok(RootCerts::new_with_certs(&certificates))
}

struct Sender {
    agent: Agent,
    receiver: Receiver,
    /// In a row.
    failures: u32,
    /// Why nothing can be delivered, as last logged.
    trouble: Option<String>,
}

/// What became of a request.
enum Answer {
    Delivered,
    /// For good: why.
    Refused(String),
    /// For now: why, and how long the receiver asks to wait.
    Failed(String, Option<Duration>),
}

impl Sender {
    fn run(mut self, outbox: &Outbox) {
        loop {
            let (alert, waiting) = outbox.oldest();
            let id = &alert.id;
            match self.post(&alert) {
                Answer::Failed(why, asked) => {
                    self.failures = self.failures.saturating_add(1);
                    let backoff = retry::backoff(self.failures, RandomState::new().build_hasher().finish());
                    let wait = asked.map_or(backoff, |asked| asked.max(backoff));
                    if self.trouble.as_ref() != Some(&why) {
                        let wait = clock::duration((wait.as_secs_f64() * 10.0).round() / 10.0);
                        let waiting = counted(waiting as u64, "alert", "alerts");
                        warn!(
                            "alert {id} is not delivered: {why}; {waiting} waiting, trying again in {wait}"
                        );
                        self.trouble = Some(why);
                    }
                    thread::sleep(wait);
                    continue;
                }
                Answer::Refused(why) => warn!("alert {id} is dropped: {why}"),
                Answer::Delivered if self.trouble.is_some() => info!("alerts are delivered again"),
                Answer::Delivered => {}
            }
            (self.failures, self.trouble) = (0, None);
            outbox.pop();
        }
    }

    fn post(&self, alert: &Alert) -> Answer {
        let request = self.agent.post(&self.receiver.url).content_type("application/json");
        let answer = match request.header("Idempotency-Key", &alert.id).send(self.receiver.format.body(alert))
        {
            Ok(answer) => answer,
            Err(error) => return Answer::Failed(words(&error), None),
        };
        // Its body is not read: the status says all.
        let status = answer.status();
        let asked = answer.headers().get(RETRY_AFTER).and_then(|text| text.to_str().ok());
        let why = format!("the receiver answers {}", status.as_str());
        match status.as_u16() {
            200..300 => Answer::Delivered,
            300..400 => Answer::Refused(format!("{why}; redirects are not followed")),
            408 | 425 | 429 | 500.. => {
                Answer::Failed(why, asked.and_then(|text| retry::asked(text, now_s())))
            }
            _ => Answer::Refused(why),
        }
    }
}

/// What is wrong, without anything of the URL.
fn words(error: &Error) -> String {
    match error {
        Error::Timeout(Timeout::Connect) => format!("no connection within {} s", CONNECT_TIMEOUT.as_secs()),
        Error::Timeout(_) => format!("no answer within {} s", TIMEOUT.as_secs()),
        Error::HostNotFound => "its host name is not known".to_owned(),
        Error::Rustls(error) => tls_words(error),
        Error::Tls(_) => "its host name is none that a certificate can have".to_owned(),
        Error::Io(error) => io_words(error),
        Error::ConnectProxyFailed(_) | Error::InvalidProxyUrl => "the proxy does not connect".to_owned(),
        _ => "what it answers is not HTTP".to_owned(),
    }
}

fn io_words(error: &io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(error) => tls_words(error),
        None if error.raw_os_error().is_some() => plain(error),
        None if error.kind() == ErrorKind::UnexpectedEof => "it hung up without an answer".to_owned(),
        None => error.kind().to_string(),
    }
}

fn tls_words(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(reason) = error else {
        return "it does not speak TLS, or not as it should".to_owned();
    };
    match reason {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is not of an authority that is trusted; --alert-ca names another".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another host name".to_owned()
        }
        _ => "its certificate is not valid".to_owned(),
    }
}
