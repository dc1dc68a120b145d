//! Whole data sets: what becomes of each column, and what is refused by its place.

use super::*;
use flate2::{Compression, write::GzEncoder};
use std::io::Write;

/// Packs as gzip does.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn columns(target: Option<&str>, group: Option<&str>) -> Columns {
    Columns { target: target.map(str::to_owned), group: group.map(str::to_owned), drop_index: false }
}

fn parse_task(text: &str, task: Task, columns: &Columns) -> Result<Dataset> {
    Dataset::read(Box::new(io::Cursor::new(text.to_owned())), task, columns)
}

fn parse(text: &str, target: Option<&str>, group: Option<&str>) -> Result<Dataset> {
    parse_task(text, Task::Regression, &columns(target, group))
}

fn load(task: Task, group: Option<&str>) -> Dataset {
    Dataset::load(None, task, &columns(None, group)).unwrap()
}

/// Features, true value and group of each row.
type Plain = (Vec<f64>, f64, Option<String>);

fn rows(dataset: &Dataset) -> Vec<Plain> {
    let rows = (0..dataset.len()).map(|index| dataset.row(index, false).unwrap());
    rows.map(|row| {
        let Truth::Number(y) = row.y else { panic!("{:?} is no number", row.y) };
        (row.x.to_vec(), y, row.group.map(str::to_owned))
    })
    .collect()
}

#[test]
fn each_task_has_its_embedded_data_set() {
    for (task, rows, features, first, about) in [
        (
            Task::Regression,
            442,
            10,
            Truth::Number(151.0),
            "diabetes: 442 rows, 10 features, target \"target\"; ",
        ),
        (Task::Binary, 569, 30, Truth::Label(0), "breast cancer: 569 rows, 30 features, target \"target\"; "),
        (
            Task::Classes,
            150,
            4,
            Truth::Class("setosa"),
            "iris: 150 rows, 4 features, target \"target\" with 3 classes; ",
        ),
    ] {
        let dataset = load(task, None);
        assert_eq!((dataset.len(), dataset.row(rows, false)), (rows, None));
        assert!((0..rows).all(|index| dataset.row(index, false).unwrap().x.len() == features));
        assert_eq!(dataset.row(0, false).unwrap().y, first);
        let expected = format!("the embedded data set {about}commas between columns, decimal points");
        assert_eq!(dataset.about, expected);
    }
    assert_eq!(load(Task::Regression, None).row(0, false).unwrap().x[0], 0.038075906433423026);
    // scikit-learn: 357 are benign.
    let cancer = load(Task::Binary, None);
    let benign = (0..569).filter(|index| cancer.row(*index, false).unwrap().y == Truth::Label(1)).count();
    assert_eq!(benign, 357);
}

#[test]
fn the_target_may_be_any_column() {
    let dataset = parse("a, y ,b\n1,2,3\r\n4,5,6\n", Some("y"), None).unwrap();
    assert_eq!(rows(&dataset), [(vec![1.0, 3.0], 2.0, None), (vec![4.0, 6.0], 5.0, None)]);
}

