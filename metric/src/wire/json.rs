//! Finds the parts of a JSON text and returns them as they are written: the elements of an array, the fields of an object. Accepts NaN,
//! Infinity and -Infinity, which Python's json.dumps writes, as values. Never judges a value; `value.rs` does.

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Result, value::RawValue};
use std::{borrow::Cow, fmt, ops::Range};

/// Not JSON, but Python's json.dumps writes them by default.
const NOT_FINITE: [&str; 3] = ["NaN", "Infinity", "-Infinity"];
/// Names of unknown keys that are kept for a person to read. Bounds memory.
const UNKNOWN_MAX: usize = 8;

/// The first `max` elements of an array, and the number of all.
///
/// # Errors
/// Not a JSON array.
pub fn elements(text: &str, max: usize) -> Result<(Vec<&str>, usize)> {
    let (ranges, count) = parse(text, |json| {
        let mut reader = serde_json::Deserializer::from_str(json);
        let found = reader.deserialize_seq(Elements { json, max })?;
        reader.end().map(|()| found)
    })?;
    Ok((ranges.into_iter().map(|range| part(text, range)).collect(), count))
}

/// The content of an object. `V` is a value as written, or its place.
pub struct Fields<V> {
    pub id: Option<V>,
    pub body: Option<V>,
    pub group: Option<V>,
    /// Names of the other keys, the first [`UNKNOWN_MAX`] of them.
    pub unknown: Vec<String>,
    pub unknown_count: usize,
}

/// The fields of an object.
///
/// # Errors
/// Not a JSON object, or `id`, `body` or `group` is there twice.
pub fn fields(text: &str) -> Result<Fields<&str>> {
    let Fields { id, body, group, unknown, unknown_count } = parse(text, |json| {
        let mut reader = serde_json::Deserializer::from_str(json);
        let found = reader.deserialize_map(Object(json))?;
        reader.end().map(|()| found)
    })?;
    let [id, body, group] = [id, body, group].map(|range| range.map(|range| part(text, range)));
    Ok(Fields { id, body, group, unknown, unknown_count })
}

/// Decodes a string.
///
/// # Errors
/// Not a JSON string, or an escape stands for no character.
pub fn string(raw: &str) -> Result<Cow<'_, str>> {
    serde_json::from_str(raw).map(|Text(text)| text)
}

/// Borrows where there are no escapes; a plain `Cow` never does.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Checks that the text is one JSON value.
///
/// # Errors
/// It is not.
pub fn check(text: &str) -> Result<()> {
    parse(text, |json| serde_json::from_str::<IgnoredAny>(json).map(|_| ()))
}

/// Reads `text`. If that fails, reads a copy in which the three tokens are values. The ranges that `read` returns apply to both.
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

fn part(text: &str, range: Range<usize>) -> &str {
    text.get(range).unwrap_or_default()
}

/// The place of a value in the text that it was read from.
fn place(json: &str, value: &RawValue) -> Range<usize> {
    let begin = value.get().as_ptr().addr() - json.as_ptr().addr();
    begin..begin + value.get().len()
}

struct Elements<'j> {
    json: &'j str,
    max: usize,
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = (Vec<Range<usize>>, usize);

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> std::result::Result<Self::Value, A::Error> {
        let mut ranges = Vec::new();
        while ranges.len() < self.max {
            let Some(element) = elements.next_element()? else { break };
            ranges.push(place(self.json, element));
        }
        let mut count = ranges.len();
        while elements.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok((ranges, count))
    }
}

struct Object<'j>(&'j str);

impl<'de> Visitor<'de> for Object<'_> {
    type Value = Fields<Range<usize>>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
        let mut fields = Fields { id: None, body: None, group: None, unknown: Vec::new(), unknown_count: 0 };
        while let Some(Text(key)) = map.next_key()? {
            let field = match &*key {
                "id" => &mut fields.id,
                "body" => &mut fields.body,
                "group" => &mut fields.group,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    fields.unknown_count += 1;
                    if fields.unknown.len() < UNKNOWN_MAX {
                        fields.unknown.push(key.into_owned());
                    }
                    continue;
                }
            };
            if field.replace(place(self.0, map.next_value()?)).is_some() {
                return Err(A::Error::custom(format!("the key {key} is there twice")));
            }
        }
        Ok(fields)
    }
}
