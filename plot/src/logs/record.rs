//! Splits one line of CSV into fields, quoted or not (RFC 4180). A record is one line: a quote must close on its own line.
//! Never knows what a field means.

use memchr::memchr;

/// Calls `each` with every field of a line. Returns the number of fields; None if the line is not one record. `unquoted` is a buffer.
pub fn split(line: &[u8], unquoted: &mut Vec<u8>, mut each: impl FnMut(&[u8])) -> Option<usize> {
    let (mut rest, mut fields) = (line, 0);
    loop {
        let quoted = rest.strip_prefix(b"\"");
        if let Some(quoted) = quoted {
            unquoted.clear();
            rest = take_quoted(quoted, unquoted)?;
        }
        let comma = memchr(b',', rest);
        // Text after a closing quote belongs to the field.
        let field = rest.get(..comma.unwrap_or(rest.len()))?;
        if quoted.is_some() {
            unquoted.extend(field);
            each(unquoted);
        } else {
            each(field);
        }
        fields += 1;
        match comma {
            Some(comma) => rest = rest.get(comma + 1..)?,
            None => return Some(fields),
        }
    }
}

/// Appends quoted text to `field`, a doubled quote as one. `rest` begins after the opening quote. Returns what follows the closing quote;
/// None if no quote closes.
fn take_quoted<'a>(mut rest: &'a [u8], field: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (inside, behind) = rest.split_at(memchr(b'"', rest)?);
        field.extend(inside);
        rest = behind.get(1..)?;
        match rest.strip_prefix(b"\"") {
            Some(more) => {
                field.push(b'"');
                rest = more;
            }
            None => return Some(rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(line: &str) -> Option<Vec<String>> {
        let mut fields = Vec::new();
        let count = split(line.as_bytes(), &mut Vec::new(), |field| {
            fields.push(String::from_utf8(field.to_vec()).unwrap());
        })?;
        assert_eq!(count, fields.len(), "{line}");
        Some(fields)
    }

    #[test]
    fn a_line_is_split_at_commas_that_are_not_in_quotes() {
        let cases: [(&str, &[&str]); 11] = [
            ("", &[""]),
            (",", &["", ""]),
            ("a,b", &["a", "b"]),
            ("\"\"", &[""]),
            ("\"a,b\",\"c\"", &["a,b", "c"]),
            ("\"say \"\"hi\"\"\",\"\"\"\"", &["say \"hi\"", "\""]),
            ("\"a\",", &["a", ""]),
            ("5'3\",a\"b,1", &["5'3\"", "a\"b", "1"]),
            ("\"a\"b,\"c\" ,1", &["ab", "c ", "1"]),
            (" \"a\",1", &[" \"a\"", "1"]),
            ("a\r,\"b\rc\"", &["a\r", "b\rc"]),
        ];
        for (line, expected) in cases {
            assert_eq!(fields(line).unwrap(), expected, "{line}");
        }
        // Of any number.
        let line = format!("\"x\"{}", ",1".repeat(1_000));
        assert_eq!(fields(&line).unwrap().len(), 1_001);
    }

    #[test]
    fn a_quote_that_never_closes_makes_no_record() {
        for line in ["\"", "\"a,1,2", "a,1,\"2", "a,1,\"2\"\"", "\"\"\"", "\"a\",\"b"] {
            assert_eq!(fields(line), None, "{line}");
        }
    }
}
