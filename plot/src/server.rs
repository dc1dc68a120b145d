//! The live page's HTTP server: GET and HEAD only, one thread for each connection, one request for each.
//! Bounded in everything: connections, bytes and seconds. When there are too many connections the oldest gives way, so that slow
//! clients never keep others out. That is why it is not `tiny_http`: in 0.12 that sets no time limit on its sockets, and each client that
//! sends nothing holds one of its threads, whose number has no limit.

use crate::live::{Live, State};
use crate::page;
use crate::rendered::{Document, Rendered};
use crate::service::{PNG_NAME, SVG_NAME};
use anyhow::{Context, Result};
use log::warn;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, thread};

pub const HEALTH: &str = "/healthz";

const MOST_CONNECTIONS: usize = 256;
const MOST_HEAD_BYTES: usize = 8 * 1024;
const REQUEST_TIME: Duration = Duration::from_secs(5);
const ANSWER_TIME: Duration = Duration::from_secs(15);
/// After an answer, for the client to close first: closing on unread bytes would reset the connection and lose the answer.
const CLOSE_TIME: Duration = Duration::from_secs(1);
const STACK_BYTES: usize = 256 * 1024;

/// Open connections by number: the first is the oldest.
type Open = Arc<Mutex<BTreeMap<u64, TcpStream>>>;

/// Listens and serves in threads of its own for as long as the process lives.
///
/// # Errors
/// The address cannot be listened at.
pub fn start(live: &Arc<Live>) -> Result<()> {
    let Some(address) = live.config.listen else { return Ok(()) };
    let listener = TcpListener::bind(address).with_context(|| format!("listening at {address}"))?;
    let rendered = Arc::new(Rendered::new(Arc::clone(live)));
    thread::Builder::new().name("accept".to_owned()).spawn(move || accept(&listener, &rendered))?;
    Ok(())
}

fn accept(listener: &TcpListener, rendered: &Arc<Rendered>) {
    let open = Open::default();
    for number in 0.. {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(e) => {
                // Out of file descriptors, most likely; they come back as connections time out.
                warn!("accepting a connection: {e}");
                thread::sleep(Duration::from_secs(1));
                continue;
            }
        };
        let Ok(clone) = stream.try_clone() else { continue };
        {
            let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
            if open.len() >= MOST_CONNECTIONS
                && let Some((_, oldest)) = open.pop_first()
            {
                let _ = oldest.shutdown(Shutdown::Both);
            }
            open.insert(number, clone);
        }
        let (rendered, registry) = (Arc::clone(rendered), Arc::clone(&open));
        let spawned = thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
            // A client that went away or was too slow needs no answer and no line.
            let _ = serve(stream, &rendered);
            registry.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        });
        if spawned.is_err() {
            open.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        }
    }
}

fn serve(mut stream: TcpStream, rendered: &Rendered) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let answer = match read_head(&mut stream)? {
        Head::Complete(head) => answer(&head, rendered),
        Head::TooLong => Answer::text("431 Request Header Fields Too Large", "the request is too long"),
        Head::TooSlow => Answer::text("408 Request Timeout", "the request took too long"),
    };
    send(&mut stream, &answer)?;
    stream.shutdown(Shutdown::Write)?;
    let deadline = Instant::now() + CLOSE_TIME;
    let mut rest = [0; 4096];
    while let Some(left) = left_until(deadline) {
        stream.set_read_timeout(Some(left))?;
        if stream.read(&mut rest)? == 0 {
            break;
        }
    }
    Ok(())
}

enum Head {
    Complete(String),
    TooLong,
    TooSlow,
}

fn read_head(stream: &mut TcpStream) -> io::Result<Head> {
    let deadline = Instant::now() + REQUEST_TIME;
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while let Some(left) = left_until(deadline) {
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => head.extend(buffer.iter().take(read)),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => break,
            Err(e) => return Err(e),
        }
        if memchr::memmem::find(&head, b"\r\n\r\n").is_some() {
            return Ok(Head::Complete(String::from_utf8_lossy(&head).into_owned()));
        }
        if head.len() > MOST_HEAD_BYTES {
            return Ok(Head::TooLong);
        }
    }
    Ok(Head::TooSlow)
}

