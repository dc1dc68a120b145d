//! Reads the header of a log, and then each line as a row by the header's columns.
//! Never reads a file, and never keeps an id.

use crate::logs::decimal::Decimal;
use crate::logs::record::split;
use crate::logs::row::{Fault, Row, Written};
use memchr::memchr3;

/// The header's columns.
#[derive(Debug, PartialEq)]
pub struct Columns {
    /// In the log's order: the index in [`READ`] of a column that is read, else None.
    all: Vec<Option<usize>>,
    /// Least number of fields of a row: up to the last needed one. Later ones may be missing.
    needed: usize,
}

/// The columns that are read: numbers, and at last a text. A log needs the first three.
const READ: [&str; NUMBERS + 1] = ["y_true", "y_pred", "absolute_error", "logged_at", "label_delay", "group"];
const NEEDED: usize = 3;
const NUMBERS: usize = 5;
const GROUP: usize = NUMBERS;

/// Buffers of [`Columns::row`], which the caller reuses.
#[derive(Default)]
pub struct Fields {
    /// A field in quotes.
    unquoted: Vec<u8>,
    /// Field `group` of the last line that was a row, without its quotes; empty if there is none.
    pub group: Vec<u8>,
}

/// Limit of a quoted header.
const QUOTED_CHARS: usize = 200;

impl Columns {
    /// Reads a header line (without its newline).
    ///
    /// # Errors
    /// What is wrong with the header, which is quoted.
    pub fn from_header(line: &[u8]) -> Result<Self, String> {
        let mut all: Vec<Option<usize>> = Vec::new();
        let intact = split(without_bom(line), &mut Vec::new(), |field| {
            let known = READ.iter().position(|name| name.as_bytes() == field.trim_ascii());
            // Of two columns with one name, the first counts.
            all.push(known.filter(|number| !all.contains(&Some(*number))));
        });
        if intact.is_none() {
            return Err(format!("its header has a quote that is not closed: {}", quoted(line)));
        }
        let missing = READ.iter().enumerate().take(NEEDED).find(|(number, _)| !all.contains(&Some(*number)));
        if let Some((_, name)) = missing {
            return Err(format!("its header has no column {name}: {}", quoted(line)));
        }
        let last = all.iter().rposition(|column| column.is_some_and(|number| number < NEEDED));
        Ok(Columns { needed: last.map_or(0, |last| last + 1), all })
    }

    /// Fast path for the usual line: no quotes, plain decimals, nothing wrong. Returns the row that `bytes` begins with, its field `group`,
    /// and the length of its line with the newline. On None, use [`Columns::row`].
    // Not inlined: in its caller it runs out of registers.
    #[inline(never)]
    pub fn plain_row<'a>(&self, bytes: &'a [u8]) -> Option<(Row, &'a [u8], usize)> {
        let mut numbers = [None; NUMBERS];
        let mut group: &[u8] = &[];
        let mut end = 0;
        let mut columns = self.all.iter();
        while let Some(column) = columns.next() {
            let rest = bytes.get(end..)?;
            end += match column {
                Some(number @ 0..NUMBERS) => {
                    let (decimal, length) = Decimal::read(rest)?;
                    *numbers.get_mut(*number)? = Some(decimal);
                    length
                }
                text => {
                    let length = memchr3(b',', b'\n', b'"', rest)?;
                    if text.is_some() {
                        let field = rest.get(..length)?;
                        let ends_line = rest.get(length) == Some(&b'\n');
                        group = field.strip_suffix(b"\r").filter(|_| ends_line).unwrap_or(field);
                    }
                    length
                }
            };
            let is_last = columns.len() == 0;
            end += usize::from(is_last && bytes.get(end) == Some(&b'\r'));
            end += 1;
            match bytes.get(end - 1)? {
                b',' if !is_last => {}
                b'\n' if self.all.len() - columns.len() >= self.needed => break,
                _ => return None,
            }
        }
        let [y_true, y_pred, absolute_error, logged_at, label_delay] = numbers;
        let exact = |number: Decimal| Written { value: number.value(), decimals: number.decimals as i32 };
        // Used in a comparison with a tolerance only.
        let rough =
            |number: Decimal| Written { value: number.rough_value(), decimals: number.decimals as i32 };
        let row =
            Row::of(exact(y_true?), exact(y_pred?), rough(absolute_error?), logged_at.map(Decimal::value));
        Some((row.ok()?.with_label_delay(label_delay.map(Decimal::value)), group, end))
    }

    /// Reads a line (without its newline).
    ///
    /// # Errors
    /// Why the line is not a row.
    pub fn row(&self, line: &[u8], fields: &mut Fields) -> Result<Row, Fault> {
        let Fields { unquoted, group } = fields;
        group.clear();
        let mut numbers = [Err(Fault::Malformed); NUMBERS];
        let mut columns = self.all.iter();
        let count = split(line, unquoted, |field| match columns.next().copied().flatten() {
            Some(GROUP) => group.extend(field),
            column => {
                if let Some(number) = column.and_then(|column| numbers.get_mut(column)) {
                    *number = written(field);
                }
            }
        });
        if !count.is_some_and(|count| (self.needed..=self.all.len()).contains(&count)) {
            return Err(Fault::Malformed);
        }
        let [y_true, y_pred, absolute_error, logged_at, label_delay] = numbers;
        let optional = |number: Result<Written, Fault>| number.ok().map(|number| number.value);
        let row = Row::of(y_true?, y_pred?, absolute_error?, optional(logged_at))?;
        Ok(row.with_label_delay(optional(label_delay)))
    }
}

