//! Health checks: the running process answers `--healthcheck` on a Unix socket. The socket has no file: it needs no place to write, costs
//! nothing until somebody asks, and ends with its process.

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

/// A process that has not reported for this long counts as hanging: three times the longest wait of `features` and `metric`.
const SILENCE: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(3);
/// The answer of a healthy process begins with this.
const OK: &str = "ok: ";
const STACK_BYTES: usize = 64 * 1024;

/// The health of this process, as last reported.
pub struct Health(Arc<Mutex<State>>);

struct State {
    reported_at: Instant,
    /// What it does if it is healthy, or why it is not.
    report: Result<String, String>,
}

impl Health {
    /// Answers under `name` from now on. Until the first report the process is starting.
    pub fn answer(name: &str) -> Health {
        let state = State { reported_at: Instant::now(), report: Err("it is starting".to_owned()) };
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

    /// Reports that the process is healthy; `doing` says what it does or has done. Call this at least every 10 s.
    pub fn ok(&self, doing: String) {
        self.report(Ok(doing));
    }

    /// Reports why the process is not healthy.
    pub fn unhealthy(&self, reason: String) {
        self.report(Err(reason));
    }

    fn report(&self, report: Result<String, String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            State { reported_at: Instant::now(), report };
    }
}

fn serve(listener: &UnixListener, state: &Mutex<State>) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else {
            thread::sleep(TIMEOUT); // No file descriptor is free.
            continue;
        };
        let answer = match &*state.lock().unwrap_or_else(PoisonError::into_inner) {
            State { report: Err(reason), .. } => reason.clone(),
            State { reported_at, .. } if reported_at.elapsed() > SILENCE => {
                format!("the process hangs: no progress for {} s", reported_at.elapsed().as_secs())
            }
            State { report: Ok(doing), .. } => format!("{OK}{doing}"),
        };
        // Fails where the asker has left.
        let _ = stream.write_all(answer.as_bytes());
    }
}

/// Asks the process that answers under `name`. Returns a line for a person, and exit code 0 if the process is healthy, 1 if not.
pub fn check(name: &str) -> (String, ExitCode) {
    let reason = match ask(name) {
        Ok(answer) if answer.starts_with(OK) => return (answer, ExitCode::SUCCESS),
        Ok(reason) => reason,
        Err(e) => match e.kind() {
            io::ErrorKind::ConnectionRefused => "no process with these settings runs".to_owned(),
            io::ErrorKind::WouldBlock => "the process hangs: it does not answer".to_owned(),
            _ => format!("cannot ask the process: {e}"),
        },
    };
    (format!("unhealthy: {reason}"), ExitCode::FAILURE)
}

fn ask(name: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect_addr(&address(name)?)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The name under which `program` answers. `more` distinguishes instances that share the log directory.
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
