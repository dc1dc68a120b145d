//! Reads settings: each has a flag, an environment variable and a default. A flag overrides its variable.
//! Each service has its own table of settings; this file never knows what one means.

use lexopt::{Arg, Parser};
use std::{
    ffi::OsString,
    fmt::{self, Display},
    mem::take,
};

/// One setting: a row of the table that `--help` prints and [`read`] follows.
#[derive(Clone, Copy)]
pub struct Setting {
    /// Long flag without its dashes.
    pub flag: &'static str,
    /// The name of the environment variable.
    pub variable: &'static str,
    /// Used where neither flag nor variable is given; empty where there is none.
    pub default: &'static str,
    /// What `--help` calls the value.
    pub value: &'static str,
    /// The rest of its line.
    pub help: &'static str,
    /// An empty variable is a value, like an empty flag. Otherwise it counts as unset.
    pub may_be_empty: bool,
    /// May hold a password: never printed.
    pub is_secret: bool,
    /// The flag takes several values, also when it is repeated. They are joined with commas. Without a default.
    pub is_list: bool,
}

/// A row of the table.
pub const fn setting(
    flag: &'static str,
    variable: &'static str,
    default: &'static str,
    value: &'static str,
    help: &'static str,
) -> Setting {
    Setting { flag, variable, default, value, help, may_be_empty: false, is_secret: false, is_list: false }
}

/// What the command line asks for.
pub enum Request {
    /// `--help`.
    Help,
    /// `--version`.
    Version,
    /// `--healthcheck`: ask the running process that has these settings.
    Healthcheck(Values),
    /// Nothing but settings.
    Run(Values),
}

/// The text of every setting, in the order of the table. Its `Display` names all that are not secret.
pub struct Values(Vec<Given<String>>);

struct Given<Text> {
    setting: &'static Setting,
    text: Text,
    /// Given by a flag or by default, not by the variable.
    is_flag: bool,
}

impl<Text> Given<Text> {
    /// What a person wrote to give it, for messages: `--order` or `FEATURES_ORDER`.
    fn source(&self) -> String {
        if self.is_flag { format!("--{}", self.setting.flag) } else { self.setting.variable.to_owned() }
    }
}

/// Reads `args` (without the program's name) and, for absent flags, the variables that `env` returns.
///
/// # Errors
/// One line that names the flag or variable at fault.
pub fn read(
    table: &'static [Setting],
    args: impl IntoIterator<Item = OsString>,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<Request, String> {
    let from_variable = |setting: &'static Setting| {
        let variable = env(setting.variable).filter(|text| setting.may_be_empty || !text.is_empty());
        let is_flag = variable.is_none();
        Given { setting, text: variable.unwrap_or_else(|| setting.default.into()), is_flag }
    };
    let mut given: Vec<Given<OsString>> = table.iter().map(from_variable).collect();
    let mut is_healthcheck = false;
    let mut parser = Parser::from_args(args);
    while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help),
            Arg::Short('V') | Arg::Long("version") => return Ok(Request::Version),
            Arg::Long("healthcheck") => is_healthcheck = true,
            Arg::Long(flag) => {
                let Some(given) = given.iter_mut().find(|given| given.setting.flag == flag) else {
                    return Err(format!("unknown flag --{flag}; --help lists them all"));
                };
                if given.setting.is_list {
                    // What the variable says is overridden.
                    let mut texts = if given.is_flag { take(&mut given.text) } else { OsString::new() };
                    for text in parser.values().map_err(|e| e.to_string())? {
                        if !texts.is_empty() {
                            texts.push(",");
                        }
                        texts.push(text);
                    }
                    given.text = texts;
                } else {
                    given.text = parser.value().map_err(|e| e.to_string())?;
                }
                given.is_flag = true;
            }
            Arg::Value(value) if value.to_string_lossy().contains("://") => {
                // Not repeated: it may hold a password.
                return Err("a URL without a flag before it; --help lists the settings".to_owned());
            }
            other => return Err(format!("{}; --help lists the settings", other.unexpected())),
        }
    }
    let values = Values(given.into_iter().map(in_utf_8).collect::<Result<_, _>>()?);
    Ok(if is_healthcheck { Request::Healthcheck(values) } else { Request::Run(values) })
}

/// The error does not repeat the value: it may hold a password.
fn in_utf_8(given: Given<OsString>) -> Result<Given<String>, String> {
    let source = given.source();
    let text = given.text.into_string().map_err(|_| format!("{source} is not UTF-8"))?;
    Ok(Given { setting: given.setting, text, is_flag: given.is_flag })
}

