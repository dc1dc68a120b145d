//! Reads a text file whose size has a limit, such as one that another program writes.
//! Never knows what it holds.

use crate::logs::follow::plain;
use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    path::Path,
};

/// The whole text. None where there is no such file.
///
/// # Errors
/// Why it cannot be read, without its name.
pub fn read(path: &Path, most_bytes: u64) -> Result<Option<String>, String> {
    let file = match File::open(path) {
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        other => other,
    };
    let mut text = String::new();
    let read = file.and_then(|file| file.take(most_bytes + 1).read_to_string(&mut text));
    let length = read.map_err(|e: io::Error| plain(&e))?;
    if length as u64 > most_bytes {
        return Err(format!("it has more than {most_bytes} bytes"));
    }
    Ok(Some(text))
}
