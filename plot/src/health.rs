//! `plot --healthcheck`: asks the running process whether it follows the log.
//! Through its page where it has one; else by the file that it then keeps fresh in the log directory.

use crate::config::Config;
use crate::live::Live;
use crate::logs::plain;
use crate::{files, http};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Written only where there is no page to ask: `ok`, or what is wrong.
pub const FILE: &str = ".plot_health";

/// How often it is written, and how old it may be.
pub const WRITE_EVERY: Duration = Duration::from_secs(10);
const FRESH: Duration = Duration::from_secs(40);

const TIMEOUT: Duration = Duration::from_secs(3);

/// # Errors
/// Why it is not healthy, as a line for a person; a healthy one has a line as well.
pub fn check(config: &Config) -> Result<String, String> {
    match config.listen {
        Some(address) => ask(address),
        None => read(config),
    }
}

/// Leaves the state for [`check`] where there is no page. What cannot be written goes stale, which is what the check sees.
pub fn write(live: &Live) {
    let state = live.health().map_or_else(|reason| reason, |()| "ok".to_owned());
    let _ = files::replace(&live.config.log_dir, FILE, format!("{state}\n").as_bytes());
}

fn read(config: &Config) -> Result<String, String> {
    let path = config.log_dir.join(FILE);
    let name = path.display();
    let state = fs::read_to_string(&path).map_err(|e| match e.kind() {
        ErrorKind::NotFound => {
            format!("unhealthy: there is no {name}: plot does not run without a page, or cannot write there")
        }
        _ => format!("unhealthy: {name}: {}", plain(&e)),
    })?;
    let modified = fs::metadata(&path).and_then(|metadata| metadata.modified());
    let age = modified.ok().and_then(|at| at.elapsed().ok()).unwrap_or_default();
    match state.trim() {
        _ if age > FRESH => {
            let age_s = age.as_secs();
            Err(format!(
                "unhealthy: {name} was last written {age_s} s ago: plot has ended, or cannot write there"
            ))
        }
        "ok" => Ok("ok".to_owned()),
        reason => Err(format!("unhealthy: {reason}")),
    }
}

fn ask(address: SocketAddr) -> Result<String, String> {
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let address = SocketAddr::new(host, address.port());
    let answer = get(address).map_err(|e| format!("unhealthy: {address}: {e}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.starts_with("HTTP/1.1 200 ") {
        Ok(body.trim().to_owned())
    } else {
        Err(format!("unhealthy: {}", body.trim()))
    }
}

fn get(address: SocketAddr) -> std::io::Result<String> {
    let deadline = Instant::now() + TIMEOUT;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", http::HEALTH).as_bytes())?;
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    while Instant::now() < deadline && answer.len() < 16 * 1024 {
        match stream.read(&mut buffer)? {
            0 => break,
            read => answer.extend(buffer.iter().take(read)),
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
