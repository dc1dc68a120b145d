//! Texts of some rows, each kept once: names of groups and of classes. And what a field of either may hold.
//! Never knows a row.

use foldhash::fast::RandomState;
use std::{collections::HashMap, sync::Arc};

/// Limit of a group and of a class, as in messages.
const MOST_BYTES: usize = 64;

/// Bounded by the lines that the texts were read from.
#[derive(Default)]
pub struct Interned {
    /// In the order in which they came.
    pub texts: Vec<Arc<[u8]>>,
    places: HashMap<Arc<[u8]>, u32, RandomState>,
}

impl Interned {
    /// The place of a text, counted from 1. A new text is kept only if it `is_allowed`; 0 otherwise, and for the empty text.
    pub fn place(&mut self, text: &[u8], is_allowed: fn(&[u8]) -> bool) -> u32 {
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

/// A field without the apostrophe that guards a text from spreadsheets.
pub fn unguarded(field: &[u8]) -> &[u8] {
    field.strip_prefix(b"'").unwrap_or(field)
}

/// None for what is no group or class: more than 64 bytes, not UTF-8, or with control characters.
pub fn text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    (text.len() <= MOST_BYTES && !text.chars().any(char::is_control)).then_some(text)
}
