//! The column `group` of some rows: every field once, and for each row which of them it has. And what a field means.
//! Never counts a row.

use crate::logs::interned::{Interned, text, unguarded};
use std::collections::VecDeque;

/// Bounded by the lines that the rows were read from.
#[derive(Default)]
pub struct GroupColumn {
    /// Each field once, in the order of the rows; see [`name`].
    pub fields: Interned,
    /// For each row its field's place in `fields`, counted from 1; 0 without a group. Rows beyond the end have none.
    pub of_rows: VecDeque<u32>,
}

impl GroupColumn {
    /// Sets the group of row number `row`, counted from 0, which is behind all rows that have one.
    pub fn add(&mut self, row: usize, field: &[u8]) {
        if !field.is_empty() {
            let place = self.fields.place(field, |_| true);
            self.of_rows.resize(row, 0);
            self.of_rows.push_back(place);
        }
    }

    /// Forgets the first row, and returns its field; empty without a group.
    pub fn pop(&mut self) -> &[u8] {
        let place = self.of_rows.pop_front().unwrap_or(0);
        self.fields.text(place)
    }
}

/// The group that a field means; empty for none. None where it can be no group: more than 64 bytes, not UTF-8, or with control characters.
pub fn name(field: &[u8]) -> Option<&str> {
    text(unguarded(field))
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
        let fields: Vec<&[u8]> = groups.fields.texts.iter().map(|field| &**field).collect();
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
