//! What the true values are: the three tasks, which fields of the target's column each takes, and how a message holds one. Pure.

use super::{
    names::Names,
    numbers::{Numbers, is_missing},
};
use serde::Serialize;

/// Limits of CONTRACT.md.
const CLASSES_MAX: usize = 10_000;
const CLASS_MAX_BYTES: usize = 64;

/// What the model of the data set predicts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Task {
    /// A number.
    Regression,
    /// The probability of 1; truth is 0 or 1.
    Binary,
    /// One of several names.
    Classes,
}

/// The tasks by their names in settings.
pub const TASKS: [(&str, Task); 3] =
    [("regression", Task::Regression), ("binary", Task::Binary), ("classes", Task::Classes)];

/// A true value, as a message's `body`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Truth<'a> {
    Number(f64),
    /// 0 or 1.
    Label(u8),
    Class(&'a str),
}

impl Task {
    /// A field of the target's column, on line `line`: the number, 0 or 1, or the number of the class in `classes`.
    ///
    /// # Errors
    /// Names the field, what is allowed, and the task that would take it, if there is one.
    pub fn read(
        self,
        field: &str,
        line: u64,
        numbers: &mut Numbers,
        classes: &mut Names,
    ) -> Result<f64, String> {
        if is_missing(field) {
            return Err(format!("{field:?} is a missing value; allowed: {}", self.allowed()));
        }
        match self {
            Task::Regression => numbers.read(field, line).map_err(|why| match label(field, numbers) {
                Some(_) => format!("{why}; --task binary (TASK) takes false and true"),
                None if field.contains(char::is_alphabetic) => {
                    format!("{why}; --task classes (TASK) takes the names of classes")
                }
                None => why,
            }),
            Task::Binary => label(field, numbers).ok_or_else(|| {
                let other = match numbers.parse(field) {
                    Some(_) => "--task regression (TASK) takes any number",
                    None => "--task classes (TASK) takes the names of classes",
                };
                format!("{field:?} is no label of --task binary; allowed: {}; {other}", self.allowed())
            }),
            Task::Classes if field.len() > CLASS_MAX_BYTES || field.contains(char::is_control) => {
                Err(format!("{field:?} is no class; allowed: {}", self.allowed()))
            }
            Task::Classes => classes.number(field, CLASSES_MAX).map(f64::from).ok_or_else(|| {
                format!(
                    "{field:?} would be one more than {CLASSES_MAX} classes; allowed: at most that; --task regression (TASK) takes numbers"
                )
            }),
        }
    }

    fn allowed(self) -> String {
        match self {
            Task::Regression => "finite numbers".to_owned(),
            Task::Binary => "0, 1, false, true".to_owned(),
            Task::Classes => format!("1 to {CLASS_MAX_BYTES} bytes without control characters"),
        }
    }

    /// What [`Task::read`] has returned, and a message holds.
    pub fn truth(self, value: f64, classes: &Names) -> Option<Truth<'_>> {
        match self {
            Task::Regression => Some(Truth::Number(value)),
            Task::Binary => Some(Truth::Label(value as u8)),
            Task::Classes => classes.name(value as u32).map(Truth::Class),
        }
    }
}

/// 0 or 1, in any way to write it, or false or true, as pandas writes them (`False`) or others.
fn label(field: &str, numbers: &Numbers) -> Option<f64> {
    if field.eq_ignore_ascii_case("false") {
        return Some(0.0);
    }
    if field.eq_ignore_ascii_case("true") {
        return Some(1.0);
    }
    numbers.parse(field).filter(|number| [0.0, 1.0].contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(task: Task, field: &str) -> Result<f64, String> {
        task.read(field, 2, &mut Numbers::new(b';'), &mut Names::default())
    }

    #[test]
    fn a_label_is_0_or_1_in_any_way_to_write_it() {
        let none = Names::default();
        for (fields, label) in [
            (["0", "0.0", "0,0", "-0", "false", "False", "FALSE"], 0),
            (["1", "1.0", "1,0", "1e0", "true", "True", "TRUE"], 1),
        ] {
            for field in fields {
                let value = read(Task::Binary, field).unwrap();
                let truth = Task::Binary.truth(value, &none).unwrap();
                assert_eq!(truth, Truth::Label(label), "{field}");
                assert_eq!(serde_json::to_string(&truth).unwrap(), label.to_string(), "{field}");
            }
        }
    }

    #[test]
    fn a_class_is_its_text() {
        let (mut numbers, mut classes) = (Numbers::new(b','), Names::default());
        for name in ["setosa", "3", "3.0", "say \"x\"", &"é".repeat(32), "none"] {
            let value = Task::Classes.read(name, 2, &mut numbers, &mut classes).unwrap();
            let truth = Task::Classes.truth(value, &classes).unwrap();
            assert_eq!(serde_json::to_value(truth).unwrap(), name);
        }
        assert_eq!(classes.len(), 6);
    }

    #[test]
    fn a_target_of_another_kind_is_refused_with_the_task_that_takes_it() {
        let long = "x".repeat(65);
        for (task, field, parts) in [
            (
                Task::Regression,
                "setosa",
                ["\"setosa\" is not a finite number", "--task classes (TASK) takes"],
            ),
            (
                Task::Regression,
                "True",
                ["\"True\" is not a finite number", "--task binary (TASK) takes false and"],
            ),
            (Task::Regression, "NaN", ["\"NaN\" is a missing value; allowed: finite numbers", ""]),
            (Task::Binary, "151", ["\"151\" is no label", "0, 1, false, true; --task regression (TASK)"]),
            (Task::Binary, "0.5", ["\"0.5\" is no label", "--task regression (TASK)"]),
            (Task::Binary, "malignant", ["\"malignant\" is no label", "--task classes (TASK)"]),
            (Task::Binary, "", ["\"\" is a missing value; allowed: 0, 1, false, true", ""]),
            (Task::Classes, "NA", ["\"NA\" is a missing value; allowed: 1 to 64 bytes", ""]),
            (Task::Classes, "a\tb", ["\"a\\tb\" is no class; allowed: 1 to 64 bytes", "control characters"]),
            (Task::Classes, &long, ["xxx\" is no class; allowed: 1 to 64 bytes", ""]),
        ] {
            let error = read(task, field).unwrap_err();
            assert!(parts.iter().all(|part| error.contains(part)), "{field}: {error}");
        }
        // Neither a name nor true: no other task takes it.
        assert!(!read(Task::Regression, "1.234,5").unwrap_err().contains("--task"));
    }

    #[test]
    fn there_are_at_most_ten_thousand_classes() {
        let (mut numbers, mut classes) = (Numbers::new(b','), Names::default());
        let mut read = |class: usize| Task::Classes.read(&class.to_string(), 2, &mut numbers, &mut classes);
        assert!((0..CLASSES_MAX).all(|class| read(class) == Ok(class as f64)));
        let error = read(CLASSES_MAX).unwrap_err();
        assert!(error.starts_with("\"10000\" would be one more than 10000 classes"), "{error}");
        assert_eq!(read(7), Ok(7.0));
    }
}
