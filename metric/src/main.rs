//! `metric`: reads its settings, runs the service, and turns a failure into one line and an exit code.

#[path = "../../glue/broker.rs"]
mod broker;
mod config;
mod durable;
mod join;
mod journal;
mod message;
mod model;
mod progress;
mod recovery;
mod rejects;
mod row_log;
mod service;
#[path = "../../glue/settings.rs"]
mod settings;
#[path = "../../glue/shutdown.rs"]
mod shutdown;
mod store;
mod unmatched;

use anyhow::Result;
use config::{Config, Predictions};
use settings::Request;
use std::{
    env,
    io::Write,
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
    thread,
};

/// amiquip's I/O thread reads the tables in a message's headers recursively. A frame (128 KiB) holds some 26,000 nested
/// arrays of five bytes, which overflow the usual stack of 2 MiB, abort the process, and come again. Only what is used of it takes memory.
const STACK_BYTES: &str = "268435456";
/// The standard library takes the stack size of threads that name none, as amiquip's, from here.
const STACK_VARIABLE: &str = "RUST_MIN_STACK";

fn main() -> ExitCode {
    let logger = env_logger::Env::default().default_filter_or("info,amiquip=off");
    env_logger::Builder::from_env(logger).format_target(false).init();
    if env::var_os(STACK_VARIABLE).is_none() {
        // Only a new process image can be given an environment without unsafe code.
        let error = env::current_exe().map(|program| {
            Command::new(program).args(env::args_os().skip(1)).env(STACK_VARIABLE, STACK_BYTES).exec()
        });
        log::error!("cannot start with a larger stack: {error:?}");
        return ExitCode::FAILURE;
    }
    // Dropping such a table is as recursive, so the work is not done on the main thread's stack.
    thread::spawn(start).join().unwrap_or(ExitCode::FAILURE)
}

fn start() -> ExitCode {
    let request = settings::read(config::TABLE, env::args_os().skip(1), |name| env::var(name).ok());
    let config = match request {
        Ok(Request::Help) => return print(&settings::help("metric", config::ABOUT, config::TABLE)),
        Ok(Request::Version) => return print(concat!("metric ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Request::Run(values)) => Config::new(&values),
        Err(error) => Err(error),
    };
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            log::error!("{error}");
            return ExitCode::from(2);
        }
    };
    match run(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: &Config) -> Result<()> {
    let stop = shutdown::on_signal()?;
    log::info!("{config}");
    let model = match (config.predictions, &config.model) {
        (Predictions::YPred, _) => None,
        (Predictions::Model, None) => Some(model::Model::embedded()?),
        (Predictions::Model, Some(path)) => Some(model::Model::load(path)?),
    };
    let journal = journal::Journal::open(&config.log_dir, config.limits)?;
    service::Service::new(config, model, journal, &stop).run()
}

/// A closed pipe (`metric --help | head -1`) is no failure.
fn print(text: &str) -> ExitCode {
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}
