//! A publisher that writes its frames by hand, to give messages properties that no client library would.

use crate::metric;
use glue::testing::{
    Directory, Peer, count, figure,
    frames::{
        ACK, BASIC, BODY, HEADER, PROTOCOL, PUBLISH, frame, long_string, method, next_frame, short_string,
    },
    prefix, random, shared_broker, wait_for,
};
use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::TcpStream,
};

/// Bits of a message's flags.
const HEADERS: u16 = 13;
const DELIVERY_MODE: u16 = 12;
const PRIORITY: u16 = 11;
const EXPIRATION: u16 = 8;
const TIMESTAMP: u16 = 6;
const USER_ID: u16 = 4;

/// Publishing, with confirms, on channel 1.
struct Raw {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Raw {
    /// The handshake of section 2.2.4 of the specification.
    fn connect(url: &str) -> Raw {
        let address = url.rsplit_once('@').unwrap().1.split('/').next().unwrap();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut raw = Raw { stream, received: Vec::new() };
        raw.stream.write_all(PROTOCOL).unwrap();
        raw.expect((10, 10));
        let no_properties = [0; 4];
        let start_ok = [
            &no_properties[..],
            &short_string(b"PLAIN"),
            &long_string(b"\0guest\0guest"),
            &short_string(b"en_US"),
        ];
        raw.send(&method(0, 10, 11, &start_ok.concat()));
        let tune = raw.expect((10, 30));
        let without_heartbeat = [&tune[..6], &[0, 0]].concat();
        raw.send(&method(0, 10, 31, &without_heartbeat));
        raw.send(&method(0, 10, 40, &[short_string(b"/"), short_string(b""), vec![0]].concat()));
        raw.expect((10, 41));
        raw.send(&method(1, 20, 10, &short_string(b"")));
        raw.expect((20, 11));
        raw.send(&method(1, 85, 10, &[0]));
        raw.expect((85, 11));
        raw
    }

    fn send(&mut self, bytes: &[u8]) {
        // An error shows when the answer does not come.
        let _ = self.stream.write_all(bytes);
    }

    /// The next method and its arguments; nothing once the broker has ended the connection.
    fn receive(&mut self) -> Option<((u16, u16), Vec<u8>)> {
        loop {
            let mut rest = self.received.as_slice();
            if let Some(frame) = next_frame(&mut rest) {
                let method = frame.method().map(|method| (method, frame.payload[4..].to_vec()));
                self.received = rest.to_vec();
                match method {
                    Some(method) => return Some(method),
                    None => continue,
                }
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(read @ 1..) => self.received.extend_from_slice(&buffer[..read]),
                _ => return None,
            }
        }
    }

    fn expect(&mut self, expected: (u16, u16)) -> Vec<u8> {
        let (method, arguments) = self.receive().expect("the broker ended the connection");
        assert_eq!(method, expected);
        arguments
    }

