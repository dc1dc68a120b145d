//! Describes messages and values that cannot be used, so that the publisher can find the mistake. Never decides whether they can be used.

use crate::wire::json::{self, elements};
use serde::de::IgnoredAny;

/// A reason quotes this many bytes of a value or key.
const QUOTED_BYTES_MAX: usize = 40;
/// A reason names this many keys of an object.
const KEYS_MAX: usize = 8;

/// The format of a message that is not JSON in UTF-8. `None` if it is, or if its first bytes are not known.
pub fn format(body: &[u8]) -> Option<&'static str> {
    // The zeros of ASCII characters reveal UTF-16 and UTF-32 without a byte order mark (RFC 4627, section 3).
    match body.trim_ascii_start() {
        [0x1f, 0x8b, ..] => Some("compressed with gzip"),
        [0x78, 0x01 | 0x9c | 0xda, ..] => Some("compressed with zlib"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("compressed with zstd"),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Some("compressed with bzip2"),
        [0x80, 2..=5, ..] => Some("a Python pickle"),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Some("a NumPy file"),
        [0x80..=0x8f, 0xa0..=0xbf, ..] | [0x90..=0x9f, 0x80..=0x8f, ..] => Some("MessagePack"),
        [b'{', b'\'', ..] | [b'[', b'{', b'\'', ..] => {
            Some("a Python dict written with str(), not with json.dumps()")
        }
        [b'b', b'\'' | b'"', ..] => Some("Python bytes written with str()"),
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32 text"),
        [1..=255, 0, 0, 0, ..] | [0, 0, 0, 1..=255, ..] => Some("UTF-32 text"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [1..=255, 0, 1..=255, 0, ..] | [0, 1..=255, 0, 1..=255, ..] => {
            Some("UTF-16 text")
        }
        _ => None,
    }
}

/// Describes a JSON value, or one of the tokens that `json.rs` accepts.
pub fn value(raw: &str) -> String {
    match raw.as_bytes().first() {
        Some(b'{') => match json::keys(raw, KEYS_MAX) {
            Ok((_, 0)) => "an empty object".to_owned(),
            Ok((keys, count)) => format!("an object with {}", listed(&keys, count)),
            Err(_) => "an object".to_owned(),
        },
        Some(b'[') => match elements(raw, 0) {
            Ok((_, 0)) => "an empty array".to_owned(),
            Ok((_, 1)) => "an array of one value".to_owned(),
            Ok((_, count)) => format!("an array of {count} values"),
            Err(_) => "an array".to_owned(),
        },
        Some(b'"') => of_string(raw),
        Some(b'0'..=b'9') => format!("the number {}", quoted(raw)),
        Some(b'-') if raw != "-Infinity" => format!("the number {}", quoted(raw)),
        // null, true, false, and the tokens.
        _ => quoted(raw),
    }
}

fn of_string(raw: &str) -> String {
    let text = json::string(raw).unwrap_or_default();
    if raw == "\"\"" {
        "an empty string".to_owned()
    } else if text.trim_ascii_start().starts_with(['{', '['])
        && serde_json::from_str::<IgnoredAny>(&text).is_ok()
    {
        "JSON inside a string, encoded twice".to_owned()
    } else {
        format!("the string {}", quoted(raw))
    }
}

fn listed(keys: &[String], count: usize) -> String {
    let names = keys.iter().map(|key| quoted(key)).collect::<Vec<_>>().join(", ");
    if count > keys.len() { format!("{names} and {} more", count - keys.len()) } else { names }
}

/// A text, cut off if it is long.
fn quoted(text: &str) -> String {
    match text.get(..text.floor_char_boundary(QUOTED_BYTES_MAX)) {
        Some(part) if part.len() < text.len() => format!("{part}…"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_named_and_long_ones_are_cut() {
        for (raw, expected) in [
            ("null", "null"),
            ("-Infinity", "-Infinity"),
            ("-1.5", "the number -1.5"),
            (r#""""#, "an empty string"),
            (r#"" ""#, r#"the string " ""#),
            (r#""[0.1 0.2]""#, r#"the string "[0.1 0.2]""#),
            (r#""[1, 2]""#, "JSON inside a string, encoded twice"),
            ("[]", "an empty array"),
            ("[NaN]", "an array of one value"),
            ("{}", "an empty object"),
            (r#"{"group": 0, "body": 1, "a": NaN, "id": 2}"#, "an object with a, body, group, id"),
        ] {
            assert_eq!(value(raw), expected);
        }
        let many: Vec<String> = (10..30).map(|i| format!("\"k{i}\": 1")).collect();
        let described = value(&format!("{{{}}}", many.join(",")));
        assert_eq!(described, "an object with k10, k11, k12, k13, k14, k15, k16, k17 and 12 more");
        for raw in ["1".repeat(1 << 20), format!("\"{}\"", "é".repeat(1 << 19))] {
            assert!(value(&raw).len() < 60, "{}", value(&raw).len());
        }
        let long_key = format!("{{\"{}\": 1}}", "k".repeat(1 << 20));
        assert!(value(&long_key).len() < 70);
    }
}
