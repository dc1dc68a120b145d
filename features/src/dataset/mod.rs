//! The rows that are published: a CSV with a header, read once and kept as numbers. True values may be names of classes, and one column
//! may hold the names of groups.

mod header;
mod names;
mod numbers;
mod records;
#[cfg(test)]
mod tests;
mod truth;

pub use header::Columns;
pub use truth::{TASKS, Task, Truth};

use crate::message::sample_bytes;
use anyhow::{Context, Result, anyhow, bail};
use glue::number::counted;
use header::Header;
use names::Names;
use numbers::Numbers;
use records::{Record, Records, separator_name};
use std::{
    io::{self, Read},
    path::Path,
};

/// scikit-learn's `load_diabetes()`: Efron, Hastie, Johnstone, Tibshirani, "Least Angle Regression", 2004.
const DIABETES: &str = include_str!("../../data/diabetes.csv");
/// `load_breast_cancer()`: Street, Wolberg, Mangasarian, "Nuclear feature extraction for breast tumor diagnosis", 1993.
const BREAST_CANCER: &str = include_str!("../../data/breast_cancer.csv");
/// `load_iris()`: Fisher, "The use of multiple measurements in taxonomic problems", 1936.
const IRIS: &str = include_str!("../../data/iris.csv");

/// Limit of the fields of all rows. Each takes 8 bytes at most, while they are in memory.
const FIELDS_MAX: usize = 10_000_000;
/// Limit of the names of groups.
const GROUPS_MAX: usize = 100_000;
/// Limit of a group, as CONTRACT.md has it.
const GROUP_MAX_BYTES: usize = 64;

pub struct Dataset {
    /// What was read, and how it was written.
    pub about: String,
    task: Task,
    /// All features, finite, row after row.
    x: Vec<f64>,
    /// Features of a row: at least one.
    features: usize,
    /// What [`Task::read`] returns, for at least one row.
    y: Vec<f64>,
    classes: Names,
    /// For each row the number of its group, whose name may be empty. Empty if no column holds groups.
    groups: Vec<u32>,
    group_names: Names,
    /// How far true values move once they are shifted, in the target's unit.
    pub shift: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row<'a> {
    pub x: &'a [f64],
    pub y: Truth<'a>,
    /// As the data set has it. None if its field is empty, or no column holds groups.
    pub group: Option<&'a str>,
}

impl Dataset {
    /// Reads `path`, or the embedded data set of `task`. A column of groups that holds numbers is a feature, or the target, as well; one that
    /// holds another text is neither.
    ///
    /// # Errors
    /// Names the file, and the line and column at fault.
    pub fn load(path: Option<&Path>, task: Task, columns: &Columns) -> Result<Dataset> {
        let (name, opened) = match (path, task) {
            (Some(path), _) => (format!("data set {}", path.display()), records::open(path)),
            (None, Task::Regression) => ("the embedded data set diabetes".to_owned(), embedded(DIABETES)),
            (None, Task::Binary) => {
                ("the embedded data set breast cancer".to_owned(), embedded(BREAST_CANCER))
            }
            (None, Task::Classes) => ("the embedded data set iris".to_owned(), embedded(IRIS)),
        };
        let (text, is_gzip) = opened.with_context(|| name.clone())?;
        let mut dataset = Dataset::read(text, task, columns).with_context(|| name.clone())?;
        let gzip = if is_gzip { ", packed by gzip" } else { "" };
        dataset.about = format!("{name}: {}{gzip}", dataset.about);
        Ok(dataset)
    }

    fn read(text: Box<dyn Read>, task: Task, columns: &Columns) -> Result<Dataset> {
        let mut records = Records::new(text)?;
        let mut numbers = Numbers::new(records.separator);
        let header = match records.read()? {
            Some(record) => Header::new(record.fields(), columns)?,
            None => bail!("it is empty; allowed: a header and at least one row"),
        };
        let mut dataset = Dataset {
            about: String::new(),
            task,
            x: Vec::new(),
            features: header.is_dropped.iter().filter(|dropped| !**dropped).count() - 1,
            y: Vec::new(),
            classes: Names::default(),
            groups: Vec::new(),
            group_names: Names::default(),
            shift: 0.0,
        };
        let mut group_is_text = false;
        while let Some(record) = records.read()? {
            group_is_text |= dataset.add(&record, &header, &mut numbers)?;
        }
        numbers.check().map_err(|why| anyhow!(why))?;
        if let Some(group) = header.group.filter(|group| group_is_text && *group != header.target) {
            dataset.remove_feature(header.features_before(group));
        }
        if dataset.features == 0 {
            bail!("no column is left for a feature beside the target and the groups");
        }
        if dataset.y.is_empty() {
            bail!("no rows below the header");
        }
        let target = header.names.get(header.target).map_or("", String::as_str);
        dataset.about = dataset.describe(target, &numbers, records.separator);
        Ok(dataset)
    }

