//! `plot`: follows the log of absolute errors and keeps a picture of their distribution up to date.
//! Reads the command line, runs, and turns an error into one line and an exit code.

mod buckets;
mod chart;
mod clock;
mod columns;
mod config;
mod course;
mod decimal;
mod density;
mod descriptors;
#[cfg(test)]
#[path = "../tests/it/directory.rs"]
mod directory;
mod drawing;
mod faults_told;
mod files;
mod frame;
mod health;
mod histogram;
mod hosts;
mod http;
mod intake;
mod json;
mod label;
mod lines;
mod live;
mod log_file;
mod logs;
mod moments;
mod number;
#[path = "../../glue/owner.rs"]
mod owner;
mod page;
mod picture;
mod reach;
mod record;
mod rendered;
mod rolling;
mod row;
mod server;
mod service;
#[path = "../../glue/settings.rs"]
mod settings;
#[path = "../../glue/signals.rs"]
mod signals;
mod slices;
mod statistics;
mod summary;
mod tally;

use config::{Command, Config};
use std::io::{self, Write};
use std::{env, process::ExitCode, sync::mpsc};

/// Usage errors, as shells have it.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    match config::read(env::args_os().skip(1), |name| env::var(name).ok()) {
        Ok(Command::Run(config)) => run(config),
        Ok(Command::Healthcheck(config)) => check_health(&config),
        Ok(Command::Help) => print(&settings::help("plot", config::ABOUT, config::TABLE)),
        Ok(Command::Version) => print(&format!("plot {}\n", env!("CARGO_PKG_VERSION"))),
        Err(message) => {
            complain(&message);
            ExitCode::from(USAGE)
        }
    }
}

fn run(config: Config) -> ExitCode {
    env_logger::Builder::new()
        .parse_filters(&settings::log_filter(env::var("RUST_LOG").ok()))
        .format_timestamp(None)
        .format_target(false)
        .init();
    let (stop, stopped) = mpsc::channel();
    let handled = signals::handle(move || {
        // Only fails when the loop has ended, which is what is asked for.
        let _ = stop.send(());
    });
    let ended = handled.and_then(|()| become_owner(&config)).and_then(|()| service::run(config, &stopped));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            complain(&format!("{e:#}"));
            ExitCode::FAILURE
        }
    }
}

/// The exit code is the answer, whether its line can be printed or not.
fn check_health(config: &Config) -> ExitCode {
    let owned = become_owner(config).map_err(|e| format!("unhealthy: {e:#}"));
    let (line, code) = match owned.and_then(|()| health::check(config)) {
        Ok(line) => (line, ExitCode::SUCCESS),
        Err(line) => (line, ExitCode::FAILURE),
    };
    print(&format!("{line}\n"));
    code
}

/// Prints what was asked for. A reader that has seen enough and closed the pipe is no failure.
fn print(text: &str) -> ExitCode {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("standard output: {}", logs::plain(&e)));
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// One line on what is wrong; where that cannot be printed either, the exit code has to do.
fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "plot: {message}");
}

/// Does not return where it takes another user.
fn become_owner(config: &Config) -> anyhow::Result<()> {
    if config.as_owner { owner::become_owner(&config.log_dir) } else { Ok(()) }
}
