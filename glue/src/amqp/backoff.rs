//! Which broker is tried next, and after what wait. Never connects.

use crate::shutdown::Stop;
use std::{
    mem,
    time::{Duration, Instant},
};

/// Brokers are tried in turn, from the first one on whenever one has served. A turn of all follows after a wait of 250 ms, doubling to 30 s,
/// each shortened by up to half so that many clients do not come back at once.
#[derive(Clone, Default)]
pub struct Backoff {
    /// Tries since a broker served.
    tries: usize,
    /// 0 before the first wait.
    next_ms: u64,
    /// Since when the present connection is in use.
    used_since: Option<Instant>,
    /// Why the last try of each broker failed; empty before it did.
    reasons: Vec<String>,
}

impl Backoff {
    const FIRST_MS: u64 = 250;
    const LAST_MS: u64 = 30_000;
    /// A connection that was in use for so long has served, also without a message.
    const STEADY: Duration = Duration::from_secs(10);

    /// Which of `of` brokers is to be tried next.
    pub fn next(&self, of: usize) -> usize {
        self.tries % of.max(1)
    }

    /// A broker is being tried.
    pub fn begin(&mut self) {
        self.tries += 1;
    }

    /// The connection is in use: no call that the broker may refuse is left.
    pub fn in_use(&mut self, since: Instant) {
        self.used_since = Some(since);
    }

    /// The connection was lost, or could not be opened.
    pub fn lost(&mut self, now: Instant) {
        if self.used_since.take().is_some_and(|since| now.duration_since(since) >= Self::STEADY) {
            self.reset();
        }
    }

    /// Whether this reason is news of the broker `at`.
    pub fn is_news(&mut self, at: usize, reason: &str) -> bool {
        self.reasons.resize(self.reasons.len().max(at + 1), String::new());
        self.reasons.get_mut(at).is_some_and(|known| mem::replace(known, reason.to_owned()) != reason)
    }

    /// Waits before the next try, if all of `of` brokers had theirs. True if the process is asked to stop meanwhile.
    pub fn wait(&mut self, of: usize, stop: &Stop) -> bool {
        stop.within(if self.next(of) == 0 { self.next_wait() } else { Duration::ZERO })
    }

    fn next_wait(&mut self) -> Duration {
        let whole_ms = self.next_ms.max(Self::FIRST_MS);
        self.next_ms = (whole_ms * 2).min(Self::LAST_MS);
        Duration::from_millis(fastrand::u64(whole_ms / 2..=whole_ms))
    }

    /// Starts again with the first broker and the shortest wait.
    pub fn reset(&mut self) {
        (self.tries, self.next_ms) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_to_its_limit_and_starts_again() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..12).map(|_| backoff.next_wait().as_millis() as u64).collect();
        for (i, wait) in waits.iter().enumerate() {
            let whole = (250u64 << i).min(30_000);
            assert!((whole / 2..=whole).contains(wait), "{waits:?}");
        }
        backoff.reset();
        assert!(backoff.next_wait() <= Duration::from_millis(250));
    }

    #[test]
    fn brokers_have_their_turns_and_the_first_one_only_after_all_or_after_a_success() {
        let mut backoff = Backoff::default();
        let mut turn = |is_success: bool| {
            let next = backoff.next(3);
            backoff.begin();
            if is_success {
                backoff.reset();
            }
            next
        };
        assert_eq!([false, false, false, false, true, false, true].map(&mut turn), [0, 1, 2, 0, 1, 0, 1]);
    }

    #[test]
    fn a_connection_without_a_message_has_served_after_a_while() {
        let (mut backoff, begin) = (Backoff::default(), Instant::now());
        for (used, next) in [(None, 1), (Some(9), 2), (Some(10), 0), (None, 1)] {
            backoff.begin();
            if used.is_some() {
                backoff.in_use(begin);
            }
            backoff.lost(begin + Duration::from_secs(used.unwrap_or(60)));
            assert_eq!(backoff.next(3), next, "in use for {used:?} s");
        }
    }

    #[test]
    fn a_reason_is_news_once_of_each_broker() {
        let mut backoff = Backoff::default();
        let news = [(0, "away"), (1, "away"), (0, "away"), (1, "refused"), (1, "away")];
        let is_news = news.map(|(at, reason)| backoff.is_news(at, reason));
        assert_eq!(is_news, [true, true, false, true, true]);
    }
}
