//! A socket with TLS between amiquip and the broker. Never blocks, and never says of a byte that it is written before it is on its way.
//!
//! amiquip polls for edges, and asks for room to write only while it has bytes itself: what would be left here when it has none would wait
//! for the next heartbeat.

use super::{Files, words};
use mio::net::TcpStream;
use rustls::ClientConnection;
use std::{
    io::{self, ErrorKind, Read, Write},
    mem,
    ops::Range,
};

/// Bytes read from the socket at a time; rustls itself would ask for 4 KiB.
const READ_BYTES: usize = 64 << 10;

pub struct TlsSocket {
    socket: TcpStream,
    tls: ClientConnection,
    /// Bytes from the socket, and the part of them that is not yet decrypted.
    input: Vec<u8>,
    unread: Range<usize>,
    /// Number of bytes at the front of the next write that are encrypted already, and not yet all sent.
    encrypted: usize,
    /// For messages of errors.
    files: Files,
}

impl TlsSocket {
    /// After the handshake.
    pub fn new(socket: TcpStream, tls: ClientConnection, files: Files) -> TlsSocket {
        TlsSocket { socket, tls, input: vec![0; READ_BYTES], unread: 0..0, encrypted: 0, files }
    }

    pub fn tcp(&self) -> &TcpStream {
        &self.socket
    }

    /// Decrypts what was read, as far as rustls has room.
    fn decrypt(&mut self) -> io::Result<()> {
        let mut unread = self.input.get(self.unread.clone()).unwrap_or_default();
        match self.tls.read_tls(&mut unread)? {
            // What follows the broker's goodbye.
            0 => self.unread = 0..0,
            read => self.unread.start += read,
        }
        self.tls.process_new_packets().map(|_| ()).map_err(|error| {
            // Tells the broker why, for its log.
            let _ = self.send();
            io::Error::new(ErrorKind::InvalidData, words::of(&error, &self.files))
        })
    }

    /// Reads from the socket. False at its end.
    fn fill(&mut self) -> io::Result<bool> {
        let read = self.socket.read(&mut self.input)?;
        self.unread = 0..read;
        Ok(read > 0)
    }

    /// Sends what is encrypted. `WouldBlock` if any of it is left.
    fn send(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            if self.tls.write_tls(&mut self.socket)? == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// A broker that refuses the client certificate, as it does after a handshake of TLS 1.3, says so and hangs up. The error of a write
    /// that comes first says less.
    fn why_refused(&mut self) -> Option<io::Error> {
        loop {
            while !self.unread.is_empty() {
                match self.decrypt() {
                    Err(error) if error.kind() == ErrorKind::InvalidData => return Some(error),
                    decrypted => decrypted.ok()?,
                }
            }
            if !self.fill().ok()? {
                return None;
            }
        }
    }
}

impl Read for TlsSocket {
    /// 0 bytes mean the end. `WouldBlock` means that the socket is drained.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.tls.reader().read(room) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(_) if !self.unread.is_empty() => self.decrypt()?,
                Err(_) if filled > 0 => break,
                // AMQP has an end of its own: one of TLS may be missing.
                Err(_) => {
                    if !self.fill()? {
                        break;
                    }
                }
            }
        }
        Ok(filled)
    }
}

impl Write for TlsSocket {
    /// After `WouldBlock` the next call must begin with the same bytes, as amiquip's do: some of them are encrypted already.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut write = || {
            if self.encrypted == 0 {
                self.send()?;
                self.encrypted = self.tls.writer().write(bytes)?;
            }
            self.send()?;
            Ok(mem::take(&mut self.encrypted))
        };
        write().map_err(|error: io::Error| match error.kind() {
            ErrorKind::WouldBlock => error,
            _ => self.why_refused().unwrap_or(error),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

impl Drop for TlsSocket {
    /// Says goodbye, if there is room for it.
    fn drop(&mut self) {
        self.tls.send_close_notify();
        let _ = self.send();
    }
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests;
