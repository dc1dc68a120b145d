//! TLS for connections to the broker: reads the certificates, and makes the handshake. Never sees an AMQP frame.

mod provider;
mod socket;
mod words;

pub use socket::TlsSocket;

use anyhow::{Context, Result, anyhow, bail};
use rustls::{
    ClientConfig, ClientConnection, Error, InconsistentKeys, RootCertStore,
    client::Resumption,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    net::TcpStream,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// Limit of a file of certificates or of a key. All public authorities together have a quarter of a mebibyte.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// The files of the settings, as they are named there; not read yet.
#[derive(Clone, Default)]
pub struct Files {
    /// Certificates to trust. `None`: the public authorities.
    pub ca: Option<PathBuf>,
    /// A client certificate with its chain, and its private key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Whom to trust, and who this is.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    files: Files,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// One line that names the flag, the file, and what is wrong with it.
    pub fn load(files: &Files) -> Result<Tls, String> {
        let mut roots = RootCertStore::empty();
        match &files.ca {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(path) => {
                let named = |why| format!("--amqp-ca (AMQP_CA) {}: {why}", path.display());
                for certificate in certificates(path).map_err(named)? {
                    roots.add(certificate).map_err(|_| named(BAD_CERTIFICATE.to_owned()))?;
                }
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(provider::provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_root_certificates(roots);
        let mut config = match &files.client {
            None => config.with_no_client_auth(),
            Some((path, key_path)) => {
                let named = |why: String| format!("--amqp-cert (AMQP_CERT) {}: {why}", path.display());
                let of_key = |why: String| format!("--amqp-key (AMQP_KEY) {}: {why}", key_path.display());
                let chain = certificates(path).map_err(named)?;
                let key = private_key(key_path).map_err(of_key)?;
                config.with_client_auth_cert(chain, key).map_err(|error| match error {
                    Error::InvalidCertificate(_) => named(BAD_CERTIFICATE.to_owned()),
                    Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                        of_key(format!("the key is not that of the certificate in {}", path.display()))
                    }
                    _ => of_key("the key is none of RSA, ECDSA or Ed25519 that can be used".to_owned()),
                })?
            }
        };
        // Each connection verifies the certificate anew.
        config.resumption = Resumption::disabled();
        Ok(Tls { config: Arc::new(config), files: files.clone() })
    }

    /// Makes the handshake with the broker that is called `host`, within `timeout`.
    ///
    /// # Errors
    /// What failed, in words.
    pub fn handshake(&self, mut socket: TcpStream, host: &str, timeout: Duration) -> Result<TlsSocket> {
        let name = ServerName::try_from(host.to_owned()).ok();
        let name = name.with_context(|| format!("{host:?} is no name that a certificate can have"))?;
        let in_words = |error| anyhow!(words::of(&error, &self.files));
        let mut tls = ClientConnection::new(self.config.clone(), name).map_err(in_words)?;
        let deadline = Instant::now() + timeout;
        let lost = |error: io::Error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                anyhow!("no end of the TLS handshake within {timeout:?}; does this port speak TLS?")
            }
            _ => anyhow!(error).context("the TLS handshake was cut short (does this port speak TLS?)"),
        };
        while tls.is_handshaking() || tls.wants_write() {
            // A timeout of zero would be none.
            let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            if tls.wants_write() {
                socket.set_write_timeout(Some(left))?;
                tls.write_tls(&mut socket).map_err(lost)?;
                continue;
            }
            socket.set_read_timeout(Some(left))?;
            if tls.read_tls(&mut socket).map_err(lost)? == 0 {
                bail!(lost(ErrorKind::UnexpectedEof.into()));
            }
            if let Err(error) = tls.process_new_packets() {
                // Tells the broker why, for its log.
                let _ = tls.write_tls(&mut socket);
                return Err(in_words(error));
            }
        }
        Ok(TlsSocket::new(mio::net::TcpStream::from_stream(socket)?, tls, self.files.clone()))
    }
}

const BAD_CERTIFICATE: &str = "it holds a certificate that cannot be read";

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err("no certificate in PEM (-----BEGIN CERTIFICATE-----) is in it".to_owned())
        }
        Ok(found) => Ok(found),
        Err(error) => Err(format!("its PEM cannot be read: {error}")),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    use rustls::pki_types::pem::Error::NoItemsFound;
    let text = read(path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        NoItemsFound if text.windows(9).any(|part| part == b"ENCRYPTED") => {
            "the key is encrypted; write it without a password: openssl pkey -in FILE -out FILE".to_owned()
        }
        NoItemsFound => "no private key in PEM (-----BEGIN PRIVATE KEY-----) is in it".to_owned(),
        error => format!("its PEM cannot be read: {error}"),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    match read {
        Err(error) => Err(error.to_string()),
        Ok(_) if bytes.len() as u64 > FILE_BYTES_MAX => Err(format!("more than {FILE_BYTES_MAX} bytes")),
        Ok(_) => Ok(bytes),
    }
}
