//! What integration tests of `features` and `metric` stand on: a real broker, the real binary, and a peer that plays the
//! other side. Nothing sleeps to be right: every wait is for a condition, with a deadline.
#![allow(
    dead_code,
    clippy::print_stderr,
    reason = "each crate's tests use their part, and print what a failure needs"
)]

use amiquip::{
    AmqpProperties, Channel, ConfirmSmoother, Connection, ConsumerMessage, ConsumerOptions, Delivery,
    Publish, QueueDeclareOptions,
};
use std::{
    cell::{Cell, RefCell},
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

const DEADLINE: Duration = Duration::from_secs(60);
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/broker");

/// Waits until `condition` gives a value.
pub fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(begun.elapsed() < DEADLINE, "no {what} within {DEADLINE:?}");
        thread::sleep(Duration::from_millis(20));
    }
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

/// A running binary and what it has printed to stderr.
pub struct Service {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Service {
    pub fn start(binary: impl AsRef<Path>, settings: &[(&str, &str)]) -> Service {
        let mut command = Command::new(binary.as_ref());
        command.env_clear().env("RUST_BACKTRACE", "1").stderr(Stdio::piped()).stdin(Stdio::null());
        command.args(settings.iter().flat_map(|(flag, value)| [format!("--{flag}"), value.to_string()]));
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{}: {e}", binary.as_ref().display()));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = lines.clone();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                sink.lock().unwrap().push(line);
            }
        });
        Service { child, lines }
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits for a line that holds `part`, in all that was printed so far.
    pub fn wait_for_line(&self, part: &str) -> String {
        let found = || self.lines().into_iter().find(|line| line.contains(part));
        let begun = Instant::now();
        while begun.elapsed() < DEADLINE {
            if let Some(line) = found() {
                return line;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("no line with {part:?} in {:#?}", self.lines());
    }

    pub fn count_lines(&self, part: &str) -> usize {
        self.lines().iter().filter(|line| line.contains(part)).count()
    }

    /// `TERM`, `INT`, `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        let sent =
            Command::new("/bin/kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.unwrap().success());
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub fn wait(&mut self) -> ExitStatus {
        wait_for("exit", || self.child.try_wait().unwrap())
    }

    /// SIGTERM, then the exit code.
    pub fn terminate(mut self) -> Option<i32> {
        self.signal("TERM");
        self.wait().code()
    }

    /// SIGKILL.
    pub fn kill(mut self) {
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

/// The line that `binary --healthcheck` with these settings says. Its exit code agrees with it.
pub fn healthcheck(binary: &str, settings: &[(&str, &str)]) -> String {
    let flags = settings.iter().flat_map(|(flag, value)| [format!("--{flag}"), value.to_string()]);
    let output = Command::new(binary).env_clear().arg("--healthcheck").args(flags).output().unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    assert_eq!(line.lines().count(), 1, "{line:?}");
    assert_eq!(output.status.code(), Some(i32::from(line != "ok\n")), "{line:?}");
    line.trim().to_owned()
}

/// The other side of the queues.
pub struct Peer {
    pub channel: Channel,
    confirms: crossbeam_channel::Receiver<amiquip::Confirm>,
    published: u64,
    acknowledged: Cell<u64>,
    in_order: RefCell<ConfirmSmoother>,
    _connection: Connection,
}

impl Peer {
    pub fn connect(url: &str) -> Peer {
        let mut connection = wait_for("connection", || Connection::insecure_open(url).ok());
        let channel = connection.open_channel(None).unwrap();
        let confirms = channel.listen_for_publisher_confirms().unwrap();
        channel.enable_publisher_confirms().unwrap();
        Peer {
            channel,
            confirms,
            published: 0,
            acknowledged: Cell::new(0),
            in_order: RefCell::default(),
            _connection: connection,
        }
    }

    pub fn publish(&mut self, queue: &str, body: &[u8]) {
        self.publish_with(queue, body, AmqpProperties::default());
    }

    pub fn publish_with(&mut self, queue: &str, body: &[u8], properties: AmqpProperties) {
        let properties = properties.with_delivery_mode(2);
        self.channel.basic_publish("", Publish::with_properties(body, queue, properties)).unwrap();
        self.published += 1;
    }

    /// Waits until the broker has all that was published.
    pub fn confirmed(&self) {
        let mut in_order = self.in_order.borrow_mut();
        while self.acknowledged.get() < self.published {
            let confirm = self.confirms.recv_timeout(DEADLINE).expect("a confirm");
            for confirm in in_order.process(confirm) {
                assert!(matches!(confirm, amiquip::Confirm::Ack(_)), "{confirm:?}");
                self.acknowledged.set(self.acknowledged.get() + 1);
            }
        }
    }

    /// A transient classic queue, as older services declare it.
    pub fn declare_transient(&self, queue: &str) {
        self.channel.queue_declare(queue, QueueDeclareOptions::default()).unwrap();
    }

    /// Takes all messages that are in a queue now. All have come before the consumer ends: amiquip takes a delivery to one
    /// that has ended for a broken connection.
    pub fn drain(&self, queue: &str) -> Vec<Delivery> {
        let depth = self.depth(queue);
        let options = ConsumerOptions { no_ack: true, ..ConsumerOptions::default() };
        let consumer = self.channel.basic_consume(queue, options).unwrap();
        let received = (0..depth).map(|_| match consumer.receiver().recv_timeout(DEADLINE) {
            Ok(ConsumerMessage::Delivery(delivery)) => delivery,
            other => panic!("{other:?}"),
        });
        received.collect()
    }

    /// Messages ready in a queue.
    pub fn depth(&self, queue: &str) -> u32 {
        self.channel.queue_declare_passive(queue).unwrap().declared_message_count().unwrap()
    }
}
