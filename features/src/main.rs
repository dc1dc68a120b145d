//! `features`: reads its settings, runs the publisher, and turns a failure into one line and an exit code.

#[path = "../../glue/answer.rs"]
mod answer;
#[path = "../../glue/broker.rs"]
mod broker;
mod config;
mod confirm_watch;
mod dataset;
#[path = "../../glue/health.rs"]
mod health;
#[path = "../../glue/logging.rs"]
mod logging;
mod message;
mod outbox;
mod publisher;
mod sample_id;
#[path = "../../glue/settings.rs"]
mod settings;
#[path = "../../glue/shutdown.rs"]
mod shutdown;
#[path = "../../glue/signals.rs"]
mod signals;

use anyhow::Result;
use config::Config;
use settings::Request;
use std::{env, process::ExitCode};

fn main() -> ExitCode {
    let logging = logging::start(env::var_os("RUST_LOG"));
    let request = settings::read(config::TABLE, env::args_os().skip(1), |name| env::var_os(name));
    let config = match request {
        Ok(Request::Help) => {
            return answer::print(&settings::help("features", config::ABOUT, config::TABLE));
        }
        Ok(Request::Version) => return answer::print(concat!("features ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Request::Healthcheck(values)) => match Config::new(&values) {
            Ok(config) => return health::check(&health_name(&config)),
            Err(error) => Err(error),
        },
        Ok(Request::Run(values)) => logging.and_then(|()| Config::new(&values)),
        Err(error) => Err(error),
    };
    let ended = match config {
        Ok(config) => run(&config),
        Err(error) => Ok(wrong_setting(&error)),
    };
    ended.unwrap_or_else(|error| {
        log::error!("{error:#}");
        ExitCode::FAILURE
    })
}

fn run(config: &Config) -> Result<ExitCode> {
    let stop = shutdown::on_signal()?;
    let dataset = dataset::Dataset::load(config.dataset.as_deref(), config.target.as_deref())?;
    if let Err(error) = config.check_batch(dataset.sample_bytes_max()?) {
        return Ok(wrong_setting(&error));
    }
    log::info!("{config}");
    let health = health::Health::answer(&health_name(config));
    publisher::Publisher::new(config, dataset, health, &stop).run()?;
    Ok(ExitCode::SUCCESS)
}

fn wrong_setting(error: &str) -> ExitCode {
    log::error!("{error}");
    ExitCode::from(2)
}

/// Several may run in one directory, each for a model of its own.
fn health_name(config: &Config) -> String {
    health::name("features", &config.log_dir, &[&config.amqp_url.to_string(), &config.queue_prefix])
}
