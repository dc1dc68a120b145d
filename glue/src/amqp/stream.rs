//! The stream between amiquip and the broker. It reads in large parts, passes frames through the filter, and stops reading while the budget
//! of bodies is used up. Never blocks, except for the few milliseconds in which it lets messages gather.
//!
//! A broker closes a connection whose peer does not read what it sends (RabbitMQ 3.10.8 after 30 s), and amiquip closes one on which it reads
//! nothing for two heartbeats. A consumer that takes nothing for so long loses the connection, as by any other fault.

use super::{
    bodies::{Bodies, Budget, OUTSTANDING_MAX},
    frame_filter::FrameFilter,
    socket::Socket,
};
use amiquip::IoStream;
use mio::{Evented, Poll, PollOpt, Ready, Registration, Token};
use std::{
    io::{self, ErrorKind::WouldBlock, Read, Write},
    mem,
    ops::Range,
    sync::Arc,
    thread,
    time::Duration,
};

/// If this many messages came before the socket was drained, wait for more before reading again: the broker writes a few at a time, and
/// waking up each time takes a sixth of the processor time.
const MANY_MESSAGES: usize = 32;
const GATHERING: Duration = Duration::from_millis(4);

/// Bytes read from the socket at a time. amiquip mostly asks for 4 KiB, some 20 messages.
const READ_BYTES: usize = 64 << 10;

pub struct Stream {
    socket: Socket,
    /// Bytes from the socket, and the part of them that is not yet filtered.
    input: Vec<u8>,
    unread: Range<usize>,
    filter: FrameFilter,
    budget: Arc<Budget>,
    /// Becomes readable when reading may resume. The socket is polled for edges, so bytes that stay in it would wake nobody.
    room: Registration,
    /// Messages since the socket was last drained.
    messages: usize,
    is_drained: bool,
}

impl Stream {
    /// A consumer must report the messages that it takes to [`Bodies`], or reading stops. Once they are dropped there is no limit.
    pub fn new(socket: Socket) -> (Stream, Bodies) {
        let (room, wake) = Registration::new2();
        let (bodies, budget) = Budget::new(wake, OUTSTANDING_MAX);
        (Stream::with_budget(socket, room, budget), bodies)
    }

    fn with_budget(socket: Socket, room: Registration, budget: Arc<Budget>) -> Stream {
        let (input, filter) = (vec![0; READ_BYTES], FrameFilter::default());
        Stream { socket, input, unread: 0..0, filter, budget, room, messages: 0, is_drained: false }
    }

    /// Reads more bytes behind those that are not yet filtered, which are less than the start of a frame. Returns how many, 0 at the end.
    fn fill(&mut self) -> io::Result<usize> {
        if mem::take(&mut self.is_drained) && mem::take(&mut self.messages) >= MANY_MESSAGES {
            // Here and not where the socket is drained: amiquip sends what it has in between.
            thread::sleep(GATHERING);
        }
        self.input.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        let room = self.input.get_mut(self.unread.end..).unwrap_or_default();
        let read = self.socket.read(room).inspect_err(|_| self.is_drained = true)?;
        self.unread.end += read;
        Ok(read)
    }
}

impl Read for Stream {
    /// 0 bytes mean the end. `WouldBlock` means that the socket is drained or the budget used up; both wake the poll later.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.filter.output.is_empty() || buffer.is_empty() {
                return self.filter.output.read(buffer);
            }
            let input = self.input.get(self.unread.clone()).unwrap_or_default();
            let passed = self.filter.filter(input, &self.budget);
            let passed =
                passed.inspect_err(|e| log::error!("the broker sent {e}; closing the connection"))?;
            self.unread.start += passed.read;
            self.messages += passed.messages;
            if self.filter.output.is_empty() {
                if passed.is_stopped {
                    return Err(WouldBlock.into());
                }
                if self.fill()? == 0 {
                    return Ok(0);
                }
            }
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

impl Evented for Stream {
    fn register(&self, poll: &Poll, token: Token, interest: Ready, options: PollOpt) -> io::Result<()> {
        self.socket.register(poll, token, interest, options)?;
        self.room.register(poll, token, Ready::readable(), PollOpt::edge())
    }

    fn reregister(&self, poll: &Poll, token: Token, interest: Ready, options: PollOpt) -> io::Result<()> {
        self.socket.reregister(poll, token, interest, options)
    }

    fn deregister(&self, poll: &Poll) -> io::Result<()> {
        self.socket.deregister(poll)?;
        poll.deregister(&self.room)
    }
}

impl IoStream for Stream {}

#[cfg(test)]
mod tests;
