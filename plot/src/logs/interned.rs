//! Texts of some rows, each kept once: names of groups and of classes. And what a field of either may hold.
//! Never knows a row.

use foldhash::fast::RandomState;
use std::{collections::HashMap, mem, sync::Arc};

/// Limit of a group and of a class, as in messages.
const MOST_BYTES: usize = 64;

/// Limit of texts that stay known for the lines to come. Bounds memory.
const MOST_KNOWN: usize = 2_000;

/// Bounded by the lines that the texts were read from, and [`MOST_KNOWN`].
#[derive(Default)]
pub struct Interned {
    /// In the order in which they came. Shared with those that [`Interned::go_on`] made.
    pub texts: Texts,
    /// Empty where no more texts come.
    places: HashMap<Arc<[u8]>, u32, RandomState>,
}

pub type Texts = Arc<Vec<Arc<[u8]>>>;

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
        let texts = Arc::make_mut(&mut self.texts);
        texts.push(Arc::clone(&text));
        let place = texts.len() as u32;
        self.places.insert(text, place);
        place
    }

    /// Makes one for the next lines, in which these texts keep their places; unless there are many, most of which may not come again.
    /// This one takes no more texts.
    pub fn go_on(&mut self) -> Interned {
        let places = mem::take(&mut self.places);
        if self.texts.len() > MOST_KNOWN {
            return Interned::default();
        }
        Interned { texts: Arc::clone(&self.texts), places }
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
