//! What a service logs, to stderr. Never a record of another crate, whatever `RUST_LOG` says: those of amiquip hold the
//! broker's password, as bytes of the handshake too.

use env_logger::{Builder, Logger};
use log::{Log, Metadata, Record};
use std::ffi::OsString;

const DEFAULT_FILTER: &str = "info";

/// Logs what the text of `RUST_LOG` asks for; empty counts as unset.
///
/// # Errors
/// One line that names the variable if it is not UTF-8. The default is logged then.
pub fn start(rust_log: Option<OsString>) -> Result<(), String> {
    let filter = filter(rust_log);
    let mut builder = Builder::new();
    builder.parse_filters(filter.as_deref().unwrap_or(DEFAULT_FILTER));
    let logger = builder.format_timestamp(None).format_target(false).build();
    log::set_max_level(logger.filter());
    // Fails only where a logger was set before.
    let _ = log::set_boxed_logger(Box::new(OwnRecords(logger)));
    filter.map(|_| ())
}

fn filter(rust_log: Option<OsString>) -> Result<String, String> {
    match rust_log.filter(|text| !text.is_empty()) {
        None => Ok(DEFAULT_FILTER.to_owned()),
        Some(text) => text.into_string().map_err(|_| "RUST_LOG is not UTF-8".to_owned()),
    }
}

struct OwnRecords(Logger);

impl Log for OwnRecords {
    fn enabled(&self, metadata: &Metadata) -> bool {
        is_own(metadata.target()) && self.0.enabled(metadata)
    }

    fn log(&self, record: &Record) {
        if is_own(record.target()) {
            self.0.log(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// A target is the path of the module that logs.
fn is_own(target: &str) -> bool {
    let path = target.strip_prefix(env!("CARGO_CRATE_NAME"));
    path.is_some_and(|path| path.is_empty() || path.starts_with("::"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn only_records_of_this_crate_are_written() {
        assert!(is_own(module_path!()) && is_own(env!("CARGO_CRATE_NAME")));
        for other in
            ["", "amiquip", "amiquip::io_loop", "mio::poll", concat!(env!("CARGO_CRATE_NAME"), "x::y")]
        {
            assert!(!is_own(other), "{other}");
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
