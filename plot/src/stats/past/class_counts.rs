//! Counts of each class: of a slice at rest, or of slices that are put together.
//! Never knows a name.

use crate::stats::{
    class_numbers::{Counts, Pair, count},
    past::varint,
};

/// Limit of the classes of a slice. One that has more keeps no class.
const MOST: usize = 256;

/// Counts that are being added to.
#[derive(Default)]
pub struct Counting {
    /// By the number of the class.
    counts: Vec<Counts>,
    /// A slice had more than [`MOST`] classes.
    is_cut: bool,
}

/// Counts at rest, in some five bytes for each class that has rows.
#[derive(Clone, Default)]
pub struct ClassCounts {
    /// How far the class is from the one before, and what it has.
    bytes: Box<[u8]>,
    is_cut: bool,
}

impl Counting {
    pub fn add(&mut self, pair: Pair) {
        count(&mut self.counts, pair);
    }

    pub fn add_all(&mut self, more: &ClassCounts) {
        self.is_cut |= more.is_cut;
        let (mut class, mut rest) = (0, &*more.bytes);
        while let Some(apart) = varint::read(&mut rest) {
            class += apart as usize;
            let [support, predicted, right] = [(); 3].map(|()| varint::read(&mut rest).unwrap_or(0));
            if self.counts.len() <= class {
                self.counts.resize(class + 1, Counts::default());
            }
            if let Some(counts) = self.counts.get_mut(class) {
                counts.support += support;
                counts.predicted += predicted;
                counts.right += right;
            }
        }
    }

    /// What was counted; counts nothing afterwards.
    pub fn take(&mut self) -> ClassCounts {
        let (mut bytes, mut before, mut classes) = (Vec::new(), 0, 0);
        for (class, counts) in self.counts.iter().enumerate().filter(|(_, counts)| !counts.is_empty()) {
            let Counts { support, predicted, right } = *counts;
            for number in [(class - before) as u64, support, predicted, right] {
                varint::write(&mut bytes, number);
            }
            (before, classes) = (class, classes + 1);
        }
        let is_cut = self.is_cut || classes > MOST;
        self.counts.fill(Counts::default());
        self.is_cut = false;
        ClassCounts { bytes: if is_cut { Box::default() } else { bytes.into() }, is_cut }
    }

    /// By the number of the class. None if a slice had too many of them.
    pub fn counts(&self) -> Option<&[Counts]> {
        (!self.is_cut).then_some(&*self.counts)
    }
}
