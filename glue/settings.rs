//! Reads settings: each has a flag, an environment variable and a default, and a flag overrides its variable.
//! The table of them is in `config.rs`; this file never knows what one means.

use lexopt::{Arg, Parser};
use std::{collections::HashMap, ffi::OsString, fmt::Display};

/// One setting: a row of the table that `--help` prints and that [`read`] goes by.
pub struct Setting {
    /// Long flag without its dashes.
    pub flag: &'static str,
    pub variable: &'static str,
    /// Used where neither flag nor variable is given; empty where there is none.
    pub default: &'static str,
    /// What `--help` calls the value.
    pub value: &'static str,
    pub help: &'static str,
}

/// What the command line asks for.
pub enum Request {
    Help,
    Version,
    /// Ask the running process that has these settings.
    Healthcheck(Values),
    Run(Values),
}

/// The text of every setting by its flag.
pub struct Values(HashMap<&'static str, Given>);

struct Given {
    text: String,
    /// What a person wrote to give it (`--order` or `FEATURES_ORDER`), for messages.
    source: &'static str,
}

/// Reads `args` (without the program's name) and, for flags that are absent, `env`. An empty variable counts as unset.
///
/// # Errors
/// One line that names the flag or variable at fault.
pub fn read(
    table: &'static [Setting],
    args: impl IntoIterator<Item = OsString>,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Request, String> {
    let mut given = HashMap::new();
    for setting in table {
        let variable = env(setting.variable).filter(|text| !text.is_empty());
        let source = if variable.is_some() { setting.variable } else { setting.flag };
        let text = variable.unwrap_or_else(|| setting.default.to_owned());
        given.insert(setting.flag, Given { text, source });
    }
    let mut checks = false;
    let mut parser = Parser::from_args(args);
    while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help),
            Arg::Short('V') | Arg::Long("version") => return Ok(Request::Version),
            Arg::Long("healthcheck") => checks = true,
            Arg::Long(flag) => {
                let Some(setting) = table.iter().find(|s| s.flag == flag) else {
                    return Err(format!("unknown flag --{flag}; --help lists them all"));
                };
                let value = parser.value().map_err(|e| e.to_string())?;
                let text =
                    value.into_string().map_err(|v| format!("--{}: {v:?} is not UTF-8", setting.flag))?;
                given.insert(setting.flag, Given { text, source: setting.flag });
            }
            other => return Err(format!("{}; --help lists the settings", other.unexpected())),
        }
    }
    Ok(if checks { Request::Healthcheck(Values(given)) } else { Request::Run(Values(given)) })
}

/// What is logged: the text of `RUST_LOG`, where empty counts as unset.
pub fn log_filter(rust_log: Option<String>) -> String {
    rust_log.filter(|text| !text.is_empty()).unwrap_or_else(|| "info,amiquip=off".to_owned())
}

impl Values {
    /// The text of a setting of the table; empty where it has neither value nor default.
    pub fn text(&self, flag: &str) -> &str {
        self.0.get(flag).map_or("", |given| &given.text)
    }

    /// The setting as `parse` reads it.
    ///
    /// # Errors
    /// One line that names the flag or variable, its value, and what is `allowed`.
    pub fn parse<T>(
        &self,
        flag: &str,
        allowed: impl Display,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, String> {
        let source = self.0.get(flag).map_or("", |given| given.source);
        let dashes = if source == flag { "--" } else { "" };
        let text = self.text(flag);
        parse(text).ok_or_else(|| format!("{dashes}{source} is {text:?}; allowed: {allowed}"))
    }
}

/// What `--help` prints: a line on the program, then one on each setting.
pub fn help(program: &str, about: &str, table: &[Setting]) -> String {
    let mut lines = format!("{about}\n\nUsage: {program} [--FLAG VALUE]...\n\n");
    let left = |s: &Setting| format!("--{} {}", s.flag, s.value);
    let width = table.iter().map(|s| left(s).len()).max().unwrap_or(0);
    let variable_width = table.iter().map(|s| s.variable.len()).max().unwrap_or(0);
    for setting in table {
        let default = if setting.default.is_empty() { "none" } else { setting.default };
        lines.push_str(&format!(
            "  {:width$}  {:variable_width$}  {} [{default}]\n",
            left(setting),
            setting.variable,
            setting.help
        ));
    }
    let rest = [
        "--healthcheck  ask the process that runs with these settings; exit code 0: it is well, 1: it is not",
        "-h, --help     this text",
        "-V, --version  the version",
    ];
    lines.push_str(&format!(
        "  {}\n\nA flag overrides its variable. The default is in brackets.\n",
        rest.join("\n  ")
    ));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_rust_log_counts_as_unset() {
        assert_eq!(log_filter(Some(String::new())), log_filter(None));
        assert_eq!(log_filter(Some("debug".to_owned())), "debug");
    }

    #[test]
    fn the_health_check_goes_by_the_same_settings() {
        const TABLE: &[Setting] =
            &[Setting { flag: "log-dir", variable: "LOG_DIR", default: ".", value: "DIR", help: "" }];
        let read = |args: &[&str]| read(TABLE, args.iter().map(OsString::from), |_| None);
        assert!(
            matches!(read(&["--healthcheck", "--log-dir", "/d"]), Ok(Request::Healthcheck(v)) if v.text("log-dir") == "/d")
        );
    }
}
