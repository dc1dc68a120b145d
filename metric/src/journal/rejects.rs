//! `rejected.jsonl`: a line for every message or sample that could not be used, complete enough to be sent again. Its size is limited: a full
//! file replaces `rejected.jsonl.1`. Never drops lines without a warning.

use crate::{
    disk::{Disk, Reader, cannot_write},
    join::Refused,
    journal::line_file::{LineFile, next_line},
    wire::{
        labels::Labels,
        sample::{BODY_BYTES_MAX, Sample},
    },
};
use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use glue::number::counted;
use serde::Serialize;
use serde_json::json;
use std::{
    borrow::Cow,
    io::{self, BufReader},
    path::Path,
    str,
};

const FILE_BYTES_MAX: u64 = 64 << 20;
/// Of a body beyond the contract's limit only this much is kept: nobody can send it again as it is.
const LARGE_BODY_BYTES_KEPT: usize = 4096;
/// Longer reasons are cut off. They may quote the message, for instance a number of a megabyte.
const REASON_BYTES_MAX: usize = 512;
/// Lines are written once they have this many bytes. Bounds memory.
const PIECE_BYTES: usize = 512 << 10;

/// A message, or one sample of a batch, that could not be used.
pub struct Reject {
    time_ms: u64,
    queue: String,
    reason: String,
    /// The whole body, or the beginning of one beyond the contract's limit.
    body: Vec<u8>,
    body_bytes: usize,
    index: Option<usize>,
}

/// One line, as in CONTRACT.md.
#[derive(Serialize)]
struct Line<'r> {
    time: f64,
    queue: &'r str,
    reason: &'r str,
    body: Cow<'r, str>,
    encoding: &'static str,
    body_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
}

impl Reject {
    /// `index` is the sample's place in its batch; `None` for a whole message.
    pub fn new(time_ms: u64, queue: &str, reason: String, body: &[u8], index: Option<usize>) -> Reject {
        let reason = match reason.get(..reason.floor_char_boundary(REASON_BYTES_MAX)) {
            Some(part) if part.len() < reason.len() => format!("{part}…"),
            _ => reason,
        };
        let kept = if body.len() > BODY_BYTES_MAX { beginning(body) } else { body };
        // Longer bodies are cut off before they get here.
        let body_bytes = body.len().min(BODY_BYTES_MAX + 1);
        Reject { time_ms, queue: queue.to_owned(), reason, body: kept.to_vec(), body_bytes, index }
    }

    /// A sample that cannot be joined. The body is written anew from id, value and group.
    pub fn of_sample(time_ms: u64, queue: &str, refused: Refused, labels: &Labels) -> Reject {
        let Sample { id, value, group } = refused.sample;
        let value = labels.class(value).map_or_else(|| json!(value), |name| json!(&*name));
        let body = match group {
            Some(group) => json!({"id": &*id, "body": value, "group": group}),
            None => json!({"id": &*id, "body": value}),
        };
        Reject::new(time_ms, queue, refused.reason, body.to_string().as_bytes(), None)
    }

    /// The memory that it takes, itself included.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Reject>() + self.queue.capacity() + self.reason.capacity() + self.body.capacity()
    }

    /// Queue and reason, for the operator.
    pub fn summary(&self) -> String {
        format!("queue {}: {}", self.queue, self.reason)
    }

    fn line(&self) -> Line<'_> {
        let (body, encoding) = match str::from_utf8(&self.body) {
            Ok(text) if escaped_bytes(text) <= self.body.len().div_ceil(3) * 4 => {
                (Cow::Borrowed(text), "text")
            }
            _ => (Cow::Owned(STANDARD.encode(&self.body)), "base64"),
        };
        let Reject { time_ms, queue, reason, body_bytes, index, .. } = self;
        let time = *time_ms as f64 / 1000.0;
        Line { time, queue, reason, body, encoding, body_bytes: *body_bytes, index: *index }
    }
}

/// Up to [`LARGE_BODY_BYTES_KEPT`] bytes; fewer if that would split a character of a text.
fn beginning(body: &[u8]) -> &[u8] {
    let part = body.get(..LARGE_BODY_BYTES_KEPT).unwrap_or(body);
    match str::from_utf8(part) {
        Err(e) if e.error_len().is_none() => part.get(..e.valid_up_to()).unwrap_or(part),
        _ => part,
    }
}

