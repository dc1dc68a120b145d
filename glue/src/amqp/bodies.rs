//! Limits the bytes of messages between the stream and the consumer. amiquip's channel to a consumer has no bound, and the prefetch counts
//! messages, not bytes: without this limit 2,000 messages of 1 MiB are all in memory. Never touches a socket.

use mio::{Ready, SetReadiness};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, Ordering::SeqCst},
};

/// Reading stops once messages that are not yet taken have more bytes than this. The overshoot is one message.
/// Far more than the incomplete messages of all channels have: nobody can take those.
pub const OUTSTANDING_MAX: i64 = 16 << 20;
/// What a message counts in addition to its body: amiquip's delivery takes about half a kilobyte.
pub const MESSAGE_BYTES: i64 = 512;

/// The consumer's end. Once it is dropped, bodies are discarded.
pub struct Bodies(Arc<Budget>);

/// The stream's end.
pub struct Budget {
    /// Bytes of messages that began and are not yet taken.
    outstanding: AtomicI64,
    limit: i64,
    /// Reading resumes at this level. The gap to the limit is large enough that each wake-up brings more than one small message, and small
    /// enough that a slow consumer still reads often enough to keep the connection alive.
    resume_at: i64,
    is_stopped: AtomicBool,
    discards: AtomicBool,
    /// Wakes the thread that polls the stream.
    wake: SetReadiness,
}

impl Bodies {
    /// The consumer has taken a message and freed its body, which had `len` bytes on arrival.
    pub fn taken(&self, len: usize) {
        let bytes = len as i64 + MESSAGE_BYTES;
        let outstanding = self.0.outstanding.fetch_sub(bytes, SeqCst) - bytes;
        if outstanding <= self.0.resume_at {
            self.0.wake_if_stopped();
        }
    }

    /// True while reading is stopped: no message arrives on any channel of the connection until some are taken.
    pub fn is_stopped(&self) -> bool {
        self.0.is_stopped.load(SeqCst)
    }

    /// From now on messages arrive without their bodies and count nothing. Call this before the consumer stops taking and asks the broker
    /// for anything (dropping an amiquip consumer does): the answer comes after all messages that are already on their way.
    pub fn discard(&self) {
        self.0.discards.store(true, SeqCst);
        self.0.wake_if_stopped();
    }
}

impl Drop for Bodies {
    fn drop(&mut self) {
        self.discard();
    }
}

impl Budget {
    pub fn new(wake: SetReadiness, limit: i64) -> (Bodies, Arc<Budget>) {
        let budget = Arc::new(Budget {
            outstanding: AtomicI64::new(0),
            limit,
            resume_at: limit - limit / 16,
            is_stopped: AtomicBool::new(false),
            discards: AtomicBool::new(false),
            wake,
        });
        (Bodies(budget.clone()), budget)
    }

    /// Whether another message may be passed on. If not, reading stops, and the consumer wakes the stream's poll once there is room.
    pub fn admit(&self) -> bool {
        let has_room = |limit| self.discards() || self.outstanding.load(SeqCst) <= limit;
        if !self.is_stopped.load(SeqCst) && has_room(self.limit) {
            return true;
        }
        // Sets the flag, then reads the count; `taken` does it in the other order. So one of the two sees the other's change.
        self.is_stopped.store(true, SeqCst);
        let has_room = has_room(self.resume_at);
        if has_room {
            self.is_stopped.store(false, SeqCst);
        }
        has_room
    }

    pub fn discards(&self) -> bool {
        self.discards.load(SeqCst)
    }

    /// Counts a message that begins, with a body of `len` bytes.
    pub fn add(&self, len: u64) {
        if !self.discards() {
            self.outstanding.fetch_add(len as i64 + MESSAGE_BYTES, SeqCst);
        }
    }

    #[cfg(test)]
    pub fn outstanding(&self) -> i64 {
        self.outstanding.load(SeqCst)
    }

    fn wake_if_stopped(&self) {
        if self.is_stopped.swap(false, SeqCst) {
            // Fails only if the poll is gone, and then nobody reads.
            let _ = self.wake.set_readiness(Ready::readable());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll, PollOpt, Registration, Token};
    use std::{
        hint::spin_loop,
        thread,
        time::{Duration, Instant},
    };

    const DEADLINE: Duration = Duration::from_secs(60);

    /// Both sides read the budget at the same time: each message is taken as soon as it counts, while the reader checks whether to wait.
    #[test]
    fn no_wake_up_is_lost_between_a_reader_that_stops_and_a_consumer_that_takes() {
        const MESSAGES: usize = 100_000;
        let (room, wake) = Registration::new2();
        let (bodies, budget) = Budget::new(wake, 0);
        let (poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(8));
        poll.register(&room, Token(0), Ready::readable(), PollOpt::edge()).unwrap();
        let of_consumer = budget.clone();
        let consumer = thread::spawn(move || {
            for _ in 0..MESSAGES {
                while of_consumer.outstanding() == 0 {
                    spin_loop();
                }
                bodies.taken(0);
            }
            bodies
        });
        for message in 0..MESSAGES {
            let begun = Instant::now();
            while !budget.admit() {
                poll.poll(&mut events, Some(DEADLINE)).unwrap();
                // A poll may return without an event before its time.
                assert!(begun.elapsed() < DEADLINE, "message {message}: the reader was not woken");
            }
            budget.add(0);
        }
        assert_eq!(consumer.join().unwrap().0.outstanding(), 0);
    }
}
