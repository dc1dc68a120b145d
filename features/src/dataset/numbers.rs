//! Reads numbers with decimal points or decimal commas, and refuses a data set that has both or leaves it open. Pure.

/// What programs write where a value is missing.
const MISSING: [&str; 6] = ["", "NA", "N/A", "<NA>", "NaN", "nan"];

pub fn is_missing(field: &str) -> bool {
    MISSING.contains(&field)
}

/// The numbers of one data set.
pub struct Numbers {
    /// Where commas separate the columns, none is a decimal comma.
    separator: u8,
    first: Option<Marked>,
    /// Some number has a mark that cannot separate thousands.
    is_certain: bool,
}

/// The first number with a decimal mark.
struct Marked {
    mark: char,
    text: String,
    line: u64,
}

impl Numbers {
    pub fn new(separator: u8) -> Numbers {
        Numbers { separator, first: None, is_certain: false }
    }

    /// A field as a finite number, if it is one and has no other decimal mark than those before it.
    pub fn parse(&self, field: &str) -> Option<f64> {
        let (number, mark) = self.number(field)?;
        let first = self.first.as_ref().filter(|_| mark.is_some());
        first.is_none_or(|first| Some(first.mark) == mark).then_some(number)
    }

    /// A field that must be a finite number.
    ///
    /// # Errors
    /// Names the field and what is allowed.
    pub fn read(&mut self, field: &str, line: u64) -> Result<f64, String> {
        let Some((number, mark)) = self.number(field) else { return Err(self.why_not(field)) };
        let Some(mark) = mark else { return Ok(number) };
        self.is_certain |= !may_be_thousands(field, mark);
        match &self.first {
            None => self.first = Some(Marked { mark, text: field.to_owned(), line }),
            Some(first) if first.mark != mark => {
                return Err(format!(
                    "{field:?} has a decimal {}, and {:?} on line {} a decimal {}; allowed: one of the two in all numbers",
                    name(mark),
                    first.text,
                    first.line,
                    name(first.mark)
                ));
            }
            _ => {}
        }
        Ok(number)
    }

    /// Checks, once all numbers are read, that their mark is a decimal one. In files that have semicolons between columns, points may
    /// separate thousands, as such files come from where commas are the decimal marks.
    ///
    /// # Errors
    /// Names the first number with a mark.
    pub fn check(&self) -> Result<(), String> {
        let is_doubtful = |first: &&Marked| !self.is_certain && (first.mark == ',' || self.separator == b';');
        let Some(Marked { mark, text, line }) = self.first.as_ref().filter(is_doubtful) else {
            return Ok(());
        };
        let name = name(*mark);
        Err(format!(
            "line {line}: the {name} in {text:?} may be a decimal {name} or separate thousands, as in all numbers that have one; allowed: no separators of thousands, and at least one number with more or fewer than three digits behind its decimal {name}, such as \"{text}0\""
        ))
    }

    /// "decimal commas", where there are any.
    pub fn mark_name(&self) -> &'static str {
        if self.first.as_ref().is_some_and(|first| first.mark == ',') {
            "decimal commas"
        } else {
            "decimal points"
        }
    }

    /// With its first mark.
    fn number(&self, field: &str) -> Option<(f64, Option<char>)> {
        let mark = field.chars().find(|c| matches!(c, ',' | '.'));
        let number = match mark {
            Some(',') if self.separator != b',' => field.replacen(',', ".", 1).parse::<f64>(),
            _ => field.parse(),
        };
        number.ok().filter(|number| number.is_finite()).map(|number| (number, mark))
    }

    fn why_not(&self, field: &str) -> String {
        if is_missing(field) {
            return format!("{field:?} is a missing value; allowed: finite numbers");
        }
        let hint = match field.contains(',') && field.replace([',', '.'], "").parse::<f64>().is_ok() {
            true if self.separator == b',' => {
                "; decimal commas are allowed where semicolons or tabs separate the columns"
            }
            true => "; allowed: one decimal mark, and no separators of thousands",
            false => "",
        };
        format!("{field:?} is not a finite number{hint}")
    }
}

