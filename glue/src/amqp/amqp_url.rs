//! AMQP URLs: where a broker is, and who connects. Never prints a password, and never connects.

use amiquip::Auth;
use anyhow::{Context, Result, bail};
use std::fmt;

/// Where a broker is and who connects. Its `Display` leaves the password out.
#[derive(Clone)]
pub struct AmqpUrl {
    /// `amqps`.
    pub(super) is_tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) vhost: String,
    /// User and password. `None`: the client certificate says who connects (the mechanism EXTERNAL).
    login: Option<(String, String)>,
}

impl AmqpUrl {
    /// Reads URLs with commas between them. `has_certificate`: a client certificate takes the place of a user where a TLS URL has none.
    ///
    /// # Errors
    /// What is wrong with which URL, without repeating it: it may hold a password.
    pub fn parse_list(text: &str, has_certificate: bool) -> Result<Vec<AmqpUrl>> {
        let parts: Vec<&str> = text.split(',').collect();
        let of = parts.len();
        let parse = |(at, part)| {
            let url = AmqpUrl::parse(part, has_certificate);
            if of == 1 { url } else { url.with_context(|| format!("URL {} of {of}, by its commas", at + 1)) }
        };
        parts.into_iter().enumerate().map(parse).collect()
    }

    /// Reads `amqp://user:password@host:port/vhost`, or `amqps://` for TLS. The defaults are guest, guest, localhost, 5672 (5671 for TLS)
    /// and `/`.
    fn parse(text: &str, has_certificate: bool) -> Result<AmqpUrl> {
        let (scheme, rest) = text.trim().split_once("://").context("not a URL")?;
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "amqp" => false,
            "amqps" => true,
            other => bail!("the scheme is {other:?}, not amqp or amqps"),
        };
        if rest.contains(['?', '#']) {
            bail!("parameters after ? or # are not supported; in a user or password they are %3f and %23");
        }
        let (authority, vhost) = rest.split_once('/').unwrap_or((rest, ""));
        if vhost.contains('/') {
            bail!("the virtual host holds a slash; write it as %2f");
        }
        let (login, address) = match authority.rsplit_once('@') {
            Some((login, address)) => (Some(login), address),
            None => (None, authority),
        };
        let (user, password) = match login.unwrap_or_default().split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (login.unwrap_or_default(), None),
        };
        // An IPv6 address has colons and stands in brackets.
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port),
            _ => (address, ""),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = match port {
            "" => {
                if is_tls {
                    5671
                } else {
                    5672
                }
            }
            port => {
                port.parse().ok().filter(|&port| port > 0).context("the port is no number from 1 to 65535")?
            }
        };
        let is_external = has_certificate && is_tls && user.is_empty() && password.is_none();
        let login = (decoded(user, "guest")?, decoded(password.unwrap_or("guest"), "")?);
        Ok(AmqpUrl {
            is_tls,
            host: decoded(host, "localhost")?,
            port,
            vhost: decoded(vhost, "/")?,
            login: (!is_external).then_some(login),
        })
    }

    pub(super) fn auth(&self) -> Auth {
        match self.login.clone() {
            Some((username, password)) => Auth::Plain { username, password },
            None => Auth::External,
        }
    }
}

/// A part of a URL without its %-escapes; `default` if it is empty.
fn decoded(part: &str, default: &str) -> Result<String> {
    let part = if part.is_empty() { default } else { part };
    let decoded = percent_encoding::percent_decode_str(part).decode_utf8();
    Ok(decoded.context("a %-escape is not UTF-8")?.into_owned())
}

impl fmt::Display for AmqpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_tls { "amqps://" } else { "amqp://" })?;
        if let Some((user, _)) = &self.login {
            write!(f, "{user}@")?;
        }
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        write!(f, "{host}:{} (vhost {})", self.port, self.vhost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(url: &AmqpUrl) -> (&str, &str) {
        url.login.as_ref().map(|(user, password)| (user.as_str(), password.as_str())).unwrap()
    }

    #[test]
    fn defaults_and_escapes() {
        let url = AmqpUrl::parse("amqp://us%40er:p%2fw@[::1]:7/my%2fhost", false).unwrap();
        assert_eq!((url.host.as_str(), url.port, url.vhost.as_str()), ("::1", 7, "my/host"));
        assert_eq!(plain(&url), ("us@er", "p/w"));
        assert!(!url.to_string().contains("p/w"));
        for short in ["amqp://", "amqp://localhost", "amqp://localhost:5672/", "amqp://localhost/%2f"] {
            let url = AmqpUrl::parse(short, false).unwrap();
            assert_eq!(url.to_string(), "amqp://guest@localhost:5672 (vhost /)", "{short}");
            assert_eq!(plain(&url).1, "guest");
        }
        assert_eq!(AmqpUrl::parse("amqps://h", false).unwrap().to_string(), "amqps://guest@h:5671 (vhost /)");
    }

    #[test]
    fn bad_urls_are_named_without_their_password() {
        let bad = ["", "localhost:5672", "http://u:secret@h", "amqp://u:secret@h/a/b"];
        let bad = bad.into_iter().chain(["amqps://u:secret@h/?heartbeat=3", "amqp://u:secret@h:99999"]);
        // A comma in a password parts it in two.
        for text in bad.chain(["amqp://u:secret,secret@h", "amqp://u:secret@h,", ",amqp://u:secret@h"]) {
            let error = AmqpUrl::parse_list(text, false).err().expect(text);
            assert!(!format!("{error:#}").contains("secret"), "{error:#}");
            let is_list = text.contains(',');
            assert_eq!(format!("{error:#}").contains("of 2, by its commas"), is_list, "{error:#}");
        }
    }

    #[test]
    fn several_are_read_in_their_order() {
        let urls = AmqpUrl::parse_list("amqp://a, amqps://u:p%2Cw@b,amqp://c:1/v", false).unwrap();
        let shown: Vec<String> = urls.iter().map(ToString::to_string).collect();
        let expected =
            ["amqp://guest@a:5672 (vhost /)", "amqps://u@b:5671 (vhost /)", "amqp://guest@c:1 (vhost v)"];
        assert_eq!(shown, expected);
        assert_eq!(plain(&urls[1]), ("u", "p,w"));
    }

    #[test]
    fn a_certificate_takes_the_place_of_a_user_that_is_not_given() {
        let auth = |text: &str| AmqpUrl::parse_list(text, true).unwrap()[0].auth();
        assert_eq!(auth("amqps://h"), Auth::External);
        assert_eq!(
            AmqpUrl::parse_list("amqps://h", true).unwrap()[0].to_string(),
            "amqps://h:5671 (vhost /)"
        );
        assert_eq!(auth("amqp://h"), Auth::default());
        let password = |username: &str, password: &str| Auth::Plain {
            username: username.to_owned(),
            password: password.to_owned(),
        };
        assert_eq!(auth("amqps://u:p@h"), password("u", "p"));
        assert_eq!(auth("amqps://u@h"), password("u", "guest"));
        assert_eq!(auth("amqps://:p@h"), password("guest", "p"));
    }
}
