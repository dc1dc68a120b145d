//! What happens to a log happens to the numbers and the pictures.

use crate::process::{Directory, HEADER, Plot, command, picture, until};
use std::fs;
use std::process::Command;

const LOG: &str = "metric_log.csv";

fn rows(n: usize) -> String {
    (0..n).map(|i| format!("{i},0,{i},{i}\n")).collect()
}

#[test]
fn a_log_is_followed_through_everything_that_happens_to_logs() {
    let directory = Directory::new();
    let plot = Plot::start(&directory, &[]);
    until("a log may yet come", || plot.stats()["state"] == "waiting");
    assert_eq!(plot.ask("GET", "/healthz").0, 200);
    directory.write(LOG, HEADER);
    until("an empty log is followed", || plot.stats()["state"] == "following");
    directory.append(LOG, "a,1,2,1\nb,1,");
    plot.rows(1);
    directory.append(LOG, "3,2\r\n");
    plot.rows(2);
    // Truncated and written anew, shorter.
    directory.write(LOG, &(HEADER.to_owned() + "c,1,2,1\n"));
    plot.rows(1);
    // Written anew in place, longer.
    directory.write(LOG, &(HEADER.to_owned() + &rows(7)));
    plot.rows(7);
    // Rotated: its rows go on counting.
    fs::rename(directory.file(LOG), directory.file("metric_log.csv.1")).unwrap();
    until("a new one may come", || plot.stats()["state"] == "waiting");
    assert_eq!((plot.ask("GET", "/healthz").0, &plot.stats()["all"]["n"]), (200, &7.into()));
    directory.write(LOG, "absolute_error,extra,y_pred,y_true\n1,\"a,b\",3,2\n");
    plot.rows(8);
    assert_eq!(directory.read("stderr").matches("reading all logs again").count(), 2);
    fs::remove_file(directory.file(LOG)).unwrap();
    directory.write(LOG, "id,y_true\n1,2\n");
    until("a bad header is named", || plot.stats()["reason"].to_string().contains("y_pred"));
    assert_eq!(plot.ask("GET", "/healthz").0, 503);
    fs::remove_file(directory.file(LOG)).unwrap();
    fs::create_dir(directory.file(LOG)).unwrap();
    until("what is no file is named", || {
        plot.stats()["reason"].to_string().contains("is not a regular file")
    });
    assert_eq!(plot.ask("GET", "/healthz").0, 503);
    fs::remove_dir(directory.file(LOG)).unwrap();
    directory.write(LOG, &(HEADER.to_owned() + &rows(3)));
    plot.rows(10);
    assert!(plot.end("TERM").success());
}

#[test]
fn what_is_not_a_row_is_counted_by_kind() {
    let directory = Directory::new();
    let long = "x".repeat(600_000);
    let bad = format!("x,1,2,1\nx,1,2\nx,a,2,1\nx,nan,2,1\nx,1,2,-1\nx,1,2,9\n\n{long}\nx,1,2,1\n");
    directory.write(LOG, &(HEADER.to_owned() + &bad));
    let plot = Plot::start(&directory, &[]);
    let stats = plot.rows(2);
    let expected =
        serde_json::json!({"malformed": 3, "not_finite": 1, "negative_error": 1, "contradictory": 1});
    assert_eq!(stats["not_rows"], expected);
    // One warning, however many more come at once.
    for n in 2..7 {
        directory.append(LOG, "x,1,2\nx,1,2,1\n");
        plot.rows(n + 1);
    }
    assert_eq!(directory.read("stderr").matches("lines that are not rows").count(), 1);
}

#[test]
fn the_window_is_a_fresh_pass_over_the_last_rows() {
    let directory = Directory::new();
    directory.write(LOG, &(HEADER.to_owned() + &rows(5000)));
    let plot = Plot::start(&directory, &["--window", "10"]);
    let window = plot.rows(5000)["window"].clone();
    assert_eq!(window["n"], 10);
    assert_eq!(window["mae"], 4994.5);
    assert_eq!(window["absolute_error_max"], 4999.0);
}

#[test]
fn several_logs_are_merged() {
    let directory = Directory::new();
    let timed = |start: usize| -> String {
        let lines = (0..100).map(|i| format!("x,0,{start},{start},{}\n", 1_732_341_600 + i * 2 + start));
        "id,y_true,y_pred,absolute_error,logged_at\n".to_owned() + &lines.collect::<String>()
    };
    directory.write("a1.csv", timed(0));
    directory.write("a2.csv", timed(1));
    let pattern = directory.file("a*.csv");
    let plot = Plot::start(&directory, &["--log", pattern.to_str().unwrap(), "--window", "10"]);
    let stats = plot.rows(200);
    // Oldest first: the window holds the last five of each.
    assert_eq!(stats["window"]["mae"], 0.5);
    directory.write("a3.csv", timed(1));
    plot.rows(300);
    directory.write("a3.csv", "y_true,y_pred,absolute_error\n");
    plot.rows(200);
}

#[test]
fn more_logs_than_can_be_open_are_not_dropped_in_silence() {
    let directory = Directory::new();
    for n in 0..257 {
        directory.write(&format!("a{n:03}.csv"), &(HEADER.to_owned() + "x,0,1,1\n"));
    }
    let pattern = directory.file("a*.csv");
    let plot = Plot::start(&directory, &["--log", pattern.to_str().unwrap()]);
    plot.rows(256);
    let (status, _, body) = plot.ask("GET", "/healthz");
    let reason = String::from_utf8(body).unwrap();
    assert_eq!(status, 503);
    assert!(reason.contains("more than 256 logs match") && reason.contains("a*.csv"), "{reason}");
    fs::remove_file(directory.file("a000.csv")).unwrap();
    until("the last one fits", || plot.ask("GET", "/healthz").0 == 200);
    assert_eq!(plot.stats()["all"]["n"], 256);
}

