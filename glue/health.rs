//! What `--healthcheck` of `features` and `metric` goes by: the running process answers on a Unix socket how it is. The socket
//! is one without a file, which needs no place to write, costs nothing until somebody asks, and ends with its process.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read, Write},
    os::unix::net::{SocketAddr, UnixListener, UnixStream},
    path::Path,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// A process that has not said for so long how it is hangs. Three times what `features` and `metric` wait at most.
const SILENCE: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(3);
/// What the answer of a process that is well begins with.
const OK: &str = "ok: ";
const STACK_BYTES: usize = 64 * 1024;

/// How the process is, as it last said itself.
pub struct Health(Arc<Mutex<State>>);

struct State {
    said_at: Instant,
    /// What it does where it is well, the reason where it is not.
    how: Result<String, String>,
}

impl Health {
    /// Answers under `name` from now on; until told otherwise that the process is starting.
    pub fn answer(name: &str) -> Health {
        let state = State { said_at: Instant::now(), how: Err("it is starting".to_owned()) };
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        let answering = address(name).and_then(|address| {
            let listener = UnixListener::bind_addr(&address)?;
            thread::Builder::new().stack_size(STACK_BYTES).spawn(move || serve(&listener, &shared))
        });
        if let Err(error) = answering {
            log::warn!("--healthcheck cannot ask this process: {error}");
        }
        Health(state)
    }

    /// The process is well; `doing` says what it does or has done. To be called at least every 10 s.
    pub fn well(&self, doing: String) {
        self.say(Ok(doing));
    }

    pub fn ill(&self, reason: String) {
        self.say(Err(reason));
    }

    fn say(&self, how: Result<String, String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State { said_at: Instant::now(), how };
    }
}

fn serve(listener: &UnixListener, state: &Mutex<State>) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else {
            thread::sleep(TIMEOUT); // no file descriptor is left
            continue;
        };
        let answer = match &*state.lock().unwrap_or_else(PoisonError::into_inner) {
            State { how: Err(reason), .. } => reason.clone(),
            State { said_at, .. } if said_at.elapsed() > SILENCE => {
                format!("it has not moved for {} s", said_at.elapsed().as_secs())
            }
            State { how: Ok(doing), .. } => format!("{OK}{doing}"),
        };
        // Who asks and leaves has no answer.
        let _ = stream.write_all(answer.as_bytes());
    }
}

/// Asks the process that answers under `name` and prints what it says. Exit code 0: it is well, 1: it is not.
pub fn check(name: &str) -> ExitCode {
    let (line, code) = match ask(name) {
        Ok(answer) if answer.starts_with(OK) => (answer, ExitCode::SUCCESS),
        Ok(reason) => (format!("unhealthy: {reason}"), ExitCode::FAILURE),
        Err(e) => {
            let reason = match e.kind() {
                io::ErrorKind::ConnectionRefused => "no process with these settings runs".to_owned(),
                io::ErrorKind::WouldBlock => "the process hangs: it does not answer".to_owned(),
                _ => format!("the process cannot be asked: {e}"),
            };
            (format!("unhealthy: {reason}"), ExitCode::FAILURE)
        }
    };
    // A closed pipe is no failure; the exit code says it all.
    let _ = writeln!(io::stdout(), "{line}");
    code
}

fn ask(name: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect_addr(&address(name)?)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The name under which the `program` with this log directory, and with what else tells its instances apart, answers.
pub fn name(program: &str, log_dir: &Path, more: &[&str]) -> String {
    let absolute = log_dir.canonicalize().or_else(|_| std::path::absolute(log_dir));
    let mut hasher = DefaultHasher::new();
    (absolute.unwrap_or_else(|_| log_dir.to_owned()), more).hash(&mut hasher);
    format!("monitor-{program}-{:016x}", hasher.finish())
}

#[cfg(target_os = "linux")]
fn address(name: &str) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn address(_name: &str) -> io::Result<SocketAddr> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no sockets without a file"))
}
