//! `plot`: follows the log of absolute errors and keeps a picture of their distribution up to date.
//! Reads the command line, runs, and turns an error into one line and an exit code.

#[path = "../../glue/answer.rs"]
mod answer;
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
#[path = "../../glue/logging.rs"]
mod logging;
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
    match config::read(env::args_os().skip(1), |name| env::var_os(name)) {
        Ok(Command::Run(config)) => run(config),
        Ok(Command::Healthcheck(config)) => check_health(&config),
        Ok(Command::Help) => answer::print(&settings::help("plot", config::ABOUT, config::TABLE)),
        Ok(Command::Version) => answer::print(&format!("plot {}\n", env!("CARGO_PKG_VERSION"))),
        Err(message) => {
            complain(&message);
            ExitCode::from(USAGE)
        }
    }
}

fn run(config: Config) -> ExitCode {
    if let Err(message) = logging::start(env::var_os("RUST_LOG")) {
        complain(&message);
        return ExitCode::from(USAGE);
    }
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
    answer::print(&format!("{line}\n"));
    code
}

/// One line on what is wrong; where that cannot be printed either, the exit code has to do.
fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "plot: {message}");
}

/// Does not return where it takes another user.
fn become_owner(config: &Config) -> anyhow::Result<()> {
    if config.as_owner { owner::become_owner(&config.log_dir) } else { Ok(()) }
}
