//! The rows that are published: a CSV of numbers with a header, read whole.

use crate::message::sample_bytes;
use anyhow::{Context, Result, bail};
use glue::number::counted;
use std::{fs, path::Path};

/// scikit-learn's `load_diabetes()`: Efron, Hastie, Johnstone, Tibshirani, "Least Angle Regression", 2004.
const EMBEDDED: &str = include_str!("../data/diabetes.csv");

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
}

impl Dataset {
    /// Reads `path`, or the embedded data set. `y` is the column `target`, or the last one.
    ///
    /// # Errors
    /// Names the file, and the line and column at fault.
    pub fn load(path: Option<&Path>, target: Option<&str>) -> Result<Dataset> {
        let Some(path) = path else {
            return Dataset::parse(EMBEDDED, target).context("the embedded data set");
        };
        let named = || format!("data set {}", path.display());
        let text = fs::read_to_string(path).with_context(named)?;
        Dataset::parse(&text, target).with_context(named)
    }

    fn parse(text: &str, target: Option<&str>) -> Result<Dataset> {
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        let header = reader.headers()?.clone();
        if header.len() < 2 {
            let columns = counted(header.len() as u64, "column", "columns");
            bail!("the header names {columns}; a target and at least one feature are needed");
        }
        let columns = || header.iter().collect::<Vec<_>>().join(", ");
        let target = match target {
            None => header.len() - 1,
            Some(name) => match header.iter().position(|column| column == name) {
                Some(at) => at,
                None => bail!("no column {name:?}; there are {}", columns()),
            },
        };
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record?;
            let line = record.position().map_or(0, |position| position.line());
            let mut x = Vec::with_capacity(header.len());
            for (field, column) in record.iter().zip(&header) {
                match field.parse::<f64>() {
                    Ok(value) if value.is_finite() => x.push(value),
                    _ => bail!("line {line}, column {column}: {field:?} is not a finite number"),
                }
            }
            let y = x.remove(target);
            rows.push(Row { x, y });
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
            most = most
                .max(sample_bytes(&row.x)?)
                .max(sample_bytes(row.y)?)
                .max(sample_bytes(row.y + self.shift)?);
        }
        Ok(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_data_set_is_diabetes() {
        let rows = Dataset::load(None, None).unwrap().rows;
        assert_eq!(rows.len(), 442);
        assert!(rows.iter().all(|row| row.x.len() == 10));
        assert_eq!((rows[0].y, rows[0].x[0]), (151.0, 0.038075906433423026));
    }

    #[test]
    fn the_target_may_be_any_column() {
        let rows = Dataset::parse("a, y ,b\n1,2,3\r\n4,5,6\n", Some("y")).unwrap().rows;
        assert_eq!(rows, [Row { x: vec![1.0, 3.0], y: 2.0 }, Row { x: vec![4.0, 6.0], y: 5.0 }]);
    }

    #[test]
    fn the_largest_sample_may_be_one_of_either_kind() {
        let around = sample_bytes("").unwrap() - 2;
        for (text, body) in [
            ("a,y\n1,2\n1.25,3\n", "[1.25]"),
            ("a,y\n1,2\n1,-1.7976931348623157e308\n", "-1.7976931348623157e+308"),
        ] {
            let bytes = Dataset::parse(text, None).unwrap().sample_bytes_max().unwrap();
            assert_eq!(bytes, around + body.len(), "{text}");
        }
    }

    #[test]
    fn a_shift_is_in_standard_deviations_of_the_target() {
        let mut diabetes = Dataset::load(None, None).unwrap();
        diabetes.set_shift(1.0).unwrap();
        // numpy: `load_diabetes().target.std()`.
        assert!((diabetes.shift - 77.005_745_869_450_44).abs() < 1e-9, "{}", diabetes.shift);
        diabetes.set_shift(-2.0).unwrap();
        assert!(diabetes.shift < -154.0, "{}", diabetes.shift);
        // A shifted value has more digits.
        let mut rows = Dataset::parse("a,y\n1,1\n1,2\n", None).unwrap();
        let bytes = rows.sample_bytes_max().unwrap();
        rows.set_shift(0.125).unwrap();
        let more = "2.0625".len() - "[1.0]".len();
        assert_eq!((rows.shift, rows.sample_bytes_max().unwrap()), (0.0625, bytes + more));
        for (text, deviations) in [("a,y\n1,1\n1,9\n", 1e308), ("a,y\n1,1e308\n1,-1e308\n", 1.0)] {
            let error = Dataset::parse(text, None).unwrap().set_shift(deviations).unwrap_err();
            assert!(error.contains("--shift (FEATURES_SHIFT) is 1"), "{text}: {error}");
        }
    }

    #[test]
    fn bad_files_are_named_by_place() {
        for (text, target, part) in [
            ("", None, "0 columns"),
            ("a\n1\n", None, "1 column;"),
            ("a,b\n", None, "no rows"),
            ("a,b\n1,2\n1,x\n", None, "line 3, column b: \"x\""),
            ("a,b\n1,\n", None, "line 2, column b"),
            ("a,b\n1,inf\n", None, "not a finite number"),
            ("a,b\n1,2,3\n", None, "record 1"),
            ("a,b\n1,2\n", Some("c"), "no column \"c\"; there are a, b"),
        ] {
            let error = format!("{:#}", Dataset::parse(text, target).unwrap_err());
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }
}
