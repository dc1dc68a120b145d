//! The stream between amiquip and the broker. It reads in large parts, passes frames on through the filter, and stops reading while the
//! consumer's budget of bodies is used up. Never blocks, but for the few milliseconds in which it lets messages gather.
//!
//! A broker that has something to send to a peer that does not read gives the connection up (RabbitMQ 3.10.8 after 30 s), and amiquip one
//! on which it reads nothing for two heartbeats. Who stops taking for so long loses the connection, as by any other fault.

#[path = "bodies.rs"]
mod bodies;
#[path = "frame_filter.rs"]
mod frame_filter;

pub use bodies::Bodies;

use amiquip::IoStream;
use bodies::Budget;
use frame_filter::FrameFilter;
use mio::{Evented, Poll, PollOpt, Ready, Registration, Token, net::TcpStream};
use std::{
    io::{self, ErrorKind::WouldBlock, Read, Write},
    mem,
    ops::Range,
    sync::Arc,
    thread,
    time::Duration,
};

/// Once so many messages came before there was nothing left to read, more are waited for before the next are read: the broker writes a few
/// at a time, and waking up each time takes a sixth of the processor time.
const MANY_MESSAGES: usize = 32;
const GATHERING: Duration = Duration::from_millis(4);

/// Read from the socket at a time. amiquip asks for 4 KiB, some 20 messages, most often.
const READ_BYTES: usize = 64 << 10;

pub struct Stream {
    socket: TcpStream,
    /// What came from the socket, and the part of it that is not yet passed on.
    input: Vec<u8>,
    unread: Range<usize>,
    filter: FrameFilter,
    budget: Arc<Budget>,
    /// Readable when reading may go on. The socket is polled for edges, so what stays in it would wake nobody.
    room: Registration,
    /// Messages since the socket was last drained.
    messages: usize,
    is_drained: bool,
}

impl Stream {
    /// Whoever takes messages has to say so to the [`Bodies`], else reading stops; dropped, they bound nothing.
    pub fn new(socket: TcpStream) -> (Stream, Bodies) {
        let (room, wake) = Registration::new2();
        let (bodies, budget) = Budget::new(wake);
        (Stream::with_budget(socket, room, budget), bodies)
    }

    fn with_budget(socket: TcpStream, room: Registration, budget: Arc<Budget>) -> Stream {
        let (input, filter) = (vec![0; READ_BYTES], FrameFilter::default());
        Stream { socket, input, unread: 0..0, filter, budget, room, messages: 0, is_drained: false }
    }

    /// Reads more behind what is not yet passed on, which is less than the start of a frame; gives how much, 0 at the end of the stream.
    fn fill(&mut self) -> io::Result<usize> {
        if mem::take(&mut self.is_drained) && mem::take(&mut self.messages) >= MANY_MESSAGES {
            // Here and not where the socket is found drained: what amiquip has to send goes out in between.
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
    /// 0 bytes mean the end. `WouldBlock` means that the socket is drained or that the budget is used up; either wakes the poll later.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let input = self.input.get(self.unread.clone()).unwrap_or_default();
            let passed = self.filter.filter(input, buffer, &self.budget);
            let passed =
                passed.inspect_err(|e| log::error!("the broker sent {e}; the connection is given up"))?;
            self.unread.start += passed.read;
            self.messages += passed.messages;
            if passed.written > 0 || buffer.is_empty() {
                return Ok(passed.written);
            }
            if passed.is_stopped {
                return Err(WouldBlock.into());
            }
            if self.fill()? == 0 {
                return Ok(0);
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
#[path = "stream_tests.rs"]
mod tests;
