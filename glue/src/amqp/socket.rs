//! The connection to the broker below AMQP: a socket, with TLS or without. Never sees a frame.

use super::{
    amqp_url::AmqpUrl,
    tls::{Tls, TlsSocket},
};
use amiquip::IoStream;
use anyhow::{Context, Result, anyhow};
use mio::{Evented, Poll, PollOpt, Ready, Token, net::TcpStream};
use std::{
    io::{self, Read, Write},
    net::{TcpStream as Blocking, ToSocketAddrs},
    time::Duration,
};

/// A connected socket that does not block.
pub enum Socket {
    /// `amqp://`.
    Plain(TcpStream),
    /// `amqps://`.
    Tls(Box<TlsSocket>),
}

impl Socket {
    /// Tries each address of the name, and makes the handshake of TLS with the first that answers; `timeout` is for either.
    ///
    /// # Errors
    /// What the resolver, the network or TLS refused.
    pub fn connect(url: &AmqpUrl, tls: Option<&Tls>, timeout: Duration) -> Result<Socket> {
        let mut refused = anyhow!("the name has no address");
        for address in (url.host.as_str(), url.port).to_socket_addrs()? {
            let socket = match Blocking::connect_timeout(&address, timeout) {
                Ok(socket) => socket,
                Err(e) => {
                    refused = e.into();
                    continue;
                }
            };
            // Without it a lone message waits some 40 ms for the acknowledgement of the one before.
            socket.set_nodelay(true)?;
            if !url.is_tls {
                return Ok(Socket::Plain(TcpStream::from_stream(socket)?));
            }
            let tls = tls.context("no certificates are read")?;
            return Ok(Socket::Tls(Box::new(tls.handshake(socket, &url.host, timeout)?)));
        }
        Err(refused)
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Socket::Plain(socket) => socket,
            Socket::Tls(socket) => socket.tcp(),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Plain(socket) => socket.read(buffer),
            Socket::Tls(socket) => socket.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Plain(socket) => socket.write(bytes),
            Socket::Tls(socket) => socket.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Socket::Plain(socket) => socket.flush(),
            Socket::Tls(socket) => socket.flush(),
        }
    }
}

impl Evented for Socket {
    fn register(&self, poll: &Poll, token: Token, interest: Ready, options: PollOpt) -> io::Result<()> {
        self.tcp().register(poll, token, interest, options)
    }

    fn reregister(&self, poll: &Poll, token: Token, interest: Ready, options: PollOpt) -> io::Result<()> {
        self.tcp().reregister(poll, token, interest, options)
    }

    fn deregister(&self, poll: &Poll) -> io::Result<()> {
        self.tcp().deregister(poll)
    }
}

impl IoStream for Socket {}