fn left_until(deadline: Instant) -> Option<Duration> {
    deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}

struct Answer {
    status: &'static str,
    content_type: &'static str,
    extra: String,
    /// The same bytes for every client that asks for the same.
    body: Arc<[u8]>,
    /// HEAD: the body's length without the body.
    head_only: bool,
}

impl Answer {
    fn new(status: &'static str, content_type: &'static str, body: impl Into<Arc<[u8]>>) -> Self {
        Answer { status, content_type, extra: String::new(), body: body.into(), head_only: false }
    }

    fn text(status: &'static str, line: &str) -> Self {
        Answer::new(status, "text/plain; charset=utf-8", format!("{line}\n").into_bytes())
    }
}

fn answer(head: &str, rendered: &Rendered) -> Answer {
    let mut lines = head.split("\r\n");
    let mut request = lines.next().unwrap_or_default().split(' ');
    let (method, target, version) = (request.next(), request.next(), request.next());
    let (Some(method), Some(target), Some("HTTP/1.0" | "HTTP/1.1"), None) =
        (method, target, version, request.next())
    else {
        return Answer::text("400 Bad Request", "not an HTTP/1.1 request");
    };
    if !matches!(method, "GET" | "HEAD") {
        let mut refused = Answer::text("405 Method Not Allowed", "only GET and HEAD");
        refused.extra = "Allow: GET, HEAD\r\n".to_owned();
        return refused;
    }
    let known = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("if-none-match").then_some(value.trim())
    });
    let path = target.split('?').next().unwrap_or_default();
    let mut answer = route(path, known, rendered);
    answer.head_only = method == "HEAD";
    answer
}

fn route(path: &str, known: Option<&str>, rendered: &Rendered) -> Answer {
    let live = &rendered.live;
    match path {
        "/" => Answer::new("200 OK", "text/html; charset=utf-8", rendered.document(Document::Page)),
        page::PARTS => {
            let tag = rendered.tag();
            let mut answer = match known {
                Some(known) if known == tag => Answer::new("304 Not Modified", "application/json", []),
                _ => Answer::new("200 OK", "application/json", rendered.document(Document::Parts)),
            };
            answer.extra = format!("ETag: {tag}\r\n");
            answer
        }
        "/stats.json" => Answer::new("200 OK", "application/json", rendered.document(Document::Stats)),
        "/error_distribution.png" => picture(live, PNG_NAME, "image/png"),
        "/error_distribution.svg" => picture(live, SVG_NAME, "image/svg+xml"),
        HEALTH => match live.health() {
            Ok(()) => Answer::text("200 OK", "ok"),
            Err(reason) => Answer::text("503 Service Unavailable", &reason),
        },
        _ => Answer::text(
            "404 Not Found",
            "there is /, /stats.json, /error_distribution.png, /error_distribution.svg, /healthz",
        ),
    }
}

fn picture(live: &Live, name: &str, content_type: &'static str) -> Answer {
    match fs::read(live.config.log_dir.join(name)) {
        Ok(bytes) => Answer::new("200 OK", content_type, bytes),
        Err(_) if live.moment().state == State::Starting => Answer::text("404 Not Found", "not drawn yet"),
        Err(_) => Answer::text("404 Not Found", "not drawn yet: there are no rows"),
    }
}

fn send(stream: &mut TcpStream, answer: &Answer) -> io::Result<()> {
    let Answer { status, content_type, extra, body, head_only } = answer;
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n{extra}\
         Cache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
         connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'\r\n\r\n"
    );
    let deadline = Instant::now() + ANSWER_TIME;
    send_all(stream, head.as_bytes(), deadline)?;
    if *head_only { Ok(()) } else { send_all(stream, body, deadline) }
}

fn send_all(stream: &mut TcpStream, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        let left = left_until(deadline).ok_or(io::ErrorKind::TimedOut)?;
        stream.set_write_timeout(Some(left))?;
        let written = stream.write(bytes)?;
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}
