//! `features`: publishes samples of a data set, in place of a deployed model's application.

mod config;
mod confirm_watch;
mod dataset;
mod message;
mod outbox;
mod publisher;
mod sample_id;

use config::Config;
use glue::{
    health::{self, Health},
    program::{self, Failure, Program},
    settings::{Setting, Values},
    shutdown,
};
use std::process::ExitCode;

fn main() -> ExitCode {
    program::main::<Config>()
}

impl Program for Config {
    const NAME: &'static str = env!("CARGO_PKG_NAME");
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const ABOUT: &'static str = config::ABOUT;
    const SETTINGS: &'static [Setting] = config::TABLE;

    fn read(values: &Values) -> Result<Config, String> {
        Config::new(values)
    }

    /// Several may share a log directory, each with its own model.
    fn health_name(&self) -> String {
        health::name(Config::NAME, &self.log_dir, &[&self.broker.to_string(), &self.broker.queue_prefix])
    }

    fn run(mut self) -> Result<(), Failure> {
        self.broker.read_certificates().map_err(Failure::Setting)?;
        let stop = shutdown::on_signal()?;
        let mut dataset = dataset::Dataset::load(self.dataset.as_deref(), self.task, &self.columns)?;
        if let Some(shift) = self.shift {
            dataset.set_shift(shift.deviations).map_err(Failure::Setting)?;
        }
        self.check_batch(dataset.sample_bytes_max()?).map_err(Failure::Setting)?;
        log::info!("broker {}, {}", self.broker, self.line);
        log::info!("{}", dataset.about);
        let health = Health::answer(&self.health_name());
        publisher::Publisher::new(&self, dataset, health, &stop).run();
        Ok(())
    }
}
