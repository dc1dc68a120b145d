//! The task, and the names of its classes. Inside `metric` every value is an f64; that of a class is its number in this table. Knows no JSON
//! and no file.

use foldhash::fast::RandomState;
use std::{cell::RefCell, collections::HashMap, rc::Rc};

pub const CLASS_BYTES_MAX: usize = 64;
pub const CLASSES_MAX: usize = 10_000;

/// What is predicted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Task {
    /// A number.
    Regression,
    /// The probability that the true value, 0 or 1, is 1.
    Binary,
    /// The name of a class.
    Classes,
}

impl Task {
    /// By their names, as `--task` takes them.
    pub const ALL: [(&'static str, Task); 3] =
        [("regression", Task::Regression), ("binary", Task::Binary), ("classes", Task::Classes)];

    pub fn name(self) -> &'static str {
        Task::ALL.iter().find(|(_, task)| *task == self).map_or("", |(name, _)| name)
    }

    /// The absolute error of a row. May overflow in a regression.
    pub fn absolute_error(self, y_true: f64, y_pred: f64) -> f64 {
        if self == Task::Classes { f64::from(y_true != y_pred) } else { (y_pred - y_true).abs() }
    }
}

/// The task and its classes, of which only [`Task::Classes`] has any. A clone has the same table.
#[derive(Clone)]
pub struct Labels {
    pub task: Task,
    classes: Rc<RefCell<Classes>>,
}

#[derive(Default)]
struct Classes {
    /// In the order of their numbers.
    names: Vec<Rc<str>>,
    numbers: HashMap<Rc<str>, usize, RandomState>,
}

impl Labels {
    pub fn new(task: Task) -> Labels {
        Labels { task, classes: Rc::default() }
    }

    /// How many classes have a number.
    pub fn count(&self) -> usize {
        self.classes.borrow().names.len()
    }

    /// The number of a class. A new one gets the next number.
    ///
    /// # Errors
    /// Says why the name cannot have a number, to follow after its description.
    pub fn number(&self, name: &str) -> Result<f64, String> {
        let known = self.classes.borrow().numbers.get(name).copied();
        let number = known.map_or_else(|| self.add(name), Ok)?;
        Ok(number as f64)
    }

    fn add(&self, name: &str) -> Result<usize, String> {
        check(name)?;
        let classes = &mut *self.classes.borrow_mut();
        let (number, name) = (classes.names.len(), Rc::<str>::from(name));
        if number == CLASSES_MAX {
            return Err(format!("one class too many: there are {CLASSES_MAX} already, the most"));
        }
        classes.numbers.insert(name.clone(), number);
        classes.names.push(name);
        Ok(number)
    }

    /// Reads something. If that fails, the classes that it added are removed.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn undo_on_error<T, E>(&self, read: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let count = self.count();
        read().inspect_err(|_| {
            let Classes { names, numbers } = &mut *self.classes.borrow_mut();
            names.drain(count..).for_each(|name| _ = numbers.remove(&name));
        })
    }

    /// The name of the class that has this number. `None` for every value of another task.
    pub fn class(&self, value: f64) -> Option<Rc<str>> {
        self.classes.borrow().names.get(value as usize).cloned()
    }

    /// A value for people: a number, or the name of a class in quotes.
    pub fn text(&self, value: f64) -> String {
        self.class(value).map_or_else(|| value.to_string(), |name| format!("\"{name}\""))
    }
}

/// Checks the limits of the contract.
///
/// # Errors
/// Says what a class is, to follow after the description of the name.
pub fn check(name: &str) -> Result<(), String> {
    if (1..=CLASS_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(not_a_class())
}

/// Said of what is no class.
pub fn not_a_class() -> String {
    format!("not a class: a string of 1 to {CLASS_BYTES_MAX} bytes without control characters, or a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_numbered_in_the_order_in_which_they_come() {
        let labels = Labels::new(Task::Classes);
        for (name, number) in [("cat", 0.0), ("dog", 1.0), ("cat", 0.0), ("3", 2.0), ("3.0", 3.0), ("3", 2.0)]
        {
            assert_eq!(labels.clone().number(name), Ok(number), "{name}");
        }
        assert_eq!(labels.class(3.0).as_deref(), Some("3.0"));
        assert_eq!((labels.text(0.0), labels.text(4.0)), ("\"cat\"".to_owned(), "4".to_owned()));
        assert_eq!(Labels::new(Task::Regression).class(0.0), None);
        assert_eq!([(0.0, 0.0), (0.0, 3.0)].map(|(t, p)| Task::Classes.absolute_error(t, p)), [0.0, 1.0]);
        assert_eq!(Task::ALL.map(|(_, task)| task.name()), Task::ALL.map(|(name, _)| name));
    }

    #[test]
    fn names_and_their_number_are_limited() {
        let labels = Labels::new(Task::Classes);
        let longest = "é".repeat(32);
        for name in ["", "a\nb", "\0", "\u{7f}", "a\u{85}", &format!("{longest}x"), &"x".repeat(65)] {
            let error = labels.number(name).unwrap_err();
            assert!(error.contains("not a class: a string of 1 to 64 bytes"), "{name:?}: {error}");
        }
        assert_eq!((labels.number(&longest), labels.number(" ")), (Ok(0.0), Ok(1.0)));
        for number in 2..CLASSES_MAX {
            assert_eq!(labels.number(&number.to_string()), Ok(number as f64));
        }
        let error = labels.number("another").unwrap_err();
        assert_eq!(error, "one class too many: there are 10000 already, the most");
        assert_eq!(
            (labels.number(&longest), labels.number("9999"), labels.count()),
            (Ok(0.0), Ok(9999.0), 10_000)
        );
    }

    #[test]
    fn what_fails_adds_no_class() {
        let labels = Labels::new(Task::Classes);
        labels.number("cat").unwrap();
        let read =
            |names: &[&str]| names.iter().map(|name| labels.number(name)).collect::<Result<Vec<_>, _>>();
        assert!(labels.undo_on_error(|| read(&["dog", "cat", "horse", ""])).is_err());
        assert_eq!((labels.count(), labels.class(1.0)), (1, None));
        assert_eq!(labels.undo_on_error(|| read(&["horse", "cat", "dog"])), Ok(vec![1.0, 0.0, 2.0]));
    }
}
