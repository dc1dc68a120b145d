//! Runs a binary of this workspace and reads its log.

use super::{deadline, signal, wait_for};
use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// A running binary and its lines on stderr.
pub struct Service {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    /// Reads the lines until the end of the process.
    reader: Option<JoinHandle<()>>,
}

impl Service {
    /// Starts a binary with these flags and no variables but the path.
    pub fn start(binary: impl AsRef<Path>, settings: &[(&str, &str)]) -> Service {
        Service::start_with_variables(binary, &[], settings)
    }

    /// Starts a binary with these variables and flags.
    pub fn start_with_variables(
        binary: impl AsRef<Path>,
        variables: &[(&str, &OsStr)],
        settings: &[(&str, &str)],
    ) -> Service {
        Service::spawn(Command::new(binary.as_ref()), variables, settings)
    }

    /// Starts a binary under nohup, like a user who is going to close the terminal.
    pub fn start_with_nohup(binary: impl AsRef<Path>, settings: &[(&str, &str)]) -> Service {
        let mut command = Command::new("nohup");
        command.arg(binary.as_ref());
        Service::spawn(command, &[], settings)
    }

    /// Starts a binary under strace, which disturbs its system calls as `options` say. The service is still the child, and its exit status its
    /// own.
    pub fn start_traced(
        binary: impl AsRef<Path>,
        settings: &[(&str, &str)],
        options: &[String],
        output: &Path,
    ) -> Service {
        let mut command = Command::new("strace");
        // Makes strace a grandchild.
        command.args(["-D", "-f", "-qq", "-o"]).arg(output).args(options).arg(binary.as_ref());
        Service::spawn(command, &[], settings)
    }

    fn spawn(mut command: Command, variables: &[(&str, &OsStr)], settings: &[(&str, &str)]) -> Service {
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("RUST_BACKTRACE", "1").env("PATH", path).envs(variables.iter().copied());
        command.stderr(Stdio::piped()).stdin(Stdio::null());
        command.args(settings.iter().flat_map(|(flag, value)| [format!("--{flag}"), value.to_string()]));
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{:?}: {e}", command.get_program()));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = lines.clone();
        let reader = thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                sink.lock().unwrap().push(line);
            }
        });
        Service { child, lines, reader: Some(reader) }
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits for a line that contains `part`. Lines before this call count too.
    pub fn wait_for_line(&self, part: &str) -> String {
        let found = || self.lines().into_iter().find(|line| line.contains(part));
        let begun = Instant::now();
        while begun.elapsed() < deadline() {
            if let Some(line) = found() {
                return line;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("no line with {part:?} in {:#?}", self.lines());
    }

    /// The number of lines so far that contain `part`.
    pub fn count_lines(&self, part: &str) -> usize {
        self.lines().iter().filter(|line| line.contains(part)).count()
    }

    /// [`signal`]s it.
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// The peak of its resident memory, in bytes.
    pub fn peak_resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// False once it has ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end. All its lines are read then.
    pub fn wait(&mut self) -> ExitStatus {
        let status = wait_for("exit", || self.child.try_wait().unwrap());
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        status
    }

    /// Sends SIGTERM and returns the exit code.
    pub fn terminate(mut self) -> Option<i32> {
        self.signal("TERM");
        self.wait().code()
    }

    /// Sends SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the service printed {:#?}", self.lines());
        }
    }
}
