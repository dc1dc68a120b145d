//! Tests of the filter: hand-made frames, cut anywhere. A parser that knows nothing of the filter reads the output.

use super::*;
use mio::Registration;
use std::collections::BTreeMap;

const METHOD: u8 = 1;
const HEARTBEAT: u8 = 8;
const FRAME_MAX: usize = 131_072;
const NO_PROPERTIES: &[u8] = b"\0\0";
pub const PROPERTIES: &[u8] = b"\x20\0\0\0\0\x03\x01xV";

pub fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let size = (payload.len() as u32).to_be_bytes();
    [&[kind][..], &channel.to_be_bytes(), &size, payload, &[0xce]].concat()
}

fn content_header(channel: u16, size: u64, properties: &[u8]) -> Vec<u8> {
    frame(CONTENT_HEADER, channel, &[b"\0\x3c\0\0", &size.to_be_bytes()[..], properties].concat())
}

/// The frames of a message, each of which may be followed by those of another channel.
fn message_frames(channel: u16, body: &[u8], properties: &[u8], frame_bytes: usize) -> Vec<Vec<u8>> {
    let mut frames =
        vec![frame(METHOD, channel, b"deliver"), content_header(channel, body.len() as u64, properties)];
    frames.extend(body.chunks(frame_bytes).map(|part| frame(BODY, channel, part)));
    frames
}

pub fn message(channel: u16, body: &[u8]) -> Vec<u8> {
    message_frames(channel, body, PROPERTIES, FRAME_MAX - 8).concat()
}

/// A stream as amiquip would read it.
#[derive(Debug, Default, PartialEq)]
pub struct Received {
    /// Whole bodies, by channel, in their order.
    pub bodies: BTreeMap<u16, Vec<Vec<u8>>>,
    /// All other frames: kind, channel, payload.
    pub others: Vec<(u8, u16, Vec<u8>)>,
}

/// Its whole frames: kind, channel, payload, and the byte behind them.
fn all_frames(mut stream: &[u8]) -> impl Iterator<Item = (u8, u16, &[u8], u8)> {
    std::iter::from_fn(move || {
        let size = u32::from_be_bytes(stream.get(3..7)?.try_into().unwrap()) as usize;
        let end = *stream.get(7 + size)?;
        let frame = (stream[0], u16::from_be_bytes([stream[1], stream[2]]), &stream[7..7 + size], end);
        stream = &stream[8 + size..];
        Some(frame)
    })
}

/// Panics where amiquip would close the connection.
pub fn receive(stream: &[u8]) -> Received {
    let mut received = Received::default();
    let mut collecting: BTreeMap<u16, (usize, Vec<u8>)> = BTreeMap::new();
    for (kind, channel, payload, end) in all_frames(stream) {
        assert_eq!(end, 0xce, "not the end of a frame");
        match kind {
            CONTENT_HEADER => {
                assert_eq!(payload.len(), 14, "properties came through");
                assert_eq!(payload[12..], [0, 0], "a flag came through");
                let body_len = u64::from_be_bytes(payload[4..12].try_into().unwrap()) as usize;
                assert!(collecting.insert(channel, (body_len, Vec::new())).is_none(), "a body was missing");
            }
            BODY => {
                let (body_len, body) = collecting.get_mut(&channel).expect("a body without a header");
                body.extend_from_slice(payload);
                assert!(body.len() <= *body_len, "a body is longer than announced");
            }
            _ => received.others.push((kind, channel, payload.to_vec())),
        }
        if collecting.get(&channel).is_some_and(|(len, body)| body.len() == *len) {
            let (_, body) = collecting.remove(&channel).unwrap();
            received.bodies.entry(channel).or_default().push(body);
        }
    }
    received
}

/// Runs `stream` through a filter in parts. Returns the output and the number of messages.
fn filter(stream: &[u8], mut part: impl FnMut() -> usize) -> io::Result<(Vec<u8>, usize)> {
    let (_bodies, budget) = Budget::new(Registration::new2().1, i64::MAX / 2);
    let mut filter = FrameFilter::default();
    let (mut begin, mut end, mut messages) = (0, 0, 0);
    loop {
        let passed = filter.filter(&stream[begin..end], &budget)?;
        assert!(!passed.is_stopped);
        begin += passed.read;
        messages += passed.messages;
        assert!(end - begin < START_BYTES, "the filter left {} bytes of input", end - begin);
        if end == stream.len() {
            assert!(filter.incomplete.len() <= INCOMPLETE_MAX);
            return Ok((filter.output.into(), messages));
        }
        end = stream.len().min(end + part());
    }
}

