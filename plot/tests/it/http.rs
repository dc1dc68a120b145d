//! The server under clients that do not behave, and the health check.

use crate::process::{Directory, HEADER, Plot, command, exchange, until};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

#[test]
fn only_get_and_head_of_known_paths() {
    let directory = Directory::new();
    directory.write("metric_log.csv", HEADER.to_owned() + "a,1,2,1\n");
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
    for target in ["http:/x/", "ftp://x/", "x", "*", "", "http://x/nothing"] {
        assert_eq!(plot.ask("GET", target).0, 404, "{target}");
    }
    // Proxies and some clients name the host in the target, which then counts instead of the header.
    for target in
        ["http://x", "HTTP://localhost:8080/healthz", "http://[::1]/stats.json?x", "http://127.0.0.1?x"]
    {
        assert_eq!(plot.ask("GET", target).0, 200, "{target}");
    }
    assert_eq!(plot.ask("GET", "http://evil.example.com/").0, 421);
    assert_eq!(plot.ask("GET", "http:///").0, 400);
}

#[test]
fn what_did_not_change_is_not_sent_again_nor_its_length() {
    let directory = Directory::new();
    directory.write("metric_log.csv", HEADER.to_owned() + "a,1,2,1\n");
    let plot = Plot::start(&directory, &[]);
    plot.rows(1);
    for method in ["GET", "HEAD"] {
        let unchanged = || {
            let (_, head, _) = plot.ask("GET", "/parts.json");
            let tag = head.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap();
            let again = format!("{method} /parts.json HTTP/1.1\r\nHost: x\r\nIf-None-Match: {tag}\r\n\r\n");
            let (status, head, body) = exchange(&plot.address, again.as_bytes());
            if status == 304 {
                assert!(
                    head.contains(tag)
                        && !head.contains("Content-Length:")
                        && !head.contains("Content-Type:"),
                    "{head}"
                );
                assert!(body.is_empty());
            }
            status == 304
        };
        // The picture may have been written in between.
        until("nothing changes", unchanged);
    }
}

#[test]
fn only_those_who_ask_for_a_name_of_the_page_are_answered() {
    let directory = Directory::new();
    directory.write("metric_log.csv", HEADER);
    let plot = Plot::start(&directory, &["--hosts", "monitor.example.com"]);
    let ask = |path: &str, version: &str, headers: &str| {
        let request = format!("GET {path} HTTP/{version}\r\n{headers}\r\n");
        let (status, head, body) = exchange(&plot.address, request.as_bytes());
        assert!(head.contains("frame-ancestors 'none'") && head.contains("X-Frame-Options: DENY"), "{head}");
        (status, String::from_utf8(body).unwrap())
    };
    for path in ["/", "/parts.json", "/stats.json"] {
        for host in ["127.0.0.1:8080", "[::1]", "localhost:80", "plot", "Monitor.Example.com:443"] {
            assert_eq!(ask(path, "1.1", &format!("Host: {host}\r\n")).0, 200, "{path} of {host}");
        }
        for headers in ["", "Host:\r\n", "Host: x\r\nHost: x\r\n", "Host : x\r\n", "Host: http://x\r\n"] {
            assert_eq!(ask(path, "1.1", headers).0, 400, "{path} with {headers}");
        }
        assert_eq!(ask(path, "1.0", "").0, 200);
        for version in ["1.0", "1.1"] {
            let (status, line) = ask(path, version, "host: evil.example.com:8080\r\n");
            assert_eq!(status, 421);
            assert!(line.contains("PLOT_HOSTS=evil.example.com"), "{line}");
        }
    }
    assert_eq!(ask("/healthz", "1.1", "Host: evil.example.com\r\n").0, 421);
    assert_eq!(ask("/no", "1.1", "Host: x\r\n").0, 404);
    // What follows the head is no part of it.
    assert_eq!(ask("/", "1.1", "Host: x\r\n\r\nHost: evil.example.com\r\n").0, 200);
}

/// Connections that send nothing, or not all of a request.
fn idle(plot: &Plot, n: usize) -> Vec<TcpStream> {
    let connect = |n| {
        let mut stream = TcpStream::connect(&plot.address).unwrap();
        if n % 2 == 0 {
            stream.write_all(b"GET / HT").unwrap();
        }
        stream
    };
    (0..n).map(connect).collect()
}

#[test]
fn slow_and_idle_clients_keep_nobody_out() {
    let directory = Directory::new();
    directory.write("metric_log.csv", HEADER);
    let plot = Plot::start(&directory, &[]);
    // Twice as many as the server keeps, so that some must give way; not who has just sent something, however slow.
    let slow_is_served = || {
        let mut slow = TcpStream::connect(&plot.address).unwrap();
        slow.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut clients = Vec::new();
        let mut parts = ["GET /healthz HTTP/1.1\r\n", "Host: x\r\n", "Accept: */*\r\n", "\r\n"].into_iter();
        let mut answer = String::new();
        let sent = parts.all(|part| {
            clients.extend(idle(&plot, 128));
            // A request is asked for itself, so that what was sent before has been read.
            slow.write_all(part.as_bytes()).is_ok() && plot.ask("GET", "/healthz").0 == 200
        });
        sent && slow.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200 ")
    };
    until("a slow client is served among idle ones", slow_is_served);
    let count = |what: &str| fs::read_dir(format!("/proc/{}/{what}", plot.pid())).unwrap().count();
    assert!(count("task") <= 5, "threads: main, signals, health, page, and one that counts");
    let clients = idle(&plot, 400);
    until("idle clients are let go", || count("fd") < 20);
    drop(clients);
}

