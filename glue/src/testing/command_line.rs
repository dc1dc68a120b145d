//! Tests of the command line that `features` and `metric` share, whatever their settings mean.

use super::{Node, Service, healthcheck, prefix, wait_for};
use std::{
    ffi::OsStr,
    fs::File,
    io,
    os::unix::ffi::OsStrExt,
    process::{Command, Output, Stdio},
};

/// Its letters stay the same when its quote, backslash and accent are escaped.
const PASSWORD: &str = "Zq7Wort\"\\é";
const PASSWORD_IN_URL: &str = "Zq7Wort%22%5C%C3%A9";
const LETTERS: &str = "Zq7Wort";

/// Prints answers into a pipe without a reader, and to a full device.
pub fn answers_reach_no_panic(binary: &str) {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let closed = || io::pipe().unwrap().1;
    let ask = |flag: &str, stdout: Stdio, stderr: Stdio| -> Output {
        let mut command = Command::new(binary);
        command.env_clear().args([flag, "--log-dir", "/nowhere"]).stdin(Stdio::null());
        command.stdout(stdout).stderr(stderr).spawn().unwrap().wait_with_output().unwrap()
    };
    for flag in ["--help", "--version"] {
        let output = ask(flag, full().into(), Stdio::piped());
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), line.lines().count()), (Some(1), 1), "{flag}: {line}");
        assert!(line.contains("cannot write to stdout"), "{flag}: {line}");
        let output = ask(flag, closed().into(), Stdio::piped());
        assert_eq!((output.status.code(), output.stderr), (Some(0), vec![]), "{flag}");
        assert_eq!(ask(flag, full().into(), full().into()).status.code(), Some(1), "{flag}");
        assert_eq!(ask(flag, closed().into(), closed().into()).status.code(), Some(0), "{flag}");
    }
    // The exit code reports the health: nothing runs.
    for (stdout, stderr) in [
        (full().into(), Stdio::piped()),
        (closed().into(), Stdio::piped()),
        (full().into(), full().into()),
        (closed().into(), closed().into()),
    ] {
        let output = ask("--healthcheck", stdout, stderr);
        assert_eq!((output.status.code(), output.stderr), (Some(1), vec![]));
    }
}

/// The exit codes of `--healthcheck` with a full stdout, and with one that has no reader.
pub fn healthcheck_codes(binary: &str, settings: &[(&str, &str)]) -> [Option<i32>; 2] {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let closed = io::pipe().unwrap().1;
    [full.into(), closed.into()].map(|stdout: Stdio| {
        let mut command = Command::new(binary);
        command.env_clear().arg("--healthcheck").stdout(stdout);
        for (flag, value) in settings {
            command.args([&format!("--{flag}"), *value]);
        }
        command.status().unwrap().code()
    })
}

/// Tries each variable of `--help`, and `RUST_LOG`.
pub fn variables_that_are_not_utf_8_are_named(binary: &str) {
    let help = Command::new(binary).env_clear().arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let lines = help.lines().filter(|line| line.starts_with("  --") && line.ends_with(']'));
    let mut variables: Vec<&str> = lines.map(|line| line.split_whitespace().nth(2).unwrap()).collect();
    assert!(variables.contains(&"LOG_DIR") && variables.contains(&"AMQP_URL"), "{variables:?}");
    variables.push("RUST_LOG");
    for variable in variables {
        let value = OsStr::from_bytes(b"amqp://u:secret@h/\xff");
        let mut service = Service::start_with_variables(binary, &[(variable, value)], &[]);
        assert_eq!(service.wait().code(), Some(2), "{variable}");
        let lines = service.lines();
        assert!(lines.len() == 1 && lines[0].contains(variable), "{variable}: {lines:?}");
        assert!(lines[0].contains("is not UTF-8") && !lines[0].contains("secret"), "{lines:?}");
    }
}

/// The tests of the running binary that these filters name, all of which need a broker, as `cargo test` starts them.
pub fn without_a_broker_tests_say_what_to_run(filters: &[&str]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.env_remove("TEST_AMQP_URL").args(filters).output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(text.matches("make test ").count(), 1, "{text}");
    assert!(!text.contains("panicked"), "{text}");
}

/// Reads the log of a whole run, from the handshake to the end, and of one whose password the broker refuses.
pub fn no_log_holds_the_password(binary: &str, settings: &[(&str, &str)]) {
    let (node, prefix) = (Node::shared(), prefix());
    let user = format!("{prefix}monitor");
    node.ctl(&["add_user", &user, PASSWORD]);
    node.ctl(&["set_permissions", &user, ".*", ".*", ".*"]);
    let url = node.url.replace("guest:guest@", &format!("{user}:{PASSWORD_IN_URL}@"));
    let mut settings = settings.to_vec();
    settings.extend([("amqp-url", url.as_str()), ("queue-prefix", &prefix)]);
    let start =
        |filter: &str| Service::start_with_variables(binary, &[("RUST_LOG", OsStr::new(filter))], &settings);
    for filter in [
        "debug",
        "trace",
        "amiquip=trace",
        "amiquip::io_loop::handshake_state=debug",
        "info,amiquip=debug,amiquip::io_loop=trace",
    ] {
        let mut service = start(filter);
        // A count of what was done, which it says once it is connected.
        let is_counting = |line: String| line.starts_with("ok: ") && line.as_bytes()[4].is_ascii_digit();
        wait_for("health", || is_counting(healthcheck(binary, &settings)).then_some(()));
        service.signal("TERM");
        assert_eq!(service.wait().code(), Some(0));
        assert_no_password(filter, &service.lines());
        // The service's own lines are logged all the same.
        let logs_itself = !filter.starts_with("amiquip");
        assert_eq!(service.count_lines("connected to") > 0, logs_itself, "{filter}: {:?}", service.lines());
    }
    node.ctl(&["change_password", &user, "another"]);
    let mut service = start("trace");
    service.wait_for_line("no connection to");
    service.signal("TERM");
    assert_eq!(service.wait().code(), Some(0));
    assert_no_password("a wrong password", &service.lines());
}

fn assert_no_password(filter: &str, lines: &[String]) {
    let bytes = LETTERS.as_bytes();
    let hex =
        |separator: &str| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(separator);
    let list = format!("{bytes:?}");
    let forms = [
        LETTERS.to_owned(),
        PASSWORD_IN_URL.to_owned(),
        list.trim_matches(['[', ']']).to_owned(),
        hex(", "),
        hex(" "),
        hex(""),
    ];
    for line in lines {
        let line = line.to_lowercase();
        let found = forms.iter().find(|form| line.contains(&form.to_lowercase()));
        assert!(found.is_none(), "RUST_LOG={filter}: {line}");
    }
}
