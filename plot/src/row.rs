//! One line of the log: the header's columns, and a row's numbers or what is wrong with it.
//! Never reads a file, and never keeps an id.

use memchr::{memchr, memchr_iter};

/// `absolute_error` contradicts its two values when it differs from |y_pred − y_true| by more than this share of the largest of the
/// three. It lets single-precision writers pass.
const TOLERANCE: f64 = 1e-6;

/// `logged_at` is believed between the years 2000 and 2100; a row with another one counts as one without.
const BELIEVED_S: std::ops::Range<f64> = 946_684_800.0..4_102_444_800.0;

/// The numbers of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    pub y_true: f64,
    pub y_pred: f64,
    /// NaN where there is none, to keep a row at 24 bytes.
    logged_at_s: f64,
}

impl Row {
    pub fn new(y_true: f64, y_pred: f64, time_s: Option<f64>) -> Self {
        Row { y_true, y_pred, logged_at_s: time_s.unwrap_or(f64::NAN) }
    }

    /// y_pred − y_true.
    pub fn error(&self) -> f64 {
        self.y_pred - self.y_true
    }

    /// When it was logged, in Unix seconds.
    pub fn time_s(&self) -> Option<f64> {
        (!self.logged_at_s.is_nan()).then_some(self.logged_at_s)
    }
}

/// Why a line is not a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Too few or too many fields, or something that is not a number.
    Malformed,
    /// NaN, infinite or empty.
    NotFinite,
    NegativeError,
    /// `absolute_error` is not |y_pred − y_true|.
    Contradictory,
}

impl Fault {
    pub const ALL: [Fault; 4] =
        [Fault::Malformed, Fault::NotFinite, Fault::NegativeError, Fault::Contradictory];

    /// Its name in `/stats.json`.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Malformed => "malformed",
            Fault::NotFinite => "not_finite",
            Fault::NegativeError => "negative_error",
            Fault::Contradictory => "contradictory",
        }
    }
}

/// Where the header says that the numbers are.
#[derive(Debug, PartialEq)]
pub struct Columns {
    count: usize,
    y_true: usize,
    y_pred: usize,
    absolute_error: usize,
    logged_at: Option<usize>,
}

impl Columns {
    /// Reads a header line (without its newline).
    ///
    /// # Errors
    /// What the header lacks.
    pub fn from_header(line: &[u8]) -> Result<Self, String> {
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        let mut fields = Vec::new();
        let mut unquoted = Vec::new();
        let intact = split(line, &mut unquoted, |_, field| fields.push(field.trim_ascii().to_vec()));
        let find = |name: &str| fields.iter().position(|field| field == name.as_bytes());
        let need = |name| find(name).ok_or_else(|| format!("its header has no column {name}"));
        if intact.is_none() {
            return Err("its header is not a line of CSV".to_owned());
        }
        Ok(Columns {
            count: fields.len(),
            y_true: need("y_true")?,
            y_pred: need("y_pred")?,
            absolute_error: need("absolute_error")?,
            logged_at: find("logged_at"),
        })
    }

    /// Reads a line (without its newline). `unquoted` is room for fields in quotes, kept by the caller to be used again.
    ///
    /// # Errors
    /// What is wrong with the line; it is then no row.
    pub fn row(&self, line: &[u8], unquoted: &mut Vec<u8>) -> Result<Row, Fault> {
        let unread = Err(Fault::Malformed);
        let (mut y_true, mut y_pred, mut absolute_error, mut logged_at) = (unread, unread, unread, unread);
        let count = split(line, unquoted, |place, field| {
            if place == self.y_true {
                y_true = number(field);
            } else if place == self.y_pred {
                y_pred = number(field);
            } else if place == self.absolute_error {
                // Only compared, within a tolerance: what is beyond its 15th digit does not matter.
                absolute_error = short_decimal(field, true).map_or_else(|| number(field), Ok);
            } else if Some(place) == self.logged_at {
                logged_at = number(field);
            }
        });
        if count != Some(self.count) {
            return Err(Fault::Malformed);
        }
        let time_s = logged_at.ok().filter(|time_s| BELIEVED_S.contains(time_s));
        let row = Row::new(y_true?, y_pred?, time_s);
        check(&row, absolute_error?).map(|()| row)
    }
}

fn check(row: &Row, absolute_error: f64) -> Result<(), Fault> {
    let expected = row.error().abs();
    if absolute_error < 0.0 {
        return Err(Fault::NegativeError);
    }
    if !expected.is_finite() {
        return Err(Fault::NotFinite);
    }
    let largest = row.y_true.abs().max(row.y_pred.abs()).max(absolute_error);
    let agrees = (absolute_error - expected).abs() <= TOLERANCE * largest;
    if agrees { Ok(()) } else { Err(Fault::Contradictory) }
}

/// A field as a finite number.
fn number(field: &[u8]) -> Result<f64, Fault> {
    if let Some(value) = short_decimal(field, false) {
        return Ok(value);
    }
    let parse = |bytes: &[u8]| std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<f64>().ok());
    let value = match parse(field) {
        Some(value) => value,
        None if field.trim_ascii().is_empty() => f64::NAN,
        None => parse(field.trim_ascii()).ok_or(Fault::Malformed)?,
    };
    if value.is_finite() { Ok(value) } else { Err(Fault::NotFinite) }
}