#[test]
fn a_pipe_named_as_a_log_does_not_stop_the_others() {
    let directory = Directory::new();
    let (pipe, log) = (directory.file("pipe"), directory.file(LOG));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    directory.write(LOG, &(HEADER.to_owned() + &rows(3)));
    let both = format!("{},{}", pipe.display(), log.display());
    let plot = Plot::start(&directory, &["--log", &both]);
    assert_eq!(plot.rows(3)["state"], "trouble");
    assert!(plot.stats()["reason"].as_str().unwrap().ends_with("pipe is not a regular file"));
    directory.append(LOG, "x,1,2,1\n");
    plot.rows(4);
    assert!(plot.end("TERM").success());
}

#[test]
fn a_log_may_come_only_where_its_directory_is() {
    let directory = Directory::new();
    let (absent, pattern) = (directory.file("no/log.csv"), directory.file("no/*/log.csv"));
    for log in [absent, pattern] {
        let plot = Plot::start(&directory, &["--log", log.to_str().unwrap()]);
        until("the directory is missed", || plot.stats()["state"] == "trouble");
        let (status, _, body) = plot.ask("GET", "/healthz");
        assert_eq!(status, 503);
        assert!(String::from_utf8(body).unwrap().contains("/no: No such file"));
        fs::create_dir(directory.file("no")).unwrap();
        until("it is there", || plot.ask("GET", "/healthz").0 == 200);
        fs::remove_dir(directory.file("no")).unwrap();
    }
}

#[test]
fn the_golden_log_is_read() {
    let directory = Directory::new();
    directory.write(LOG, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../contract/metric_log.csv")));
    let plot = Plot::start(&directory, &[]);
    let stats = plot.rows(10);
    assert_eq!(stats["all"]["absolute_error_max"], 2e300);
    assert_eq!(stats["not_rows"]["malformed"], 0);
    assert_eq!(plot.ask("GET", "/").0, 200);
}

#[test]
fn pictures_show_the_counts() {
    let directory = Directory::new();
    directory.write(LOG, &(HEADER.to_owned() + &rows(1000)));
    let plot = Plot::start(&directory, &["--size", "400x300"]);
    plot.rows(1000);
    until("the picture is there", || directory.file("error_distribution.svg").exists());
    let (width, height, pixels) = picture(&directory.file("error_distribution.png"));
    assert_eq!((width, height), (400, 300));
    // A uniform distribution fills the chart with bars.
    let bars = pixels.chunks(3).filter(|pixel| *pixel == [158, 197, 228]).count();
    assert!(bars > 20_000, "{bars} pixels of bars");
    let (status, _, body) = plot.ask("GET", "/error_distribution.png");
    assert_eq!((status, &body[1..4]), (200, b"PNG".as_slice()));
    let svg = fs::read_to_string(directory.file("error_distribution.svg")).unwrap();
    assert!(svg.contains("n = 1,000"), "{svg}");
}

#[test]
fn picture_and_page_say_what_lies_beyond_the_axis() {
    // A tenth of the errors is far away, and so is p95.
    let heavy: String = (0..1000).map(|i| if i % 10 == 0 { 500 + i } else { i % 7 }).map(row_of).collect();
    let far: String = (0..1000).map(|i| 1000 + i % 7).map(row_of).collect();
    let cases = [
        (heavy, vec!["p95 99", "→", "≥ 620: 88", "91.2 % quantile"]),
        (far, vec!["(zero is out of view)", "1002"]),
    ];
    for (log, words) in cases {
        let directory = Directory::new();
        directory.write(LOG, &(HEADER.to_owned() + &log));
        let plot = Plot::start(&directory, &[]);
        plot.rows(1000);
        until("there is a picture", || directory.file("error_distribution.svg").exists());
        let page = String::from_utf8(plot.ask("GET", "/").2).unwrap();
        for (shown, text) in [("picture", directory.read("error_distribution.svg")), ("page", page)] {
            for word in &words {
                assert!(text.contains(word), "{shown}: {word}\n{text}");
            }
        }
    }
}

fn row_of(error: i32) -> String {
    format!("x,0,{error},{error}\n")
}

#[test]
fn the_last_line_of_progress_is_about_the_last_picture() {
    let directory = Directory::new();
    directory.write(LOG, &(HEADER.to_owned() + &rows(1)));
    let _plot = Plot::start(&directory, &[]);
    let says = |line: &str| until(line, || directory.read("stderr").contains(line));
    says("1 row drawn");
    directory.append(LOG, row_of(1));
    says("2 rows drawn");
}

#[test]
fn it_outlives_its_terminal_under_nohup() {
    let directory = Directory::new();
    directory.write(LOG, HEADER);
    let plain = command(&directory);
    let mut command = Command::new("nohup");
    let plot = Plot::spawn(&directory, command.arg(plain.get_program()).args(plain.get_args()));
    plot.signal("HUP");
    for n in 1..=10 {
        directory.append(LOG, row_of(1));
        plot.rows(n);
    }
    assert!(plot.end("TERM").success());
}