/// The length of a text in the JSON string that serde_json writes.
fn escaped_bytes(text: &str) -> usize {
    let escaped = |byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(escaped).sum()
}

pub struct Rejects<D: Disk>(LineFile<D>);

impl<D: Disk> Rejects<D> {
    /// # Errors
    /// Names the file.
    pub fn open(disk: &D, path: &Path) -> Result<Rejects<D>> {
        LineFile::open(disk, path).map(Rejects)
    }

    /// Appends the lines, makes them durable, and removes them from `rejects`.
    ///
    /// # Errors
    /// Names the file. `rejects` then holds those that are not written.
    pub fn append(&mut self, rejects: &mut Vec<Reject>) -> Result<()> {
        while !rejects.is_empty() {
            let (mut lines, mut count) = (Vec::new(), 0);
            for reject in rejects.iter() {
                serde_json::to_writer(&mut lines, &reject.line())?;
                lines.push(b'\n');
                count += 1;
                if lines.len() >= PIECE_BYTES {
                    break;
                }
            }
            self.append_piece(&lines)?;
            rejects.drain(..count);
        }
        Ok(())
    }

    fn append_piece(&mut self, lines: &[u8]) -> Result<()> {
        self.0.follow_path()?;
        if self.0.len()? + lines.len() as u64 > FILE_BYTES_MAX {
            self.rotate()?;
        }
        self.0.append(lines)
    }

    /// Drops the older file, and makes this one the older file.
    fn rotate(&mut self) -> Result<()> {
        let LineFile { disk, path, .. } = &self.0;
        let older = path.with_extension("jsonl.1");
        // An older file that cannot be read must not prevent writing.
        let dropped = match lines_of(disk, &older) {
            Ok(0) => String::new(),
            Ok(count) => format!(", dropped {} from there", counted(count, "reject", "rejects")),
            Err(error) => format!(", dropped the rejects there ({error})"),
        };
        disk.rename(path, &older).with_context(|| cannot_write(&older))?;
        log::warn!("{} is full: moved it to {}{dropped}", path.display(), older.display());
        self.0.follow_path()
    }
}

