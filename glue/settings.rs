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
pub struct Values(HashMap<&'static str, Given<String>>);

struct Given<Text> {
    text: Text,
    /// What a person wrote to give it (`--order` or `FEATURES_ORDER`), for messages.
    source: &'static str,
}

/// Reads `args` (without the program's name) and, for flags that are absent, the variables that `env` gives. An empty one counts as
/// unset.
///
/// # Errors
/// One line that names the flag or variable at fault.
pub fn read(
    table: &'static [Setting],
    args: impl IntoIterator<Item = OsString>,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<Request, String> {
    let mut given = HashMap::new();
    for setting in table {
        let variable = env(setting.variable).filter(|text| !text.is_empty());
        let source = if variable.is_some() { setting.variable } else { setting.flag };
        let text = variable.unwrap_or_else(|| setting.default.into());
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
                let text = parser.value().map_err(|e| e.to_string())?;
                given.insert(setting.flag, Given { text, source: setting.flag });
            }
            Arg::Value(value) if value.to_string_lossy().contains("://") => {
                // Not repeated: it may hold a password.
                return Err("a URL without a flag before it; --help lists the settings".to_owned());
            }
            other => return Err(format!("{}; --help lists the settings", other.unexpected())),
        }
    }
    let values = Values(given.into_iter().map(in_utf_8).collect::<Result<_, _>>()?);
    Ok(if checks { Request::Healthcheck(values) } else { Request::Run(values) })
}

/// The value is not repeated: it may hold a password.
fn in_utf_8(
    (flag, Given { text, source }): (&'static str, Given<OsString>),
) -> Result<(&'static str, Given<String>), String> {
    let dashes = dashes(flag, source);
    let text = text.into_string().map_err(|_| format!("{dashes}{source} is not UTF-8"))?;
    Ok((flag, Given { text, source }))
}

/// What to write before `source`.
fn dashes(flag: &str, source: &str) -> &'static str {
    if source == flag { "--" } else { "" }
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
        let dashes = dashes(flag, source);
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
    use std::os::unix::ffi::OsStringExt;

    const TABLE: &[Setting] = &[
        Setting { flag: "log-dir", variable: "LOG_DIR", default: ".", value: "DIR", help: "" },
        Setting { flag: "amqp-url", variable: "AMQP_URL", default: "", value: "URL", help: "" },
    ];

    fn no_utf_8() -> OsString {
        OsString::from_vec(b"amqp://u:secret@h/\xff".to_vec())
    }

    #[test]
    fn the_health_check_goes_by_the_same_settings() {
        let args = ["--healthcheck", "--log-dir", "/d"].map(OsString::from);
        assert!(
            matches!(read(TABLE, args, |_| None), Ok(Request::Healthcheck(v)) if v.text("log-dir") == "/d")
        );
    }

    #[test]
    fn what_is_not_utf_8_is_named_and_not_repeated() {
        for setting in TABLE {
            let env = |name: &str| (name == setting.variable).then(no_utf_8);
            let flag = format!("--{}", setting.flag);
            for (args, source) in
                [(vec![], setting.variable), (vec![OsString::from(&flag), no_utf_8()], flag.as_str())]
            {
                let error = read(TABLE, args, env).err().unwrap();
                assert_eq!(error, format!("{source} is not UTF-8"));
            }
            // Neither is used here.
            let args = [&flag, "fine"].map(OsString::from);
            assert!(matches!(read(TABLE, args, env), Ok(Request::Run(v)) if v.text(setting.flag) == "fine"));
            assert!(matches!(read(TABLE, ["--help".into()], env), Ok(Request::Help)));
        }
    }

    #[test]
    fn a_url_without_its_flag_is_not_repeated() {
        let error = read(TABLE, ["amqp://u:secret@h".into()], |_| None).err().unwrap();
        assert!(error.contains("URL") && !error.contains("secret"), "{error}");
    }
}
