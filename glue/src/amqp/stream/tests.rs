//! Tests of the stream over a real socket and a real poll: a stopped stream resumes, whichever side is faster.

use super::*;
use crate::amqp::{
    bodies::MESSAGE_BYTES,
    frame_filter::tests::{PROPERTIES, message, receive},
};
use crossbeam_channel::{Receiver, unbounded};
use mio::{Events, net::TcpStream};
use std::{
    net::{TcpListener, TcpStream as StdStream},
    thread::{self, JoinHandle},
    time::Instant,
};

const DEADLINE: Duration = Duration::from_secs(60);
const STREAM: Token = Token(7);

/// The broker's end of a connection, and the consumer's: the pieces that amiquip's thread would have read.
struct Connection {
    broker: StdStream,
    bodies: Bodies,
    budget: Arc<Budget>,
    read: Receiver<Vec<u8>>,
    reader: JoinHandle<()>,
}

/// Reads like amiquip until the end of the stream: polls for edges, and at each one reads until nothing more comes.
fn read_all(mut stream: Stream, pieces: &crossbeam_channel::Sender<Vec<u8>>) {
    let poll = Poll::new().unwrap();
    poll.register(&stream, STREAM, Ready::readable() | Ready::writable(), PollOpt::edge()).unwrap();
    poll.reregister(&stream, STREAM, Ready::readable(), PollOpt::edge()).unwrap();
    let (mut events, begun, mut buffer) = (Events::with_capacity(128), Instant::now(), vec![0; 4096]);
    while begun.elapsed() < DEADLINE {
        poll.poll(&mut events, Some(DEADLINE)).unwrap();
        for event in &events {
            assert_eq!(event.token(), STREAM);
            while event.readiness().is_readable() {
                match stream.read(&mut buffer) {
                    Ok(0) => return,
                    Ok(len) => pieces.send(buffer[..len].to_vec()).unwrap(),
                    Err(error) if error.kind() == WouldBlock => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
    panic!("the stream did not end");
}

fn connect(limit: i64) -> Connection {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = StdStream::connect(listener.local_addr().unwrap()).unwrap();
    let (broker, _) = listener.accept().unwrap();
    broker.set_nodelay(true).unwrap();
    let (room, wake) = Registration::new2();
    let (bodies, budget) = Budget::new(wake, limit);
    let stream =
        Stream::with_budget(Socket::Plain(TcpStream::from_stream(socket).unwrap()), room, budget.clone());
    let (pieces, read) = unbounded();
    let reader = thread::spawn(move || read_all(stream, &pieces));
    Connection { broker, bodies, budget, read, reader }
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < DEADLINE, "no {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Writes messages with bodies of these lengths, all on channel 1, in parts of random lengths.
fn write_all(mut broker: StdStream, lens: &[usize], mut rng: fastrand::Rng) -> JoinHandle<StdStream> {
    let stream: Vec<u8> = lens.iter().flat_map(|&len| message(1, &vec![b'x'; len])).collect();
    thread::spawn(move || {
        let mut rest = stream.as_slice();
        while !rest.is_empty() {
            let (part, behind) = rest.split_at(rest.len().min(rng.usize(1..5000)));
            broker.write_all(part).unwrap();
            rest = behind;
        }
        broker
    })
}

/// The ends of messages with bodies of these lengths in the output.
fn ends(lens: &[usize]) -> Vec<usize> {
    let bare = message(1, b"").len() - PROPERTIES.len() + 2;
    let passed = |len: usize| bare + if len > 0 { len + 8 } else { 0 };
    lens.iter()
        .scan(0, |end, &len| {
            *end += passed(len);
            Some(*end)
        })
        .collect()
}

/// With room for one message, and for some, each message stops the reader and wakes it at another moment.
#[test]
fn a_stopped_reader_goes_on_once_there_is_room() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    for limit in [0, 1000, 20_000] {
        let lens: Vec<usize> = (0..5000).map(|i| rng.usize(..[1, 100, 2000][i % 3])).collect();
        let (ends, Connection { broker, bodies, budget, read, reader }) = (ends(&lens), connect(limit));
        let writer = write_all(broker, &lens, rng.clone());
        let (mut passed, mut taken) = (Vec::new(), 0);
        while taken < lens.len() {
            passed.extend(read.recv_timeout(DEADLINE).expect("the reader was not woken"));
            passed.extend(read.try_iter().flatten());
            let came = ends.partition_point(|&end| end <= passed.len());
            let outstanding: i64 = lens[taken..came].iter().map(|&len| len as i64 + MESSAGE_BYTES).sum();
            assert!(outstanding <= limit + 2000 + MESSAGE_BYTES, "{outstanding} bytes at a limit of {limit}");
            for len in &lens[taken..came] {
                if rng.u8(..3) == 0 {
                    thread::yield_now();
                }
                bodies.taken(*len);
            }
            taken = came;
        }
        drop(writer.join().unwrap());
        reader.join().unwrap();
        let received = receive(&passed).bodies.remove(&1).unwrap();
        assert_eq!(received.iter().map(Vec::len).collect::<Vec<_>>(), lens);
        assert_eq!(budget.outstanding(), 0);
    }
}

/// The end of a connection, orderly or not, comes after the waiting messages.
#[test]
fn a_stopped_reader_sees_the_end_once_messages_are_taken_or_given_up() {
    for gives_up in [false, true] {
        let lens = [5; 100];
        let Connection { broker, bodies, budget, read, reader } = connect(0);
        let rng = fastrand::Rng::with_seed(1);
        drop(write_all(broker, &lens, rng).join().unwrap());
        wait_for("stop", || bodies.is_stopped());
        let mut passed: Vec<u8> = read.recv_timeout(DEADLINE).unwrap();
        assert!(!reader.is_finished());
        if gives_up {
            bodies.discard();
        }
        while !reader.is_finished() {
            passed.extend(read.try_iter().flatten());
            if !gives_up && budget.outstanding() > 0 {
                bodies.taken(5);
            }
        }
        reader.join().unwrap();
        passed.extend(read.try_iter().flatten());
        let received = receive(&passed).bodies.remove(&1).unwrap();
        assert_eq!(received.len(), 100);
        let expected = if gives_up { 1 } else { 100 };
        assert_eq!(received.iter().filter(|body| *body == b"xxxxx").count(), expected);
        assert_eq!(received.iter().filter(|body| body.is_empty()).count(), 100 - expected);
    }
}

#[test]
fn nothing_stops_where_nobody_consumes() {
    let lens = [2000; 1000];
    let Connection { broker, bodies, read, reader, .. } = connect(0);
    drop(bodies);
    drop(write_all(broker, &lens, fastrand::Rng::with_seed(1)).join().unwrap());
    reader.join().unwrap();
    let received = receive(&read.try_iter().flatten().collect::<Vec<_>>()).bodies.remove(&1).unwrap();
    assert_eq!(received, vec![b""; 1000]);
}