fn name(mark: char) -> &'static str {
    if mark == ',' { "comma" } else { "point" }
}

/// As in 1,234: one to three digits, which do not begin with 0, and three more.
fn may_be_thousands(field: &str, mark: char) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let Some((whole, rest)) = field.trim_start_matches(['+', '-']).split_once(mark) else { return false };
    (1..=3).contains(&whole.len())
        && !whole.starts_with('0')
        && rest.len() == 3
        && digits(whole)
        && digits(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the fields, one a line, and checks them.
    fn read(separator: u8, fields: &[&str]) -> Result<Vec<f64>, String> {
        let mut numbers = Numbers::new(separator);
        let read = |(field, line): (&&str, u64)| numbers.read(field, line);
        let read = fields.iter().zip(1..).map(read).collect::<Result<_, _>>()?;
        numbers.check().map(|()| read)
    }

    #[test]
    fn both_decimal_marks_are_read() {
        assert_eq!(read(b',', &["1.234", "-2e3", "+.5", "7"]).unwrap(), [1.234, -2000.0, 0.5, 7.0]);
        assert_eq!(read(b';', &["1,5", "1,234", "-2,5e3", "7"]).unwrap(), [1.5, 1.234, -2500.0, 7.0]);
        assert_eq!(read(b'\t', &["1,25", ",5", "0"]).unwrap(), [1.25, 0.5, 0.0]);
        assert_eq!(read(b';', &["1.5", "1.234"]).unwrap(), [1.5, 1.234]);
        assert_eq!(read(b'\t', &["1.234"]).unwrap(), [1.234]);
        assert_eq!(read(b';', &["0,123", "1,234"]).unwrap(), [0.123, 1.234]);
        assert_eq!(read(b';', &["1234,567", "2", "1,234e5"]).unwrap(), [1234.567, 2.0, 123_400.0]);
    }

    #[test]
    fn what_cannot_be_told_is_refused_by_name() {
        for (separator, fields, parts) in [
            (b';', &["1,234", "12,500", "7"][..], ["line 1: the comma in \"1,234\"", "\"1,2340\""]),
            (b'\t', &["7", "-1,234"], ["line 2: the comma in \"-1,234\"", "separators of thousands"]),
            (b';', &["1.234", "999.000"], ["line 1: the point in \"1.234\"", "decimal point"]),
            (b';', &["1,5", "2.5"], ["\"2.5\" has a decimal point", "\"1,5\" on line 1 a decimal comma"]),
            (b';', &["1.5", "2,5"], ["\"2,5\" has a decimal comma", "\"1.5\" on line 1 a decimal point"]),
            (b';', &["1.234,5"], ["\"1.234,5\" is not", "no separators of thousands"]),
            (b';', &["1,234,567"], ["\"1,234,567\" is not", "no separators of thousands"]),
            (b',', &["1,5"], ["\"1,5\" is not", "where semicolons or tabs separate the columns"]),
            (b',', &["x"], ["\"x\" is not a finite number", ""]),
            (b',', &["inf"], ["\"inf\" is not a finite number", ""]),
            (b',', &["1e999"], ["\"1e999\" is not a finite number", ""]),
            (b',', &["1", "NaN"], ["\"NaN\" is a missing value", "allowed: finite numbers"]),
            (b',', &[""], ["\"\" is a missing value", ""]),
        ] {
            let error = read(separator, fields).unwrap_err();
            assert!(parts.iter().all(|part| error.contains(part)), "{fields:?}: {error}");
        }
    }

    #[test]
    fn a_field_that_need_not_be_a_number_says_nothing_of_the_mark() {
        let mut numbers = Numbers::new(b';');
        assert_eq!(["1.5", "1,5", "x"].map(|field| numbers.parse(field)), [Some(1.5), Some(1.5), None]);
        assert_eq!((numbers.read("2,25", 1), numbers.mark_name()), (Ok(2.25), "decimal commas"));
        assert_eq!(["1.5", "1,5", "7"].map(|field| numbers.parse(field)), [None, Some(1.5), Some(7.0)]);
    }
}
