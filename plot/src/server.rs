//! The live page's connections, all of them on one thread that waits for whichever is ready: no client costs a thread, and none that is
//! slow or idle holds others up. Bounded in everything: connections, bytes and seconds.
//! Never knows what is asked or answered.

use crate::descriptors;
use crate::http::{self, Answer};
use crate::live::Live;
use crate::rendered::Rendered;
use anyhow::{Context, Result};
use log::warn;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const MOST_HEAD_BYTES: usize = 8 * 1024;
const REQUEST_TIME: Duration = Duration::from_secs(5);
const ANSWER_TIME: Duration = Duration::from_secs(15);
/// After an answer, for the client to close first: closing on unread bytes would reset the connection and lose the answer.
const CLOSE_TIME: Duration = Duration::from_secs(1);
/// Until the next try where no connection can be taken.
const PAUSE: Duration = Duration::from_millis(500);
/// At most one line on that in this time.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// Listens, and serves on a thread for as long as the process lives; none without a page.
///
/// # Errors
/// The address cannot be listened at, or there can be no thread.
pub fn start(live: &Arc<Live>) -> Result<Option<JoinHandle<()>>> {
    let Some(address) = live.config.listen else { return Ok(None) };
    let listening = || format!("listening at {address}");
    let listener = TcpListener::bind(address).with_context(listening)?;
    listener.set_nonblocking(true).with_context(listening)?;
    let mut server = Server {
        listener,
        rendered: Rendered::new(Arc::clone(live)),
        connections: Vec::new(),
        most: descriptors::for_clients(),
        paused_until: None,
        warned: None,
    };
    let thread = thread::Builder::new().name("page".to_owned());
    let serve = move || loop {
        server.serve();
    };
    Ok(Some(thread.spawn(serve).context("starting the thread of the live page")?))
}

struct Server {
    listener: TcpListener,
    rendered: Rendered,
    connections: Vec<Connection>,
    /// When there are as many the one that has been idle for longest gives way.
    most: usize,
    /// No connection could be taken; it is tried again then.
    paused_until: Option<Instant>,
    warned: Option<Instant>,
}

impl Server {
    /// Waits until something can be done, and does it.
    fn serve(&mut self) {
        let (has_new, ready) = self.wait();
        let (now, rendered) = (Instant::now(), &mut self.rendered);
        let mut ready = ready.into_iter();
        self.connections.retain_mut(|connection| {
            let is_due = ready.next().unwrap_or(false) || connection.deadline <= now;
            // A client that went away or was too slow needs no answer and no line.
            !is_due || connection.advance(rendered, now).unwrap_or(false)
        });
        if has_new {
            self.accept();
        }
    }

    /// Whether there are new connections, and of each one there is whether it is ready.
    fn wait(&mut self) -> (bool, Vec<bool>) {
        let now = Instant::now();
        self.paused_until = self.paused_until.filter(|until| *until > now);
        let deadlines = self.connections.iter().map(|connection| connection.deadline);
        let left = deadlines.chain(self.paused_until).min().map(|next| next.saturating_duration_since(now));
        // Whole milliseconds, rounded up: rounded down, the last one would be spent on looking again and again.
        let timeout = left
            .map(|left| PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX));
        let listens = if self.paused_until.is_some() { PollFlags::empty() } else { PollFlags::POLLIN };
        let mut files = vec![PollFd::new(self.listener.as_fd(), listens)];
        files.extend(
            self.connections
                .iter()
                .map(|connection| PollFd::new(connection.stream.as_fd(), connection.awaits())),
        );
        if let Err(e) = poll(&mut files, timeout) {
            // The kernel has no memory; deadlines are looked at all the same.
            if e != Errno::EINTR {
                thread::sleep(PAUSE);
            }
            return (false, Vec::new());
        }
        let mut ready = files.iter().map(|file| file.any().unwrap_or(false));
        (ready.next().unwrap_or(false), ready.collect())
    }

    /// Takes the connections that wait, and answers at once whose request is there.
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
                // Out of descriptors or memory: one more where one less is.
                Err(_) if self.give_way() => {}
                Err(e) => {
                    let now = Instant::now();
                    self.paused_until = Some(now + PAUSE);
                    if self.warned.is_none_or(|at| now.duration_since(at) >= WARN_EVERY) {
                        self.warned = Some(now);
                        warn!("the live page cannot take a connection: {e}");
                    }
                    break;
                }
            }
        }
    }

    /// Closes the connection that has been idle for longest; whether there was any.
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
    /// Of the stage.
    deadline: Instant,
    /// When a byte last came or went.
    active: Instant,
}

enum Stage {
    /// The request's head so far.
    Request(Vec<u8>),
    /// Head and body, and how much of both has been sent.
    Answer(Vec<u8>, Arc<[u8]>, usize),
    /// All was sent; the client is to close.
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

    /// Does what can be done without waiting; whether the connection stays open.
    fn advance(&mut self, rendered: &mut Rendered, now: Instant) -> io::Result<bool> {
        if let Stage::Request(head) = &mut self.stage {
            let before = head.len();
            let end = read_head(&mut self.stream, head)?;
            if head.len() > before {
                self.active = now;
            }
            let answer = match end {
                Some(end) => {
                    http::answer(&String::from_utf8_lossy(head.get(..end).unwrap_or_default()), rendered)
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

/// Reads what has come of a request's head; where its empty line begins, once that is there.
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

/// Sends as much of both as can be sent; whether that is all.
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

/// None where nothing could be done yet.
fn without_waiting(done: io::Result<usize>) -> io::Result<Option<usize>> {
    match done {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
        Err(e) => Err(e),
    }
}
