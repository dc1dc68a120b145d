//! The stream from the broker, without the properties of messages. The services need none of them (CONTRACT.md), and amiquip ends
//! the connection over text in them that is not UTF-8, and the process over headers nested too deep: again at every redelivery.
//!
//! Many messages in a row are read in larger parts: the broker writes a few at a time, and waking up each time takes a sixth of the
//! processor time.

use amiquip::IoStream;
use mio::{Evented, Poll, PollOpt, Ready, Token, net::TcpStream};
use std::{
    io::{self, BufReader, Read, Write},
    mem, thread,
    time::Duration,
};

/// Frames of AMQP 0-9-1 (section 4.2.3) begin with their kind, channel (2 bytes) and size of the payload (4), and end with a byte behind it.
const HEAD_BYTES: usize = 7;
const SIZE_AT: usize = 3;
/// The kind of frame that describes a message: class (2 bytes), weight (2), size of the body (8), flags (2), properties.
const CONTENT_HEADER: u8 = 2;
const FLAGS_AT: usize = HEAD_BYTES + 12;
const PROPERTIES_AT: usize = FLAGS_AT + 2;
/// Size of such a frame's payload where no flag says that a property follows.
const BARE_SIZE: [u8; 4] = [0, 0, 0, 14];

/// Once so many messages came before there was nothing left to read, more are waited for before the next are read.
const MANY_MESSAGES: usize = 32;
const GATHERING: Duration = Duration::from_millis(4);

/// Read from the socket at a time. amiquip asks for 4 KiB, some 20 messages, most often.
const READ_BYTES: usize = 64 << 10;

pub struct FromBroker(BufReader<Filtered>);

struct Filtered {
    stream: TcpStream,
    place: Place,
    /// All that had come was read.
    is_drained: bool,
}

/// Where in a frame the stream is.
#[derive(Default)]
struct Place {
    /// Bytes of the frame so far.
    at: usize,
    kind: u8,
    /// Of the payload; being read while `at` is in the head.
    size: usize,
    /// Messages since the stream was last drained.
    messages: usize,
}

enum Fate {
    Keep,
    Zero,
    Drop,
}

impl FromBroker {
    pub fn new(stream: TcpStream) -> FromBroker {
        let filtered = Filtered { stream, place: Place::default(), is_drained: false };
        FromBroker(BufReader::with_capacity(READ_BYTES, filtered))
    }
}

impl Place {
    /// Takes the properties out of the next bytes of the stream; gives how many bytes are left of them, at the front.
    fn filter(&mut self, bytes: &mut [u8]) -> usize {
        let (mut read, mut kept) = (0, 0);
        while let Some(&byte) = bytes.get(read) {
            let mut len = 1;
            if self.at < HEAD_BYTES {
                if let Some(place) = bytes.get_mut(kept) {
                    *place = self.head(byte);
                }
                kept += 1;
            } else {
                let (until, fate) = self.part();
                len = (until - self.at).min(bytes.len() - read);
                if !matches!(fate, Fate::Drop) {
                    bytes.copy_within(read..read + len, kept);
                    kept += len;
                }
                if matches!(fate, Fate::Zero) {
                    bytes.get_mut(kept - len..kept).unwrap_or_default().fill(0);
                }
            }
            read += len;
            self.at += len;
            if self.at > HEAD_BYTES + self.size {
                self.messages += usize::from(self.kind == CONTENT_HEADER);
                *self = Place { messages: self.messages, ..Place::default() };
            }
        }
        kept
    }

    /// A byte of the head as it is passed on.
    fn head(&mut self, byte: u8) -> u8 {
        if self.at == 0 {
            self.kind = byte;
        }
        if self.at < SIZE_AT {
            return byte;
        }
        self.size = self.size << 8 | usize::from(byte);
        if self.at == HEAD_BYTES - 1 && self.kind == CONTENT_HEADER {
            // Less would be no frame of AMQP.
            self.size = self.size.max(PROPERTIES_AT - HEAD_BYTES);
        }
        let bare = BARE_SIZE.get(self.at - SIZE_AT).filter(|_| self.kind == CONTENT_HEADER);
        bare.copied().unwrap_or(byte)
    }

    /// Where the part of the frame ends that comes next, and what becomes of it.
    fn part(&self) -> (usize, Fate) {
        let end = HEAD_BYTES + self.size;
        if self.kind != CONTENT_HEADER {
            return (end + 1, Fate::Keep);
        }
        match self.at {
            ..FLAGS_AT => (FLAGS_AT, Fate::Keep),
            FLAGS_AT..PROPERTIES_AT => (PROPERTIES_AT, Fate::Zero),
            at if at < end => (end, Fate::Drop),
            _ => (end + 1, Fate::Keep),
        }
    }
}

impl Read for Filtered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if mem::take(&mut self.is_drained) && mem::take(&mut self.place.messages) >= MANY_MESSAGES {
            // Here and not where the stream is found drained: what amiquip has to send goes out in between.
            thread::sleep(GATHERING);
        }
        loop {
            let read = self.stream.read(buffer).inspect_err(|_| self.is_drained = true)?;
            let kept = self.place.filter(buffer.get_mut(..read).unwrap_or_default());
            // Nothing would mean the end of the stream.
            if kept > 0 || read == 0 {
                return Ok(kept);
            }
        }
    }
}

impl Read for FromBroker {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for FromBroker {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.get_mut().stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.get_mut().stream.flush()
    }
}

impl Evented for FromBroker {
    fn register(&self, poll: &Poll, token: Token, interest: Ready, options: PollOpt) -> io::Result<()> {
        self.0.get_ref().stream.register(poll, token, interest, options)
    }

    fn reregister(&self, poll: &Poll, token: Token, interest: Ready, options: PollOpt) -> io::Result<()> {
        self.0.get_ref().stream.reregister(poll, token, interest, options)
    }

    fn deregister(&self, poll: &Poll) -> io::Result<()> {
        self.0.get_ref().stream.deregister(poll)
    }
}

impl IoStream for FromBroker {}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        [&[kind, 0, 1][..], &(payload.len() as u32).to_be_bytes(), payload, &[0xce]].concat()
    }

    #[test]
    fn properties_are_left_out_wherever_the_stream_is_cut() {
        let head = b"\0\x3c\0\0\0\0\0\0\0\0\0\x05";
        let [method, body, last] = [frame(1, b"deliver"), frame(3, b"hello"), frame(8, b"")];
        let [full, bare] =
            [&b"\x20\0\0\0\0\x03\x01xV"[..], b"\0\0"].map(|rest| frame(2, &[head, rest].concat()));
        let stream = [&method, &full, &body, &full, &body, &bare, &last].map(Vec::as_slice).concat();
        let expected = [&method, &bare, &body, &bare, &body, &bare, &last].map(Vec::as_slice).concat();
        for len in 1..=stream.len() {
            let mut place = Place::default();
            let mut passed = Vec::new();
            for part in stream.chunks(len) {
                let mut part = part.to_vec();
                let kept = place.filter(&mut part);
                passed.extend_from_slice(&part[..kept]);
            }
            assert_eq!(passed, expected, "in parts of {len}");
            assert_eq!(place.messages, 3, "in parts of {len}");
        }
    }
}
