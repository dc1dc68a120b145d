//! `plot`: follows the log of absolute errors and keeps a picture of their distribution up to date.
//! Only connects settings, signals and the loop.

mod config;
mod counting;
mod descriptors;
mod fault_warning;
mod http;
mod logs;
mod service;
mod stats;
mod view;

use config::Config;
use glue::program::{self, Failure, Program};
use glue::settings::{Setting, Values};
use glue::signals;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc;

fn main() -> ExitCode {
    program::main::<Config>()
}

impl Program for Config {
    const NAME: &'static str = config::NAME;
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const ABOUT: &'static str = config::ABOUT;
    const SETTINGS: &'static [Setting] = config::TABLE;

    fn read(values: &Values) -> Result<Config, String> {
        config::read(values)
    }

    fn health_name(&self) -> String {
        self.instance_name()
    }

    fn owned_directory(&self) -> Option<&Path> {
        self.as_owner.then_some(&self.log_dir)
    }

    fn run(self) -> Result<(), Failure> {
        let (stop, stopped) = mpsc::channel();
        signals::handle(move || {
            // Fails only once the loop has ended.
            let _ = stop.send(());
        })?;
        Ok(service::run(&self, &stopped)?)
    }
}