#[test]
fn frames_come_through_wherever_the_stream_is_cut() {
    let frames = [
        frame(METHOD, 1, b"deliver"),
        content_header(1, 5, PROPERTIES),
        frame(METHOD, 2, b"deliver"),
        content_header(2, 3, NO_PROPERTIES),
        frame(BODY, 1, b"he"),
        frame(BODY, 2, b"you"),
        frame(BODY, 1, b""),
        frame(HEARTBEAT, 0, b""),
        frame(BODY, 1, b"llo"),
        frame(METHOD, 2, b"deliver"),
        content_header(2, 0, PROPERTIES),
        frame(METHOD, 1, b"cancel-ok"),
    ];
    let mut expected = frames.clone();
    for (at, channel, size) in [(1, 1, 5), (3, 2, 3), (10, 2, 0)] {
        expected[at] = content_header(channel, size, NO_PROPERTIES);
    }
    let stream = frames.concat();
    for part in 1..=stream.len() {
        assert_eq!(filter(&stream, || part).unwrap(), (expected.concat(), 3), "in parts of {part}");
    }
}

#[test]
fn a_body_is_cut_off_one_byte_beyond_what_the_contract_allows() {
    const MIB: usize = 1 << 20;
    for (len, expected) in [(MIB, MIB), (MIB + 1, MIB + 1), (MIB + 2, MIB + 1), (3 * MIB, MIB + 1)] {
        let body: Vec<u8> = (0..len).map(|i| (i / 7) as u8).collect();
        for frame_bytes in [FRAME_MAX - 8, MIB, MIB + 1, 4 * MIB] {
            let mut long = message_frames(1, &body, PROPERTIES, frame_bytes);
            long.insert(long.len() - 1, frame(BODY, 1, b""));
            let stream = [long.concat(), message(1, b"next"), frame(BODY, 9, b"")].concat();
            let (output, messages) = filter(&stream, || 64 << 10).unwrap();
            // amiquip refuses an empty frame that belongs to no message.
            let received = receive(&output[..output.len() - 8]);
            assert_eq!(messages, 2);
            assert_eq!(received.bodies[&1].len(), 2, "{len} bytes in frames of {frame_bytes}");
            assert!(received.bodies[&1][0] == body[..expected], "{len} bytes in frames of {frame_bytes}");
            assert_eq!(received.bodies[&1][1], b"next");
        }
    }
}

#[test]
fn what_a_broker_announces_reserves_no_memory() {
    // amiquip reserves the size in the header, even if the body never comes.
    for size in [100_000_000, u64::from(u32::MAX) + 1, u64::MAX] {
        let (output, _) = filter(&content_header(1, size, PROPERTIES), || 1).unwrap();
        assert_eq!(output, content_header(1, BODY_MAX, NO_PROPERTIES), "{size}");
    }
    // A frame's size likewise.
    let mut stream = content_header(1, u64::MAX, NO_PROPERTIES);
    stream.extend([BODY, 0, 1, 0xff, 0xff, 0xff, 0xff]);
    stream.resize(2 << 20, 0);
    let (output, _) = filter(&stream, || 4096).unwrap();
    assert_eq!(output[22 + 3..22 + 7], (BODY_MAX as u32).to_be_bytes());
    assert_eq!(output.len(), 22 + 7 + BODY_MAX as usize);
    let error = filter(&[METHOD, 0, 1, 0x10, 0, 0, 0], || 9).unwrap_err();
    assert_eq!(error.to_string(), "a frame of 268435456 bytes and kind 1; at most 1048576 are allowed");
}

