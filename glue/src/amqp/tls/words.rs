//! What is wrong with a TLS connection, in words for whoever operates the services.

use super::Files;
use crate::number::counted;
use rustls::{
    AlertDescription, CertificateError as Certificate, Error, InvalidMessage::InvalidContentType,
    PeerIncompatible,
};

const DAY_S: u64 = 86_400;
/// Names of a certificate that an error lists.
const NAMES_MAX: usize = 10;

/// One line on what failed; it follows the broker's name.
pub fn of(error: &Error, files: &Files) -> String {
    match error {
        Error::InvalidCertificate(reason) => of_certificate(reason, files),
        Error::AlertReceived(alert) => of_alert(*alert, files),
        Error::InvalidMessage(InvalidContentType) => {
            "it does not speak TLS on this port; amqps:// mostly is port 5671, amqp:// 5672".to_owned()
        }
        Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13) => OLD.to_owned(),
        other => format!("TLS failed: {other}"),
    }
}

const OLD: &str = "it supports neither TLS 1.2 nor TLS 1.3";

fn of_certificate(reason: &Certificate, files: &Files) -> String {
    match reason {
        Certificate::UnknownIssuer | Certificate::BadSignature => match &files.ca {
            Some(path) => format!("its certificate is not of an authority in {} (--amqp-ca)", path.display()),
            None => "its certificate is not of a public authority; --amqp-ca FILE names another".to_owned(),
        },
        Certificate::ExpiredContext { time, not_after } => {
            let ago = time.as_secs().saturating_sub(not_after.as_secs());
            format!("its certificate expired {} ago", rough(ago))
        }
        Certificate::NotValidYetContext { time, not_before } => {
            let ahead = not_before.as_secs().saturating_sub(time.as_secs());
            format!("its certificate is valid only in {}; is this machine's clock right?", rough(ahead))
        }
        Certificate::NotValidForNameContext { expected, presented } => {
            let names: Vec<String> = presented.iter().filter_map(|name| bare(name)).take(NAMES_MAX).collect();
            let names = match names.as_slice() {
                [] => "has no names (a common name does not count)".to_owned(),
                names => format!("is for {}", names.join(", ")),
            };
            format!("its certificate {names}, not for {}", expected.to_str())
        }
        Certificate::Revoked => "its certificate is revoked".to_owned(),
        Certificate::InvalidPurposeContext { .. } => "its certificate is not one for servers".to_owned(),
        // As `openssl req -x509` makes one.
        Certificate::Other(other)
            if other.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity) =>
        {
            "its certificate is that of an authority (CA:TRUE), not one for servers that an authority has signed"
                .to_owned()
        }
        other => format!("its certificate is not valid: {other:?}"),
    }
}

/// A name of a certificate, as rustls has them: `DnsName("broker.example")`, `IpAddress(10.0.0.7)`. Not yet trusted: it may hold anything.
fn bare(name: &str) -> Option<String> {
    let (kind, name) = name.split_once('(')?;
    let name = name.trim_end_matches(')').trim_matches('"');
    matches!(kind, "DnsName" | "IpAddress").then(|| name.escape_debug().to_string())
}

fn of_alert(alert: AlertDescription, files: &Files) -> String {
    use AlertDescription::*;
    let no_certificate = files.client.is_none();
    match alert {
        CertificateRequired => NEEDS_CERTIFICATE.to_owned(),
        // What a broker of TLS 1.2 says that requires a certificate.
        HandshakeFailure if no_certificate => {
            format!("it refuses the handshake; perhaps {NEEDS_CERTIFICATE}")
        }
        UnknownCA => "it does not know the authority of the client certificate (--amqp-cert)".to_owned(),
        CertificateExpired => "it says that the client certificate (--amqp-cert) has expired".to_owned(),
        BadCertificate | UnsupportedCertificate | CertificateRevoked | CertificateUnknown | AccessDenied => {
            format!("it refuses the client certificate (--amqp-cert): {alert:?}")
        }
        ProtocolVersion => OLD.to_owned(),
        other => format!("it refuses TLS: {other:?}"),
    }
}

const NEEDS_CERTIFICATE: &str = "it requires a client certificate (--amqp-cert and --amqp-key)";

fn rough(seconds: u64) -> String {
    match seconds {
        0..3600 => counted(seconds / 60, "minute", "minutes"),
        3600..DAY_S => counted(seconds / 3600, "hour", "hours"),
        _ => counted(seconds / DAY_S, "day", "days"),
    }
}