/// The number of lines of a file; 0 if there is none.
fn lines_of<D: Disk>(disk: &D, path: &Path) -> io::Result<u64> {
    if disk.find(path)?.is_none() {
        return Ok(0);
    }
    let file = disk.open_append(path)?;
    let mut reader = BufReader::with_capacity(1 << 16, Reader::new(&file, 0)?);
    let (mut line, mut count) = (Vec::new(), 0);
    while next_line(&mut reader, &mut line)?.is_some() {
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;
    use serde_json::Value;
    use std::{env, fs, path::PathBuf, process};

    fn reject(body: &[u8]) -> Reject {
        Reject::new(1500, "y_true", "not JSON".to_owned(), body, None)
    }

    fn line(reject: &Reject) -> String {
        serde_json::to_string(&reject.line()).unwrap()
    }

    /// The body that a line keeps, as CONTRACT.md says how to take it out.
    fn kept(line: &str) -> Vec<u8> {
        let line: Value = serde_json::from_str(line).unwrap();
        let body = line["body"].as_str().unwrap();
        if line["encoding"] == "base64" { STANDARD.decode(body).unwrap() } else { body.into() }
    }

    #[test]
    fn a_line_is_as_the_contract_has_it() {
        let reject = Reject::new(1500, "y_true", "r".to_owned(), b"\xff\xfe", Some(3));
        let expected = r#"{"time":1.5,"queue":"y_true","reason":"r","body":"//4=","encoding":"base64","body_bytes":2,"index":3}"#;
        assert_eq!(line(&reject), expected);
        let reject = Reject::new(1500, "y_true", "1".repeat(1 << 20), b"1", None);
        assert!(reject.reason.len() < 600 && reject.reason.ends_with('…'));
    }

    #[test]
    fn a_body_is_kept_whole_in_the_shorter_encoding() {
        let seed = env::var("TEST_SEED").map_or_else(|_| fastrand::u64(..), |text| text.parse().unwrap());
        println!("TEST_SEED={seed}");
        let mut rng = fastrand::Rng::with_seed(seed);
        let alphabets = ["a", "\"", "\\\"a1", "\u{1}\u{8}\u{c}\n\r\t\u{1f}\u{7f}", "aé€😀\""];
        let mut encodings = [0, 0];
        for round in 0..2000 {
            let alphabet: Vec<char> = alphabets[round % 5].chars().chain("0123456789".chars()).collect();
            let len = if round < 20 { 200_000 } else { rng.usize(..200) };
            let text: String = (0..len).map(|_| *rng.choice(&alphabet).unwrap()).collect();
            let line = line(&reject(text.as_bytes()));
            assert_eq!(kept(&line), text.as_bytes());
            let (escaped, encoded) = (serde_json::to_string(&text).unwrap(), STANDARD.encode(&text));
            let is_text = line.contains(r#""encoding":"text""#);
            encodings[usize::from(is_text)] += 1;
            assert_eq!(is_text, escaped.len() - 2 <= encoded.len(), "{text}");
        }
        assert!(encodings.iter().all(|count| *count > 200), "{encodings:?}");
    }

    #[test]
    fn a_body_of_1_mib_is_kept_whole_and_of_a_larger_one_the_beginning() {
        for byte in [b'x', b'"', 0, 0xff] {
            let reject = reject(&vec![byte; BODY_BYTES_MAX]);
            assert_eq!(kept(&line(&reject)), vec![byte; BODY_BYTES_MAX]);
            assert!((BODY_BYTES_MAX..BODY_BYTES_MAX + 1000).contains(&reject.memory_bytes()));
        }
        // A character is split by the end of what is kept, and another one by the end of what was received.
        let large = format!("x{}", "é".repeat(BODY_BYTES_MAX / 2));
        for body in [
            large.as_bytes(),
            &large.as_bytes()[..=BODY_BYTES_MAX],
            &[large.as_bytes(), &[0xff; 99]].concat(),
        ] {
            let reject = reject(body);
            let line = line(&reject);
            assert_eq!(
                (kept(&line), reject.body_bytes),
                (large.as_bytes()[..4095].to_vec(), BODY_BYTES_MAX + 1)
            );
            assert!(line.contains("text") && reject.memory_bytes() < 5000);
        }
        let reject = reject(&[0xff; BODY_BYTES_MAX + 1]);
        assert_eq!(kept(&line(&reject)), [0xff; 4096]);
    }

    /// A directory of its own, gone at the end.
    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Directory {
            let path = env::temp_dir().join(format!("metric-{name}-{}", process::id()));
            fs::create_dir_all(&path).unwrap();
            Directory(path)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_a_crash_leaves_of_the_longest_lines_is_cut_at_the_next_start() {
        let directory = Directory::new("torn_rejects");
        let path = directory.0.join("rejected.jsonl");
        let mut rejects = Rejects::open(&RealDisk, &path).unwrap();
        let mut first: Vec<Reject> = (0..3).map(|_| reject(b"first")).collect();
        rejects.append(&mut first).unwrap();
        assert!(first.is_empty());
        let before = fs::read(&path).unwrap();
        // Small lines up to where a piece is full, and then the longest.
        let mut last: Vec<Reject> = (0..PIECE_BYTES / 4500).map(|_| reject(&[b'x'; 4096])).collect();
        last.push(reject(&[0xff; BODY_BYTES_MAX]));
        rejects.append(&mut last).unwrap();
        let whole = fs::read(&path).unwrap();
        let end_before = |at: usize| whole[..at].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
        for torn_at in [before.len() + 1, before.len() + 100_000, whole.len() - 1_000_000, whole.len() - 1] {
            fs::write(&path, &whole[..torn_at]).unwrap();
            Rejects::open(&RealDisk, &path).unwrap();
            assert_eq!(fs::read(&path).unwrap().len(), end_before(torn_at), "torn at {torn_at}");
        }
        // A power cut takes one block out of the middle: what stands behind it stays.
        let mut holed = whole.clone();
        holed[before.len()..before.len() + 512].fill(0);
        fs::write(&path, &holed).unwrap();
        Rejects::open(&RealDisk, &path).unwrap();
        assert_eq!(fs::read(&path).unwrap().len(), whole.len());
    }
}