#[test]
fn a_target_may_hold_labels_or_names() {
    let truths = |text: &str, task| {
        let dataset = parse_task(text, task, &columns(Some("y"), None)).unwrap();
        (0..dataset.len())
            .map(|index| serde_json::to_string(&dataset.row(index, false).unwrap().y).unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(truths("y,a\nTrue,1\n0,2\n1.0,3\n", Task::Binary), ["1", "0", "1"]);
    assert_eq!(truths("a,y\n1, b c \n2,\"x,y\"\n3,3.0\n", Task::Classes), ["\"b c\"", "\"x,y\"", "\"3.0\""]);
}

#[test]
fn groups_are_a_column_of_numbers_or_of_texts() {
    let parse = |text: &str, target, group| rows(&parse(text, target, Some(group)).unwrap());
    let text = |text: &str| Some(text.to_owned());
    // Numbers stay features, as they are written; or the target.
    let numbers = "a,b,y\n1.50,2,3\n1,5,6\n";
    assert_eq!(
        parse(numbers, None, "a"),
        [(vec![1.5, 2.0], 3.0, text("1.50")), (vec![1.0, 5.0], 6.0, text("1"))]
    );
    assert_eq!(parse("a,y\n1,2\n", None, "y"), [(vec![1.0], 2.0, text("2"))]);
    // One text, or one field that is empty, makes the column no feature.
    let texts = "a,kind,y,b\n1, v 2 ,3,4\n5,7,8,9\n0,,0,0\n";
    let expected =
        [(vec![1.0, 4.0], 3.0, text("v 2")), (vec![5.0, 9.0], 8.0, text("7")), (vec![0.0, 0.0], 0.0, None)];
    assert_eq!(parse(texts, Some("y"), "kind"), expected);
    assert_eq!(parse("y,a,kind\n1,2,x\n", Some("y"), "kind"), [(vec![2.0], 1.0, text("x"))]);
    // A version says nothing of the decimal mark.
    assert_eq!(parse("v;a;y\n1.5;0,25;1\n", None, "v"), [(vec![1.5, 0.25], 1.0, text("1.5"))]);
    let sexes = load(Task::Regression, Some("sex"));
    let women = rows(&sexes).iter().filter(|row| row.2.as_deref() == Some("-0.044641636506989144")).count();
    assert!(sexes.features == 10 && women == 235, "{women}");
    // The classes may be the groups as well.
    let species = load(Task::Classes, Some("target"));
    let row = species.row(149, false).unwrap();
    assert_eq!((row.x.len(), row.y, row.group), (4, Truth::Class("virginica"), Some("virginica")));
}

#[test]
fn an_index_is_left_out_on_demand() {
    let dropping = Columns { drop_index: true, ..columns(None, None) };
    for text in
        [",a,kind,y\n0,1.5,2,3\n1,4,5,6\n", "\"Unnamed: 0\",a,\"\",kind,y,\nx,1.5,,2,3,\ny,4,NA,5,6,\n"]
    {
        let dataset = parse_task(text, Task::Regression, &dropping).unwrap();
        assert_eq!(rows(&dataset), [(vec![1.5, 2.0], 3.0, None), (vec![4.0, 5.0], 6.0, None)], "{text}");
        let grouped = Columns { group: Some("kind".to_owned()), ..dropping.clone() };
        let text = text.replace(",2,3", ",v,3");
        let dataset = parse_task(&text, Task::Regression, &grouped).unwrap();
        assert_eq!(rows(&dataset)[0], (vec![1.5], 3.0, Some("v".to_owned())), "{text}");
        let error = parse(&text, None, None).err().unwrap().to_string();
        assert!(error.starts_with("line 1: column 1 is named"), "{error}");
    }
}

#[test]
fn decimal_commas_are_recognised_and_named() {
    for (text, part) in [
        ("\u{feff}a;b;y\r\n1,5;2;-0,25\r\n", "; semicolons between columns, decimal commas"),
        ("a;b;y\n1.5;2;-0.25\n", "; semicolons between columns, decimal points"),
        ("a\tb\ty\n1,5\t2\t-0,25\n", "; tabs between columns, decimal commas"),
        ("a\tb\ty\n1.5\t2\t-0.25\n", "; tabs between columns, decimal points"),
    ] {
        let dataset = parse(text, None, None).unwrap();
        assert_eq!(rows(&dataset), [(vec![1.5, 2.0], -0.25, None)], "{text:?}");
        assert!(dataset.about.ends_with(part), "{}", dataset.about);
    }
}

#[test]
fn the_largest_sample_may_be_one_of_either_kind() {
    let around = sample_bytes("", None).unwrap() - 2;
    for (text, body) in [
        ("a,y\n1,2\n1.25,3\n", "[1.25]"),
        ("a,y\n1,2\n1,-1.7976931348623157e308\n", "-1.7976931348623157e+308"),
    ] {
        let bytes = parse(text, None, None).unwrap().sample_bytes_max().unwrap();
        assert_eq!(bytes, around + body.len(), "{text}");
    }
    let grouped = parse("a,kind,y\n1,\"say \"\"hi\"\"\",2\n", None, Some("kind")).unwrap();
    let bytes = around + r#"[1.0],"group":"say \"hi\"""#.len();
    assert_eq!(grouped.sample_bytes_max().unwrap(), bytes);
    let named = parse_task("a,y\n1,\"say \"\"hi\"\"\"\n", Task::Classes, &Columns::default()).unwrap();
    assert_eq!(named.sample_bytes_max().unwrap(), around + r#""say \"hi\"""#.len());
}

#[test]
fn a_shift_is_in_standard_deviations_of_the_target() {
    let mut diabetes = load(Task::Regression, None);
    diabetes.set_shift(1.0).unwrap();
    // numpy: `load_diabetes().target.std()`.
    assert!((diabetes.shift - 77.005_745_869_450_44).abs() < 1e-9, "{}", diabetes.shift);
    let shifted = |index, is_shifted| diabetes.row(index, is_shifted).unwrap().y;
    assert_eq!(
        [shifted(0, false), shifted(0, true)],
        [Truth::Number(151.0), Truth::Number(151.0 + diabetes.shift)]
    );
    diabetes.set_shift(-2.0).unwrap();
    assert!(diabetes.shift < -154.0, "{}", diabetes.shift);
    // A shifted value has more digits.
    let mut rows = parse("a,y\n1,1\n1,2\n", None, None).unwrap();
    let bytes = rows.sample_bytes_max().unwrap();
    rows.set_shift(0.125).unwrap();
    let more = "2.0625".len() - "[1.0]".len();
    assert_eq!((rows.shift, rows.sample_bytes_max().unwrap()), (0.0625, bytes + more));
    for (text, deviations) in [("a,y\n1,1\n1,9\n", 1e308), ("a,y\n1,1e308\n1,-1e308\n", 1.0)] {
        let error = parse(text, None, None).unwrap().set_shift(deviations).unwrap_err();
        assert!(error.contains("--shift (FEATURES_SHIFT) is 1"), "{text}: {error}");
    }
}

#[test]
fn bad_files_are_named_by_place() {
    let long = format!("a,b,y\n1,{},3\n", "x".repeat(65));
    for (text, target, group, part) in [
        ("", None, None, "it is empty; allowed: a header"),
        ("\u{feff}\r\n\n", None, None, "it is empty"),
        ("a\n1\n", None, None, "line 1 names 1 column,"),
        ("a,b\n", None, None, "no rows"),
        ("1,2\n3,4\n", None, None, "line 1 holds numbers, such as \"1\""),
        ("a;b;y\n1,5;2;3,5\n2;1.5;1\n", None, None, "line 3, column b: \"1.5\" has a decimal point"),
        ("a;y\n1,234;2\n5,678;1\n", None, None, "line 2: the comma in \"1,234\" may be"),
        ("a,b\n\"1,5\",2\n", None, None, "line 2, column a: \"1,5\" is not a finite number; decimal commas"),
        ("a,b\n1,2\n1,x\n", None, None, "line 3, column b: \"x\""),
        ("a,b\r\n1,2\r\n\r\nx,2\r\n", None, None, "line 4, column a: \"x\""),
        ("a,b\n1,\n", None, None, "line 2, column b: \"\" is a missing value"),
        ("a,b\nNA,1\n", None, None, "line 2, column a: \"NA\" is a missing value"),
        ("a,b\n1,nan\n", None, None, "line 2, column b: \"nan\" is a missing value"),
        ("a,b\n1,inf\n", None, None, "not a finite number"),
        ("a,b\n1,2,3\n", None, None, "line 2: 3 fields, but the header names 2 columns"),
        ("a,b\n1,2\n1\n", None, None, "line 3: 1 field, but the header names 2 columns"),
        ("a,b\n1,2\n", Some("c"), None, "--target (FEATURES_TARGET): no column \"c\"; there are a, b"),
        ("a,b\n1,2\n", None, Some("c"), "--group (FEATURES_GROUP): no column \"c\"; there are a, b"),
        (&long, None, Some("b"), "line 2, column b: \"xxx"),
        ("a,b,y\n1,\"x\ny\",3\n", None, Some("b"), "cannot be a group; allowed: at most 64 bytes without"),
        ("a,b,y\n1,x,3\n", None, Some("a"), "line 2, column b: \"x\" is not a finite number"),
        ("a,y\n1,x\n", None, Some("y"), "line 2, column y: \"x\" is not a finite number"),
        ("kind,y\nx,1\n", None, Some("kind"), "no column is left for a feature"),
    ] {
        let error = format!("{:#}", parse(text, target, group).err().unwrap());
        assert!(error.contains(part), "{text:?}: {error}");
    }
}

#[test]
fn a_target_of_another_kind_is_named_by_place() {
    let iris = "a,species\n1,setosa\n";
    for (text, task, part) in [
        (iris, Task::Regression, "line 2, column species: \"setosa\" is not a finite number; --task classes"),
        (iris, Task::Binary, "line 2, column species: \"setosa\" is no label of --task binary"),
        ("a,y\n1,0\n1,2\n", Task::Binary, "line 3, column y: \"2\" is no label"),
        ("a,y\n1,\n", Task::Classes, "line 2, column y: \"\" is a missing value"),
    ] {
        let error = parse_task(text, task, &Columns::default()).err().unwrap().to_string();
        assert!(error.starts_with(part), "{error}");
    }
}

#[test]
fn a_data_set_of_too_many_fields_or_groups_is_refused() {
    let row = format!("{}1\n", "1,".repeat(999));
    let header: String =
        (0..1000).map(|column| format!("c{column}{}", if column < 999 { "," } else { "\n" })).collect();
    let most = parse(&format!("{header}{}", row.repeat(FIELDS_MAX / 1000)), None, None).unwrap();
    assert_eq!((most.len(), most.features), (FIELDS_MAX / 1000, 999));
    let error = parse(&format!("{header}{}", row.repeat(FIELDS_MAX / 1000 + 1)), None, None).err().unwrap();
    assert!(error.to_string().starts_with("line 10002: more than 10000000 fields"), "{error}");
    let groups: String = (0..=GROUPS_MAX).map(|group| format!("g{group},1,2\n")).collect();
    let error = parse(&format!("g,a,y\n{groups}"), None, Some("g")).err().unwrap();
    assert!(error.to_string().starts_with("line 100002, column g: \"g100000\" would be one more"), "{error}");
}
