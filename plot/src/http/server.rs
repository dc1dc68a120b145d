//! The live page's connections. One thread polls them all, so no client costs a thread, and no slow or idle client blocks the others.
//! Connections, bytes and seconds have limits.
//! Never knows what is asked or answered.

use crate::http::answer::{self, Answer};
use crate::http::live::Live;
use crate::http::rendered::Rendered;
use anyhow::{Context, Result};
use log::warn;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::iter;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const MOST_HEAD_BYTES: usize = 8 * 1024;
const REQUEST_TIME: Duration = Duration::from_secs(5);
const ANSWER_TIME: Duration = Duration::from_secs(15);
/// How long the client may take to close after an answer. If the server closed with unread bytes, the reset could lose the answer.
const CLOSE_TIME: Duration = Duration::from_secs(1);
/// Time until the next try if no connection can be accepted.
const PAUSE: Duration = Duration::from_millis(500);
/// At most one warning about that in this time.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// Listens at `address`, and serves on a thread until the process ends. Keeps at most `most` connections open.
///
/// # Errors
/// Listening fails, or the thread cannot be started.
pub fn start(address: SocketAddr, most: usize, live: &Arc<Live>) -> Result<JoinHandle<()>> {
    let listening = || format!("listening at {address}");
    let listener = TcpListener::bind(address).with_context(listening)?;
    listener.set_nonblocking(true).with_context(listening)?;
    let mut server = Server {
        listener,
        rendered: Rendered::new(Arc::clone(live)),
        connections: Vec::new(),
        most,
        warned: None,
    };
    let thread = thread::Builder::new().name("page".to_owned());
    let serve = move || loop {
        server.serve();
    };
    thread.spawn(serve).context("starting the thread of the live page")
}

struct Server {
    listener: TcpListener,
    rendered: Rendered,
    connections: Vec<Connection>,
    /// Limit of connections. At the limit, a new one replaces the one that has been idle for longest.
    most: usize,
    warned: Option<Instant>,
}

impl Server {
    /// Waits for any connection or deadline, and handles it.
    fn serve(&mut self) {
        let (has_new, ready) = self.wait();
        let (now, rendered) = (Instant::now(), &mut self.rendered);
        let mut ready = ready.into_iter();
        self.connections.retain_mut(|connection| {
            let is_due = ready.next().unwrap_or(false) || connection.deadline <= now;
            // A client that left or was too slow gets no answer and no log line.
            !is_due || connection.advance(rendered, now).unwrap_or(false)
        });
        if has_new {
            self.accept();
        }
    }

    /// Polls. Returns whether new connections wait, and for each open one whether it is ready.
    fn wait(&mut self) -> (bool, Vec<bool>) {
        let now = Instant::now();
        let next = self.connections.iter().map(|connection| connection.deadline).min();
        let left = next.map(|next| next.saturating_duration_since(now));
        // Whole milliseconds, rounded up. Rounded down, the last one would be a busy loop.
        let timeout = left
            .map(|left| PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX));
        let listener = PollFd::new(self.listener.as_fd(), PollFlags::POLLIN);
        let open = self.connections.iter().map(|open| PollFd::new(open.stream.as_fd(), open.awaits()));
        let mut files: Vec<PollFd> = iter::once(listener).chain(open).collect();
        if poll(&mut files, timeout).is_err() {
            // Interrupted, or the kernel has no memory. The caller still checks deadlines.
            thread::sleep(PAUSE);
            return (false, Vec::new());
        }
        let mut ready = files.iter().map(|file| file.any().unwrap_or(false));
        (ready.next().unwrap_or(false), ready.collect())
    }

    /// Accepts the connections that wait. Answers at once if the request has arrived.
    fn accept(&mut self) {
        for _ in 0..self.most {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    if self.connections.len() >= self.most {
                        self.give_way();
                    }
                    let now = Instant::now();
                    let connection = Connection::new(stream, now);
                    let served = connection.and_then(|mut connection| {
                        Ok(connection.advance(&mut self.rendered, now)?.then_some(connection))
                    });
                    self.connections.extend(served.ok().flatten());
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if matches!(e.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
                // Out of descriptors or memory: close one connection and try again.
                Err(_) if self.give_way() => {}
                Err(e) => {
                    if self.warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
                        self.warned = Some(Instant::now());
                        warn!("the live page cannot accept a connection: {e}");
                    }
                    // Nobody waits meanwhile: no connection is open.
                    thread::sleep(PAUSE);
                    break;
                }
            }
        }
    }

    /// Closes the connection that has been idle for longest. False if there is none.
    fn give_way(&mut self) -> bool {
        let idle = self.connections.iter().enumerate().min_by_key(|(_, connection)| connection.active);
        let closed = idle.map(|(number, _)| number).map(|number| self.connections.swap_remove(number));
        closed.is_some()
    }
}