/// Digits with at most one point, up to 15 significant ones: both halves of the division are exact, so its result is the nearest f64
/// (Clinger 1990). None for anything else. With `cut`, decimals beyond the 15th significant digit are dropped, for a relative error of
/// 1e-14.
fn short_decimal(field: &[u8], cut: bool) -> Option<f64> {
    const POWERS: [f64; 23] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
        1e18, 1e19, 1e20, 1e21, 1e22,
    ];
    let digits = field.strip_prefix(b"-").unwrap_or(field);
    let (mut whole, mut significant, mut decimals) = (0_u64, 0, 0);
    let (mut any, mut point) = (false, false);
    for byte in digits {
        match byte {
            b'0'..=b'9' if significant == 15 && cut && point => {}
            b'0'..=b'9' if significant == 15 => return None,
            b'0'..=b'9' => {
                whole = whole * 10 + u64::from(byte - b'0');
                significant += usize::from(whole > 0);
                decimals += usize::from(point);
                any = true;
            }
            b'.' if !point => point = true,
            _ => return None,
        }
    }
    let value = whole as f64 / POWERS.get(decimals)?;
    any.then_some(if digits.len() < field.len() { -value } else { value })
}

/// Calls `each` with the place and bytes of every field of a line; the number of fields, or none where it is not one record.
fn split<'a>(line: &'a [u8], unquoted: &'a mut Vec<u8>, mut each: impl FnMut(usize, &[u8])) -> Option<usize> {
    if memchr(b'"', line).is_some() {
        return split_quoted(line, unquoted, each);
    }
    let (mut start, mut place) = (0, 0);
    for comma in memchr_iter(b',', line) {
        each(place, line.get(start..comma)?);
        start = comma + 1;
        place += 1;
    }
    each(place, line.get(start..)?);
    Some(place + 1)
}

/// [`split`] for a line with quotes in it. No line of a log has more than 64 fields.
fn split_quoted(line: &[u8], unquoted: &mut Vec<u8>, mut each: impl FnMut(usize, &[u8])) -> Option<usize> {
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
    for (place, &end) in ends.iter().take(fields).enumerate() {
        each(place, unquoted.get(start..end)?);
        start = end;
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = b"id,y_true,y_pred,absolute_error,logged_at";

    fn read(header: &[u8], line: &[u8]) -> Result<Row, Fault> {
        Columns::from_header(header).unwrap().row(line, &mut Vec::new())
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
            let row =
                columns.row(line.as_bytes(), &mut Vec::new()).unwrap_or_else(|e| panic!("{line}: {e:?}"));
            assert_eq!(Some(row.y_true), value["y_true"].as_f64(), "{line}");
            assert_eq!(Some(row.y_pred), value["y_pred"].as_f64(), "{line}");
            assert_eq!(Some(row.error().abs()), value["absolute_error"].as_f64(), "{line}");
            assert_eq!(row.time_s(), value["logged_at"].as_f64(), "{line}");
        }
    }

    #[test]
    fn columns_go_by_name() {
        let row = read(b"\xef\xbb\xbfabsolute_error, note ,\"y_pred\",y_true", b"1,x,3,2").unwrap();
        assert_eq!((row.y_true, row.y_pred, row.time_s()), (2.0, 3.0, None));
        assert!(Columns::from_header(b"id,y_true,y_pred").unwrap_err().contains("absolute_error"));
        assert!(Columns::from_header(b"1,2,3,4").is_err());
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
            ("x,1,2,1", Fault::Malformed),
            ("x,1,2,1,1732341600,more", Fault::Malformed),
            ("x,1,2,1,17323x,1,2,1,1732341600", Fault::Malformed),
            ("x,one,2,1,1732341600", Fault::Malformed),
            ("\"x,1,2,1,1732341600", Fault::Malformed),
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
    fn a_short_decimal_is_the_nearest_f64() {
        let mut random = 1_u64;
        for _ in 0..100_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let digits = (random >> 13).to_string();
            let digits = &digits[..digits.len().min(1 + (random % 15) as usize)];
            let (whole, decimals) = digits.split_at((random / 16) as usize % (digits.len() + 1));
            for text in [format!("{whole}.{decimals}"), format!("-{whole}.{decimals}"), digits.to_owned()] {
                assert_eq!(short_decimal(text.as_bytes(), false), text.parse().ok(), "{text}");
            }
        }
        assert_eq!(short_decimal(b"55.11706978999999", true), Some(55.117_069_789_999_9));
        assert_eq!(short_decimal(b"0.0000123456789012345678", true), Some(0.000_012_345_678_901_234_5));
        assert_eq!(short_decimal(b"55.11706978999999x", true), None);
        for text in ["", "-", ".", "1.2.3", "1e5", "+1", "1234567890123456", "--1"] {
            assert_eq!(short_decimal(text.as_bytes(), false), None, "{text}");
        }
    }

    #[test]
    fn a_time_that_cannot_be_is_none() {
        for line in ["x,1,2,1,", "x,1,2,1,soon", "x,1,2,1,0", "x,1,2,1,1e18"] {
            assert_eq!(read_usual(line).unwrap().time_s(), None, "{line}");
        }
    }
}