#[test]
fn bodies_that_do_not_add_up_and_endless_contents_are_refused() {
    for stream in [
        frame(BODY, 1, b"lone"),
        [content_header(1, 3, PROPERTIES), frame(BODY, 1, b"more")].concat(),
        [content_header(1, 3, PROPERTIES), frame(BODY, 2, b"abc")].concat(),
        [content_header(1, 0, PROPERTIES), frame(BODY, 1, b"a")].concat(),
        (0..=INCOMPLETE_MAX as u16).flat_map(|channel| content_header(channel, 1, PROPERTIES)).collect(),
    ] {
        let error = filter(&stream, || 5).unwrap_err();
        assert_eq!(error.kind(), InvalidData, "{error}");
    }
    // A channel that is closed within a body and opened again works like a new one.
    let stream = [content_header(1, 9, PROPERTIES), frame(BODY, 1, b"part"), message(1, b"whole")].concat();
    assert_eq!(filter(&stream, || 5).unwrap().1, 2);
}

/// Messages of several channels whose frames mix, between methods and heartbeats.
fn random_stream(rng: &mut fastrand::Rng) -> (Vec<u8>, Received) {
    let mut lanes: Vec<std::vec::IntoIter<Vec<u8>>> = Vec::new();
    let mut expected = Received::default();
    for channel in 1..=rng.u16(1..5) {
        let mut frames = Vec::new();
        for _ in 0..rng.usize(0..6) {
            let len = match rng.u8(..8) {
                0 => 0,
                1 => BODY_MAX as usize - 2 + rng.usize(0..5),
                2 => rng.usize(0..3 << 20),
                _ => rng.usize(0..300),
            };
            let body: Vec<u8> = (0..len).map(|i| (i ^ len) as u8).collect();
            let properties = if rng.bool() { PROPERTIES } else { NO_PROPERTIES };
            let frame_bytes = if len < 300 { rng.usize(1..300) } else { rng.usize(1 << 12..2 << 20) };
            frames.extend(message_frames(channel, &body, properties, frame_bytes));
            let passed = body[..len.min(BODY_MAX as usize)].to_vec();
            expected.bodies.entry(channel).or_default().push(passed);
        }
        lanes.push(frames.into_iter());
    }
    let mut stream = Vec::new();
    while !lanes.is_empty() {
        let at = rng.usize(..lanes.len());
        match lanes[at].next() {
            Some(frame) => stream.extend(frame),
            None => drop(lanes.swap_remove(at)),
        }
        if rng.u8(..4) == 0 {
            stream.extend(frame(HEARTBEAT, 0, b""));
        }
    }
    expected.others = all_frames(&stream)
        .filter(|(kind, ..)| ![CONTENT_HEADER, BODY].contains(kind))
        .map(|(kind, channel, payload, _)| (kind, channel, payload.to_vec()))
        .collect();
    (stream, expected)
}

#[test]
fn random_messages_come_through_as_they_were_but_for_properties_and_length() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..30 {
        let (stream, expected) = random_stream(&mut rng);
        let mut of_parts = fastrand::Rng::with_seed(rng.u64(..));
        let length =
            |rng: &mut fastrand::Rng| if rng.bool() { rng.usize(1..9) } else { rng.usize(1..100_000) };
        let (output, _) = filter(&stream, || length(&mut of_parts)).unwrap();
        assert!(receive(&output) == expected, "seed {seed}");
    }
}

#[test]
fn no_bytes_make_the_filter_panic_or_pass_on_more_than_it_may() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..3000 {
        let mut stream = message(rng.u16(1..4), &vec![b'x'; rng.usize(..200)]);
        stream.extend(message(rng.u16(1..4), &vec![b'y'; rng.usize(..200)]));
        for _ in 0..rng.usize(1..8) {
            let at = rng.usize(..stream.len());
            stream[at] = if rng.bool() { rng.u8(..) } else { rng.u8(..10) };
        }
        let mut of_parts = fastrand::Rng::with_seed(rng.u64(..));
        if let Ok((output, _)) = filter(&stream, || of_parts.usize(1..50)) {
            assert!(output.len() <= stream.len(), "seed {seed}");
            // No body is announced with more bytes than allowed.
            for (kind, _, payload, _) in all_frames(&output) {
                if kind == CONTENT_HEADER && payload.len() >= 14 {
                    assert!(
                        u64::from_be_bytes(payload[4..12].try_into().unwrap()) <= BODY_MAX,
                        "seed {seed}"
                    );
                }
            }
        }
    }
}
