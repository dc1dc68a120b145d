//! Renames a file that is full to the next number: `metric_log.csv` to `metric_log.000001.csv`, and so on. Never replaces anything, and never
//! opens a file.

use crate::disk::{Disk, cannot_read, cannot_write, directory_of};
use anyhow::{Context, Result, bail};
use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// Names tried where other programs take one after another.
const TRIES: u64 = 100;

/// Renames the file to one number above the largest that exists, durably. All that was written to it must be synced. Returns the new path;
/// `None` if the file was renamed or deleted meanwhile.
///
/// # Errors
/// Names the file.
pub fn rotate<D: Disk>(disk: &D, path: &Path) -> Result<Option<PathBuf>> {
    let directory = directory_of(path);
    let names = disk.list(directory).with_context(|| cannot_read(directory))?;
    let largest = names.iter().filter_map(|(name, _)| number_of(name, path)).max().unwrap_or(0);
    for number in largest + 1..=largest + TRIES {
        let numbered = path.with_extension(format!("{number:06}.csv"));
        match disk.rename_new(path, &numbered) {
            Ok(()) => {
                disk.sync_directory(directory).with_context(|| cannot_write(directory))?;
                return Ok(Some(numbered));
            }
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            // Another program has made it meanwhile.
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e).with_context(|| cannot_write(&numbered)),
        }
    }
    bail!("cannot rename {}: {TRIES} numbers above {largest} are taken", path.display())
}

/// The number in the name of a file that `path` was renamed to, of any number of digits, and maybe compressed since. One beyond 32 bits is
/// another kind of number, such as a time in nanoseconds.
fn number_of(name: &Path, path: &Path) -> Option<u64> {
    let stem = path.file_stem()?.to_str()?;
    let (digits, ending) =
        name.file_name()?.to_str()?.strip_prefix(stem)?.strip_prefix('.')?.split_once('.')?;
    let is_ours = digits.bytes().all(|byte| byte.is_ascii_digit()) && ending.split('.').next() == Some("csv");
    digits.parse::<u32>().ok().filter(|_| is_ours).map(u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;
    use std::{env, fs};

    #[test]
    fn directories_count_and_a_file_that_is_gone_is_none() {
        let directory = env::temp_dir().join(format!("rotation-{:016x}", fastrand::u64(..)));
        fs::create_dir_all(directory.join("metric_log.000007.csv")).unwrap();
        let path = directory.join("metric_log.csv");
        assert_eq!(rotate(&RealDisk, &path).unwrap(), None);
        fs::write(&path, "rows").unwrap();
        let numbered = directory.join("metric_log.000008.csv");
        assert_eq!(rotate(&RealDisk, &path).unwrap(), Some(numbered.clone()));
        assert_eq!((fs::read_to_string(&numbered).unwrap().as_str(), path.exists()), ("rows", false));
        fs::remove_dir_all(&directory).unwrap();
    }
}
