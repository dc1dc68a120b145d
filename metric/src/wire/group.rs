//! The group of a sample: which part of the traffic it belongs to, as in CONTRACT.md. Never costs a sample: a group that cannot be used is
//! dropped and counted.

use crate::wire::json;
use std::borrow::Cow;

pub const GROUP_BYTES_MAX: usize = 64;

/// `None`: the sample belongs to no group.
pub type Group = Option<Box<str>>;

/// Reads a JSON value, or one of the tokens that `json.rs` accepts. Adds 1 to `dropped` if it is no group.
pub fn read(raw: &str, dropped: &mut u64) -> Group {
    // As pandas writes a missing value.
    if let "null" | "NaN" | "Infinity" | "-Infinity" = raw {
        return None;
    }
    let text = json::text(raw).and_then(Result::ok);
    let is_usable = |text: &Cow<str>| text.len() <= GROUP_BYTES_MAX && !text.chars().any(char::is_control);
    match text.filter(is_usable) {
        Some(text) => (!text.is_empty()).then(|| text.into()),
        None => {
            *dropped += 1;
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_a_short_text_or_number_and_anything_else_is_dropped_and_counted() {
        let (longest, longer) = ("é".repeat(32), "é".repeat(32) + "x");
        for (raw, group, is_dropped) in [
            (r#""segment A""#, Some("segment A"), false),
            (r#""=1+1, \"\u00e9\"""#, Some("=1+1, \"é\""), false),
            ("3", Some("3"), false),
            ("-3.0", Some("-3.0"), false),
            (&format!("\"{longest}\""), Some(longest.as_str()), false),
            ("\"\"", None, false),
            ("null", None, false),
            ("NaN", None, false),
            ("-Infinity", None, false),
            (&format!("\"{longer}\""), None, true),
            (&"1".repeat(65), None, true),
            (r#""a\nb""#, None, true),
            (r#""a\u0000""#, None, true),
            (r#""\ud800""#, None, true),
            ("true", None, true),
            ("[\"a\"]", None, true),
            ("{}", None, true),
        ] {
            let mut dropped = 0;
            assert_eq!(read(raw, &mut dropped).as_deref(), group, "{raw}");
            assert_eq!(dropped, u64::from(is_dropped), "{raw}");
        }
    }
}
