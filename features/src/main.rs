//! `features`: reads its settings, runs the publisher, and turns a failure into one line and an exit code.

#[path = "../../glue/broker.rs"]
mod broker;
mod config;
mod dataset;
mod message;
mod outbox;
mod publisher;
mod sample_id;
#[path = "../../glue/settings.rs"]
mod settings;
#[path = "../../glue/shutdown.rs"]
mod shutdown;

use anyhow::Result;
use config::Config;
use settings::Request;
use std::{env, io::Write, process::ExitCode};

fn main() -> ExitCode {
    let logger = env_logger::Env::default().default_filter_or("info,amiquip=off");
    env_logger::Builder::from_env(logger).format_target(false).init();
    let request = settings::read(config::TABLE, env::args_os().skip(1), |name| env::var(name).ok());
    let config = match request {
        Ok(Request::Help) => return print(&settings::help("features", config::ABOUT, config::TABLE)),
        Ok(Request::Version) => return print(concat!("features ", env!("CARGO_PKG_VERSION"), "\n")),
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
    let dataset = dataset::Dataset::load(config.dataset.as_deref(), config.target.as_deref())?;
    publisher::Publisher::new(config, dataset, &stop).run()
}

/// A closed pipe (`features --help | head -1`) is no failure.
fn print(text: &str) -> ExitCode {
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}
