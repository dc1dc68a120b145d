//! The rows that are published: a CSV of numbers with a header, read whole. One column may be a text: the groups.

use crate::message::sample_bytes;
use anyhow::{Context, Result, bail};
use glue::number::counted;
use std::{fs, path::Path};

/// scikit-learn's `load_diabetes()`: Efron, Hastie, Johnstone, Tibshirani, "Least Angle Regression", 2004.
const EMBEDDED: &str = include_str!("../data/diabetes.csv");

/// Limit of a group, as CONTRACT.md has it.
const GROUP_MAX_BYTES: usize = 64;

#[derive(Debug)]
pub struct Dataset {
    /// At least one. All vectors have one length, and all numbers are finite.
    pub rows: Vec<Row>,
    /// How far true values move once they are shifted, in the target's unit.
    pub shift: f64,
}

#[derive(Debug, PartialEq)]
pub struct Row {
    pub x: Vec<f64>,
    pub y: f64,
    /// As the data set has it. None if its field is empty, or no column holds groups.
    pub group: Option<Box<str>>,
}

impl Dataset {
    /// Reads `path`, or the embedded data set. `y` is the column `target`, or the last one. A column `group` that holds numbers is a
    /// feature, or the target, as well; one that holds another text is neither.
    ///
    /// # Errors
    /// Names the file, and the line and column at fault.
    pub fn load(path: Option<&Path>, target: Option<&str>, group: Option<&str>) -> Result<Dataset> {
        let Some(path) = path else {
            return Dataset::parse(EMBEDDED, target, group).context("the embedded data set");
        };
        let named = || format!("data set {}", path.display());
        let text = fs::read_to_string(path).with_context(named)?;
        Dataset::parse(&text, target, group).with_context(named)
    }

