//! `metric`: reads its settings, runs the service, and turns a failure into one line and an exit code.

#[path = "../../glue/broker.rs"]
mod broker;
mod config;
mod digest;
mod disk;
mod done;
#[path = "../../glue/health.rs"]
mod health;
mod id;
mod intake;
mod join;
mod journal;
mod line_file;
mod lock;
mod message;
mod model;
#[path = "../../glue/owner.rs"]
mod owner;
mod plain;
mod progress;
mod recovery;
mod rejects;
mod row_log;
mod service;
#[path = "../../glue/settings.rs"]
mod settings;
#[path = "../../glue/shutdown.rs"]
mod shutdown;
#[path = "../../glue/signals.rs"]
mod signals;
#[cfg(test)]
mod simulation;
mod store;
mod subscription;
mod unmatched;

use anyhow::Result;
use config::{Config, Predictions};
use settings::Request;
use std::{env, io::Write, process::ExitCode};

fn main() -> ExitCode {
    let filters = settings::log_filter(env::var("RUST_LOG").ok());
    env_logger::Builder::new().parse_filters(&filters).format_target(false).init();
    let request = settings::read(config::TABLE, env::args_os().skip(1), |name| env::var(name).ok());
    let (config, checks) = match request {
        Ok(Request::Help) => return print(&settings::help("metric", config::ABOUT, config::TABLE)),
        Ok(Request::Version) => return print(concat!("metric ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Request::Healthcheck(values)) => (Config::new(&values), true),
        Ok(Request::Run(values)) => (Config::new(&values), false),
        Err(error) => (Err(error), false),
    };
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            log::error!("{error}");
            return ExitCode::from(2);
        }
    };
    let owned = if config.as_owner { owner::become_owner(&config.log_dir) } else { Ok(()) };
    if checks && owned.is_ok() {
        return health::check(&health_name(&config));
    }
    match owned.and_then(|()| run(&config)) {
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
    let _held = lock::hold(&config.log_dir)?;
    let journal = journal::Journal::open(disk::RealDisk, &config.log_dir, config.limits)?;
    let health = health::Health::answer(&health_name(config));
    service::Service::new(config, model, journal, health, &stop).run()
}

/// One `metric` at most runs on a log directory.
fn health_name(config: &Config) -> String {
    health::name("metric", &config.log_dir, &[])
}

/// A closed pipe (`metric --help | head -1`) is no failure.
fn print(text: &str) -> ExitCode {
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}