/// A line that holds nothing, or nothing but a byte order mark.
pub fn is_blank(line: &[u8]) -> bool {
    without_bom(line).trim_ascii().is_empty()
}

fn without_bom(line: &[u8]) -> &[u8] {
    line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)
}

/// A line for an error message: in quotes, escaped, and cut at [`QUOTED_CHARS`].
fn quoted(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(without_bom(line));
    match text.char_indices().nth(QUOTED_CHARS) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// A field as a finite number.
fn written(field: &[u8]) -> Result<Written, Fault> {
    let field = field.trim_ascii();
    if field.is_empty() {
        return Err(Fault::NotFinite);
    }
    let text = std::str::from_utf8(field).map_err(|_| Fault::Malformed)?;
    let value: f64 = text.parse().map_err(|_| Fault::Malformed)?;
    if !value.is_finite() {
        return Err(Fault::NotFinite);
    }
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let decimals = digits.split_once('.').map_or(0, |(_, decimals)| decimals.len() as i32);
    // Only a zero can have an exponent beyond i32 and be finite.
    Ok(Written { value, decimals: decimals.saturating_sub(exponent.parse().unwrap_or(0)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::groups;

    const HEADER: &[u8] = b"id,y_true,y_pred,absolute_error,logged_at";

    /// Both ways to read a line must agree, whatever follows it.
    fn read(header: &[u8], line: &[u8]) -> Result<Row, Fault> {
        let columns = Columns::from_header(header).unwrap();
        let mut fields = Fields::default();
        let row = columns.row(line, &mut fields);
        for end in ["\n", "\r\n", "\nx,1,2,1,1732341600\n", "\r\nx,1,2,1,1732341600\n"] {
            let bytes = [line, end.as_bytes()].concat();
            if let Some((plain, group, length)) = columns.plain_row(&bytes) {
                assert_eq!(
                    (Ok(plain.y_true), Ok(plain.y_pred)),
                    (row.map(|r| r.y_true), row.map(|r| r.y_pred))
                );
                assert_eq!(Ok(plain.time_s()), row.map(|r| r.time_s()));
                assert_eq!(group, fields.group);
                assert_eq!(length, line.len() + end.find('\n').unwrap() + 1);
            }
        }
        row
    }

    fn read_usual(line: &str) -> Result<Row, Fault> {
        read(HEADER, line.as_bytes())
    }

    #[test]
    fn the_golden_log_reads_as_its_values() {
        let log = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../contract/metric_log.csv"));
        let values = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../contract/metric_log.jsonl"));
        let (header, rows) = log.split_once('\n').unwrap();
        let columns = Columns::from_header(header.as_bytes()).unwrap();
        assert_eq!(rows.lines().count(), values.lines().count());
        for (line, value) in rows.lines().zip(values.lines()) {
            let value: serde_json::Value = serde_json::from_str(value).unwrap();
            let mut fields = Fields::default();
            let row = columns.row(line.as_bytes(), &mut fields).unwrap_or_else(|e| panic!("{line}: {e:?}"));
            assert_eq!(Some(row.y_true), value["y_true"].as_f64(), "{line}");
            assert_eq!(Some(row.y_pred), value["y_pred"].as_f64(), "{line}");
            assert_eq!(Some(row.error().abs()), value["absolute_error"].as_f64(), "{line}");
            assert_eq!(row.time_s(), value["logged_at"].as_f64(), "{line}");
            assert_eq!(groups::name(&fields.group), Some(value["group"].as_str().unwrap_or("")), "{line}");
        }
    }

    #[test]
    fn columns_go_by_name() {
        let row = read(b"\xef\xbb\xbfabsolute_error, note ,\"y_pred\",y_true", b"1,x,3,2").unwrap();
        assert_eq!((row.y_true, row.y_pred, row.time_s()), (2.0, 3.0, None));
        assert!(Columns::from_header(b"id,y_true,y_pred").unwrap_err().contains("absolute_error"));
        assert!(Columns::from_header(b"1,2,3,4").is_err());
        assert_eq!(read(b"y_true,y_pred,absolute_error,y_true", b"2,3,1,9").unwrap().y_true, 2.0);
    }

    #[test]
    fn a_row_may_lack_trailing_fields_that_are_not_needed() {
        let header = b"id,y_true,y_pred,absolute_error,logged_at,label_delay,group";
        let full = "x,1,3,2,1732341600,0.5,a";
        for fields in 4..=7 {
            let line = full.split(',').take(fields).collect::<Vec<_>>().join(",");
            for line in [line.clone(), line.replace('x', "\"x\"")] {
                let row = read(header, line.as_bytes()).unwrap();
                assert_eq!((row.y_true, row.y_pred), (1.0, 3.0), "{line}");
                assert_eq!(row.time_s().is_some(), fields > 4, "{line}");
            }
        }
        assert_eq!(read(header, b"x,1,3"), Err(Fault::Malformed));
        assert_eq!(read(header, b"x,1,3,2,1732341600,0.5,a,b"), Err(Fault::Malformed));
        // Which fields are trailing, the header says.
        let header = b"y_true,note,y_pred,logged_at,absolute_error";
        assert_eq!(read(header, b"1,a,3,1732341600"), Err(Fault::Malformed));
        assert!(read(header, b"1,a,3,,2").is_ok());
        // A short row is not joined with the row after it.
        let columns = Columns::from_header(HEADER).unwrap();
        let (row, _, length) = columns.plain_row(b"x,1,3,2\ny,5,6,1,1732341600\n12345678").unwrap();
        assert_eq!((row.y_true, row.time_s(), length), (1.0, None, 8));
    }

    #[test]
    fn a_group_is_read_quoted_or_plain_wherever_its_column_is() {
        let group = |header: &str, line: &str| {
            read(header.as_bytes(), line.as_bytes()).unwrap();
            let (columns, mut fields) = (Columns::from_header(header.as_bytes()).unwrap(), Fields::default());
            columns.row(line.as_bytes(), &mut fields).unwrap();
            String::from_utf8(fields.group).unwrap()
        };
        let last = "y_true,y_pred,absolute_error,group";
        for (field, expected) in
            [("v2", "v2"), ("", ""), ("\"a,b\"", "a,b"), ("\"say \"\"hi\"\"\"", "say \"hi\""), ("5\"", "5\"")]
        {
            assert_eq!(group(last, &format!("1,3,2,{field}")), expected, "{field}");
            let first = group("group,y_true,y_pred,absolute_error,note", &format!("{field},1,3,2,"));
            assert_eq!(first, expected, "{field}");
        }
        assert_eq!(group("group,y_true,y_pred,absolute_error,group", "a,1,3,2,b"), "a");
        // A carriage return is text, but at the end of a line.
        assert_eq!(group("y_true,y_pred,absolute_error,group,note", "1,3,2,a\r,x"), "a\r");
    }

    #[test]
    fn a_header_that_will_not_do_is_quoted() {
        let complaint = |line: &[u8]| Columns::from_header(line).unwrap_err();
        assert_eq!(
            complaint(b"id,y_true,y_pred"),
            "its header has no column absolute_error: \"id,y_true,y_pred\""
        );
        assert_eq!(complaint(b"\xef\xbb\xbf1,2,3,4"), "its header has no column y_true: \"1,2,3,4\"");
        assert_eq!(complaint(b"\"id,y_true"), "its header has a quote that is not closed: \"\\\"id,y_true\"");
        assert_eq!(complaint(b"a\0\xff"), "its header has no column y_true: \"a\\0\u{fffd}\"");
        let long = complaint("é".repeat(100_000).as_bytes());
        assert!(long.ends_with("éé\"…") && long.chars().count() < 300, "{long}");
    }

    #[test]
    fn quoted_fields_and_spaces_are_read() {
        for line in
            [r#""a,b",1,3,2,1732341600"#, r#""say ""hi""","1","3","2",1732341600"#, "x, 1 ,3, 2,1732341600"]
        {
            let row = read_usual(line).unwrap();
            assert_eq!((row.y_true, row.y_pred, row.time_s()), (1.0, 3.0, Some(1_732_341_600.0)), "{line}");
        }
    }

    #[test]
    fn each_fault_has_its_kind() {
        let cases = [
            ("x,1,2", Fault::Malformed),
            ("x,1,2,1,1732341600,more", Fault::Malformed),
            ("x,1,2,1,17323x,1,2,1,1732341600", Fault::Malformed),
            ("x,one,2,1,1732341600", Fault::Malformed),
            ("\"x,1,2,1,1732341600", Fault::Malformed),
            ("x,1,2,1,\"1732341600", Fault::Malformed),
            ("x,1,2,\"1\"\"", Fault::Malformed),
            ("\u{0}\u{0}\u{0}", Fault::Malformed),
            ("x,nan,2,1,1732341600", Fault::NotFinite),
            ("x,,2,1,1732341600", Fault::NotFinite),
            ("x,1,inf,1,1732341600", Fault::NotFinite),
            ("x,1,2,-1,1732341600", Fault::NegativeError),
            ("x,1,2,5,1732341600", Fault::Contradictory),
            ("x,1,2,0,1732341600", Fault::Contradictory),
        ];
        for (line, fault) in cases {
            assert_eq!(read_usual(line), Err(fault), "{line}");
        }
    }

    #[test]
    fn decimals_say_how_far_a_number_is_rounded() {
        for line in [
            "x,151,206.11706979,55.12,",
            "x,0.01,1.00,0.98,",
            "x,0,1234567,1.235e6,",
            "x,151,2.0611706979E2,55,",
        ] {
            assert!(read_usual(line).is_ok(), "{line}");
        }
        for line in [
            "x,151,206.11706979,55.120,",
            "x,0,1234567,1.2350e6,",
            "x,151,2.0611706979E2,55.0,",
            "x,1e2,2e2,0,",
            "x,1e16,2e16,0,",
            "x,100,200,0e999,",
        ] {
            assert_eq!(read_usual(line), Err(Fault::Contradictory), "{line}");
        }
    }

    #[test]
    fn a_time_that_cannot_be_is_none() {
        for line in ["x,1,2,1,", "x,1,2,1,soon", "x,1,2,1,0", "x,1,2,1,1e18"] {
            assert_eq!(read_usual(line).unwrap().time_s(), None, "{line}");
        }
    }
}
