//! Decides when deliveries are taken, when held halves go to the store, and which deliveries may be acknowledged. Pure: counts deliveries,
//! samples and bytes of the two queues; knows no channel, no clock and no value.

use crate::join::Side;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Stop taking deliveries of a queue at this many samples that are held or not digested. Bounds memory.
const SAMPLES_MAX: usize = 4_000;
/// Stop taking deliveries at this many bytes that are not digested, of both queues. Bounds memory; one delivery may add 1 MiB.
const UNDIGESTED_BYTES_MAX: usize = 4 << 20;
/// While halves meet in memory, a queue may be this many samples ahead of the other. Samples without their other halves make no rows.
const LEAD_MAX: usize = 1_000;
/// The limit of unacknowledged deliveries is the prefetch divided by this: while they are digested, the rest is on its way.
const DELIVERIES_PER_PREFETCH: usize = 2;
/// How long a half is held in memory. Mostly its other half is on its way, and then the store needs neither.
const HOLD_MAX: Duration = Duration::from_secs(1);
/// How long a queue that is ahead waits for the other one.
const LEAD_WAIT: Duration = Duration::from_millis(100);
/// How long to wait for a delivery if nothing else is due.
const IDLE: Duration = Duration::from_secs(10);

/// The prefetch until the size of bodies is known: each may hold 10,000 samples.
const FIRST_PREFETCH: u16 = 4;
/// The size of bodies is measured over this many deliveries, or over the prefetch if that is less.
const SIZED_DELIVERIES: u16 = 32;
/// The prefetch is chosen so that at most this many bytes of bodies, and this many samples, are on their way.
const PREFETCH_BYTES: usize = 3 << 20;
const PREFETCH_SAMPLES: usize = 16_000;

pub struct Flow {
    queues: [Queue; 2],
    /// True while both halves of a pair usually meet in memory, and none is added to the store.
    pairs_meet: bool,
}

#[derive(Default)]
struct Queue {
    prefetch: u16,
    prefetch_max: u16,
    /// The unacknowledged ones, in the order of their arrival.
    deliveries: VecDeque<Delivery>,
    /// The number of the first of `deliveries`.
    first: u64,
    /// The last deliveries, which are not digested.
    undigested: Load,
    /// Held samples of the other deliveries.
    held: usize,
    /// Deliveries since the prefetch was chosen.
    seen: Load,
}

struct Delivery {
    taken_at: Instant,
    /// Its halves that are neither in the log nor in the store.
    held: usize,
}

#[derive(Default)]
struct Load {
    deliveries: usize,
    samples: usize,
    bytes: usize,
}

impl Load {
    fn add(&mut self, samples: usize, bytes: usize) {
        self.deliveries += 1;
        self.samples += samples;
        self.bytes += bytes;
    }
}

impl Queue {
    fn samples(&self) -> usize {
        self.held + self.undigested.samples
    }

    fn deliveries_max(&self) -> usize {
        (usize::from(self.prefetch) / DELIVERIES_PER_PREFETCH).max(1)
    }
}

impl Flow {
    /// The prefetch is at most `prefetch_max` per queue.
    pub fn new(prefetch_max: u16) -> Flow {
        let prefetch = prefetch_max.min(FIRST_PREFETCH);
        let queue = || Queue { prefetch, prefetch_max, ..Queue::default() };
        Flow { queues: [queue(), queue()], pairs_meet: true }
    }

    fn queue_mut(&mut self, side: Side) -> &mut Queue {
        let [y_true, y_pred] = &mut self.queues;
        if side == Side::YTrue { y_true } else { y_pred }
    }

    pub fn prefetch(&self, side: Side) -> u16 {
        side.of(&self.queues).prefetch
    }

    /// Whether another delivery of this queue may be taken.
    pub fn may_take(&self, side: Side) -> bool {
        let [y_true, y_pred] = &self.queues;
        let (own, other) = if side == Side::YTrue { (y_true, y_pred) } else { (y_pred, y_true) };
        let lead_max = if self.pairs_meet { other.samples() + LEAD_MAX } else { usize::MAX };
        own.deliveries.len() < own.deliveries_max()
            && own.samples() < SAMPLES_MAX.min(lead_max)
            && own.undigested.bytes + other.undigested.bytes < UNDIGESTED_BYTES_MAX
    }

    /// The number of the next delivery. [`Flow::digested`] refers to deliveries by it.
    pub fn next_number(&self, side: Side) -> u64 {
        let queue = side.of(&self.queues);
        queue.first + queue.deliveries.len() as u64
    }

