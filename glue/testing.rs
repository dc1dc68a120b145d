//! What integration tests of `features` and `metric` stand on: a real broker, the real binary, and a peer that plays the
//! other side. Nothing sleeps to be right: every wait is for a condition, with a deadline.
#![allow(
    dead_code,
    unused_imports,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "each crate's tests use their part, and print what a failure needs"
)]

#[path = "testing/command_line.rs"]
pub mod command_line;
#[path = "testing/frames.rs"]
pub mod frames;
#[path = "testing/peer.rs"]
mod peer;
#[path = "testing/proxy.rs"]
mod proxy;
#[path = "testing/service.rs"]
mod service;

pub use peer::{Peer, publish_until_confirmed};
pub use proxy::{Direction, Proxy};
pub use service::Service;

use std::{
    env, fs,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/broker");

/// How long a condition may take to come true; `make chaos` has more to wait for.
pub fn deadline() -> Duration {
    Duration::from_secs(count("TEST_DEADLINE_SECONDS", 120) as u64)
}

/// Waits until `condition` gives a value.
pub fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(begun.elapsed() < deadline(), "no {what} within {:?}", deadline());
        thread::sleep(Duration::from_millis(20));
    }
}

/// How many of something a test does: what `make test` takes, unless the variable gives another number, as `make chaos` does.
pub fn count(variable: &str, usual: usize) -> usize {
    match env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}, not a number")),
        Err(_) => usual,
    }
}

/// The random numbers of one test. Their seed is printed; the variable repeats it.
pub fn random() -> (fastrand::Rng, u64) {
    let seed = env::var("TEST_SEED").map_or_else(|_| fastrand::u64(..), |text| text.parse().unwrap());
    println!("TEST_SEED={seed}");
    (fastrand::Rng::with_seed(seed), seed)
}

/// Prints what a test did, as a line of the table that `make chaos` ends with.
pub fn figure(what: &str, how_many: &str, seed: u64) {
    println!("figure\t{what}\t{how_many}\t{seed}");
}

/// A directory of the test's own, removed with it unless the test fails.
pub struct Directory(pub PathBuf);

impl Directory {
    pub fn new() -> Directory {
        let path = env::temp_dir().join(format!("monitor-test-{:016x}", fastrand::u64(..)));
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_default()
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
    fn drop(&mut self) {
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// The broker that `make test` started, for tests that leave it alone.
pub fn shared_broker() -> String {
    env::var("TEST_AMQP_URL").expect("TEST_AMQP_URL is not set: run the tests with `make test`")
}

/// A queue prefix that no other test has.
pub fn prefix() -> String {
    format!("t{:012x}.", fastrand::u64(..1 << 48))
}

/// A broker of the test's own, to be stopped and killed.
pub struct Node {
    directory: Directory,
    pub url: String,
}

impl Node {
    pub fn start() -> Node {
        let directory = Directory::new();
        let url = script("start", &directory.0, &[]);
        Node { directory, url }
    }

    /// `start`, `stop`, `kill` or `restart`.
    pub fn command(&self, command: &str) {
        script(command, &self.directory.0, &[]);
    }

    /// Waits until what the node knows of its quorum queues is on disk. RabbitMQ 3.10 writes that up to seconds after a declaration, and
    /// after a start, and loses the queue for good (541 on each consume) if it is killed before.
    pub fn sync_queues(&self) {
        self.ctl(&["eval", "[ok = dets:sync(Table) || Table <- dets:all()], mnesia:sync_log()."]);
    }

    /// rabbitmqctl.
    pub fn ctl(&self, args: &[&str]) -> String {
        script("ctl", &self.directory.0, args)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.command("kill");
    }
}

fn script(command: &str, directory: &Path, args: &[&str]) -> String {
    let output = Command::new(SCRIPT).arg(command).arg(directory).args(args).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The line that `binary --healthcheck` with these settings says. Its exit code agrees with it.
pub fn healthcheck(binary: &str, settings: &[(&str, &str)]) -> String {
    let flags = settings.iter().flat_map(|(flag, value)| [format!("--{flag}"), value.to_string()]);
    let output = Command::new(binary).env_clear().arg("--healthcheck").args(flags).output().unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    assert_eq!(line.lines().count(), 1, "{line:?}");
    assert_eq!(output.status.code(), Some(i32::from(!line.starts_with("ok: "))), "{line:?}");
    line.trim().to_owned()
}