    /// Adds a row. Returns whether its group is no number. Its feature is NaN then.
    fn add(&mut self, record: &Record<'_>, header: &Header, numbers: &mut Numbers) -> Result<bool> {
        let line = record.line;
        let (fields, columns) = (record.len(), header.names.len());
        if fields != columns {
            bail!(
                "line {line}: {}, but the header names {}",
                counted(fields as u64, "field", "fields"),
                counted(columns as u64, "column", "columns")
            );
        }
        let mut group_is_text = false;
        for (place, field) in record.fields().enumerate() {
            if header.is_dropped.get(place) == Some(&true) {
                continue;
            }
            let is_group = header.group == Some(place);
            let at_column = |why| {
                let column = header.names.get(place).map_or("", String::as_str);
                anyhow!("line {line}, column {column}: {why}")
            };
            if is_group {
                self.groups.push(group(field, &mut self.group_names).map_err(at_column)?);
            }
            if place == header.target {
                let y = self.task.read(field, line, numbers, &mut self.classes).map_err(at_column)?;
                self.y.push(y);
            } else if is_group {
                let number = numbers.parse(field);
                group_is_text |= number.is_none();
                self.x.push(number.unwrap_or(f64::NAN));
            } else {
                self.x.push(numbers.read(field, line).map_err(at_column)?);
            }
        }
        if self.x.len() + self.y.len() + self.groups.len() > FIELDS_MAX {
            bail!("line {line}: more than {FIELDS_MAX} fields; allowed: at most that");
        }
        Ok(group_is_text)
    }

    fn remove_feature(&mut self, feature: usize) {
        let (features, mut place) = (self.features, 0);
        self.x.retain(|_| {
            place += 1;
            (place - 1) % features != feature
        });
        self.features -= 1;
    }

    fn describe(&self, target: &str, numbers: &Numbers, separator: u8) -> String {
        let classes = match self.task {
            Task::Classes => format!(" with {}", counted(self.classes.len() as u64, "class", "classes")),
            _ => String::new(),
        };
        format!(
            "{}, {}, target {target:?}{classes}; {} between columns, {}",
            counted(self.len() as u64, "row", "rows"),
            counted(self.features as u64, "feature", "features"),
            separator_name(separator),
            numbers.mark_name()
        )
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.y.len()
    }

    pub fn row(&self, index: usize, is_shifted: bool) -> Option<Row<'_>> {
        let x = self.x.chunks_exact(self.features).nth(index)?;
        let y = *self.y.get(index)?;
        let y = self.task.truth(if is_shifted { y + self.shift } else { y }, &self.classes)?;
        let group = self.groups.get(index).and_then(|group| self.group_names.name(*group));
        Some(Row { x, y, group: group.filter(|name| !name.is_empty()) })
    }

    /// Sets the shift, in population standard deviations of the target.
    ///
    /// # Errors
    /// One line if a shifted value would not be finite.
    pub fn set_shift(&mut self, deviations: f64) -> Result<(), String> {
        self.shift = deviations * self.standard_deviation();
        if self.y.iter().all(|y| (y + self.shift).is_finite()) {
            return Ok(());
        }
        Err(format!(
            "--shift (FEATURES_SHIFT) is {deviations:?}; allowed: numbers that keep every true value of the data set finite"
        ))
    }

    /// Of the target, over the whole population.
    fn standard_deviation(&self) -> f64 {
        let n = self.len() as f64;
        let mean = self.y.iter().sum::<f64>() / n;
        (self.y.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / n).sqrt()
    }

    /// The bytes of the largest sample, of features or of true values, shifted or not.
    ///
    /// # Errors
    /// Never in practice: ids and finite numbers can always be written.
    pub fn sample_bytes_max(&self) -> Result<usize> {
        let mut most = 0;
        for is_shifted in [false, true] {
            for row in (0..self.len()).filter_map(|index| self.row(index, is_shifted)) {
                most = most.max(sample_bytes(row.y, row.group)?);
                if !is_shifted {
                    most = most.max(sample_bytes(row.x, row.group)?);
                }
            }
        }
        Ok(most)
    }
}

fn embedded(text: &'static str) -> io::Result<(Box<dyn Read>, bool)> {
    Ok((Box::new(text.as_bytes()), false))
}

/// The number of a field that holds a group.
fn group(field: &str, names: &mut Names) -> Result<u32, String> {
    if field.len() > GROUP_MAX_BYTES || field.contains(char::is_control) {
        return Err(format!(
            "{field:?} cannot be a group; allowed: at most {GROUP_MAX_BYTES} bytes without control characters"
        ));
    }
    names
        .number(field, GROUPS_MAX)
        .ok_or_else(|| format!("{field:?} would be one more than {GROUPS_MAX} groups; allowed: at most that"))
}
