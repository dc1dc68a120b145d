//! Support for integration tests: a real broker, the real binary, and a peer that plays the other side. Every wait is for a condition, with a
//! deadline.
#![expect(
    clippy::indexing_slicing,
    clippy::new_without_default,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "for tests: a panic is a failure, and what a failure needs is printed"
)]

mod authority;
mod cluster;
pub mod command_line;
mod directory;
pub mod frames;
#[cfg(feature = "amqp")]
mod peer;
mod proxy;
mod service;

pub use authority::{Authority, permit_certificate};
pub use cluster::Cluster;
pub use directory::Directory;
#[cfg(feature = "amqp")]
pub use peer::{Peer, publish_until_confirmed};
pub use proxy::{Direction, Proxy};
pub use service::Service;

use std::{
    env, fs,
    io::{self, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{self, Command, Output},
    sync::{
        Mutex, Once, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// What somebody reads who typed `cargo test`.
const NO_BROKER: &str = "These tests need a broker, and TEST_AMQP_URL names none.
    make test    starts one and runs all tests (needs RabbitMQ and Chromium, and installs them from Debian's packages)
    make check   runs the tests that need no broker, and the lints";

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/broker");

/// How long a condition may take to come true; `make chaos` has more to wait for.
pub fn deadline() -> Duration {
    Duration::from_secs(count("TEST_DEADLINE_SECONDS", 120) as u64)
}

/// Waits until `condition` returns a value.
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

/// A test's count: `usual` in `make test`, or the value of the variable, as `make chaos` sets it.
pub fn count(variable: &str, usual: usize) -> usize {
    match env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}, not a number")),
        Err(_) => usual,
    }
}

/// The random numbers of one test. Prints the seed; `TEST_SEED` repeats it.
pub fn random() -> (fastrand::Rng, u64) {
    let seed = env::var("TEST_SEED").map_or_else(|_| fastrand::u64(..), |text| text.parse().unwrap());
    println!("TEST_SEED={seed}");
    (fastrand::Rng::with_seed(seed), seed)
}

/// Prints a line of the table at the end of `make chaos`.
pub fn figure(what: &str, how_many: &str, seed: u64) {
    println!("figure\t{what}\t{how_many}\t{seed}");
}

/// Sends a signal, such as `TERM`, to a process. After `STOP` all its threads stand still: the kernel stops them one by one, and until then
/// they may still answer.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("/bin/kill").arg(format!("-{name}")).arg(pid.to_string()).status();
    assert!(sent.unwrap().success());
    if name == "STOP" {
        wait_for("standstill", || threads_stand_still(pid).then_some(()));
    }
}

fn threads_stand_still(pid: u32) -> bool {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let status = |task: io::Result<fs::DirEntry>| fs::read_to_string(task.unwrap().path().join("status"));
    // A thread that has ended meanwhile has no file.
    tasks.map(status).all(|status| status.map_or(true, |status| status.contains("\nState:\tT")))
}

/// The broker that `make test` started, for tests that never stop it. Without one the process ends with one message, where dozens of tests
/// would each panic.
pub fn shared_broker() -> String {
    static MISSING: Once = Once::new();
    env::var("TEST_AMQP_URL").unwrap_or_else(|_| {
        MISSING.call_once(|| {
            // Not by eprintln!, whose output the test harness keeps to itself.
            let _ = writeln!(io::stderr(), "\n{NO_BROKER}");
            process::exit(1);
        });
        unreachable!("the process has ended")
    })
}

/// A queue prefix that no other test has.
pub fn prefix() -> String {
    format!("t{:012x}.", fastrand::u64(..1 << 48))
}

/// A broker. It takes five seconds of a processor to start one: where a test neither stops it nor disturbs other tests, it takes the shared one.
pub struct Node {
    path: PathBuf,
    /// None: it is shared.
    own: Option<Directory>,
    /// With user and password, as the services take it.
    pub url: String,
}

impl Node {
    /// Starts one of the test's own and waits until it takes connections.
    pub fn start() -> Node {
        Node::own("start")
    }

    /// One of the test's own that is not started yet. Nothing listens at its URL.
    pub fn prepare() -> Node {
        Node::own("prepare")
    }

    fn own(command: &str) -> Node {
        // Only `make test` stops the nodes of tests that were interrupted.
        shared_broker();
        let directory = Directory::new();
        let path = directory.0.clone();
        let url = script(command, &path, &[]);
        Node { path, own: Some(directory), url }
    }

    /// That of [`shared_broker`], for what only its administrator may do.
    pub fn shared() -> Node {
        let url = shared_broker();
        Node { path: env::var_os("TEST_BROKER_DIR").unwrap().into(), own: None, url }
    }

    /// Starts another one that joins the cluster of this one.
    fn join(&self) -> Node {
        let directory = Directory::new();
        let path = directory.0.clone();
        let url = script("join", &path, &[self.path.to_str().unwrap()]);
        Node { path, own: Some(directory), url }
    }

    /// Its Erlang name.
    fn name(&self) -> String {
        script("name", &self.path, &[])
    }

    /// Starts it at a port of 127.0.0.1.
    ///
    /// # Errors
    /// What the script says.
    pub fn start_at(&self, port: &str) -> Result<(), String> {
        let output = run("start", &self.path, &[port]);
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// `start`, `stop`, `kill`, `restart`, `pause` or `continue`.
    pub fn command(&self, command: &str) {
        assert!(self.own.is_some(), "{command} of the shared broker");
        script(command, &self.path, &[]);
    }

    /// Writes to disk what the node knows of its quorum queues. RabbitMQ 3.10 does so up to seconds after a declaration or a start, and loses
    /// the queue for good (541 on each consume) if it is killed before.
    pub fn sync_queues(&self) {
        self.eval("[ok = dets:sync(Table) || Table <- dets:all()], mnesia:sync_log().");
    }

    /// Raises the memory alarm, or ends it.
    pub fn alarm(&self, is_raised: bool) {
        let share = if is_raised { "0.00001" } else { "0.4" };
        self.eval(&format!("vm_memory_monitor:set_vm_memory_high_watermark({share})."));
    }

    /// Evaluates Erlang in the node, and returns `{ok, VALUE}`.
    pub fn eval(&self, text: &str) -> String {
        // Two at once would call themselves alike, which the node refuses.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let value = script("eval", &self.path, &[text]);
        assert!(value.starts_with("{ok,"), "{text}: {value}");
        value
    }

    /// [`Node::eval`], or none where the node has no value or no answer.
    fn try_eval(&self, text: &str) -> Option<String> {
        let output = run("eval", &self.path, &[text]);
        let value = String::from_utf8(output.stdout).unwrap();
        value.starts_with("{ok,").then_some(value)
    }

    /// Runs rabbitmqctl.
    pub fn ctl(&self, args: &[&str]) -> String {
        script("ctl", &self.path, args)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.own.is_some() {
            self.command("kill");
        }
    }
}

fn run(command: &str, directory: &Path, args: &[&str]) -> Output {
    Command::new(SCRIPT).arg(command).arg(directory).args(args).output().unwrap()
}

fn script(command: &str, directory: &Path, args: &[&str]) -> String {
    let output = run(command, directory, args);
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A local address for one process to listen at. Its port is below those that systems give away (from 32,768), so that no other listener of
/// these tests and no outgoing connection gets it meanwhile, below those of `scripts/broker` (from 20,000), and no other call's.
pub fn free_address() -> String {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    loop {
        // Far from where a test program beside this one began.
        let n = process::id().wrapping_mul(101).wrapping_add(CALLS.fetch_add(1, Ordering::Relaxed));
        let address = format!("127.0.0.1:{}", 10_000 + n % 10_000);
        if TcpListener::bind(&address).is_ok() {
            return address;
        }
    }
}

/// The line that `binary --healthcheck` prints with these settings. Checks that the exit code agrees.
pub fn healthcheck(binary: &str, settings: &[(&str, &str)]) -> String {
    let flags = settings.iter().flat_map(|(flag, value)| [format!("--{flag}"), value.to_string()]);
    healthcheck_of(Command::new(binary).env_clear().args(flags))
}

/// [`healthcheck`] of a command, which lacks that flag.
pub fn healthcheck_of(command: &mut Command) -> String {
    let output = command.arg("--healthcheck").output().unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    assert_eq!(line.lines().count(), 1, "{line:?}");
    assert_eq!(output.status.code(), Some(i32::from(!line.starts_with("ok: "))), "{line:?}");
    line.trim().to_owned()
}
