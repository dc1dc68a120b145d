//! Reads a data set's text: unpacks it, finds what separates its columns, and splits its records into fields. All it holds is bounded.
//! Knows nothing of what the columns mean.

use anyhow::{Context, Result, bail};
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use flate2::read::MultiGzDecoder;
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read},
    path::Path,
};

/// Limit of a data set, unpacked.
const TEXT_MAX_BYTES: usize = 256 << 20;
/// Limit of a record. The sample that is made of it may have a quarter of this.
const RECORD_MAX_BYTES: usize = 4 << 20;
/// What separates the columns is found in this much of the text.
const HEAD_BYTES: u64 = 256 << 10;
/// RFC 1952.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Opens `path`, a text or one that gzip has packed; tells which by its first two bytes. May be a pipe.
pub fn open(path: &Path) -> io::Result<(Box<dyn Read>, bool)> {
    let mut file = BufReader::new(File::open(path)?);
    let mut magic = Vec::new();
    file.by_ref().take(GZIP_MAGIC.len() as u64).read_to_end(&mut magic)?;
    let is_gzip = magic == GZIP_MAGIC;
    let whole = Cursor::new(magic).chain(file);
    Ok(if is_gzip { (Box::new(MultiGzDecoder::new(whole)), true) } else { (Box::new(whole), false) })
}

pub struct Records {
    text: Box<dyn BufRead>,
    splitter: Reader,
    pub separator: u8,
    /// What was read of `text`.
    bytes: usize,
    /// Lines that were read, and the last one with a line feed at its end.
    lines: u64,
    line: Vec<u8>,
    /// The last record's fields without their separators, and where each ends.
    fields: Vec<u8>,
    ends: Vec<usize>,
}

/// The line, from 1, on which a record begins, and its fields, without white space around them.
pub struct Record<'a> {
    pub line: u64,
    text: &'a str,
    ends: &'a [usize],
}

impl Record<'_> {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn fields(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let field = self.text.get(start..end).unwrap_or_default();
            start = end;
            field.trim()
        })
    }
}

impl Records {
    /// # Errors
    /// The text cannot be read, or it is not clear what separates its columns.
    pub fn new(mut text: Box<dyn Read>) -> Result<Records> {
        let mut head = Vec::new();
        text.by_ref().take(HEAD_BYTES).read_to_end(&mut head).context("cannot be read")?;
        if let Some(rest) = head.strip_prefix("\u{feff}".as_bytes()) {
            head = rest.to_vec();
        }
        let separator = separator(&head)?;
        Ok(Records {
            text: Box::new(BufReader::new(Cursor::new(head).chain(text))),
            splitter: ReaderBuilder::new().delimiter(separator).build(),
            separator,
            bytes: 0,
            lines: 0,
            line: Vec::new(),
            fields: Vec::new(),
            ends: Vec::new(),
        })
    }

