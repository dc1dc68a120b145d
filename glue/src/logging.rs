//! Logs to stderr. Never logs a record of another crate, whatever `RUST_LOG` says: amiquip's records hold the broker's password, also as
//! bytes of the handshake.

use env_logger::{Builder, Logger};
use log::{Log, Metadata, Record};
use std::ffi::OsString;

const DEFAULT_FILTER: &str = "info";

/// Logs what `rust_log`, the text of `RUST_LOG`, asks for, from the crate `program` and from this one. An empty text counts as unset.
///
/// # Errors
/// One line that names the variable if it is not UTF-8. The default is logged then.
pub fn start(program: &'static str, rust_log: Option<OsString>) -> Result<(), String> {
    let filter = filter(rust_log);
    let mut builder = Builder::new();
    builder.parse_filters(filter.as_deref().unwrap_or(DEFAULT_FILTER));
    let logger = builder.format_timestamp(None).format_target(false).build();
    log::set_max_level(logger.filter());
    // Fails only if a logger was set before.
    let _ = log::set_boxed_logger(Box::new(OwnRecords { program, logger }));
    filter.map(|_| ())
}

fn filter(rust_log: Option<OsString>) -> Result<String, String> {
    match rust_log.filter(|text| !text.is_empty()) {
        None => Ok(DEFAULT_FILTER.to_owned()),
        Some(text) => text.into_string().map_err(|_| "RUST_LOG is not UTF-8".to_owned()),
    }
}

struct OwnRecords {
    program: &'static str,
    logger: Logger,
}

impl Log for OwnRecords {
    fn enabled(&self, metadata: &Metadata) -> bool {
        let target = target(self.program, metadata.target());
        target.is_some_and(|target| {
            self.logger.enabled(&Metadata::builder().level(metadata.level()).target(target).build())
        })
    }

    fn log(&self, record: &Record) {
        if let Some(target) = target(self.program, record.target()) {
            let (level, text) = (record.level(), *record.args());
            self.logger.log(&Record::builder().level(level).target(target).args(text).build());
        }
    }

    fn flush(&self) {
        self.logger.flush();
    }
}

/// The target of a record from the module `path`. Records of this crate count as the program's; those of other crates have none.
fn target<'a>(program: &'a str, path: &'a str) -> Option<&'a str> {
    let is_of =
        |name: &str| path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    if is_of(program) { Some(path) } else { is_of(env!("CARGO_CRATE_NAME")).then_some(program) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn only_records_of_the_program_and_this_crate_are_written() {
        for (path, expected) in [
            ("metric", Some("metric")),
            ("metric::journal", Some("metric::journal")),
            (module_path!(), Some("metric")),
            ("", None),
            ("amiquip::io_loop", None),
            ("mio::poll", None),
            ("metrics", None),
            ("gluex::y", None),
        ] {
            assert_eq!(target("metric", path), expected, "{path}");
        }
    }

    #[test]
    fn an_empty_rust_log_counts_as_unset_and_one_that_is_not_utf_8_is_named() {
        assert_eq!(filter(None).unwrap(), "info");
        assert_eq!(filter(Some("".into())).unwrap(), "info");
        assert_eq!(filter(Some("debug".into())).unwrap(), "debug");
        assert!(filter(Some(OsString::from_vec(b"\xff".to_vec()))).unwrap_err().contains("RUST_LOG"));
    }
}