    /// Counts a delivery that was taken: its samples, the bytes of its body, and the bytes that it keeps in memory until it is digested.
    pub fn taken(&mut self, side: Side, samples: usize, body_bytes: usize, kept_bytes: usize, now: Instant) {
        let queue = self.queue_mut(side);
        queue.undigested.add(samples, kept_bytes);
        queue.seen.add(samples, body_bytes);
        queue.deliveries.push_back(Delivery { taken_at: now, held: 0 });
    }

    /// How long to wait for a delivery before the next batch is digested. `sync_due`: when the store must be synced, if at all.
    /// `is_stopped`: no delivery can arrive before others are taken.
    pub fn wait(&self, sync_due: Option<Instant>, now: Instant, is_stopped: bool) -> Duration {
        let release_due = |queue: &Queue| queue.deliveries.front().map(|first| first.taken_at + HOLD_MAX);
        let due = self.queues.iter().filter_map(release_due).chain(sync_due).min();
        let until_due = due.map_or(IDLE, |due| due.saturating_duration_since(now).min(IDLE));
        match (self.may_take(Side::YTrue), self.may_take(Side::YPred)) {
            (true, true) => until_due,
            (false, false) => Duration::ZERO,
            _ if self.pairs_meet && !is_stopped => until_due.min(LEAD_WAIT),
            _ => Duration::ZERO,
        }
    }

    /// Whether the next batch moves all held halves to the store: one has been held for too long, or the batch is empty and one queue waits
    /// for the other in vain.
    pub fn releases(&self, is_empty: bool, now: Instant) -> bool {
        let is_stuck = is_empty && !(self.may_take(Side::YTrue) && self.may_take(Side::YPred));
        let is_old = |delivery: &Delivery| now.saturating_duration_since(delivery.taken_at) >= HOLD_MAX;
        is_stuck || self.queues.iter().any(|queue| queue.deliveries.front().is_some_and(is_old))
    }

    /// All that was taken is durable except for the held halves. `held` names a delivery once for each half that is held from now on,
    /// `released` for each that no longer is. `met`: halves met in memory. `added`: halves were added to the store.
    pub fn digested(&mut self, held: &[(Side, u64)], released: &[(Side, u64)], met: bool, added: bool) {
        for queue in &mut self.queues {
            queue.undigested = Load::default();
        }
        for (side, number) in held {
            self.count_held(*side, *number, 1);
        }
        for (side, number) in released {
            self.count_held(*side, *number, -1);
        }
        self.pairs_meet = !added && (self.pairs_meet || met);
    }

    fn count_held(&mut self, side: Side, number: u64, change: isize) {
        let queue = self.queue_mut(side);
        let at = number.checked_sub(queue.first).and_then(|at| usize::try_from(at).ok());
        if let Some(delivery) = at.and_then(|at| queue.deliveries.get_mut(at)) {
            delivery.held = delivery.held.saturating_add_signed(change);
            queue.held = queue.held.saturating_add_signed(change);
        }
    }

    /// The number of the last delivery that may be acknowledged, with all before it: they are digested, and none of their halves is held.
    /// `None` if there are no new ones.
    pub fn acknowledge(&mut self, side: Side) -> Option<u64> {
        let queue = self.queue_mut(side);
        let digested = queue.deliveries.len() - queue.undigested.deliveries;
        let free = queue.deliveries.iter().take(digested).take_while(|delivery| delivery.held == 0).count();
        queue.deliveries.drain(..free);
        queue.first += free as u64;
        (free > 0).then(|| queue.first - 1)
    }

