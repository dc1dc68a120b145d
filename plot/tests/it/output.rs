//! What is printed, where it can be printed and where it cannot.

use crate::process::{Directory, HEADER, Plot, command, healthcheck, until};
use std::fs::File;
use std::process::{Command, Stdio};

#[test]
fn usage_errors_end_with_2_and_name_what_is_wrong() {
    let directory = Directory::new();
    for (args, word) in [(["--window", "0"], "--window"), (["--no-such", "1"], "--no-such")] {
        let output = command(&directory).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let line = String::from_utf8(output.stderr).unwrap();
        assert!(line.starts_with("[ERROR] ") && line.contains(word) && line.lines().count() == 1, "{line}");
    }
    assert!(command(&directory).arg("--help").output().unwrap().status.success());
}

#[test]
fn a_log_that_comes_is_told_from_one_that_comes_back() {
    let directory = Directory::new();
    let plot = Plot::start(&directory, &[]);
    let (log, said) = (directory.file("metric_log.csv"), || directory.read("stderr"));
    let mut shown = 0;
    let mut says = |line: &str| {
        until(line, || said().get(shown..).is_some_and(|text| text.contains(line)));
        shown = said().len();
    };
    let name = log.display();
    says(&format!("waiting for {name}"));
    directory.write("metric_log.csv", HEADER);
    says(&format!("{name} is there; reading it"));
    std::fs::remove_file(&log).unwrap();
    says(&format!("waiting for {name}"));
    directory.write("metric_log.csv", HEADER);
    says(&format!("{name} is back; reading it"));
    directory.write("metric_log.csv", "id\n");
    says("its header has no column y_true: \"id\"");
    directory.write("metric_log.csv", HEADER);
    says("all logs can be read again");
    assert!(plot.end("TERM").success());

    directory.write("metric_log.csv", "id\n");
    let plot = Plot::start(&directory, &[]);
    until("it is quoted", || said().contains("its header has no column y_true: \"id\""));
    directory.write("metric_log.csv", HEADER);
    until("it is mended", || said().contains("all logs can be read now"));
    assert!(plot.end("TERM").success());

    let plot = Plot::start(&directory, &[]);
    until("it is followed", || plot.stats()["state"] == "following");
    assert_eq!(said().lines().count(), 1, "{}", said());
}

/// A file that takes nothing, and a pipe that nobody reads any more.
fn full_and_closed() -> [Stdio; 2] {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    [File::options().write(true).open("/dev/full").unwrap().into(), writer.into()]
}

#[test]
fn what_cannot_be_printed_is_no_panic() {
    let directory = Directory::new();
    directory.write("metric_log.csv", HEADER);
    let plot = Plot::start(&directory, &[]);
    until("it is healthy", || plot.healthcheck(&directory, &[]).starts_with("ok: "));
    let healthy = ["--healthcheck", "--listen", &plot.address];
    // Exit codes into a full device and into a closed pipe: who closes a pipe has read enough.
    let cases: [(&[&str], [i32; 2]); 6] = [
        (&["--help"], [1, 0]),
        (&["--version"], [1, 0]),
        (&healthy, [0, 0]),
        (&["--healthcheck", "--listen", "none"], [1, 1]),
        (&["--window", "0"], [2, 2]),
        (&["--listen", &plot.address], [1, 1]),
    ];
    for (args, codes) in cases {
        for (output, code) in full_and_closed().into_iter().zip(codes) {
            let mut asked = command(&directory);
            let ended = asked.args(args).stdout(output).output().unwrap();
            assert_eq!(ended.status.code(), Some(code), "{args:?}");
            let said = String::from_utf8(ended.stderr).unwrap();
            assert!(!said.contains("panicked"), "{said}");
        }
        for ((output, errors), code) in full_and_closed().into_iter().zip(full_and_closed()).zip(codes) {
            let ended = command(&directory).args(args).stdout(output).stderr(errors).status().unwrap();
            assert_eq!(ended.code(), Some(code), "{args:?}");
        }
    }
    // It runs even if it cannot log.
    for errors in full_and_closed() {
        let mut mute = command(&directory);
        let mut child = mute.args(["--listen", "none"]).stderr(errors).spawn().unwrap();
        until("it runs", || healthcheck(&directory, &["--listen", "none"]).starts_with("ok: "));
        assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn in_compose_it_waits_for_the_log_directory_alone_and_is_given_every_setting() {
    let compose = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docker-compose.yml"));
    let readme = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"));
    let (_, service) = compose.split_once("\n  plot:\n").unwrap();
    let (service, _) = service.split_once("\nvolumes:").unwrap();
    let (_, awaited) = service.split_once("    depends_on:\n").unwrap();
    let awaited: Vec<&str> = awaited.lines().take_while(|line| line.starts_with("      ")).collect();
    assert_eq!(awaited, ["      log-dir: {condition: service_completed_successfully}"]);
    let help = command(&Directory::new()).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let variables: Vec<&str> = help.split_whitespace().filter(|word| word.starts_with("PLOT_")).collect();
    assert!(variables.contains(&"PLOT_HOSTS"), "{variables:?}");
    for variable in variables {
        // Those of a run that ends.
        let is_of_report = ["PLOT_REPORT", "PLOT_FAIL_ON"].contains(&variable);
        assert!(
            is_of_report || service.contains(&format!("      {variable}: ")),
            "{variable} is not passed to the container"
        );
        assert!(readme.contains(&format!("`{variable}`")), "{variable} is not in the README");
    }
}