/// One request and its answer.
struct Connection {
    stream: TcpStream,
    stage: Stage,
    /// Of the current stage.
    deadline: Instant,
    /// When a byte was last received or sent.
    active: Instant,
}

enum Stage {
    /// The request's head so far.
    Request(Vec<u8>),
    /// Head, body, and bytes sent of both.
    Answer(Vec<u8>, Arc<[u8]>, usize),
    /// Everything was sent; waits for the client to close.
    Close,
}

impl Connection {
    fn new(stream: TcpStream, now: Instant) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let stage = Stage::Request(Vec::new());
        Ok(Connection { stream, stage, deadline: now + REQUEST_TIME, active: now })
    }

    fn awaits(&self) -> PollFlags {
        match self.stage {
            Stage::Answer(..) => PollFlags::POLLOUT,
            Stage::Request(_) | Stage::Close => PollFlags::POLLIN,
        }
    }

    /// Reads and writes without blocking. Returns whether the connection stays open.
    fn advance(&mut self, rendered: &mut Rendered, now: Instant) -> io::Result<bool> {
        if let Stage::Request(head) = &mut self.stage {
            let before = head.len();
            let end = read_head(&mut self.stream, head)?;
            if head.len() > before {
                self.active = now;
            }
            let answer = match end {
                Some(end) => {
                    answer::answer(&String::from_utf8_lossy(head.get(..end).unwrap_or_default()), rendered)
                }
                None if head.len() > MOST_HEAD_BYTES => {
                    Answer::text("431 Request Header Fields Too Large", "the request is too long")
                }
                None if now >= self.deadline => {
                    Answer::text("408 Request Timeout", "the request took too long")
                }
                None => return Ok(true),
            };
            let (head, body) = answer.into_bytes();
            self.enter(Stage::Answer(head, body, 0), now, ANSWER_TIME);
        }
        if let Stage::Answer(head, body, sent) = &mut self.stage {
            let before = *sent;
            let is_sent = send(&mut self.stream, head, body, sent)?;
            if *sent > before {
                self.active = now;
            }
            if !is_sent {
                return Ok(now < self.deadline);
            }
            self.stream.shutdown(Shutdown::Write)?;
            self.enter(Stage::Close, now, CLOSE_TIME);
        }
        match without_waiting(self.stream.read(&mut [0; 4096]))? {
            Some(0) => Ok(false),
            Some(_) | None => Ok(now < self.deadline),
        }
    }

    fn enter(&mut self, stage: Stage, now: Instant, time: Duration) {
        (self.stage, self.deadline, self.active) = (stage, now + time, now);
    }
}

/// Reads what has arrived of a request's head. Returns where its empty line begins, once it has arrived.
fn read_head(stream: &mut TcpStream, head: &mut Vec<u8>) -> io::Result<Option<usize>> {
    let mut buffer = [0; 4096];
    while head.len() <= MOST_HEAD_BYTES {
        match without_waiting(stream.read(&mut buffer))? {
            None => break,
            Some(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Some(read) => head.extend(buffer.iter().take(read)),
        }
        if let Some(end) = memchr::memmem::find(head, b"\r\n\r\n") {
            return Ok(Some(end));
        }
    }
    Ok(None)
}

/// Sends as much as the socket takes. Returns whether everything was sent.
fn send(stream: &mut TcpStream, head: &[u8], body: &[u8], sent: &mut usize) -> io::Result<bool> {
    while *sent < head.len() + body.len() {
        let rest = head.get(*sent..).unwrap_or_default();
        let rest_of_body = body.get(sent.saturating_sub(head.len())..).unwrap_or_default();
        match without_waiting(stream.write_vectored(&[IoSlice::new(rest), IoSlice::new(rest_of_body)]))? {
            Some(written) => *sent += written,
            None => return Ok(false),
        }
    }
    Ok(true)
}

/// None if the call would block.
fn without_waiting(done: io::Result<usize>) -> io::Result<Option<usize>> {
    match done {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
        Err(e) => Err(e),
    }
}