    fn parse(text: &str, target: Option<&str>, group: Option<&str>) -> Result<Dataset> {
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        let header = reader.headers()?.clone();
        if header.len() < 2 {
            let columns = counted(header.len() as u64, "column", "columns");
            bail!("the header names {columns}; a target and at least one feature are needed");
        }
        let place = |setting: &str, name: &str| match header.iter().position(|column| column == name) {
            Some(place) => Ok(place),
            None => {
                let columns = header.iter().collect::<Vec<_>>().join(", ");
                bail!("{setting}: no column {name:?}; there are {columns}")
            }
        };
        let target = target.map(|name| place("--target (FEATURES_TARGET)", name)).transpose()?;
        let target = target.unwrap_or(header.len() - 1);
        let group = group.map(|name| place("--group (FEATURES_GROUP)", name)).transpose()?;
        let mut group_is_text = false;
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record?;
            let line = record.position().map_or(0, |position| position.line());
            let mut x = Vec::with_capacity(header.len());
            for (place, (field, column)) in record.iter().zip(&header).enumerate() {
                match field.parse::<f64>() {
                    Ok(value) if value.is_finite() => x.push(value),
                    _ if Some(place) == group && place != target => {
                        group_is_text = true;
                        x.push(f64::NAN);
                    }
                    _ => bail!("line {line}, column {column}: {field:?} is not a finite number"),
                }
            }
            let y = x.remove(target);
            let text = group.and_then(|place| record.get(place)).filter(|text| !text.is_empty());
            if let Some(text) =
                text.filter(|text| text.len() > GROUP_MAX_BYTES || text.chars().any(char::is_control))
            {
                bail!(
                    "line {line}: {text:?} cannot be a group; allowed: at most {GROUP_MAX_BYTES} bytes without control characters"
                );
            }
            rows.push(Row { x, y, group: text.map(Box::from) });
        }
        if let Some(group) = group.filter(|_| group_is_text) {
            let feature = group - usize::from(target < group);
            rows.iter_mut().for_each(|row| _ = row.x.remove(feature));
        }
        if rows.iter().any(|row| row.x.is_empty()) {
            bail!("no column is left for a feature beside the target and the groups");
        }
        if rows.is_empty() {
            bail!("no rows below the header");
        }
        Ok(Dataset { rows, shift: 0.0 })
    }

    /// Sets the shift, in population standard deviations of the target.
    ///
    /// # Errors
    /// One line if a shifted value would not be finite.
    pub fn set_shift(&mut self, deviations: f64) -> Result<(), String> {
        self.shift = deviations * self.standard_deviation();
        if self.rows.iter().all(|row| (row.y + self.shift).is_finite()) {
            return Ok(());
        }
        Err(format!(
            "--shift (FEATURES_SHIFT) is {deviations:?}; allowed: numbers that keep every true value of the data set finite"
        ))
    }

    /// Of the target, over the whole population.
    fn standard_deviation(&self) -> f64 {
        let n = self.rows.len() as f64;
        let mean = self.rows.iter().map(|row| row.y).sum::<f64>() / n;
        (self.rows.iter().map(|row| (row.y - mean).powi(2)).sum::<f64>() / n).sqrt()
    }

    /// The bytes of the largest sample, of features or of true values, shifted or not.
    ///
    /// # Errors
    /// Never in practice: ids and finite numbers can always be written.
    pub fn sample_bytes_max(&self) -> Result<usize> {
        let mut most = 0;
        for row in &self.rows {
            let group = row.group.as_deref();
            most = most
                .max(sample_bytes(&row.x, group)?)
                .max(sample_bytes(row.y, group)?)
                .max(sample_bytes(row.y + self.shift, group)?);
        }
        Ok(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_data_set_is_diabetes() {
        let rows = Dataset::load(None, None, None).unwrap().rows;
        assert_eq!(rows.len(), 442);
        assert!(rows.iter().all(|row| row.x.len() == 10));
        assert_eq!((rows[0].y, rows[0].x[0]), (151.0, 0.038075906433423026));
    }

    #[test]
    fn the_target_may_be_any_column() {
        let rows = Dataset::parse("a, y ,b\n1,2,3\r\n4,5,6\n", Some("y"), None).unwrap().rows;
        let row = |x: [f64; 2], y| Row { x: x.to_vec(), y, group: None };
        assert_eq!(rows, [row([1.0, 3.0], 2.0), row([4.0, 6.0], 5.0)]);
    }

    #[test]
    fn groups_are_a_column_of_numbers_or_of_texts() {
        let parse = |text: &str, target, group| -> Vec<(Vec<f64>, f64, Option<String>)> {
            let rows = Dataset::parse(text, target, Some(group)).unwrap().rows;
            rows.into_iter().map(|row| (row.x, row.y, row.group.map(String::from))).collect()
        };
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
        let expected = [
            (vec![1.0, 4.0], 3.0, text("v 2")),
            (vec![5.0, 9.0], 8.0, text("7")),
            (vec![0.0, 0.0], 0.0, None),
        ];
        assert_eq!(parse(texts, Some("y"), "kind"), expected);
        let behind = parse("y,a,kind\n1,2,x\n", Some("y"), "kind");
        assert_eq!(behind, [(vec![2.0], 1.0, text("x"))]);
        let sexes = Dataset::load(None, None, Some("sex")).unwrap().rows;
        let women = sexes.iter().filter(|row| row.group.as_deref() == Some("-0.044641636506989144")).count();
        assert!(sexes.iter().all(|row| row.x.len() == 10) && women == 235, "{women}");
    }

    #[test]
    fn the_largest_sample_may_be_one_of_either_kind() {
        let around = sample_bytes("", None).unwrap() - 2;
        for (text, body) in [
            ("a,y\n1,2\n1.25,3\n", "[1.25]"),
            ("a,y\n1,2\n1,-1.7976931348623157e308\n", "-1.7976931348623157e+308"),
        ] {
            let bytes = Dataset::parse(text, None, None).unwrap().sample_bytes_max().unwrap();
            assert_eq!(bytes, around + body.len(), "{text}");
        }
        let grouped = Dataset::parse("a,kind,y\n1,\"say \"\"hi\"\"\",2\n", None, Some("kind")).unwrap();
        let bytes = around + r#"[1.0],"group":"say \"hi\"""#.len();
        assert_eq!(grouped.sample_bytes_max().unwrap(), bytes);
    }

    #[test]
    fn a_shift_is_in_standard_deviations_of_the_target() {
        let mut diabetes = Dataset::load(None, None, None).unwrap();
        diabetes.set_shift(1.0).unwrap();
        // numpy: `load_diabetes().target.std()`.
        assert!((diabetes.shift - 77.005_745_869_450_44).abs() < 1e-9, "{}", diabetes.shift);
        diabetes.set_shift(-2.0).unwrap();
        assert!(diabetes.shift < -154.0, "{}", diabetes.shift);
        // A shifted value has more digits.
        let mut rows = Dataset::parse("a,y\n1,1\n1,2\n", None, None).unwrap();
        let bytes = rows.sample_bytes_max().unwrap();
        rows.set_shift(0.125).unwrap();
        let more = "2.0625".len() - "[1.0]".len();
        assert_eq!((rows.shift, rows.sample_bytes_max().unwrap()), (0.0625, bytes + more));
        for (text, deviations) in [("a,y\n1,1\n1,9\n", 1e308), ("a,y\n1,1e308\n1,-1e308\n", 1.0)] {
            let error = Dataset::parse(text, None, None).unwrap().set_shift(deviations).unwrap_err();
            assert!(error.contains("--shift (FEATURES_SHIFT) is 1"), "{text}: {error}");
        }
    }

    #[test]
    fn bad_files_are_named_by_place() {
        let long = format!("a,b,y\n1,{},3\n", "x".repeat(65));
        for (text, target, group, part) in [
            ("", None, None, "0 columns"),
            ("a\n1\n", None, None, "1 column;"),
            ("a,b\n", None, None, "no rows"),
            ("a,b\n1,2\n1,x\n", None, None, "line 3, column b: \"x\""),
            ("a,b\n1,\n", None, None, "line 2, column b"),
            ("a,b\n1,inf\n", None, None, "not a finite number"),
            ("a,b\n1,2,3\n", None, None, "record 1"),
            ("a,b\n1,2\n", Some("c"), None, "--target (FEATURES_TARGET): no column \"c\"; there are a, b"),
            ("a,b\n1,2\n", None, Some("c"), "--group (FEATURES_GROUP): no column \"c\"; there are a, b"),
            (&long, None, Some("b"), "line 2: \"xxx"),
            (
                "a,b,y\n1,\"x\ny\",3\n",
                None,
                Some("b"),
                "cannot be a group; allowed: at most 64 bytes without",
            ),
            ("a,b,y\n1,x,3\n", None, Some("a"), "line 2, column b: \"x\" is not a finite number"),
            ("a,y\n1,x\n", None, Some("y"), "line 2, column y: \"x\" is not a finite number"),
            ("kind,y\nx,1\n", None, Some("kind"), "no column is left for a feature"),
        ] {
            let error = format!("{:#}", Dataset::parse(text, target, group).unwrap_err());
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }
}