    /// A new prefetch, if the bodies since the last choice have a very different size.
    pub fn choose_prefetch(&mut self, side: Side) -> Option<u16> {
        let queue = self.queue_mut(side);
        if queue.seen.deliveries < usize::from(SIZED_DELIVERIES.min(queue.prefetch)) {
            return None;
        }
        let Load { deliveries, samples, bytes } = std::mem::take(&mut queue.seen);
        let of_bytes = PREFETCH_BYTES * deliveries / bytes.max(1);
        let of_samples = PREFETCH_SAMPLES * deliveries / samples.max(1);
        let affordable = u16::try_from(of_bytes.min(of_samples)).unwrap_or(u16::MAX);
        let wanted = affordable.clamp(1, queue.prefetch_max);
        if wanted < queue.prefetch.saturating_mul(2) && queue.prefetch < wanted.saturating_mul(2) {
            return None;
        }
        queue.prefetch = wanted;
        Some(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Side::*;

    /// Both queues with the largest prefetch.
    fn flow() -> Flow {
        let mut flow = Flow::new(u16::MAX);
        flow.queues.iter_mut().for_each(|queue| queue.prefetch = u16::MAX);
        flow
    }

    fn take(flow: &mut Flow, side: Side, samples: usize) -> u64 {
        let number = flow.next_number(side);
        flow.taken(side, samples, 10, 10, Instant::now());
        number
    }

    fn held(side: Side, number: u64, halves: usize) -> Vec<(Side, u64)> {
        vec![(side, number); halves]
    }

    #[test]
    fn nothing_is_acknowledged_before_it_is_digested() {
        let mut flow = flow();
        assert_eq!(flow.acknowledge(YTrue), None);
        let first = take(&mut flow, YTrue, 1);
        assert_eq!(flow.acknowledge(YTrue), None);
        flow.digested(&[], &[], true, false);
        let second = take(&mut flow, YTrue, 1);
        assert_eq!((flow.acknowledge(YTrue), flow.acknowledge(YTrue)), (Some(first), None));
        flow.digested(&[], &[], true, false);
        assert_eq!((flow.acknowledge(YTrue), flow.acknowledge(YPred)), (Some(second), None));
    }

    #[test]
    fn a_held_half_keeps_its_delivery_and_those_behind_it() {
        let mut flow = flow();
        let numbers: Vec<u64> = (0..4).map(|_| take(&mut flow, YPred, 2)).collect();
        assert_eq!(numbers, [0, 1, 2, 3]);
        flow.digested(&held(YPred, 2, 2), &[], false, false);
        assert_eq!(flow.acknowledge(YPred), Some(1));
        flow.digested(&[], &held(YPred, 2, 1), true, false);
        assert_eq!(flow.acknowledge(YPred), None);
        flow.digested(&[], &held(YPred, 2, 1), true, false);
        assert_eq!(flow.acknowledge(YPred), Some(3));
        // A half that is held and released within a batch, of one side or of both.
        let (of_true, of_pred) = (take(&mut flow, YTrue, 1), take(&mut flow, YPred, 1));
        flow.digested(&held(YTrue, of_true, 1), &held(YTrue, of_true, 1), true, false);
        assert_eq!([flow.acknowledge(YTrue), flow.acknowledge(YPred)], [Some(of_true), Some(of_pred)]);
    }

    /// Compares random histories with a plain account: a delivery is acknowledged once it and all before it are digested and none of their
    /// halves is held, and not before.
    #[test]
    fn acknowledged_is_what_is_digested_and_not_held_whatever_the_order() {
        let seed = fastrand::u64(..);
        println!("TEST_SEED={seed}");
        let mut rng = fastrand::Rng::with_seed(seed);
        for _ in 0..300 {
            let mut flow = flow();
            // By side, of each delivery: whether it is digested, and its halves that are held.
            let mut account: [Vec<(bool, usize)>; 2] = Default::default();
            let mut acknowledged = [0, 0];
            for _ in 0..rng.usize(1..60) {
                let at = rng.usize(..2);
                let side = [YTrue, YPred][at];
                if rng.bool() {
                    assert_eq!(take(&mut flow, side, 3), account[at].len() as u64);
                    account[at].push((false, 0));
                    continue;
                }
                let (mut now_held, mut now_released) = (Vec::new(), Vec::new());
                for (side, deliveries) in [YTrue, YPred].into_iter().zip(&mut account) {
                    for (number, delivery) in (0..).zip(deliveries.iter_mut()) {
                        if !delivery.0 {
                            *delivery = (true, rng.usize(..3));
                            now_held.extend(held(side, number, delivery.1));
                        }
                        let released = rng.usize(..=delivery.1);
                        now_released.extend(held(side, number, released));
                        delivery.1 -= released;
                    }
                }
                flow.digested(&now_held, &now_released, rng.bool(), rng.bool());
                for at in [0, 1] {
                    let free = account[at].iter().take_while(|delivery| **delivery == (true, 0)).count();
                    let expected = (free > acknowledged[at]).then(|| free as u64 - 1);
                    assert_eq!(flow.acknowledge([YTrue, YPred][at]), expected);
                    acknowledged[at] = free;
                }
            }
            for at in [0, 1] {
                let still_held: usize = account[at].iter().map(|delivery| delivery.1).sum();
                assert_eq!(flow.queues[at].held, still_held);
            }
        }
    }

    #[test]
    fn deliveries_samples_and_bytes_are_each_bounded() {
        let mut few = Flow::new(3);
        assert!(few.may_take(YTrue));
        take(&mut few, YTrue, 0);
        assert!(!few.may_take(YTrue) && few.may_take(YPred), "half of a prefetch of 3");

        let mut flow = flow();
        flow.pairs_meet = false;
        take(&mut flow, YTrue, SAMPLES_MAX);
        assert!(!flow.may_take(YTrue) && flow.may_take(YPred));
        flow.digested(&held(YTrue, 0, SAMPLES_MAX), &[], false, false);
        assert!(!flow.may_take(YTrue), "held ones count");
        flow.digested(&[], &held(YTrue, 0, 1), false, false);
        assert!(flow.may_take(YTrue));

        flow.taken(YTrue, 0, 0, UNDIGESTED_BYTES_MAX / 2, Instant::now());
        flow.taken(YPred, 0, 0, UNDIGESTED_BYTES_MAX / 2, Instant::now());
        assert!(!flow.may_take(YTrue) && !flow.may_take(YPred), "of both queues");
        flow.digested(&[], &[], false, false);
        assert!(flow.may_take(YTrue) && flow.may_take(YPred));
    }

    #[test]
    fn a_queue_is_kept_near_the_other_while_pairs_meet() {
        let mut flow = flow();
        take(&mut flow, YTrue, LEAD_MAX);
        assert!(!flow.may_take(YTrue) && flow.may_take(YPred));
        take(&mut flow, YPred, 1);
        assert!(flow.may_take(YTrue));
        // Halves are added to the store: the other queue is far behind.
        flow.digested(&held(YTrue, 0, LEAD_MAX + 1), &[], true, true);
        assert!(flow.may_take(YTrue));
        flow.digested(&[], &[], true, false);
        assert!(!flow.may_take(YTrue), "pairs meet again");
    }

    #[test]
    fn halves_are_released_when_they_are_old_or_a_queue_waits_in_vain() {
        let mut flow = flow();
        let now = Instant::now();
        assert!(!flow.releases(true, now));
        flow.taken(YTrue, 1, 10, 10, now);
        flow.digested(&held(YTrue, 0, 1), &[], false, false);
        let nearly = now + HOLD_MAX - Duration::from_millis(1);
        assert_eq!([nearly, now + HOLD_MAX].map(|at| flow.releases(false, at)), [false, true]);

        take(&mut flow, YTrue, LEAD_MAX);
        flow.digested(&held(YTrue, 1, LEAD_MAX), &[], false, false);
        assert!(!flow.may_take(YTrue));
        assert_eq!([false, true].map(|is_empty| flow.releases(is_empty, nearly)), [false, true]);
    }

    #[test]
    fn the_wait_follows_what_is_due() {
        let mut flow = flow();
        let now = Instant::now();
        let [soon, later] = [60, 700].map(Duration::from_millis);
        let wait = |flow: &Flow, sync_in: Option<Duration>, is_stopped| {
            flow.wait(sync_in.map(|sync_in| now + sync_in), now, is_stopped)
        };
        assert_eq!([wait(&flow, None, false), wait(&flow, Some(later), false)], [IDLE, later]);
        assert_eq!(flow.wait(Some(now), now + soon, false), Duration::ZERO, "it is late");
        flow.taken(YTrue, LEAD_MAX - 1, 10, 10, now);
        flow.digested(&held(YTrue, 0, LEAD_MAX - 1), &[], false, false);
        assert_eq!([wait(&flow, None, false), wait(&flow, Some(later), false)], [HOLD_MAX, later]);
        flow.taken(YTrue, 1, 10, 10, now);
        assert_eq!([wait(&flow, None, false), wait(&flow, None, true)], [LEAD_WAIT, Duration::ZERO]);
        assert_eq!(wait(&flow, Some(soon), false), soon);
        flow.pairs_meet = false;
        assert_eq!(wait(&flow, None, false), HOLD_MAX);
        take(&mut flow, YTrue, SAMPLES_MAX);
        assert_eq!(wait(&flow, None, false), Duration::ZERO);
    }

    #[test]
    fn the_prefetch_follows_the_size_of_bodies() {
        let mut flow = Flow::new(2000);
        assert_eq!(flow.prefetch(YTrue), FIRST_PREFETCH);
        let mut see = |deliveries: u16, samples, bytes| {
            (0..deliveries).for_each(|_| flow.taken(YTrue, samples, bytes, 0, Instant::now()));
            flow.choose_prefetch(YTrue)
        };
        assert_eq!([see(3, 1, 60), see(1, 1, 60)], [None, Some(2000)]);
        assert_eq!([see(31, 1, 60), see(1, 1, 60)], [None, None], "it fits");
        assert_eq!(see(32, 1, 1 << 20), Some(3));
        assert_eq!(see(3, 1, 1 << 20), None);
        assert_eq!(see(3, 100, 5000), Some(160));
        assert_eq!(see(32, 10_000, 300_000), Some(1));
        assert_eq!(flow.prefetch(YPred), FIRST_PREFETCH);
    }
}