    /// Whether the broker took the message. If not it has ended the connection or the channel.
    fn publish(&mut self, queue: &str, properties: &[u8], body: &[u8]) -> bool {
        let arguments = [&[0, 0][..], &short_string(b""), &short_string(queue.as_bytes()), &[0]].concat();
        let mut header = [BASIC.to_be_bytes(), [0, 0]].concat();
        header.extend_from_slice(&(body.len() as u64).to_be_bytes());
        header.extend_from_slice(properties);
        let frames = [method(1, BASIC, PUBLISH, &arguments), frame(HEADER, 1, &header), frame(BODY, 1, body)];
        self.send(&frames.concat());
        self.receive().is_some_and(|(method, _)| method == (BASIC, ACK))
    }
}

/// A table with one entry, nested as deep: `kind` is `A` for arrays, `F` for tables.
fn nested(kind: u8, depth: usize) -> Vec<u8> {
    // Arrays nest in 5 bytes: kind and length; tables in 6: an empty name too.
    let per_level: &[u8] = if kind == b'F' { &[0, kind] } else { &[kind] };
    let step = per_level.len() + 4;
    let mut bytes = short_string(b"x");
    if kind == b'F' {
        bytes.clear();
    }
    for level in (0..depth).rev() {
        bytes.extend_from_slice(per_level);
        bytes.extend_from_slice(&((level * step) as u32).to_be_bytes());
    }
    bytes
}

/// A value of any type that RabbitMQ knows, or of none.
fn value(rng: &mut fastrand::Rng, depth: u8) -> Vec<u8> {
    let kinds: &[u8] = if rng.u8(..) == 0 { b"zU\0" } else { b"tbBsuIilLfdDTSxVAF" };
    let kind = *rng.choice(kinds).unwrap();
    let random = |rng: &mut fastrand::Rng, len: usize| -> Vec<u8> { (0..len).map(|_| rng.u8(..)).collect() };
    let payload = match kind {
        b't' | b'b' | b'B' => random(rng, 1),
        b's' | b'u' | b'U' => random(rng, 2),
        b'I' | b'i' | b'f' => random(rng, 4),
        b'l' | b'L' | b'd' | b'T' => random(rng, 8),
        b'D' => random(rng, 5),
        b'S' | b'x' => {
            let len = rng.usize(..300);
            long_string(&random(rng, len))
        }
        b'A' if depth < 5 => {
            let values: Vec<u8> = (0..rng.usize(..4)).flat_map(|_| value(rng, depth + 1)).collect();
            long_string(&values)
        }
        b'F' if depth < 5 => long_string(&table(rng, depth + 1)),
        _ => Vec::new(),
    };
    [vec![kind], payload].concat()
}

fn table(rng: &mut fastrand::Rng, depth: u8) -> Vec<u8> {
    let entries = (0..rng.usize(..6)).flat_map(|_| {
        let name: Vec<u8> = (0..rng.usize(..20)).map(|_| rng.u8(..)).collect();
        [short_string(&name), value(rng, depth)].concat()
    });
    entries.collect()
}

/// Flags and properties (section 4.2.6.1): the fourteen of `basic`, of which flags say which are there.
fn properties(rng: &mut fastrand::Rng) -> Vec<u8> {
    let flags = match rng.u8(..40) {
        0 => 0,
        1..10 => 1 << HEADERS,
        // The lowest bit would say that more flags follow, which the broker refuses; the next means nothing.
        _ => rng.u16(..) & !3,
    };
    let mut bytes = flags.to_be_bytes().to_vec();
    for bit in (2..16_u16).rev().filter(|bit| flags >> bit & 1 == 1) {
        match bit {
            HEADERS => {
                let headers = match rng.u8(..40) {
                    0 => nested(b'A', 26_000),
                    1 => nested(b'F', 20_000),
                    2 => nested(*rng.choice(b"AF").unwrap(), rng.usize(..20_000)),
                    3 => [short_string(b"x"), vec![b'S'], long_string(&vec![0xff; 100_000])].concat(),
                    _ => table(rng, 0),
                };
                let mut headers = long_string(&headers);
                // A length that lies.
                if rng.u8(..) == 0 {
                    headers[3] = headers[3].wrapping_add(rng.u8(..));
                }
                bytes.extend(headers);
            }
            // What the broker looks at itself.
            USER_ID if rng.u8(..20) > 0 => bytes.extend(short_string(b"guest")),
            EXPIRATION if rng.u8(..20) > 0 => bytes.extend(short_string(b"3600000")),
            DELIVERY_MODE if rng.u8(..20) > 0 => bytes.push(rng.u8(1..=2)),
            DELIVERY_MODE | PRIORITY => bytes.push(rng.u8(..)),
            TIMESTAMP => bytes.extend((0..8).map(|_| rng.u8(..))),
            _ => {
                let len = rng.choice([0, 1, 7, 255]).unwrap();
                let text: Vec<u8> = (0..len).map(|_| if rng.bool() { rng.u8(..) } else { b'a' }).collect();
                bytes.extend(short_string(&text));
            }
        }
    }
    bytes
}

#[test]
fn messages_with_any_properties_are_used_and_the_next_ones_are_not_harmed() {
    let (mut rng, seed) = random();
    let messages = count("CHAOS_HOSTILE", 1000);
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    let (y_true, y_pred) = (format!("{prefix}y_true"), format!("{prefix}y_pred"));
    let (mut raw, mut peer) = (Raw::connect(&url), Peer::connect(&url));
    // A quorum queue would write each message to the disk before the next one is published.
    peer.declare_transient(&y_true);
    peer.declare_transient(&y_pred);
    let settings = [("predictions", "y_pred"), ("queue-type", "existing")];
    let mut service = metric(&url, &prefix, &directory, &settings);
    service.wait_for_line("consuming");
    let mut taken = BTreeSet::new();
    for i in 0..messages {
        let half = |id: &str| format!("{{\"id\": \"{id}\", \"body\": {i}}}");
        let (hostile, good) = (format!("hostile {i}"), format!("good {i}"));
        if raw.publish(&y_true, &properties(&mut rng), half(&hostile).as_bytes()) {
            taken.insert(hostile.clone());
        } else {
            raw = Raw::connect(&url);
        }
        taken.insert(good.clone());
        peer.publish(&y_true, half(&good).as_bytes());
        for id in [&hostile, &good] {
            peer.publish(&y_pred, half(id).as_bytes());
        }
    }
    peer.confirmed();
    wait_for("row of every message that the broker took", || {
        let ids: BTreeSet<String> = crate::rows(&directory).into_iter().map(|row| row.0).collect();
        (ids.len() >= taken.len()).then(|| assert_eq!(ids, taken))
    });
    assert_eq!(crate::rows(&directory).len(), taken.len());
    assert!(service.is_running());
    assert_eq!(service.count_lines("connected to"), 1);
    assert_eq!(directory.read("rejected.jsonl"), "");
    assert_eq!(service.terminate(), Some(0));
    let taken = taken.len() - messages;
    assert!(taken * 2 > messages, "the broker took only {taken}");
    figure(
        "raw frames with hostile properties",
        &format!(
            "{messages} messages, {taken} taken by the broker, as many of them used; {messages} good ones between them"
        ),
        seed,
    );
}
