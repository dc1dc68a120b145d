//! Tests of TLS over a real socket and a real poll, against rustls as a server.

use super::*;
use crate::{amqp::tls::Tls, testing::Authority};
use mio::{Events, Poll, PollOpt, Ready, Token};
use rustls::{
    ServerConfig, ServerConnection, SupportedProtocolVersion,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::{TLS12, TLS13},
};
use std::{
    net::{TcpListener, TcpStream as Blocking},
    sync::Arc,
    thread,
    time::Duration,
};

const DEADLINE: Duration = Duration::from_secs(60);
const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// The broker's end. It blocks.
struct Server {
    tls: ServerConnection,
    socket: Blocking,
}

impl Server {
    /// Reads until `len` bytes have come in all.
    fn read(&mut self, received: &mut Vec<u8>, len: usize) {
        let mut part = vec![0; 64 << 10];
        while received.len() < len {
            match self.tls.reader().read(&mut part) {
                Ok(read) => received.extend(&part[..read]),
                Err(_) => {
                    let read = self.tls.read_tls(&mut self.socket);
                    assert!(read.unwrap_or(0) > 0, "only {} of {len} bytes came", received.len());
                    self.tls.process_new_packets().unwrap();
                }
            }
        }
    }

    /// The bytes that send `message`.
    fn encrypt(&mut self, message: &[u8]) -> Vec<u8> {
        let mut records = Vec::new();
        self.tls.writer().write_all(message).unwrap();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut records).unwrap();
        }
        records
    }
}

fn connect(version: &'static SupportedProtocolVersion) -> (TlsSocket, Server) {
    let authority = Authority::new();
    authority.certify("server", "IP:127.0.0.1");
    let file = |name: &str| authority.directory.file(name);
    let chain = vec![CertificateDer::from_pem_file(file("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_protocol_versions(&[version]).unwrap().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = Blocking::connect(listener.local_addr().unwrap()).unwrap();
    let server = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut tls = ServerConnection::new(config).unwrap();
        while tls.is_handshaking() || tls.wants_write() {
            tls.complete_io(&mut socket).unwrap();
        }
        Server { tls, socket }
    });
    let tls = Tls::load(&Files { ca: Some(file("ca.pem")), client: None }).unwrap();
    let client = tls.handshake(socket, "127.0.0.1", DEADLINE).unwrap();
    (client, server.join().unwrap())
}

fn random(len: usize, rng: &mut fastrand::Rng) -> Vec<u8> {
    (0..len).map(|_| rng.u8(..)).collect()
}

fn seeded() -> fastrand::Rng {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    fastrand::Rng::with_seed(seed)
}

fn poll(client: &TlsSocket, interest: Ready) -> Poll {
    let poll = Poll::new().unwrap();
    poll.register(client.tcp(), Token(0), interest, PollOpt::edge()).unwrap();
    poll
}

/// amiquip does nothing more for bytes that count as written: they must arrive without another call.
#[test]
fn what_counts_as_written_arrives_by_itself() {
    let mut rng = seeded();
    for version in VERSIONS {
        let (mut client, mut server) = connect(version);
        let (poll, mut events) = (poll(&client, Ready::readable()), Events::with_capacity(8));
        let (mut sent, mut received) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let mut part = random(rng.usize(1..200_000), &mut rng);
            // The server does not read: at some part the socket is full.
            let refused = loop {
                match client.write(&part) {
                    Ok(written) => sent.extend(part.drain(..written)),
                    Err(error) => break error,
                }
                if part.is_empty() {
                    part = random(rng.usize(1..200_000), &mut rng);
                }
            };
            assert_eq!(refused.kind(), ErrorKind::WouldBlock);
            server.read(&mut received, sent.len());
            // With more behind them, as amiquip appends what it has meanwhile.
            part.extend(random(rng.usize(..1000), &mut rng));
            poll.reregister(client.tcp(), Token(0), Ready::writable(), PollOpt::edge()).unwrap();
            while !part.is_empty() {
                poll.poll(&mut events, Some(DEADLINE)).unwrap();
                while let Ok(written @ 1..) = client.write(&part) {
                    sent.extend(part.drain(..written));
                }
            }
            server.read(&mut received, sent.len());
            assert!(sent == received, "what came is not what was written");
        }
    }
}

/// Reads like amiquip: at each edge until nothing more comes. Returns the number of edges.
fn read_all(client: &mut TlsSocket, poll: &Poll, received: &mut Vec<u8>, until: usize) -> usize {
    let (mut events, mut part, mut edges) = (Events::with_capacity(8), vec![0; 4096], 0);
    while received.len() < until {
        poll.poll(&mut events, Some(DEADLINE)).unwrap();
        assert!(!events.is_empty(), "only {} of {until} bytes came", received.len());
        edges += 1;
        loop {
            match client.read(&mut part) {
                Ok(0) => return edges,
                Ok(read) => received.extend(&part[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
    edges
}

/// However the network parts the records, also where the broker changes its keys; and up to a cut all records that were whole.
#[test]
fn records_that_come_in_parts_are_read_up_to_a_cut() {
    let mut rng = seeded();
    for version in VERSIONS {
        let (mut client, mut server) = connect(version);
        let poll = poll(&client, Ready::readable());
        let (mut sent, mut wire, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..300 {
            let message = random(rng.usize(..[100, 5000, 60_000][number % 3]), &mut rng);
            wire.extend(server.encrypt(&message));
            sent.extend(message);
            ends.push((wire.len(), sent.len()));
            if version == &TLS13 && number % 20 == 0 {
                server.tls.refresh_traffic_keys().unwrap();
            }
        }
        let cut = rng.usize(wire.len() / 2..wire.len());
        let whole = ends.iter().rev().find(|(end, _)| *end <= cut).unwrap().1;
        let parts = rng.clone();
        let writer = thread::spawn(move || {
            let (mut rng, mut rest) = (parts, &wire[..cut]);
            while !rest.is_empty() {
                let (part, behind) = rest.split_at(rest.len().min(rng.usize(1..9000)));
                server.socket.write_all(part).unwrap();
                rest = behind;
            }
        });
        let mut received = Vec::new();
        read_all(&mut client, &poll, &mut received, usize::MAX);
        writer.join().unwrap();
        assert!(received.len() >= whole, "{} bytes came, {whole} were whole", received.len());
        assert!(sent.starts_with(&received), "what came is not what was sent");
    }
}

/// It waits for no other one: each wakes the reader once and is there, and goes out as one record at once.
#[test]
fn a_lone_message_takes_one_wake_up_each_way() {
    const MESSAGES: usize = 100;
    for version in VERSIONS {
        let (mut client, mut server) = connect(version);
        let poll = poll(&client, Ready::readable());
        let message = [b'x'; 200];
        // What the server says behind the handshake.
        let (mut received, mut edges) = (Vec::new(), 0);
        let record = server.encrypt(&message);
        server.socket.write_all(&record).unwrap();
        read_all(&mut client, &poll, &mut received, message.len());
        received.clear();
        for _ in 0..MESSAGES {
            let record = server.encrypt(&message);
            server.socket.write_all(&record).unwrap();
            let until = received.len() + message.len();
            edges += read_all(&mut client, &poll, &mut received, until);
            assert_eq!(client.write(&message).unwrap(), message.len());
            let mut record = [0; 1000];
            let read = server.socket.read(&mut record).unwrap();
            assert_eq!(read, 5 + usize::from(u16::from_be_bytes([record[3], record[4]])));
        }
        assert_eq!((received.len(), edges), (MESSAGES * message.len(), MESSAGES));
    }
}
