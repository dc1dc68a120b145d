//! Starts the real binary in a directory of its own, asks it, and ends it.

pub use glue::testing::{Directory, free_address};
use glue::testing::{healthcheck_of, signal, wait_for};
use serde_json::Value;
use std::env;
use std::fs;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub const HEADER: &str = "id,y_true,y_pred,absolute_error\n";

/// Width, height and RGB pixels of a PNG file that must be whole.
pub fn picture(path: &Path) -> (u32, u32, Vec<u8>) {
    let mut reader = png::Decoder::new(BufReader::new(fs::File::open(path).unwrap())).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    reader.finish().unwrap();
    (info.width, info.height, pixels)
}

pub struct Plot {
    child: Child,
    pub address: String,
}

/// What lets a process see another time than the machine's: the variables of libfaketime, which scripts/after-midnight sets.
const CLOCK: [&str; 3] = ["LD_PRELOAD", "FAKETIME", "FAKETIME_DONT_FAKE_MONOTONIC"];

/// Leaves a command no variables but the clock that the tests themselves run by.
pub fn clear_variables(command: &mut Command) -> &mut Command {
    command.env_clear().envs(CLOCK.iter().filter_map(|name| Some((name, env::var_os(name)?))))
}

pub fn command(directory: &Directory) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plot"));
    clear_variables(&mut command).arg("--log-dir").arg(&directory.0);
    command
}

/// A new file `stderr`: one that an earlier process of the test still writes to loses its name, as both would write over one another.
pub fn new_log(directory: &Directory) -> fs::File {
    let _ = fs::remove_file(directory.file("stderr"));
    fs::File::create_new(directory.file("stderr")).unwrap()
}

/// The line that `plot --healthcheck` prints.
pub fn healthcheck(directory: &Directory, args: &[&str]) -> String {
    healthcheck_of(command(directory).args(args))
}

/// Unix seconds.
pub fn now_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

impl Plot {
    /// The most memory that it had until now.
    pub fn peak_resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    pub fn start(directory: &Directory, args: &[&str]) -> Self {
        Plot::spawn(directory, command(directory).args(args))
    }

    pub fn spawn(directory: &Directory, command: &mut Command) -> Self {
        Plot::spawn_at(directory, command, free_address())
    }

    /// With its page at `address`.
    pub fn spawn_at(directory: &Directory, command: &mut Command, address: String) -> Self {
        let log = new_log(directory);
        command.args(["--interval", "0.1", "--listen", &address]).stderr(log).stdout(Stdio::null());
        let mut plot = Plot { child: command.spawn().unwrap(), address };
        until("the server answers", || {
            let ended = plot.child.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}: {}", directory.read("stderr"));
            TcpStream::connect(&plot.address).is_ok()
        });
        plot
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Status, head and body of a request.
    pub fn ask(&self, method: &str, path: &str) -> (u16, String, Vec<u8>) {
        exchange(&self.address, format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
    }

    /// [`healthcheck`] of a process that was started with `args`.
    pub fn healthcheck(&self, directory: &Directory, args: &[&str]) -> String {
        healthcheck(directory, &[&["--listen", self.address.as_str()], args].concat())
    }

    pub fn stats(&self) -> Value {
        let (status, _, body) = self.ask("GET", "/stats.json");
        assert_eq!(status, 200);
        serde_json::from_slice(&body).unwrap()
    }

    /// Waits until `n` rows were read.
    pub fn rows(&self, n: u64) -> Value {
        until(&format!("{n} rows are read"), || self.stats()["all"]["n"] == n);
        self.stats()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Sends a signal by its name and waits for the end.
    pub fn end(mut self, signal: &str) -> ExitStatus {
        self.signal(signal);
        self.child.wait().unwrap()
    }
}

impl Drop for Plot {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn exchange(address: &str, request: &[u8]) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("an answer with a head");
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head, answer[end + 4..].to_vec())
}

/// Waits for a condition, with a deadline.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    wait_for(what, || holds().then_some(()));
}