    /// The next record that is no blank line; `None` at the end. A quoted field may go over several lines.
    ///
    /// # Errors
    /// Names the line at fault, or the limit that the text exceeds.
    pub fn read(&mut self) -> Result<Option<Record<'_>>> {
        self.read_line()?;
        while self.line == b"\n" {
            self.read_line()?;
        }
        let line = self.lines;
        let (mut bytes, mut count) = (0, 0);
        loop {
            if self.line.is_empty() && bytes == 0 && count == 0 {
                return Ok(None);
            }
            if self.line.is_empty() || bytes > 0 && bytes + self.line.len() > RECORD_MAX_BYTES {
                bail!("line {line}: a quote is not closed");
            }
            // Room for all of the line, as the splitter stops where it has none left.
            let separators = self.line.iter().filter(|&&byte| byte == self.separator).count();
            self.fields.resize(bytes + self.line.len() + 1, 0);
            self.ends.resize(count + separators + 2, 0);
            let fields = self.fields.get_mut(bytes..).unwrap_or_default();
            let ends = self.ends.get_mut(count..).unwrap_or_default();
            let (result, read, written, ended) = self.splitter.read_record(&self.line, fields, ends);
            (bytes, count) = (bytes + written, count + ended);
            match result {
                ReadRecordResult::Record if read == self.line.len() => break,
                // Within quotes.
                ReadRecordResult::InputEmpty => self.read_line()?,
                _ => bail!(
                    "line {line}: it holds a carriage return; allowed: lines that end with \\n or \\r\\n"
                ),
            }
        }
        self.fields.truncate(bytes);
        self.ends.truncate(count);
        let Ok(text) = str::from_utf8(&self.fields) else {
            bail!("line {line} is not UTF-8; allowed: text in UTF-8");
        };
        Ok(Some(Record { line, text, ends: &self.ends }))
    }

    /// Reads a line, which is empty at the end of the text.
    fn read_line(&mut self) -> Result<()> {
        self.line.clear();
        let most = RECORD_MAX_BYTES as u64 + 1;
        self.bytes +=
            self.text.by_ref().take(most).read_until(b'\n', &mut self.line).context("cannot be read")?;
        if self.bytes > TEXT_MAX_BYTES {
            bail!("it has more than {} MiB, unpacked; allowed: at most that", TEXT_MAX_BYTES >> 20);
        }
        if self.line.is_empty() {
            return Ok(());
        }
        self.lines += 1;
        if self.line.len() > RECORD_MAX_BYTES {
            bail!("line {} has more than {} MiB; allowed: at most that", self.lines, RECORD_MAX_BYTES >> 20);
        }
        for ending in [b'\n', b'\r'] {
            self.line.pop_if(|byte| *byte == ending);
        }
        self.line.push(b'\n');
        Ok(())
    }
}

/// What separates the columns, by the first line that is not blank. Where it holds more than one such byte, the one that the next line has as
/// often.
fn separator(head: &[u8]) -> Result<u8> {
    let mut lines = head.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let (header, row) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let mut found = vec![b',', b';', b'\t'];
    found.retain(|&byte| count_unquoted(header, byte) > 0);
    if found.len() > 1 {
        let names = found.iter().map(|&byte| separator_name(byte)).collect::<Vec<_>>().join(" and ");
        found.retain(|&byte| count_unquoted(header, byte) == count_unquoted(row, byte));
        if found.len() != 1 {
            bail!(
                "line 1 holds {names}, and it is not clear which of them separate the columns; put a name that holds one of them in quotes"
            );
        }
    }
    Ok(found.first().copied().unwrap_or(b','))
}

pub fn separator_name(separator: u8) -> &'static str {
    match separator {
        b';' => "semicolons",
        b'\t' => "tabs",
        _ => "commas",
    }
}