impl Values {
    fn given(&self, flag: &str) -> Option<&Given<String>> {
        self.0.iter().find(|given| given.setting.flag == flag)
    }

    /// The text of a setting of the table; empty where it has neither value nor default.
    pub fn text(&self, flag: &str) -> &str {
        self.given(flag).map_or("", |given| &given.text)
    }

    /// The text of a setting; `None` where it is empty.
    pub fn optional(&self, flag: &str) -> Option<&str> {
        Some(self.text(flag)).filter(|text| !text.is_empty())
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
        let (source, text) = (self.given(flag).map_or(String::new(), Given::source), self.text(flag));
        parse(text).ok_or_else(|| format!("{source} is {text:?}; allowed: {allowed}"))
    }

    /// The setting as one of `choices`, which go by their names.
    ///
    /// # Errors
    /// Those of [`Values::parse`].
    pub fn choose<T: Copy>(&self, flag: &str, choices: &[(&str, T)]) -> Result<T, String> {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let find = |text: &str| choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
        self.parse(flag, names.join(" or "), find)
    }
}

/// The settings that have a value, without secrets.
impl Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printed = self.0.iter().filter(|given| !given.setting.is_secret && !given.text.is_empty());
        for (at, Given { setting, text, .. }) in printed.enumerate() {
            write!(f, "{}{} {}", if at > 0 { ", " } else { "" }, setting.flag, text.escape_debug())?;
        }
        Ok(())
    }
}

/// What `--help` prints: a line on the program, then one on each setting.
pub fn help(program: &str, about: &str, table: &[Setting]) -> String {
    let left = |s: &Setting| format!("--{} {}", s.flag, s.value);
    let width = table.iter().map(|s| left(s).len()).max().unwrap_or(0);
    let variable_width = table.iter().map(|s| s.variable.len()).max().unwrap_or(0);
    let line = |s: &Setting| {
        let default = if s.default.is_empty() { "none" } else { s.default };
        format!("  {:width$}  {:variable_width$}  {} [{default}]\n", left(s), s.variable, s.help)
    };
    let settings: String = table.iter().map(line).collect();
    format!(
        "{about}\n\nUsage: {program} [--FLAG VALUE]...\n\n{settings}  \
         --healthcheck  ask the process that runs with these settings; exit code 0: healthy, 1: not healthy\n  \
         -h, --help     print this help\n  \
         -V, --version  print the version\n\n\
         A flag overrides its variable. The default is in brackets.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    const TABLE: &[Setting] =
        &[setting("log-dir", "LOG_DIR", ".", "DIR", ""), setting("amqp-url", "AMQP_URL", "", "URL", "")];

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
    fn a_list_takes_several_values_and_is_continued() {
        const TABLE: &[Setting] = &[
            Setting { is_list: true, ..setting("log", "LOG", "", "FILE...", "") },
            setting("size", "SIZE", "", "", ""),
        ];
        for (args, expected) in [
            (&[][..], "v"),
            (&["--log", "a"], "a"),
            (&["--log", "a", "b,c", "--size", "1"], "a,b,c"),
            (&["--log", "a", "--size", "1", "--log=b", "--log", "-"], "a,b,-"),
        ] {
            let args = args.iter().map(OsString::from);
            let Ok(Request::Run(values)) = read(TABLE, args, |name| (name == "LOG").then(|| "v".into()))
            else {
                panic!("not to be run")
            };
            assert_eq!(values.text("log"), expected);
        }
        assert!(read(TABLE, ["--log".into()], |_| None).is_err());
        assert!(read(TABLE, ["--size", "1", "2"].map(OsString::from), |_| None).is_err());
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
            // A flag that overrides it, and `--help`, do not read it.
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

    #[test]
    fn values_print_as_they_are_given_and_without_secrets() {
        const TABLE: &[Setting] = &[
            Setting { is_secret: true, ..setting("amqp-url", "AMQP_URL", "amqp://u:secret@h", "URL", "") },
            setting("log-dir", "LOG_DIR", "", "DIR", ""),
            setting("order", "ORDER", "random", "ORDER", ""),
        ];
        let Ok(Request::Run(values)) = read(TABLE, [], |_| None) else { panic!("not to be run") };
        assert_eq!(values.to_string(), "order random");
        assert_eq!(values.choose("order", &[("random", 1), ("sequential", 2)]), Ok(1));
        let error = values.choose("order", &[("first", 1), ("last", 2)]).unwrap_err();
        assert_eq!(error, "--order is \"random\"; allowed: first or last");
    }
}
