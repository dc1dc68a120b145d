//! `plot`: follows the log of absolute errors and keeps a picture of their distribution up to date.
//! Only connects settings, signals and the loop.

mod alert;
mod calendar;
mod chosen_task;
mod config;
mod counting;
mod descriptors;
mod fault_warning;
mod first_line;
mod http;
mod logs;
mod progress;
mod replace;
mod report;
mod report_settings;
mod service;
mod settings;
mod stats;
mod unix_time;
mod view;
mod words;

use config::Config;
use glue::health;
use glue::program::{self, Failure, Program};
use glue::settings::{Setting, Values};
use glue::signals;
use std::path::Path;
use std::process::{self, ExitCode};
use std::sync::mpsc;

/// Exit code of a report that is interrupted, as shells have it of SIGINT.
const ENDED_BY_A_SIGNAL: i32 = 130;

fn main() -> ExitCode {
    program::main::<Config>()
}

impl Program for Config {
    const NAME: &'static str = env!("CARGO_PKG_NAME");
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const ABOUT: &'static str = settings::ABOUT;
    const SETTINGS: &'static [Setting] = settings::TABLE;

    fn read(values: &Values) -> Result<Config, String> {
        config::read(values)
    }

    /// Several may share a log directory, with other logs or pages.
    fn health_name(&self) -> String {
        let listen = self.listen.map(|address| address.to_string()).unwrap_or_default();
        let logs = self.logs.iter().map(String::as_str);
        health::name(Config::NAME, &self.log_dir, &logs.chain([listen.as_str()]).collect::<Vec<_>>())
    }

    fn owned_directory(&self) -> Option<&Path> {
        self.as_owner.then_some(&self.log_dir)
    }

    fn run(self) -> Result<(), Failure> {
        if let Some(report) = &self.report {
            // A read of standard input waits for nothing else.
            signals::handle(|| process::exit(ENDED_BY_A_SIGNAL))?;
            return report::run(&self, report);
        }
        let (stop, stopped) = mpsc::channel();
        signals::handle(move || {
            // Fails only once the loop has ended.
            let _ = stop.send(());
        })?;
        Ok(service::run(&self, &stopped)?)
    }
}
