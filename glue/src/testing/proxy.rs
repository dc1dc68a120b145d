//! A TCP proxy between a service and the broker: cuts connections in the middle of a frame or of a TLS record, swallows acknowledgements,
//! and records the traffic.

use super::frames::{ACK, BASIC, Frame, PROTOCOL, next_frame};
use std::{
    io::{Read, Write},
    mem,
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

/// The direction of bytes.
#[derive(Clone, Copy, PartialEq)]
pub enum Direction {
    /// From the service.
    ToBroker,
    /// To the service.
    FromBroker,
}

/// The bytes of one connection: to the broker and from it.
pub type Said = [Vec<u8>; 2];

/// A running proxy. Ends with the test process.
pub struct Proxy {
    /// The URL of the proxy, with the vhost, user and password of the broker.
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    broker: String,
    /// What passes are bytes, not frames.
    is_tls: bool,
    /// Bytes in each direction until the connection is cut; `usize::MAX` if it is not.
    left: [AtomicUsize; 2],
    swallows_acks: [AtomicBool; 2],
    is_frozen: AtomicBool,
    is_away: AtomicBool,
    clients: Mutex<Vec<TcpStream>>,
    connections: AtomicUsize,
    cuts: AtomicUsize,
    keeps: bool,
    said: Mutex<Vec<Said>>,
}

impl Proxy {
    /// Starts a proxy for the broker at `url`. `keeps`: record the traffic for [`Proxy::said`].
    pub fn start(url: &str, keeps: bool) -> Proxy {
        let (before, rest) = url.rsplit_once('@').unwrap();
        let (broker, vhost) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{before}@{}/{vhost}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            broker: broker.to_owned(),
            is_tls: url.starts_with("amqps:"),
            left: [usize::MAX, usize::MAX].map(AtomicUsize::new),
            swallows_acks: [false, false].map(AtomicBool::new),
            is_frozen: AtomicBool::new(false),
            is_away: AtomicBool::new(false),
            clients: Mutex::default(),
            connections: AtomicUsize::new(0),
            cuts: AtomicUsize::new(0),
            keeps,
            said: Mutex::default(),
        });
        let for_connections = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                for_connections.clone().connect(client);
            }
        });
        Proxy { url, shared }
    }

    /// Lets `bytes` more bytes through in a direction, then cuts the connection.
    pub fn cut_after(&self, direction: Direction, bytes: usize) {
        self.shared.left[direction as usize].store(bytes, SeqCst);
    }

    /// Starts or stops swallowing acknowledgements of deliveries (to the broker) or confirms (from it).
    pub fn swallow_acks(&self, direction: Direction, on: bool) {
        self.shared.swallows_acks[direction as usize].store(on, SeqCst);
    }

    /// Lets nothing through from now on, like a broker that hangs.
    pub fn freeze(&self) {
        self.shared.is_frozen.store(true, SeqCst);
    }

    /// Ends all connections, and new ones at once, as if there were no broker; or lets them through again.
    pub fn set_away(&self, is_away: bool) {
        let clients = self.shared.clients.lock().unwrap();
        self.shared.is_away.store(is_away, SeqCst);
        if is_away {
            clients.iter().for_each(|client| drop(client.shutdown(Shutdown::Both)));
        }
    }

    /// Connections so far, also those that the broker did not accept.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(SeqCst)
    }

    /// Connections that were cut.
    pub fn cuts(&self) -> usize {
        self.shared.cuts.load(SeqCst)
    }

    /// The recorded bytes of each connection.
    pub fn said(&self) -> Vec<Said> {
        self.shared.said.lock().unwrap().clone()
    }
}

impl Shared {
    fn connect(self: Arc<Shared>, client: TcpStream) {
        let number = self.connections.fetch_add(1, SeqCst);
        self.said.lock().unwrap().push(Said::default());
        // If there is no broker the client's connection ends at once.
        let Ok(broker) = TcpStream::connect(&self.broker) else { return };
        let mut clients = self.clients.lock().unwrap();
        if self.is_away.load(SeqCst) {
            return;
        }
        clients.push(client.try_clone().unwrap());
        drop(clients);
        for stream in [&client, &broker] {
            stream.set_nodelay(true).unwrap();
        }
        for (direction, from, to) in
            [(Direction::ToBroker, &client, &broker), (Direction::FromBroker, &broker, &client)]
        {
            let (from, to, shared) = (from.try_clone().unwrap(), to.try_clone().unwrap(), self.clone());
            thread::spawn(move || {
                shared.forward(number, direction, &from, &to);
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.shutdown(Shutdown::Both);
            });
        }
    }

    /// Forwards until one side ends or the connection is to be cut.
    fn forward(&self, number: usize, direction: Direction, mut from: &TcpStream, mut to: &TcpStream) {
        let at = direction as usize;
        let (mut buffer, mut waiting) = (vec![0; 64 << 10], Vec::new());
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            while self.is_frozen.load(SeqCst) {
                thread::sleep(Duration::from_millis(20));
            }
            waiting.extend_from_slice(&buffer[..read]);
            let passes = |frame: &Frame| {
                !(self.swallows_acks[at].load(SeqCst) && frame.method() == Some((BASIC, ACK)))
            };
            let whole = if self.is_tls { mem::take(&mut waiting) } else { take_frames(&mut waiting, passes) };
            let left = self.left[at].load(SeqCst);
            let through = whole.len().min(left);
            // Recorded before it is sent: so all bytes that the other side has are recorded.
            if self.keeps {
                self.said.lock().unwrap()[number][at].extend_from_slice(&whole[..through]);
            }
            if to.write_all(&whole[..through]).is_err() {
                return;
            }
            if through < whole.len() {
                self.left[at].store(usize::MAX, SeqCst);
                self.cuts.fetch_add(1, SeqCst);
                return;
            }
            if left != usize::MAX {
                self.left[at].store(left - through, SeqCst);
            }
        }
    }
}

/// Removes the whole frames from the front of `bytes`. Returns the bytes of those that pass.
fn take_frames(bytes: &mut Vec<u8>, passes: impl Fn(&Frame) -> bool) -> Vec<u8> {
    let (mut rest, mut passed) = (bytes.as_slice(), Vec::new());
    if let Some(behind) = rest.strip_prefix(PROTOCOL) {
        passed.extend_from_slice(PROTOCOL);
        rest = behind;
    }
    let mut before = rest;
    while let Some(frame) = next_frame(&mut rest) {
        if passes(&frame) {
            passed.extend_from_slice(&before[..before.len() - rest.len()]);
        }
        before = rest;
    }
    *bytes = rest.to_vec();
    passed
}
