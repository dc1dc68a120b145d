//! `features`: reads its settings, runs the publisher, and turns a failure into one line and an exit code.

#[path = "../../glue/broker.rs"]
mod broker;
mod config;
mod confirm_watch;
mod dataset;
#[path = "../../glue/health.rs"]
mod health;
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
use std::{env, io::Write, process::ExitCode};

fn main() -> ExitCode {
    let filters = settings::log_filter(env::var("RUST_LOG").ok());
    env_logger::Builder::new().parse_filters(&filters).format_target(false).init();
    let request = settings::read(config::TABLE, env::args_os().skip(1), |name| env::var(name).ok());
    let config = match request {
        Ok(Request::Help) => return print(&settings::help("features", config::ABOUT, config::TABLE)),
        Ok(Request::Version) => return print(concat!("features ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Request::Healthcheck(values)) => match Config::new(&values) {
            Ok(config) => return health::check(&health_name(&config)),
            Err(error) => Err(error),
        },
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
    let health = health::Health::answer(&health_name(config));
    publisher::Publisher::new(config, dataset, health, &stop).run()
}

/// Several may run in one directory, each for a model of its own.
fn health_name(config: &Config) -> String {
    health::name("features", &config.log_dir, &[&config.amqp_url.to_string(), &config.queue_prefix])
}

/// A closed pipe (`features --help | head -1`) is no failure.
fn print(text: &str) -> ExitCode {
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}
