//! Slices by minute, hour, day and 30 days: the older, the wider, so that their number has a limit.
//! Never knows what is in a slice, but how two are put together.

use crate::stats::past::{Span, slice::Counting, slice::Slice};
use std::collections::BTreeMap;

/// Width in seconds, each a multiple of the one before; and how many slices with rows there are at most before the oldest are put together
/// into one of the next width. So there are minutes for 48 hours, hours for 90 days and days for ten years at least, whatever the rows' times.
const TIERS: [(i64, usize); 4] = [(60, 2_940), (3_600, 2_184), (86_400, 3_720), (2_592_000, usize::MAX)];

struct Tier {
    width_s: i64,
    most: usize,
    /// Rows before this are in the next tier; at a bound of its slices.
    from_s: i64,
    /// By their start, in Unix seconds.
    slices: BTreeMap<i64, Slice>,
}

pub struct Tiers([Tier; TIERS.len()]);

impl Tiers {
    pub fn new() -> Self {
        Tiers(TIERS.map(|(width_s, most)| Tier { width_s, most, from_s: i64::MIN, slices: BTreeMap::new() }))
    }

    /// Adds the rows of a slice of the finest width. `counting`, which is empty, puts slices together.
    pub fn add(&mut self, start_s: i64, slice: Slice, counting: &mut Counting) {
        let Some(place) = self.place(start_s) else { return };
        self.put(place, start_s, slice, counting);
        for place in place..TIERS.len() {
            self.thin_out(place, counting);
        }
    }

    /// The tier of a time.
    fn place(&self, time_s: i64) -> Option<usize> {
        self.0.iter().position(|tier| tier.from_s <= time_s)
    }

    fn put(&mut self, place: usize, time_s: i64, slice: Slice, counting: &mut Counting) {
        let Some(tier) = self.0.get_mut(place) else { return };
        let start_s = floor(time_s, tier.width_s);
        let slice = match tier.slices.remove(&start_s) {
            Some(before) => {
                counting.add_slice(&before);
                counting.add_slice(&slice);
                counting.take()
            }
            None => slice,
        };
        tier.slices.insert(start_s, slice);
    }

    /// Puts the oldest slices of a tier together until it has no more than its limit.
    fn thin_out(&mut self, place: usize, counting: &mut Counting) {
        while let Some([tier, next]) = self.0.get_mut(place..).and_then(|tiers| tiers.first_chunk_mut())
            && tier.slices.len() > tier.most
            && let Some((oldest_s, _)) = tier.slices.first_key_value()
        {
            let start_s = floor(*oldest_s, next.width_s);
            tier.from_s = start_s + next.width_s;
            let newer = tier.slices.split_off(&tier.from_s);
            std::mem::replace(&mut tier.slices, newer).values().for_each(|slice| counting.add_slice(slice));
            self.put(place + 1, start_s, counting.take(), counting);
        }
    }

    /// The slices that hold the bounds of a span, as wide as they are.
    pub fn widened(&self, Span { from_s, to_s }: Span) -> Span {
        let width_s =
            |time_s| self.0.iter().find(|tier| tier.from_s <= time_s).map_or(1, |tier| tier.width_s);
        let last_s = to_s.max(from_s + 1) - 1;
        Span {
            from_s: floor(from_s, width_s(from_s)),
            to_s: floor(last_s, width_s(last_s)) + width_s(last_s),
        }
    }

    /// The slices in a span, from old to new.
    pub fn within(&self, Span { from_s, to_s }: Span) -> impl Iterator<Item = (Span, &Slice)> {
        self.0.iter().rev().flat_map(move |tier| {
            let slices = tier.slices.range(from_s..to_s.max(from_s));
            slices.map(|(start_s, slice)| (Span { from_s: *start_s, to_s: start_s + tier.width_s }, slice))
        })
    }

    /// From the first slice to the last one.
    pub fn span(&self) -> Option<Span> {
        let filled = || self.0.iter().filter(|tier| !tier.slices.is_empty());
        let first_s =
            filled().filter_map(|tier| tier.slices.first_key_value().map(|(start_s, _)| *start_s)).min()?;
        let end_s = |tier: &Tier| tier.slices.last_key_value().map(|(start_s, _)| start_s + tier.width_s);
        Some(Span { from_s: first_s, to_s: filled().filter_map(end_s).max()? })
    }
}

/// The last multiple of `width_s` up to a time.
pub fn floor(time_s: i64, width_s: i64) -> i64 {
    time_s.div_euclid(width_s) * width_s
}
