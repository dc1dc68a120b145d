//! Lines as rows, by both ways to read them.

use super::*;
use crate::logs::format::Format;
use crate::logs::groups;

fn columns_of(header: &[u8]) -> Result<Columns, String> {
    Columns::from_header(header, &Format::of(Task::Regression))
}

const HEADER: &[u8] = b"id,y_true,y_pred,absolute_error,logged_at";

/// Both ways to read a line must agree, whatever follows it.
fn read(header: &[u8], line: &[u8]) -> Result<Row, Fault> {
    let columns = columns_of(header).unwrap();
    let mut fields = Fields::default();
    let row = columns.row(line, &mut fields);
    for end in ["\n", "\r\n", "\nx,1,2,1,1732341600\n", "\r\nx,1,2,1,1732341600\n"] {
        let bytes = [line, end.as_bytes()].concat();
        if let Some((plain, texts, length)) = columns.plain_row(&bytes) {
            assert_eq!((Ok(plain.y_true), Ok(plain.y_pred)), (row.map(|r| r.y_true), row.map(|r| r.y_pred)));
            assert_eq!(Ok(plain.time_s()), row.map(|r| r.time_s()));
            assert_eq!(texts.group, fields.texts().group);
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
    let columns = columns_of(header.as_bytes()).unwrap();
    assert_eq!(rows.lines().count(), values.lines().count());
    for (line, value) in rows.lines().zip(values.lines()) {
        let value: serde_json::Value = serde_json::from_str(value).unwrap();
        let mut fields = Fields::default();
        let row = columns.row(line.as_bytes(), &mut fields).unwrap_or_else(|e| panic!("{line}: {e:?}"));
        assert_eq!(Some(row.y_true), value["y_true"].as_f64(), "{line}");
        assert_eq!(Some(row.y_pred), value["y_pred"].as_f64(), "{line}");
        assert_eq!(Some(row.error().abs()), value["absolute_error"].as_f64(), "{line}");
        assert_eq!(row.time_s(), value["logged_at"].as_f64(), "{line}");
        assert_eq!(groups::name(fields.texts().group), Some(value["group"].as_str().unwrap_or("")), "{line}");
    }
}

#[test]
fn columns_go_by_name() {
    let row = read(b"\xef\xbb\xbfabsolute_error, note ,\"y_pred\",y_true", b"1,x,3,2").unwrap();
    assert_eq!((row.y_true, row.y_pred, row.time_s()), (2.0, 3.0, None));
    assert!(columns_of(b"id,y_true,absolute_error").unwrap_err().contains("y_pred"));
    assert!(columns_of(b"1,2,3,4").is_err());
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
    let columns = columns_of(HEADER).unwrap();
    let (row, _, length) = columns.plain_row(b"x,1,3,2\ny,5,6,1,1732341600\n12345678").unwrap();
    assert_eq!((row.y_true, row.time_s(), length), (1.0, None, 8));
}

#[test]
fn a_group_is_read_quoted_or_plain_wherever_its_column_is() {
    let group = |header: &str, line: &str| {
        read(header.as_bytes(), line.as_bytes()).unwrap();
        let (columns, mut fields) = (columns_of(header.as_bytes()).unwrap(), Fields::default());
        columns.row(line.as_bytes(), &mut fields).unwrap();
        String::from_utf8(fields.texts().group.to_vec()).unwrap()
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
    for line in
        ["x,151,206.11706979,55.12,", "x,0.01,1.00,0.98,", "x,0,1234567,1.235e6,", "x,151,2.0611706979E2,55,"]
    {
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
fn without_absolute_errors_none_contradicts_its_values() {
    let header = b"y_pred,y_true,logged_at";
    let row = read(header, b"3,1.5,1732341600").unwrap();
    assert_eq!((row.y_true, row.error(), row.time_s()), (1.5, 1.5, Some(1_732_341_600.0)));
    assert_eq!(read(header, b"3"), Err(Fault::Malformed));
    assert_eq!(read(header, b"1e308,-1e308"), Err(Fault::NotFinite));
    let columns = Columns::from_header(b"y_true,y_pred", &Format::of(Task::Classes)).unwrap();
    for (line, error) in [("cat,cat", 0.0), ("cat,dog", 1.0), ("'=1,\"'=1\"", 0.0)] {
        let found = columns.row(line.as_bytes(), &mut Fields::default()).unwrap();
        assert_eq!(found.error(), error, "{line}");
        let plain = columns.plain_row(format!("{line}\n").as_bytes()).unwrap().0;
        assert_eq!(plain.error(), error, "{line}");
    }
}

#[test]
fn a_time_may_be_written_in_iso_8601() {
    for time in ["2024-11-23T06:00:00Z", " 2024-11-23 06:00:00", "2024-11-23T07:00:00.000+01:00"] {
        assert_eq!(read_usual(&format!("x,1,2,1,{time}")).unwrap().time_s(), Some(1_732_341_600.0), "{time}");
    }
}

#[test]
fn a_time_that_cannot_be_is_none() {
    for line in ["x,1,2,1,", "x,1,2,1,soon", "x,1,2,1,0", "x,1,2,1,1e18"] {
        assert_eq!(read_usual(line).unwrap().time_s(), None, "{line}");
    }
}
