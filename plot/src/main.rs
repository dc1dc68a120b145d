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
mod drawing;
mod faults_told;
mod files;
mod frame;
mod health;
mod histogram;
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
use std::{env, process::ExitCode, sync::mpsc};

/// Usage errors, as shells have it.
const USAGE: u8 = 2;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the command line's own answers")]
fn main() -> ExitCode {
    let config = match config::read(env::args_os().skip(1), |name| env::var_os(name)) {
        Ok(Command::Run(config)) => config,
        Ok(Command::Healthcheck(config)) => {
            let owned = become_owner(&config).map_err(|e| format!("unhealthy: {e:#}"));
            return match owned.and_then(|()| health::check(&config)) {
                Ok(line) => {
                    println!("{line}");
                    ExitCode::SUCCESS
                }
                Err(line) => {
                    println!("{line}");
                    ExitCode::FAILURE
                }
            };
        }
        Ok(Command::Help) => {
            print!("{}", settings::help("plot", config::ABOUT, config::TABLE));
            return ExitCode::SUCCESS;
        }
        Ok(Command::Version) => {
            println!("plot {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("plot: {message}");
            return ExitCode::from(USAGE);
        }
    };
    if let Err(message) = logging::start(env::var_os("RUST_LOG")) {
        eprintln!("plot: {message}");
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
            eprintln!("plot: {e:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does not return where it takes another user.
fn become_owner(config: &Config) -> anyhow::Result<()> {
    if config.as_owner { owner::become_owner(&config.log_dir) } else { Ok(()) }
}
