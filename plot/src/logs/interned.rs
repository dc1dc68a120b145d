//! Texts of some rows, each kept once: names of groups and of classes. And what a field of either may hold.
//! Never knows a row.

use std::{collections::HashMap, sync::Arc};

/// Limit of a group and of a class, as in messages.
const MOST_BYTES: usize = 64;

/// Bounded by the lines that the texts were read from.
#[derive(Default)]
pub struct Interned {
    /// In the order in which they came.
    pub texts: Vec<Arc<[u8]>>,
    places: HashMap<Arc<[u8]>, u32>,
    /// The last place with each [`rough_hash`]. Spares most rows the thorough hash, which took a sixth of the time of reading.
    recent: Vec<u32>,
}

/// How many rough hashes there are.
const HASHES: usize = 1 << 10;

impl Interned {
    /// The place of a text, counted from 1. A new text is kept only if it `is_allowed`; 0 otherwise, and for the empty text.
    pub fn place(&mut self, text: &[u8], is_allowed: fn(&[u8]) -> bool) -> u32 {
        self.recent.resize(HASHES, 0);
        let hash = rough_hash(text);
        let recent = self.recent.get(hash).copied().unwrap_or(0);
        if self.text(recent) == text {
            return recent;
        }
        let place = self.thorough_place(text, is_allowed);
        if let Some(recent) = self.recent.get_mut(hash) {
            *recent = place;
        }
        place
    }

    fn thorough_place(&mut self, text: &[u8], is_allowed: fn(&[u8]) -> bool) -> u32 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        if !is_allowed(text) {
            return 0;
        }
        let text: Arc<[u8]> = text.into();
        self.texts.push(Arc::clone(&text));
        let place = self.texts.len() as u32;
        self.places.insert(text, place);
        place
    }

    /// Empty at place 0.
    pub fn text(&self, place: u32) -> &[u8] {
        (place as usize).checked_sub(1).and_then(|place| self.texts.get(place)).map_or(&[], |text| text)
    }
}

/// Of both ends of a text, below [`HASHES`].
fn rough_hash(text: &[u8]) -> usize {
    let (first, last) = (text.first_chunk::<8>(), text.last_chunk::<8>());
    let ends = match first.zip(last) {
        Some((first, last)) => u64::from_le_bytes(*first).rotate_left(32) ^ u64::from_le_bytes(*last),
        None => text.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)),
    };
    // Fibonacci hashing (Knuth 6.4).
    (ends.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - HASHES.ilog2())) as usize
}

/// A field without the apostrophe that guards a text from spreadsheets.
pub fn unguarded(field: &[u8]) -> &[u8] {
    field.strip_prefix(b"'").unwrap_or(field)
}

/// None for what is no group or class: more than 64 bytes, not UTF-8, or with control characters.
pub fn text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    (text.len() <= MOST_BYTES && !text.chars().any(char::is_control)).then_some(text)
}
