//! Finds the parts of a JSON text and returns them as they are written: the elements of an array, the fields of an object. Accepts NaN,
//! Infinity and -Infinity, which Python's json.dumps writes, as values. Never judges a value; `value.rs` does.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Result, from_str, value::RawValue};
use std::{borrow::Cow, collections::BTreeMap};

/// Not JSON, but Python's json.dumps writes them by default.
const NOT_FINITE: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// The elements of an array, none of them if there are more than `max`; and the number of all.
///
/// # Errors
/// Not a JSON array.
pub fn elements(text: &str, max: usize) -> Result<(Vec<&str>, usize)> {
    parse(text, |json| {
        // Counted first, which takes no memory: the elements of a megabyte would take ten.
        let count = from_str::<Vec<IgnoredAny>>(json)?.len();
        let elements: Vec<&RawValue> = if count > max { Vec::new() } else { from_str(json)? };
        Ok((elements.into_iter().map(|element| part(text, json, element)).collect(), count))
    })
}

/// The values of an object's `id` and `body`, and that of its `group`, if it has one that is not null.
///
/// # Errors
/// Not a JSON object, `id` or `body` is missing, or one of the three is there twice.
pub fn fields(text: &str) -> Result<([&str; 2], Option<&str>)> {
    #[derive(Deserialize)]
    struct Sample<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
        #[serde(borrow)]
        body: &'a RawValue,
        #[serde(borrow)]
        group: Option<&'a RawValue>,
    }
    parse(text, |json| {
        let Sample { id, body, group } = from_str(json)?;
        let part = |value| part(text, json, value);
        Ok(([part(id), part(body)], group.map(part)))
    })
}

/// The names of an object's keys in alphabetical order, at most `max` of them; and the number of all.
///
/// # Errors
/// Not a JSON object.
pub fn keys(text: &str, max: usize) -> Result<(Vec<String>, usize)> {
    parse(text, |json| {
        let keys: BTreeMap<Text, IgnoredAny> = from_str(json)?;
        let count = keys.len();
        Ok((keys.into_keys().take(max).map(|Text(key)| key.into_owned()).collect(), count))
    })
}

/// Decodes a string.
///
/// # Errors
/// Not a JSON string, or an escape stands for no character.
pub fn string(raw: &str) -> Result<Cow<'_, str>> {
    from_str(raw).map(|Text(text)| text)
}

/// The text of a JSON value that is a string, or a number, which is taken as it is written. `None` for any other one.
///
/// # Errors
/// An escape of the string stands for no character.
pub fn text(raw: &str) -> Option<Result<Cow<'_, str>>> {
    match raw.as_bytes() {
        [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => {
            raw.get(1..=inner.len()).map(|text| Ok(text.into()))
        }
        [b'"', ..] => Some(string(raw)),
        [b'-' | b'0'..=b'9', ..] if raw != "-Infinity" => Some(Ok(raw.into())),
        _ => None,
    }
}

/// Borrows where there are no escapes; a plain `Cow` never does.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Checks that the text is one JSON value.
///
/// # Errors
/// It is not.
pub fn check(text: &str) -> Result<()> {
    parse(text, |json| from_str::<IgnoredAny>(json).map(|_| ()))
}

/// Reads `text`. If that fails, reads a copy in which the three tokens are values. Every part has the same place in both.
fn parse<T>(text: &str, read: impl Fn(&str) -> Result<T>) -> Result<T> {
    read(text).or_else(|error| if error.is_data() { Err(error) } else { read(&readable(text).ok_or(error)?) })
}

/// A copy in which an empty object of the same length replaces each token, so that every part keeps its place. `None` if there is no token.
fn readable(text: &str) -> Option<String> {
    let (mut copy, mut rest, mut has_token) = (String::with_capacity(text.len()), text, false);
    while let Some(at) = rest.find(['"', 'N', 'I', '-']) {
        let (before, from) = rest.split_at(at);
        copy.push_str(before);
        let token = NOT_FINITE.iter().find(|token| from.starts_with(**token));
        let (this, behind) = from.split_at(token.map_or_else(|| string_bytes(from), |token| token.len()));
        if token.is_some() {
            copy.push('{');
            copy.extend(std::iter::repeat_n(' ', this.len() - 2));
            copy.push('}');
            has_token = true;
        } else {
            copy.push_str(this);
        }
        rest = behind;
    }
    copy.push_str(rest);
    has_token.then_some(copy)
}

/// The length of the string at the beginning; 1 if there is none.
fn string_bytes(text: &str) -> usize {
    if !text.starts_with('"') {
        return 1;
    }
    let mut bytes = text.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return at + 1,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
    text.len()
}

/// The text that stands in `text` where `value` stands in `json`.
fn part<'t>(text: &'t str, json: &str, value: &RawValue) -> &'t str {
    let begin = value.get().as_ptr().addr() - json.as_ptr().addr();
    text.get(begin..begin + value.get().len()).unwrap_or_default()
}
