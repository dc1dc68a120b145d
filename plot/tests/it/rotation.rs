//! Rotated logs of the log directory count like the log itself.

use crate::process::{Directory, HEADER, Plot, command, until};
use std::fs;
use std::process::Command;

const LOG: &str = "metric_log.csv";

/// A log with as many rows of this error.
fn log(rows: usize, error: u32) -> String {
    HEADER.to_owned() + &format!("x,0,{error},{error}\n").repeat(rows)
}

fn numbered(n: usize) -> String {
    format!("metric_log.{n:06}.csv")
}

#[test]
fn the_numbers_go_on_over_rotations_and_deletions_until_plot_starts_again() {
    let directory = Directory::new();
    directory.write(&numbered(1), log(5, 1));
    directory.write(LOG, log(5, 3));
    let plot = Plot::start(&directory, &[]);
    assert_eq!(plot.rows(10)["all"]["mae"], 2.0);
    fs::rename(directory.file(LOG), directory.file(&numbered(2))).unwrap();
    directory.write(LOG, log(10, 4));
    assert_eq!(plot.rows(20)["all"]["mae"], 3.0);
    // Rows that were on their way, and a name of one's own.
    directory.append(&numbered(2), "x,0,3,3\n");
    plot.rows(21);
    fs::rename(directory.file(&numbered(2)), directory.file("january.csv")).unwrap();
    fs::remove_file(directory.file(&numbered(1))).unwrap();
    until("it is gone", || plot.stats()["gone_logs"] == 1);
    directory.append(LOG, "x,0,4,4\n");
    plot.rows(22);
    let said = directory.read("stderr");
    assert_eq!(
        said.matches("metric_log.000001.csv is gone; its rows count until plot starts again").count(),
        1
    );
    assert!(!said.contains("reading all logs again"), "{said}");
    let page = String::from_utf8(plot.ask("GET", "/").2).unwrap();
    assert!(page.contains("Those of 1 log that is gone count until plot starts again."), "{page}");
    assert!(plot.end("TERM").success());
    let plot = Plot::start(&directory, &[]);
    assert_eq!(plot.rows(11)["gone_logs"], 0);
    // Packed, and put back.
    fs::rename(directory.file("january.csv"), directory.file("metric_log.csv.1")).unwrap();
    plot.rows(17);
    // The log itself in the place of another one: it starts over.
    fs::rename(directory.file("metric_log.csv.1"), directory.file(LOG)).unwrap();
    plot.rows(6);
    assert_eq!(directory.read("stderr").matches("reading all logs again").count(), 1);
}

#[test]
fn any_number_of_rotated_logs_is_read_with_few_open_files() {
    let directory = Directory::new();
    (1..=300).for_each(|n| directory.write(&numbered(n), log(2, 1)));
    directory.write(LOG, log(2, 1));
    let plain = command(&directory);
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 32 && exec \"$@\"", "sh"]).arg(plain.get_program()).args(plain.get_args());
    let plot = Plot::spawn(&directory, &mut limited);
    assert_eq!(plot.rows(602)["state"], "following");
    let open = fs::read_dir(format!("/proc/{}/fd", plot.pid())).unwrap();
    let open = open.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    let logs: Vec<_> =
        open.filter(|path| path.extension().is_some_and(|extension| extension == "csv")).collect();
    assert_eq!(logs, [directory.file(LOG)]);
}
