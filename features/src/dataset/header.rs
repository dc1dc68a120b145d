//! What a data set's columns mean, by their names. A column without a name never becomes a feature. Pure.

use anyhow::{Result, bail};
use glue::number::counted;

/// Which columns are what, as settings say.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    /// The true values; `None`: the last column.
    pub target: Option<String>,
    pub group: Option<String>,
    /// Columns without a name are left out.
    pub drop_index: bool,
}

#[derive(Debug)]
pub struct Header {
    pub names: Vec<String>,
    /// Whether each column is left out.
    pub is_dropped: Vec<bool>,
    pub target: usize,
    pub group: Option<usize>,
}

impl Header {
    /// # Errors
    /// Names the column or setting at fault.
    pub fn new<'a>(names: impl Iterator<Item = &'a str>, columns: &Columns) -> Result<Header> {
        let names: Vec<String> = names.map(str::to_owned).collect();
        let is_dropped: Vec<bool> = names.iter().map(|name| is_nameless(name)).collect();
        let named: Vec<(usize, &str)> =
            names.iter().map(String::as_str).enumerate().filter(|(_, name)| !is_nameless(name)).collect();
        let all: Vec<&str> = named.iter().map(|(_, name)| *name).collect();
        check_is_no_row(&all)?;
        if let Some(place) = is_dropped.iter().position(|dropped| *dropped).filter(|_| !columns.drop_index) {
            let name = names.get(place).map_or("", String::as_str);
            bail!(
                "line 1: column {} is named {name:?}, as pandas has it for an index; allowed: a name of your own, or --drop-index yes (FEATURES_DROP_INDEX), which leaves such columns out",
                place + 1
            );
        }
        let place = |setting: &str, wanted: &str| {
            let mut places = named.iter().filter(|(_, name)| *name == wanted).map(|(place, _)| *place);
            match (places.next(), places.next()) {
                (Some(place), None) => Ok(place),
                (Some(_), Some(_)) => bail!("{setting}: more than one column is named {wanted:?}"),
                (None, _) => bail!("{setting}: no column {wanted:?}; there are {}", all.join(", ")),
            }
        };
        let (Some((last, _)), true) = (named.last(), named.len() > 1) else {
            let columns = counted(named.len() as u64, "column", "columns");
            bail!(
                "line 1 names {columns}, with commas, semicolons or tabs between them; a target and at least one feature are needed"
            );
        };
        let target =
            columns.target.as_ref().map(|name| place("--target (FEATURES_TARGET)", name)).transpose()?;
        let group = columns.group.as_ref().map(|name| place("--group (FEATURES_GROUP)", name)).transpose()?;
        Ok(Header { target: target.unwrap_or(*last), group, is_dropped, names })
    }

    /// How many features are before `column`.
    pub fn features_before(&self, column: usize) -> usize {
        let before = self.is_dropped.iter().take(column).enumerate();
        before.filter(|(place, dropped)| !**dropped && *place != self.target).count()
    }
}

/// As pandas and R write the name of an index, and as pandas names one that it has read: `Unnamed: 0`.
fn is_nameless(name: &str) -> bool {
    name.is_empty() || name.strip_prefix("Unnamed: ").is_some_and(is_number)
}

fn is_number(name: &str) -> bool {
    name.replacen(',', ".", 1).parse().is_ok_and(f64::is_finite)
}

/// A file without a header begins with a row: numbers, or numbers and one name of a class. An array that became a table has its columns
/// counted, 0, 1, 2 and so on; beside a name, that is a header.
fn check_is_no_row(names: &[&str]) -> Result<()> {
    let numbers: Vec<&str> = names.iter().copied().filter(|name| is_number(name)).collect();
    let is_counted = || numbers.iter().enumerate().all(|(place, number)| *number == place.to_string());
    let is_row = numbers.len() == names.len() || numbers.len() + 1 == names.len() && !is_counted();
    if let Some(first) = numbers.first().filter(|_| is_row) {
        bail!(
            "line 1 holds numbers, such as {first:?}, so it is a row and no header; allowed: a first line that names the columns"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(target: &str, group: &str, drop_index: bool) -> Columns {
        let some = |name: &str| Some(name.to_owned()).filter(|name| !name.is_empty());
        Columns { target: some(target), group: some(group), drop_index }
    }

    fn header(names: &[&str], columns: &Columns) -> Result<Header> {
        Header::new(names.iter().copied(), columns)
    }

    #[test]
    fn the_target_is_the_last_column_or_a_named_one() {
        let names = ["a", "y", "kind"];
        let places =
            |columns: &Columns| header(&names, columns).map(|header| (header.target, header.group)).unwrap();
        assert_eq!(places(&columns("", "", false)), (2, None));
        assert_eq!(places(&columns("y", "kind", false)), (1, Some(2)));
    }

    #[test]
    fn columns_without_a_name_are_left_out_or_refused() {
        for (names, place, target) in [
            (&["", "a", "y"][..], 1, 2),
            (&["Unnamed: 0", "a", "y"], 1, 2),
            (&["a", "Unnamed: 0.1", "y"], 2, 2),
            (&["a", "y", ""], 3, 1),
            (&["", "0", "1", "y"], 1, 3),
        ] {
            let error = header(names, &columns("", "", false)).unwrap_err().to_string();
            assert!(error.starts_with(&format!("line 1: column {place} is named \"")), "{error}");
            assert!(error.contains("--drop-index yes (FEATURES_DROP_INDEX)"), "{error}");
            let header = header(names, &columns("", "", true)).unwrap();
            assert_eq!(header.is_dropped.iter().position(|dropped| *dropped), Some(place - 1), "{names:?}");
            assert_eq!(header.target, target, "{names:?}");
        }
        let kept = header(&["Unnamed: it is", "y"], &columns("", "", true)).unwrap();
        assert_eq!(kept.is_dropped, [false, false]);
    }

    #[test]
    fn a_row_is_no_header() {
        for names in [
            &["5.1", "3.5", "0.2"][..],
            &["0", "1", "2"],
            &["5,1", "3,5", "setosa"],
            &["1", "17.99", "10.38"],
            &["", "1", "2"],
            &["5"],
        ] {
            let error = header(names, &Columns::default()).unwrap_err().to_string();
            assert!(error.starts_with("line 1 holds numbers, such as \""), "{names:?}: {error}");
        }
        for names in [&["0", "1", "target"][..], &["inf", "nan"], &["2020", "2021", "a", "y"]] {
            assert!(header(names, &Columns::default()).is_ok(), "{names:?}");
        }
    }

    #[test]
    fn what_is_at_fault_is_named() {
        for (names, columns, part) in [
            (&["a"][..], columns("", "", false), "line 1 names 1 column, with commas, semicolons or tabs"),
            (&["", "y"], columns("", "", true), "line 1 names 1 column"),
            (
                &["a", "b"],
                columns("c", "", false),
                "--target (FEATURES_TARGET): no column \"c\"; there are a, b",
            ),
            (
                &["a", "b"],
                columns("", "c", false),
                "--group (FEATURES_GROUP): no column \"c\"; there are a, b",
            ),
            (
                &["a", "a", "b"],
                columns("a", "", false),
                "--target (FEATURES_TARGET): more than one column is named \"a\"",
            ),
            (&["", "a", "b"], columns("Unnamed: 0", "", true), "no column \"Unnamed: 0\"; there are a, b"),
        ] {
            let error = header(names, &columns).unwrap_err().to_string();
            assert!(error.starts_with(part) || error.contains(part), "{error}");
        }
    }
}
