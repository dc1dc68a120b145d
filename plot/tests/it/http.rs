//! The server under clients that do not behave, and the health check.

use crate::process::{Directory, HEADER, Plot, command, exchange, until};
use std::io::Write;
use std::net::TcpStream;

#[test]
fn only_get_and_head_of_known_paths() {
    let directory = Directory::new();
    directory.write("metric_log.csv", &(HEADER.to_owned() + "a,1,2,1\n"));
    let plot = Plot::start(&directory, &[]);
    plot.rows(1);
    let (status, head, body) = plot.ask("HEAD", "/stats.json");
    assert_eq!((status, body.len()), (200, 0));
    assert!(!head.contains("Content-Length: 0"), "{head}");
    let (status, head, _) = plot.ask("POST", "/");
    assert_eq!(status, 405);
    assert!(head.contains("Allow: GET, HEAD"), "{head}");
    assert_eq!(plot.ask("GET", "/../Cargo.toml").0, 404);
    assert_eq!(exchange(&plot.address, b"\x16\x03\x01\r\n\r\n").0, 400);
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n", "x".repeat(8_300));
    assert_eq!(exchange(&plot.address, long.as_bytes()).0, 431);
    let (_, head, _) = plot.ask("GET", "/parts.json");
    let tag = head.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap();
    let again = format!("GET /parts.json HTTP/1.1\r\nIf-None-Match: {tag}\r\n\r\n");
    assert_eq!(exchange(&plot.address, again.as_bytes()).0, 304);
}

#[test]
fn slow_and_idle_clients_keep_nobody_out() {
    let directory = Directory::new();
    directory.write("metric_log.csv", HEADER);
    let plot = Plot::start(&directory, &[]);
    let mut idle = Vec::new();
    // More than the server keeps, so that the oldest must give way.
    for n in 0..400 {
        let mut stream = TcpStream::connect(&plot.address).unwrap();
        if n % 2 == 0 {
            stream.write_all(b"GET / HT").unwrap();
        }
        idle.push(stream);
    }
    until("others are served", || plot.ask("GET", "/healthz").0 == 200);
    until("idle clients are let go", || {
        std::fs::read_dir(format!("/proc/{}/task", plot.pid())).unwrap().count() < 10
    });
}

#[test]
fn the_health_check_asks_the_page_or_reads_the_file() {
    let directory = Directory::new();
    directory.write("metric_log.csv", HEADER);
    let plot = Plot::start(&directory, &[]);
    let check = |listen: &str| {
        let output = command(&directory).args(["--healthcheck", "--listen", listen]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    until("it is healthy", || check(&plot.address) == (Some(0), "ok\n".to_owned()));
    std::fs::remove_file(directory.path("metric_log.csv")).unwrap();
    std::fs::create_dir(directory.path("metric_log.csv")).unwrap();
    until("it is not", || check(&plot.address).0 == Some(1));
    let address = plot.address.clone();
    drop(plot);
    assert_eq!(check(&address).0, Some(1));
    let (status, line) = check("none");
    assert_eq!(status, Some(1));
    assert!(line.contains(".plot_health") && line.contains("cannot write there"), "{line}");
    directory.write(".plot_health", "ok\n");
    assert_eq!(check("none"), (Some(0), "ok\n".to_owned()));
    let past = std::time::SystemTime::now() - std::time::Duration::from_secs(120);
    std::fs::File::options()
        .write(true)
        .open(directory.path(".plot_health"))
        .unwrap()
        .set_modified(past)
        .unwrap();
    let (status, line) = check("none");
    assert_eq!(status, Some(1));
    assert!(line.contains(" s ago") && line.contains("cannot write there"), "{line}");
}