fn count_unquoted(line: &[u8], wanted: u8) -> usize {
    let mut is_quoted = false;
    let unquoted = line.iter().filter(|&&byte| {
        is_quoted ^= byte == b'"';
        byte == wanted && !is_quoted
    });
    unquoted.count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::tests::gzip;
    use flate2::{Compression, write::GzEncoder};
    use glue::testing::Directory;
    use std::{fs, io::Write};

    fn records(text: impl Into<Vec<u8>>) -> Result<Records> {
        Records::new(Box::new(Cursor::new(text.into())))
    }

    /// The line and the fields of each record.
    fn read(mut records: Records) -> Result<Vec<(u64, Vec<String>)>> {
        let mut all = Vec::new();
        while let Some(record) = records.read()? {
            all.push((record.line, record.fields().map(str::to_owned).collect()));
        }
        Ok(all)
    }

    #[test]
    fn lines_are_counted_as_an_editor_counts_them() {
        let expected = [(3, ["a b", "c,d"]), (5, ["1", "say \"x\""]), (6, ["2\n\nx", ""]), (9, ["é", "4"])];
        let text = "\u{feff}\n\n a b ,\"c,d\"\n\n1,\"say \"\"x\"\"\"\n\"2\n\nx\",\n\"é\",4";
        for text in [text.to_owned(), text.replace('\n', "\r\n"), format!("{text}\n\n\n")] {
            let found = read(records(text.as_str()).unwrap()).unwrap();
            let expected = expected.map(|(line, fields)| (line, fields.map(str::to_owned).to_vec()));
            assert_eq!(found, expected, "{text:?}");
        }
        assert_eq!(read(records("\n\r\n").unwrap()).unwrap(), []);
    }

    #[test]
    fn the_first_two_lines_say_what_separates_columns() {
        for (text, separator) in [
            ("a,b\n1,2\n", b','),
            ("a\n1\n", b','),
            ("a;b\n1,5;2\n", b';'),
            ("a\tb\n1,5\t2\n", b'\t'),
            ("\n\"a,b\";c\n1;2\n", b';'),
            ("size (a,b);c;d\n1,5;2,5;3,5\n", b';'),
            ("a;b,c,d\n1,2,3\n", b','),
        ] {
            assert_eq!(records(text).unwrap().separator, separator, "{text:?}");
        }
        for text in ["a,b;c\n1,5;2\n", "a,b;c\n", "a,b\tc\n1\n"] {
            let error = records(text).err().unwrap().to_string();
            assert!(error.contains("line 1 holds commas and ") && error.contains("in quotes"), "{error}");
        }
    }

    #[test]
    fn what_gzip_has_packed_is_known_by_its_first_bytes() {
        let directory = Directory::new();
        let file = directory.file("named.csv");
        let parts = [gzip(b"a,b\n1,"), gzip(b"2\n")];
        for (bytes, packed) in [(parts.concat(), true), (b"a,b\n1,2\n".to_vec(), false)] {
            fs::write(&file, bytes).unwrap();
            let (text, is_gzip) = open(&file).unwrap();
            assert_eq!(is_gzip, packed);
            assert_eq!(
                read(Records::new(text).unwrap()).unwrap()[1],
                (2, vec!["1".to_owned(), "2".to_owned()])
            );
        }
        // Cut off, and damaged.
        let mut damaged = parts[0].clone();
        damaged[12] ^= 0xff;
        for bytes in [parts[0][..parts[0].len() - 3].to_vec(), damaged] {
            fs::write(&file, bytes).unwrap();
            let error = Records::new(open(&file).unwrap().0).and_then(read).unwrap_err();
            assert!(format!("{error:#}").contains("cannot be read: "), "{error:#}");
        }
    }

    #[test]
    fn texts_that_are_too_long_or_no_csv_are_named() {
        let long = "x".repeat(RECORD_MAX_BYTES + 1);
        let lines = format!("{}\n", "x".repeat(1000)).repeat(RECORD_MAX_BYTES / 1000 + 1);
        for (text, part) in [
            (format!("a,b\n{long}").into_bytes(), "line 2 has more than 4 MiB"),
            (b"a,b\n1,\"2\n3,4\n".to_vec(), "line 2: a quote is not closed"),
            (format!("a,\"b\n{lines}").into_bytes(), "line 1: a quote is not closed"),
            (b"a,b\n1,\xff\n".to_vec(), "line 2 is not UTF-8"),
            (b"a,b\r1,2\r3,4\r".to_vec(), "line 1: it holds a carriage return"),
        ] {
            let error = records(text).and_then(read).unwrap_err().to_string();
            assert!(error.starts_with(part), "{error}");
        }
        let fits = &long[1..];
        assert_eq!(read(records(fits).unwrap()).unwrap(), [(1, vec![fits.to_owned()])]);
    }

    #[test]
    fn a_text_that_unpacks_to_more_than_its_limit_is_refused() {
        let directory = Directory::new();
        let file = directory.file("bomb.csv.gz");
        let mut packed = GzEncoder::new(File::create(&file).unwrap(), Compression::fast());
        let mebibyte = format!("{}\n", "1".repeat((1 << 20) - 1));
        for _ in 0..=TEXT_MAX_BYTES >> 20 {
            packed.write_all(mebibyte.as_bytes()).unwrap();
        }
        packed.finish().unwrap();
        assert!(fs::metadata(&file).unwrap().len() < 4 << 20);
        let error = Records::new(open(&file).unwrap().0).and_then(read).unwrap_err().to_string();
        assert!(error.starts_with("it has more than 256 MiB, unpacked"), "{error}");
    }
}