/// With 60 idle clients and a backlog of rows.
fn goes_on(directory: &Directory, plot: &Plot) {
    for n in 1..=3 {
        let clients = idle(plot, 60);
        directory.append("metric_log.csv", "x,1,2,1\n".repeat(600));
        plot.rows(600 * n);
        assert_eq!(plot.ask("GET", "/healthz").0, 200);
        drop(clients);
    }
}

#[test]
fn a_shortage_of_threads_ends_nothing_and_shuts_nobody_out() {
    let directory = Directory::new();
    directory.write("metric_log.csv", HEADER);
    let mut strace = Command::new("strace");
    // As under a limit of processes that is reached: all threads but those of the start are refused.
    strace.args(["-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=clone,clone3"]);
    strace.args(["-e", "inject=clone,clone3:error=EAGAIN:when=4+"]);
    let plain = command(&directory);
    let plot = Plot::spawn(&directory, strace.arg(plain.get_program()).args(plain.get_args()));
    goes_on(&directory, &plot);
    assert!(plot.end("TERM").success());
}

#[test]
fn a_shortage_of_descriptors_ends_nothing_and_shuts_nobody_out() {
    let directory = Directory::new();
    directory.write("metric_log.csv", HEADER);
    let few = || {
        let mut prlimit = Command::new("prlimit");
        let plain = command(&directory);
        prlimit.arg("--nofile=16:16").arg(plain.get_program()).args(plain.get_args());
        prlimit
    };
    let plot = Plot::spawn(&directory, &mut few());
    goes_on(&directory, &plot);
    until("it draws", || plot.ask("GET", "/error_distribution.svg").0 == 200);
    assert!(plot.end("TERM").success());
    // Nor do many logs.
    for n in 0..12 {
        directory.write(&format!("a{n}.csv"), HEADER.to_owned() + "x,1,2,1\n");
    }
    let pattern = directory.file("a*.csv");
    let plot = Plot::spawn(&directory, few().arg("--log").arg(pattern));
    let clients = idle(&plot, 60);
    let stats = plot.rows(4);
    assert!(stats["reason"].as_str().unwrap().contains("more than 4 logs match"), "{stats}");
    until("it draws", || plot.ask("GET", "/error_distribution.svg").0 == 200);
    drop(clients);
    assert!(plot.end("TERM").success());
}

#[test]
fn the_health_check_asks_the_process_with_these_settings() {
    let directory = Directory::new();
    directory.write("metric_log.csv", HEADER);
    let plot = Plot::start(&directory, &[]);
    let check = || plot.healthcheck(&directory, &[]);
    until("it is healthy", || check() == "ok: 0 rows read");
    directory.append("metric_log.csv", "a,1,2,1\n");
    until("it has read a row", || check() == "ok: 1 row read");
    fs::remove_file(directory.file("metric_log.csv")).unwrap();
    fs::create_dir(directory.file("metric_log.csv")).unwrap();
    until("it is not", || {
        let line = check();
        line.starts_with("unhealthy: cannot read all logs: ") && line.ends_with(" is not a regular file")
    });
    // A log that may yet come is no trouble.
    fs::remove_dir(directory.file("metric_log.csv")).unwrap();
    until("it waits", || check() == "ok: 1 row read");
    // In the same directory, and for other logs.
    let others = directory.file("b.csv");
    let others = ["--log", others.to_str().unwrap()];
    let nobody = "unhealthy: no process with these settings runs";
    assert_eq!(plot.healthcheck(&directory, &others), nobody);
    let other = Plot::start(&directory, &others);
    until("the other one waits", || other.healthcheck(&directory, &others) == "ok: 0 rows read");
    assert_eq!(check(), "ok: 1 row read");
    plot.signal("STOP");
    assert_eq!(check(), "unhealthy: the process hangs: it does not answer");
    assert_eq!(other.healthcheck(&directory, &others), "ok: 0 rows read");
    plot.signal("CONT");
    plot.signal("TERM");
    until("nobody runs", || check() == nobody);
    let left: Vec<_> = fs::read_dir(&directory.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("health")), "{left:?}");
}

#[test]
fn it_is_not_healthy_while_it_reads_the_log_for_the_first_time() {
    let directory = Directory::new();
    directory.write("metric_log.csv", HEADER.to_owned() + "a,1,2,1\n");
    // Each read of the log is interrupted, and so it reads for ever.
    let mut strace = Command::new("strace");
    strace.args(["-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=pread64"]);
    strace.args(["-e", "inject=pread64:error=EINTR", "-P"]).arg(directory.file("metric_log.csv"));
    let plain = command(&directory);
    let plot = Plot::spawn(&directory, strace.arg(plain.get_program()).args(plain.get_args()));
    let reading = "unhealthy: reading the log for the first time";
    until("it says so", || plot.healthcheck(&directory, &[]) == reading);
    assert_eq!(plot.ask("GET", "/healthz").0, 503);
}
