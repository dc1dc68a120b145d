//! A directory for the files of a test.

use std::{
    env, fs,
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process, thread,
};

/// A directory of the test's own, removed with it unless the test fails.
pub struct Directory(pub PathBuf);

impl Directory {
    /// Makes one below the directory for temporary files.
    pub fn new() -> Directory {
        let path = env::temp_dir().join(format!("monitor-test-{:016x}", fastrand::u64(..)));
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The text of a file in it; empty if there is none.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    /// Makes a file, or replaces it.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.file(name), text).unwrap();
    }

    /// Appends to a file, and makes it where there is none.
    pub fn append(&self, name: &str, text: impl AsRef<[u8]>) {
        let file = fs::OpenOptions::new().create(true).append(true).open(self.file(name));
        file.unwrap().write_all(text.as_ref()).unwrap();
    }

    /// The last `len` bytes of a file, or all of it.
    pub fn read_end(&self, name: &str, len: usize) -> String {
        let Ok(mut file) = fs::File::open(self.file(name)) else { return String::new() };
        let begin = file.metadata().unwrap().len().saturating_sub(len as u64);
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(begin)).unwrap();
        file.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Directory {
    /// # Panics
    /// If a process that the test has started still runs, with the directory among its arguments: its files are gone.
    fn drop(&mut self) {
        if !thread::panicking() {
            let running = child_with(&self.0);
            let _ = fs::remove_dir_all(&self.0);
            assert_eq!(running, None, "runs while its directory is removed");
        }
    }
}

/// The command of a process that this one has started, that runs, and that has `path` among its arguments. Only Linux tells.
fn child_with(path: &Path) -> Option<String> {
    let (path, is_child) = (path.to_str()?, format!("\nPPid:\t{}\n", process::id()));
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let read = |file: &str| fs::read_to_string(process.path().join(file)).ok();
        let command = read("cmdline").filter(|command| command.contains(path))?;
        let status = read("status")?;
        (status.contains(&is_child) && !status.contains("\nState:\tZ")).then(|| command.replace('\0', " "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        panic,
        process::{Command, Stdio},
    };

    #[test]
    #[cfg(target_os = "linux")]
    fn one_that_a_process_still_uses_is_not_removed_in_silence() {
        let directory = Directory::new();
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo started; read line", "sh"]).arg(&directory.0);
        let mut user = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // Until then the system may not know its arguments.
        user.stdout.as_mut().unwrap().read_exact(&mut [0; 8]).unwrap();
        assert!(panic::catch_unwind(panic::AssertUnwindSafe(|| drop(directory))).is_err());
        user.kill().unwrap();
        user.wait().unwrap();
    }
}
