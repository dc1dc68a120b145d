//! Reads the header of a log: which columns it has, and where.
//! Never reads another line.

use crate::logs::{
    format::{COLUMNS, Format, Name},
    record::split,
    task::Task,
};

/// The header's columns.
#[derive(Debug, PartialEq)]
pub struct Columns {
    /// What y_true and y_pred are.
    pub task: Task,
    /// In the log's order: the number of a column that is read, else None. It is the index in [`COLUMNS`], but of the names of classes.
    pub all: Vec<Option<usize>>,
    /// Least number of fields of a row: up to the last needed one. Later ones may be missing.
    pub needed: usize,
    /// Without absolute errors, none contradicts its values.
    pub has_error: bool,
}

/// Of the columns that are read, numbers and then a text.
pub const NUMBERS: usize = COLUMNS.len() - 1;
pub const GROUP: usize = NUMBERS;
pub const LOGGED_AT: usize = 3;
const ERROR: usize = 2;

/// Number of y_true where it is the name of a class; the next one is that of y_pred.
pub const NAMES: usize = GROUP + 1;
pub const TEXTS: usize = 3;

/// Limit of a quoted header.
const QUOTED_CHARS: usize = 200;

impl Columns {
    /// Reads a header line (without its newline).
    ///
    /// # Errors
    /// What is wrong with the header, which is quoted.
    pub fn from_header(line: &[u8], format: &Format) -> Result<Self, String> {
        let task = format.task;
        let number =
            |column: usize| if task == Task::Classes && column < 2 { NAMES + column } else { column };
        let mut all: Vec<Option<usize>> = Vec::new();
        let intact = split(without_bom(line), &mut Vec::new(), |field| {
            let is_it = |name: &Name| name.text.as_bytes() == field.trim_ascii();
            let known = format.names.iter().position(is_it).map(number);
            // Of two columns with one name, the first counts.
            all.push(known.filter(|number| !all.contains(&Some(*number))));
        });
        if intact.is_none() {
            return Err(format!("its header has a quote that is not closed: {}", quoted(line)));
        }
        let is_missing =
            |(column, name): &(usize, &Name)| name.is_needed && !all.contains(&Some(number(*column)));
        if let Some((_, name)) = format.names.iter().enumerate().find(is_missing) {
            return Err(format!("its header has no column {}: {}", name.text, quoted(line)));
        }
        let needed = [number(0), number(1), ERROR].map(Some);
        let last = all.iter().rposition(|column| needed.contains(column));
        let has_error = all.contains(&Some(ERROR));
        Ok(Columns { task, needed: last.map_or(0, |last| last + 1), has_error, all })
    }
}

/// A line that holds nothing, or nothing but a byte order mark.
pub fn is_blank(line: &[u8]) -> bool {
    without_bom(line).trim_ascii().is_empty()
}

fn without_bom(line: &[u8]) -> &[u8] {
    line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)
}

/// A line for an error message: in quotes, escaped, and cut at [`QUOTED_CHARS`].
fn quoted(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(without_bom(line));
    match text.char_indices().nth(QUOTED_CHARS) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_will_not_do_is_quoted() {
        let complaint = |line: &[u8]| Columns::from_header(line, &Format::of(Task::Regression)).unwrap_err();
        assert_eq!(
            complaint(b"id,y_true,absolute_error"),
            "its header has no column y_pred: \"id,y_true,absolute_error\""
        );
        assert_eq!(complaint(b"\xef\xbb\xbf1,2,3,4"), "its header has no column y_true: \"1,2,3,4\"");
        assert_eq!(complaint(b"\"id,y_true"), "its header has a quote that is not closed: \"\\\"id,y_true\"");
        assert_eq!(complaint(b"a\0\xff"), "its header has no column y_true: \"a\\0\u{fffd}\"");
        let long = complaint("é".repeat(100_000).as_bytes());
        assert!(long.ends_with("éé\"…") && long.chars().count() < 300, "{long}");
    }

    #[test]
    fn a_name_of_ones_own_must_be_there() {
        let names = ["price", "forecast", "absolute_error", "date", "label_delay", "group"];
        let format = Format::new(Task::Regression, &names.map(str::to_owned));
        let complaint = |line: &[u8]| Columns::from_header(line, &format).unwrap_err();
        assert!(complaint(b"y_true,y_pred,date").contains("no column price: "));
        assert!(complaint(b"price,forecast").contains("no column date: "));
        let columns = Columns::from_header(b"date,y_true,forecast, price ,note", &format).unwrap();
        assert_eq!(columns.all, [Some(LOGGED_AT), None, Some(1), Some(0), None]);
        assert_eq!((columns.needed, columns.has_error), (4, false));
    }
}
