//! Numbers the different names of a column, from 0, in the order in which they come. Pure.

use std::{collections::BTreeMap, rc::Rc};

#[derive(Default)]
pub struct Names {
    names: Vec<Rc<str>>,
    numbers: BTreeMap<Rc<str>, u32>,
}

impl Names {
    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn name(&self, number: u32) -> Option<&str> {
        self.names.get(number as usize).map(|name| &**name)
    }

    /// The number of `name`; `None` if it would be one more than `most`.
    pub fn number(&mut self, name: &str, most: usize) -> Option<u32> {
        if let Some(&number) = self.numbers.get(name) {
            return Some(number);
        }
        let number = u32::try_from(self.names.len()).ok().filter(|_| self.names.len() < most)?;
        let name = Rc::<str>::from(name);
        self.names.push(name.clone());
        self.numbers.insert(name, number);
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_have_one_number() {
        let mut names = Names::default();
        let numbers = ["b", "a", "b", "", "c", "a"].map(|name| names.number(name, 3));
        assert_eq!(numbers, [Some(0), Some(1), Some(0), Some(2), None, Some(1)]);
        assert_eq!((names.len(), names.name(1), names.name(3)), (3, Some("a"), None));
    }
}
