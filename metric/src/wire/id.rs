//! The id of a sample, stored inline if it is short, as nearly all are. On the heap the two ids of a pair would cost two allocations, made by
//! one thread and freed by another, and a cache miss for each comparison.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    ops::Deref,
};

pub const ID_BYTES_MAX: usize = 128;
/// An [`Id`], with its length and variant, then has 40 bytes. A UUID as text has 36.
const SHORT_BYTES_MAX: usize = 38;

/// The text of an id.
#[derive(Clone, PartialEq, Eq)]
pub struct Id(Place);

/// The length of the text determines the variant, so that equal texts are equal.
#[derive(Clone, PartialEq, Eq)]
enum Place {
    /// The unused `bytes` are zero.
    Short {
        len: u8,
        bytes: [u8; SHORT_BYTES_MAX],
    },
    Long(Box<str>),
}

impl Id {
    fn bytes(&self) -> &[u8] {
        match &self.0 {
            Place::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Place::Long(text) => text.as_bytes(),
        }
    }
}

impl From<&str> for Id {
    fn from(text: &str) -> Id {
        let mut bytes = [0; SHORT_BYTES_MAX];
        Id(match bytes.get_mut(..text.len()) {
            Some(place) => {
                place.copy_from_slice(text.as_bytes());
                Place::Short { len: text.len() as u8, bytes }
            }
            None => Place::Long(text.into()),
        })
    }
}

impl Deref for Id {
    type Target = str;

    fn deref(&self) -> &str {
        str::from_utf8(self.bytes()).unwrap_or_default()
    }
}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.bytes());
    }
}

impl Ord for Id {
    fn cmp(&self, other: &Id) -> Ordering {
        self.bytes().cmp(other.bytes())
    }
}

impl PartialOrd for Id {
    fn partial_cmp(&self, other: &Id) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// Checks the limits of the contract.
///
/// # Errors
/// Says what is wrong with the id.
pub fn check(id: &str) -> Result<(), String> {
    if id.is_empty() {
        return Err("the id is empty".to_owned());
    }
    if id.len() > ID_BYTES_MAX {
        return Err(format!("the id has {} bytes; at most {ID_BYTES_MAX}", id.len()));
    }
    // Most ids are plain ASCII, which needs no decoding. Testing all bytes is faster than stopping at the first other one.
    let is_plain = id.bytes().fold(true, |is_plain, byte| is_plain & matches!(byte, b' '..=b'~'));
    if !is_plain && id.chars().any(char::is_control) {
        return Err("the id holds a control character".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn an_id_is_its_text_whatever_its_length() {
        let texts: Vec<String> =
            ["", "a", "é", "\0"].iter().flat_map(|part| (0..130).map(|times| part.repeat(times))).collect();
        for text in &texts {
            assert_eq!(&*Id::from(text.as_str()), text);
        }
        let ids: BTreeSet<Id> = texts.iter().map(|text| text.as_str().into()).collect();
        let sorted: BTreeSet<&str> = texts.iter().map(String::as_str).collect();
        assert_eq!(ids.iter().map(|id| &**id).collect::<Vec<_>>(), sorted.into_iter().collect::<Vec<_>>());
        for (a, b) in texts.iter().flat_map(|a| texts.iter().map(move |b| (a, b))) {
            assert_eq!(Id::from(a.as_str()) == Id::from(b.as_str()), a == b, "{a:?} {b:?}");
        }
        assert_eq!(size_of::<Id>(), 40);
    }
}
