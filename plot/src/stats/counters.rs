//! Counts at many places, each two bytes while it is small: rows count at random places, as fast as the caches that these fit in.
//! Never knows what is counted.

/// A count for each place, from 0. None has a limit.
#[derive(Default)]
pub struct Counters {
    /// The counts modulo 2^16.
    low: Box<[u16]>,
    /// How often each began anew at 0; empty before any did.
    high: Box<[u64]>,
}

impl Counters {
    pub fn new(places: usize) -> Self {
        Counters { low: vec![0; places].into(), high: Box::default() }
    }

    /// Whether it has no place.
    pub fn is_empty(&self) -> bool {
        self.low.is_empty()
    }

    /// Counts one at a place that it has.
    #[inline]
    pub fn add(&mut self, place: usize) {
        if let Some(low) = self.low.get_mut(place) {
            *low = low.wrapping_add(1);
            if *low == 0 {
                self.carry(place);
            }
        }
    }

    #[cold]
    fn carry(&mut self, place: usize) {
        if self.high.is_empty() {
            self.high = vec![0; self.low.len()].into();
        }
        if let Some(high) = self.high.get_mut(place) {
            *high += 1;
        }
    }

    /// 0 at a place that it does not have.
    pub fn get(&self, place: usize) -> u64 {
        let high = self.high.get(place).copied().unwrap_or(0);
        (high << 16) + self.low.get(place).copied().map_or(0, u64::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_go_on_beyond_two_bytes() {
        let mut counters = Counters::new(3);
        assert!(Counters::default().is_empty() && !counters.is_empty());
        (0..200_000).for_each(|n| counters.add(if n % 4 == 0 { 2 } else { 1 }));
        counters.add(3);
        assert_eq!([0, 1, 2, 3].map(|place| counters.get(place)), [0, 150_000, 50_000, 0]);
    }
}
