//! Which host names the live page answers to. Otherwise a foreign web page could point its own name at this machine (DNS rebinding) and
//! read this page through a visitor's browser. The `Host` header then holds the foreign name.
//! Never resolves a name.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Why a request is refused for its `Host`.
#[derive(Debug, PartialEq)]
pub enum Refused {
    /// It holds no host.
    NoHost,
    /// A name that is not allowed.
    Unknown(String),
}

/// The setting `hosts`: names with commas between them.
pub fn parse(text: &str) -> Option<Vec<String>> {
    let names = text.split(',').map(str::trim).filter(|_| !text.is_empty());
    names.map(|name| is_name(name).then(|| without_root(name).to_owned())).collect()
}

/// Checks the `Host` header of a request. Allowed are IP addresses, `localhost` and other names without a dot, and `names`.
///
/// # Errors
/// Why the request is refused.
pub fn check(host: &str, names: &[String]) -> Result<(), Refused> {
    let (name, port) = match host.rfind(':') {
        Some(colon) if !host.ends_with(']') => host.split_at(colon),
        _ => (host, ":"),
    };
    if !port.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(Refused::NoHost);
    }
    if let Some(address) = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().map(|_| ()).map_err(|_| Refused::NoHost);
    }
    if !is_name(name) {
        return Err(Refused::NoHost);
    }
    let bare = without_root(name);
    let is_known = !bare.contains('.')
        || bare.parse::<Ipv4Addr>().is_ok()
        || names.iter().any(|known| known.eq_ignore_ascii_case(bare));
    if is_known { Ok(()) } else { Err(Refused::Unknown(name.to_owned())) }
}

fn is_name(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !without_root(text).is_empty() && text.bytes().all(is_letter)
}

/// Without the dot at its end: `example.com.` is `example.com`.
fn without_root(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_goes_by_addresses_local_names_and_those_of_the_setting() {
        let names = parse("monitor.example.com, b.example.org.").unwrap();
        for host in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "192.168.1.20:80",
            "[::1]",
            "[::1]:8080",
            "[2001:db8::1]:8080",
            "localhost",
            "LOCALHOST:8080",
            "localhost.",
            "plot:8080",
            "my-box_1",
            "monitor.example.com",
            "Monitor.Example.COM.:443",
            "b.example.org",
            "monitor:",
        ] {
            assert_eq!(check(host, &names), Ok(()), "{host}");
        }
        for host in [
            "evil.example.com",
            "evil.com:8080",
            "x.monitor.example.com",
            "127.0.0.1.evil.com",
            "127.1",
            "localhost.evil.com",
        ] {
            let name = host.split(':').next().unwrap().to_owned();
            assert_eq!(check(host, &names), Err(Refused::Unknown(name)), "{host}");
        }
        for host in [
            "",
            ".",
            ":80",
            "a b",
            "a,b",
            "::1",
            "[::1",
            "[evil.com]",
            "[::1]x",
            "a:b",
            "a:80:80",
            "user@a",
            "http://a",
            "<a>",
            "ä",
        ] {
            assert_eq!(check(host, &names), Err(Refused::NoHost), "{host}");
        }
    }

    #[test]
    fn only_names_can_be_set() {
        assert_eq!(parse(""), Some(Vec::new()));
        assert_eq!(parse("a.b"), Some(vec!["a.b".to_owned()]));
        for text in [",", "a,,b", "a.b:8080", "http://a.b", "*.a.b", "a b"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
