//! `metric`: reads its settings, runs the service, and turns a failure into one line and an exit code.

#[path = "../../glue/answer.rs"]
mod answer;
#[path = "../../glue/broker.rs"]
mod broker;
mod clock;
mod config;
mod consumer;
mod describe;
mod disk;
mod done;
mod flow;
mod halt;
#[path = "../../glue/health.rs"]
mod health;
mod id;
mod join;
mod journal;
mod json;
mod line_file;
mod lock;
#[path = "../../glue/logging.rs"]
mod logging;
mod message;
mod model;
mod neighbours;
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
mod value;

use anyhow::Result;
use clock::Now;
use config::{Config, Predictions};
use disk::RealDisk;
use halt::Halt;
use health::Health;
use journal::{Hooks, Journal};
use lock::Lock;
use progress::Progress;
use service::{FULL_DISK_WAIT, Service, stops_within};
use settings::Request;
use std::{env, process::ExitCode, time::Duration};

fn main() -> ExitCode {
    let logging = logging::start(env::var_os("RUST_LOG"));
    let request = settings::read(config::TABLE, env::args_os().skip(1), |name| env::var_os(name));
    let (config, checks) = match request {
        Ok(Request::Help) => return answer::print(&settings::help("metric", config::ABOUT, config::TABLE)),
        Ok(Request::Version) => return answer::print(concat!("metric ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Request::Healthcheck(values)) => (Config::new(&values), true),
        Ok(Request::Run(values)) => (logging.and_then(|()| Config::new(&values)), false),
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
    let lock = Lock::hold(&config.log_dir)?;
    let health = Health::answer(&health_name(config));
    let hooks = Hooks {
        reading: Box::new(|path, read, all| {
            let percent = 100 * read / all.max(1);
            health.well(format!("reading {}: {percent} % of {all} bytes", path.display()));
            !stops_within(&stop, Duration::ZERO)
        }),
        wait_for_room: Box::new(|error| {
            health.ill(format!("{error:#}; it waits for room"));
            !stops_within(&stop, FULL_DISK_WAIT)
        }),
    };
    health.well("opening the log directory".to_owned());
    match Journal::open(RealDisk, &config.log_dir, config.journal(), hooks, Now::read()) {
        Ok(journal) => {
            health.ill("it is not yet connected".to_owned());
            let progress = Progress::new(config.log_dir.join("rejected.jsonl"));
            let (health, stop, is_warned_of_lock) = (&health, &stop, false);
            Service { config, model, lock, journal, progress, health, stop, is_warned_of_lock }.run()
        }
        Err(Halt::Failed(error)) => Err(error),
        Err(Halt::Stopped) => {
            log::info!("stopped while the log was being read; the next start goes on from there");
            Ok(())
        }
    }
}

/// One `metric` at most runs on a log directory.
fn health_name(config: &Config) -> String {
    health::name("metric", &config.log_dir, &[])
}
