//! One line of CSV as its fields, quoted or not (RFC 4180).
//! Never knows what a field means.

use memchr::{memchr, memchr_iter};

/// Calls `each` with every field of a line; the number of fields, or none where it is not one record.
pub fn split<'a>(line: &'a [u8], unquoted: &'a mut Vec<u8>, mut each: impl FnMut(&[u8])) -> Option<usize> {
    if memchr(b'"', line).is_some() {
        return split_quoted(line, unquoted, each);
    }
    let (mut start, mut fields) = (0, 1);
    for comma in memchr_iter(b',', line) {
        each(line.get(start..comma)?);
        start = comma + 1;
        fields += 1;
    }
    each(line.get(start..)?);
    Some(fields)
}

/// [`split`] for a line with quotes in it. No line of a log has more than 64 fields.
fn split_quoted(line: &[u8], unquoted: &mut Vec<u8>, mut each: impl FnMut(&[u8])) -> Option<usize> {
    let mut ends = [0; 64];
    unquoted.resize(line.len(), 0);
    let mut reader = csv_core::Reader::new();
    let (_, read, mut written, mut fields) = reader.read_record(line, unquoted, &mut ends);
    // An empty input is the end of the data, which ends the record.
    let rest = unquoted.get_mut(written..)?;
    let (result, _, more, more_fields) = reader.read_record(&[], rest, ends.get_mut(fields..)?);
    written += more;
    fields += more_fields;
    if read != line.len() || !matches!(result, csv_core::ReadRecordResult::Record) {
        return None;
    }
    let unquoted = unquoted.get(..written)?;
    let mut start = 0;
    for &end in ends.iter().take(fields) {
        each(unquoted.get(start..end)?);
        start = end;
    }
    Some(fields)
}
