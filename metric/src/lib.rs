//! `metric`: joins true values and predictions by id and logs the absolute error of each, exactly once.

mod clock;
mod config;
mod disk;
mod join;
mod journal;
mod progress;
mod queues;
mod service;
mod status;
pub mod wire;

use config::Config;
use glue::{
    health,
    program::{self, Failure, Program},
    settings::{Setting, Values},
};
use std::{path::Path, process::ExitCode};

/// The service's `main`.
pub fn main() -> ExitCode {
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

    /// Only one `metric` can run on a log directory.
    fn health_name(&self) -> String {
        health::name(Config::NAME, &self.log_dir, &[])
    }

    fn owned_directory(&self) -> Option<&Path> {
        self.as_owner.then_some(&self.log_dir)
    }

    fn run(mut self) -> Result<(), Failure> {
        self.broker.read_certificates().map_err(Failure::Setting)?;
        service::run(&self)
    }
}
