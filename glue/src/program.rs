//! A service's `main`: reads the command line, starts the log, answers `--help`, `--version` and `--healthcheck`, and turns a failure into
//! one line on stderr and an exit code. Never panics where stdout or stderr cannot be written.

use crate::{
    health, logging, owner,
    settings::{self, Request, Setting, Values},
};
use std::{
    env,
    io::{self, ErrorKind, Write},
    path::Path,
    process::ExitCode,
};

/// Exit code of a wrong setting, as shells use it.
const WRONG_SETTING: u8 = 2;

/// A service, as its checked settings.
pub trait Program: Sized {
    /// The name of the binary and its crate.
    const NAME: &'static str;
    /// The version of the crate.
    const VERSION: &'static str;
    /// The first line of `--help`.
    const ABOUT: &'static str;
    /// The other lines of `--help`.
    const SETTINGS: &'static [Setting];

    /// Checks the settings.
    ///
    /// # Errors
    /// One line that names the flag or variable, its value and what is allowed.
    fn read(values: &Values) -> Result<Self, String>;

    /// The name under which the process answers `--healthcheck`; see [`health::name`].
    fn health_name(&self) -> String;

    /// The directory whose owner the process becomes; see [`owner::become_owner`].
    fn owned_directory(&self) -> Option<&Path> {
        None
    }

    /// Runs until it is done or a signal comes.
    ///
    /// # Errors
    /// Any other end.
    fn run(self) -> Result<(), Failure>;
}

/// Why a program ends with a line on stderr.
pub enum Failure {
    /// A setting is wrong: exit code 2.
    Setting(String),
    /// Exit code 1.
    Error(anyhow::Error),
    /// What the program was asked to fail on, in a line, and the exit code for it.
    Found(String, u8),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::Error(error.into())
    }
}

/// The whole of a service's `main`.
pub fn main<P: Program>() -> ExitCode {
    let logging = logging::start(P::NAME, env::var_os("RUST_LOG"));
    match settings::read(P::SETTINGS, env::args_os().skip(1), |name| env::var_os(name)) {
        Ok(Request::Help) => print(&settings::help(P::NAME, P::ABOUT, P::SETTINGS)),
        Ok(Request::Version) => print(&format!("{} {}\n", P::NAME, P::VERSION)),
        Ok(Request::Healthcheck(values)) => end(P::read(&values).map_err(Failure::Setting).and_then(check)),
        Ok(Request::Run(values)) => {
            let program = logging.and_then(|()| P::read(&values)).map_err(Failure::Setting);
            end(program.and_then(run))
        }
        Err(error) => end(Err(Failure::Setting(error))),
    }
}

fn run<P: Program>(program: P) -> Result<ExitCode, Failure> {
    become_owner(&program)?;
    program.run()?;
    Ok(ExitCode::SUCCESS)
}

fn check<P: Program>(program: P) -> Result<ExitCode, Failure> {
    become_owner(&program)?;
    let (line, code) = health::check(&program.health_name());
    // The exit code reports the health, even if stdout cannot be written.
    let _ = writeln!(io::stdout(), "{line}");
    Ok(code)
}

fn become_owner<P: Program>(program: &P) -> anyhow::Result<()> {
    program.owned_directory().map_or(Ok(()), owner::become_owner)
}

/// Prints `text`, which ends with a line break, to stdout. A closed pipe (`features --help | head -1`) is no failure.
fn print(text: &str) -> ExitCode {
    let mut stdout = io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            let _ = writeln!(io::stderr(), "cannot write to stdout: {e}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Writes to stderr and not to the log, which may be off. A stderr that fails has no reader.
fn end(ended: Result<ExitCode, Failure>) -> ExitCode {
    let (line, code) = match ended {
        Ok(code) => return code,
        Err(Failure::Setting(line)) => (line, ExitCode::from(WRONG_SETTING)),
        Err(Failure::Error(error)) => (format!("{error:#}"), ExitCode::FAILURE),
        Err(Failure::Found(line, code)) => (line, ExitCode::from(code)),
    };
    let _ = writeln!(io::stderr(), "[ERROR] {line}");
    code
}
