//! The column `group` of some rows: every field once, and for each row which of them it has. And what a field means.
//! Never counts a row.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// Limit of a group, as in messages.
const MOST_BYTES: usize = 64;

/// Bounded by the lines that the rows were read from.
#[derive(Default)]
pub struct GroupColumn {
    /// Each field once, in the order of the rows; see [`name`].
    pub fields: Vec<Arc<[u8]>>,
    /// For each row its field's place in `fields`, counted from 1; 0 without a group. Rows beyond the end have none.
    pub of_rows: VecDeque<u32>,
    places: HashMap<Arc<[u8]>, u32>,
    /// The last place with each [`rough_hash`]. Spares most rows the thorough hash, which took a sixth of the time of reading.
    recent: Vec<u32>,
}

/// How many rough hashes there are.
const HASHES: usize = 1 << 10;

impl GroupColumn {
    /// Sets the group of row number `row`, counted from 0, which is behind all rows that have one.
    pub fn add(&mut self, row: usize, field: &[u8]) {
        if !field.is_empty() {
            let place = self.place(field);
            self.of_rows.resize(row, 0);
            self.of_rows.push_back(place);
        }
    }

    fn place(&mut self, field: &[u8]) -> u32 {
        self.recent.resize(HASHES, 0);
        let hash = rough_hash(field);
        let recent = self.recent.get(hash).copied().unwrap_or(0);
        if self.field(recent) == field {
            return recent;
        }
        let place = self.thorough_place(field);
        if let Some(recent) = self.recent.get_mut(hash) {
            *recent = place;
        }
        place
    }

    fn thorough_place(&mut self, field: &[u8]) -> u32 {
        if let Some(place) = self.places.get(field) {
            return *place;
        }
        let field: Arc<[u8]> = field.into();
        self.fields.push(Arc::clone(&field));
        let place = self.fields.len() as u32;
        self.places.insert(field, place);
        place
    }

    /// Empty at place 0.
    fn field(&self, place: u32) -> &[u8] {
        (place as usize).checked_sub(1).and_then(|place| self.fields.get(place)).map_or(&[], |field| field)
    }

    /// Forgets the first row, and returns its field; empty without a group.
    pub fn pop(&mut self) -> &[u8] {
        let place = self.of_rows.pop_front().unwrap_or(0);
        self.field(place)
    }
}

/// Of both ends of a field, below [`HASHES`].
fn rough_hash(field: &[u8]) -> usize {
    let (first, last) = (field.first_chunk::<8>(), field.last_chunk::<8>());
    let ends = match first.zip(last) {
        Some((first, last)) => u64::from_le_bytes(*first).rotate_left(32) ^ u64::from_le_bytes(*last),
        None => field.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)),
    };
    // Fibonacci hashing (Knuth 6.4).
    (ends.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - HASHES.ilog2())) as usize
}

/// The group that a field means; empty for none. None where it can be no group: more than 64 bytes, not UTF-8, or with control characters.
pub fn name(field: &[u8]) -> Option<&str> {
    // The apostrophe that guards a text from spreadsheets.
    let field = field.strip_prefix(b"'").unwrap_or(field);
    let name = std::str::from_utf8(field).ok()?;
    (name.len() <= MOST_BYTES && !name.chars().any(char::is_control)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_groups_in_order() {
        // The long ones have one rough hash.
        let rows =
            ["", "a", "", "version-1-of-model", "version-2-of-model", "a", "version-1-of-model", "", ""];
        let mut groups = GroupColumn::default();
        rows.iter().enumerate().for_each(|(row, field)| groups.add(row, field.as_bytes()));
        let fields: Vec<&[u8]> = groups.fields.iter().map(|field| &**field).collect();
        assert_eq!(fields, [&b"a"[..], b"version-1-of-model", b"version-2-of-model"]);
        for field in rows {
            assert_eq!(groups.pop(), field.as_bytes());
        }
        assert_eq!(groups.pop(), b"");
    }

    #[test]
    fn a_field_means_a_group_of_at_most_64_bytes_of_text() {
        let long = "ä".repeat(32);
        for (field, group) in [
            ("v2", Some("v2")),
            ("1.0", Some("1.0")),
            (" a ", Some(" a ")),
            ("'=SUM(A1)", Some("=SUM(A1)")),
            ("''quoted'", Some("'quoted'")),
            ("'", Some("")),
            ("a,\"b\"", Some("a,\"b\"")),
            (&long, Some(&long)),
            (&format!("'{long}"), Some(&long)),
            (&format!("{long}x"), None),
            ("a\rb", None),
            ("a\u{85}b", None),
        ] {
            assert_eq!(name(field.as_bytes()), group, "{field:?}");
        }
        assert_eq!(name(b"a\xff"), None);
    }
}
