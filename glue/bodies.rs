//! The budget of message bodies between the stream and the consumer. amiquip's channel to a consumer has no bound, and the prefetch counts
//! messages, not bytes: without a budget 2,000 messages of 1 MiB are all in memory. Never touches a socket.

use mio::{Ready, SetReadiness};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, Ordering::SeqCst},
};

/// Reading stops once messages that are not yet taken come to this many bytes. The overshoot is one message per channel.
const OUTSTANDING_MAX: i64 = 16 << 20;
/// What a message counts beside its body: amiquip's delivery takes about half a kilobyte.
pub const MESSAGE_BYTES: i64 = 512;

/// The consumer's end. Once it is dropped, bodies are discarded; nobody could take them.
pub struct Bodies(Arc<Budget>);

/// The stream's end.
pub struct Budget {
    /// Bytes of messages that were passed on and are not yet taken.
    outstanding: AtomicI64,
    limit: i64,
    /// Reading goes on from here: some of the limit is free by then, so that each wake-up brings more than one small message, and little,
    /// so that a slow consumer still reads often enough for the broker to believe in the connection.
    resume_at: i64,
    is_stopped: AtomicBool,
    discards: AtomicBool,
    /// Wakes the thread that polls the stream.
    wake: SetReadiness,
}

#[allow(dead_code, reason = "features does not consume")]
impl Bodies {
    /// The consumer has taken a message with a body of `len` bytes, as long as it came, and no longer needs the body's memory.
    pub fn taken(&self, len: usize) {
        let bytes = len as i64 + MESSAGE_BYTES;
        let outstanding = self.0.outstanding.fetch_sub(bytes, SeqCst) - bytes;
        if outstanding <= self.0.resume_at {
            self.0.wake_if_stopped();
        }
    }

    /// True while reading is stopped: nothing comes on any channel of the connection until messages are taken.
    pub fn are_full(&self) -> bool {
        self.0.is_stopped.load(SeqCst)
    }

    /// From now on messages come without their bodies and count nothing. Must be called before the consumer stops taking and asks the
    /// broker for something, be it by dropping an amiquip consumer: the answer comes behind all messages that are on their way.
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
    pub fn new(wake: SetReadiness) -> (Bodies, Arc<Budget>) {
        Budget::with_limit(wake, OUTSTANDING_MAX)
    }

    pub fn with_limit(wake: SetReadiness, limit: i64) -> (Bodies, Arc<Budget>) {
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

    /// Whether another message may be passed on. If not, reading is stopped, and the consumer wakes the stream's poll once one may.
    pub fn admit(&self) -> bool {
        let has_room = |limit| self.discards() || self.outstanding.load(SeqCst) <= limit;
        if !self.is_stopped.load(SeqCst) && has_room(self.limit) {
            return true;
        }
        // First the flag, then the count; `taken` goes the other way round: one of the two sees what the other did.
        self.is_stopped.store(true, SeqCst);
        let goes_on = has_room(self.resume_at);
        if goes_on {
            self.is_stopped.store(false, SeqCst);
        }
        goes_on
    }

    pub fn discards(&self) -> bool {
        self.discards.load(SeqCst)
    }

    /// A message with a body of `len` bytes was passed on whole.
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
            // Fails only where the poll is gone, and then nobody reads.
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

    /// Both sides look at the budget in the same instants: each message is taken as soon as it counts, while the reader finds out whether it
    /// has to wait.
    #[test]
    fn no_wake_up_is_lost_between_a_reader_that_stops_and_a_consumer_that_takes() {
        const MESSAGES: usize = 100_000;
        let (room, wake) = Registration::new2();
        let (bodies, budget) = Budget::with_limit(wake, 0);
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
