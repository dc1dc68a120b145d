//! Receivers that fail, refuse, hang or have the wrong certificate, and what outlives a kill.

use crate::process::{Plot, command, free_address, until};
use crate::receiver::{
    LOG, OK, Receiver, authority, bad_log, log_has, remembered, resolve, rows, start, with_receiver,
};
use serde_json::json;

#[test]
fn what_waits_outlives_a_kill_and_comes_once_and_in_order() {
    let directory = bad_log();
    let (address, to) = (free_address(), free_address());
    let start = || {
        let url = format!("http://{to}/");
        Plot::spawn_at(
            &directory,
            &mut with_receiver(&directory, "mae>60,rmse>60.5,p95>60", &url),
            address.clone(),
        )
    };
    // Nobody listens.
    let plot = start();
    log_has(&directory, "is not delivered: Connection refused");
    until("all wait", || remembered(&directory, &address)["waiting"].as_array().map(Vec::len) == Some(3));
    plot.end("KILL");
    // It still fires: no new alert.
    let plot = start();
    plot.rows(200);
    assert_eq!(plot.stats()["alerts"].as_array().unwrap().len(), 3);
    log_has(&directory, "3 alerts of before the start not delivered yet");
    plot.end("KILL");
    // It comes back while nobody looks.
    directory.append(LOG, rows(200, 1.0));
    let plot = start();
    plot.rows(400);
    directory.append(LOG, rows(100, 1.0));
    until("all wait", || remembered(&directory, &address)["waiting"].as_array().map(Vec::len) == Some(6));
    let receiver = Receiver::start_at(&to, OK, None);
    let all = [
        "mae>60 firing",
        "rmse>60.5 firing",
        "p95>60 firing",
        "mae>60 resolved",
        "rmse>60.5 resolved",
        "p95>60 resolved",
    ];
    assert_eq!(receiver.changes(6), all);
    until("nothing waits", || remembered(&directory, &address)["waiting"] == json!([]));
    log_has(&directory, "alerts are delivered again");
    plot.end("KILL");
    // What was delivered is not sent again; what fires anew is.
    directory.append(LOG, rows(200, 61.0));
    let plot = start();
    assert_eq!(receiver.changes(9)[6..], all[..3]);
    until("nothing waits", || remembered(&directory, &address)["waiting"] == json!([]));
    plot.end("KILL");
    // A rule that is none any more resolves.
    let url = format!("http://{to}/");
    let plot = Plot::spawn_at(&directory, &mut with_receiver(&directory, "mae>60", &url), address.clone());
    assert_eq!(receiver.changes(11)[9..], ["rmse>60.5 resolved", "p95>60 resolved"]);
    resolve(&directory, &plot);
    assert_eq!(receiver.changes(12)[11..], ["mae>60 resolved"]);
    let mut ids = receiver.ids(12);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 12);
}

#[test]
fn a_receiver_that_cannot_is_asked_again_and_one_that_will_not_is_not() {
    let directory = bad_log();
    let receiver = Receiver::start(|n| {
        Some(match n {
            0 => "500 Broken",
            1 => "429 Slow\r\nRetry-After: 1",
            3 => "400 What",
            4 => "302 Found\r\nLocation: http://127.0.0.1:1/",
            5 => "503 Later\r\nRetry-After: 86400",
            _ => "204 Fine",
        })
    });
    let _plot = start(&directory, "mae>60,mae>59,mae>58,mae>57", &receiver);
    // The last one waits for an hour.
    log_has(&directory, "the receiver answers 503; 1 alert waiting, trying again in 1 h");
    let [rules, ids] = [receiver.changes(6), receiver.ids(6)];
    let expected = ["mae>60", "mae>60", "mae>60", "mae>59", "mae>58", "mae>57"];
    assert_eq!(rules, expected.map(|rule| format!("{rule} firing")));
    assert!(ids[0] == ids[1] && ids[1] == ids[2], "{ids:?}");
    let log = directory.read("stderr");
    for line in [
        format!("[WARN ] alert {} is not delivered: the receiver answers 500; ", ids[0]),
        format!("[WARN ] alert {} is not delivered: the receiver answers 429; ", ids[0]),
        "[INFO ] alerts are delivered again".to_owned(),
        format!("[WARN ] alert {} is dropped: the receiver answers 400\n", ids[3]),
        format!(
            "[WARN ] alert {} is dropped: the receiver answers 302; redirects are not followed\n",
            ids[4]
        ),
    ] {
        assert_eq!(log.matches(&line).count(), 1, "{line}: {log}");
    }
}

#[test]
fn nothing_waits_for_a_receiver_that_never_answers() {
    let directory = bad_log();
    let receiver = Receiver::start(|_| None);
    let plot = start(&directory, "mae>60", &receiver);
    receiver.ids(1);
    directory.append(LOG, rows(100, 61.0));
    let stats = plot.rows(300);
    assert_eq!(stats["alerts"][0]["state"], "firing");
    log_has(&directory, "300 rows drawn");
    assert_eq!(plot.ask("GET", "/").0, 200);
    // The request is still on its way, or will be again.
    assert!(plot.end("TERM").success());
}

#[test]
fn a_certificate_must_be_of_an_authority_that_is_trusted() {
    let (directory, authority, other) = (bad_log(), authority(), authority());
    let receiver = Receiver::with_tls(OK, &authority);
    let start = |args: &[&str]| {
        let url = format!("https://{}/", receiver.address);
        Plot::spawn(&directory, with_receiver(&directory, "mae>60", &url).args(args))
    };
    let refused = "its certificate is not of an authority that is trusted; --alert-ca names another";
    for args in [&[][..], &["--alert-ca", &other.path("ca.pem")]] {
        let _plot = start(args);
        log_has(&directory, refused);
    }
    let _plot = start(&["--alert-ca", &authority.path("ca.pem")]);
    assert_eq!(receiver.changes(1), ["mae>60 firing"]);

    // For another name of the same machine.
    let url = format!("https://{}/", receiver.address.replace("127.0.0.1", "localhost"));
    let args = ["--alert-ca", &authority.path("ca.pem")];
    let _plot = Plot::spawn(&directory, with_receiver(&directory, "mae>60", &url).args(args));
    log_has(&directory, "its certificate is for another host name");

    for (file, complaint) in [("nowhere.pem", "No such file"), (LOG, "no certificate in PEM")] {
        let path = directory.file(file).display().to_string();
        let mut command = with_receiver(&directory, "mae>60", &url);
        let output = command.args(["--listen", "none", "--alert-ca", &path]).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(&format!("[ERROR] --alert-ca {path}: {complaint}")), "{error}");
    }
}

#[test]
fn the_url_is_never_printed() {
    const SECRET: &str = "s3cr3t";
    let directory = bad_log();
    let receiver = Receiver::start(|n| {
        Some(match n {
            0 => "500 Broken",
            1 => "400 What",
            2 => "301 Gone\r\nLocation: http://127.0.0.1:1/s3cr3t",
            _ => "200 OK",
        })
    });
    let to = |address: &str| format!("http://s3cr3t:s3cr3t@{address}/s3cr3t?s3cr3t=s3cr3t");
    let tls = format!("https://{}/s3cr3t", receiver.address);
    for url in [to(&receiver.address), to(&free_address()), to("s3cr3t.invalid"), tls] {
        let mut command = with_receiver(&directory, "mae>60,mae>59,mae>58,mae>57", &url);
        let plot = Plot::spawn(&directory, command.env("RUST_LOG", "trace"));
        let is_tried = || {
            let log = directory.read("stderr");
            log.contains("is not delivered") || log.contains("is dropped")
        };
        until("it is tried", is_tried);
        if url.contains(&receiver.address) && url.starts_with("http:") {
            let heads = receiver.requests(5, |request| request.head.clone());
            assert!(heads[0].contains("authorization: basic cznjcjn0onmzy3izda=="), "{}", heads[0]);
            assert!(heads[0].starts_with("post /s3cr3t?s3cr3t=s3cr3t http/1.1\r\n"), "{}", heads[0]);
        }
        let remembered = remembered(&directory, &plot.address).to_string();
        assert!(remembered.contains("mae>60") && !remembered.contains(SECRET), "{remembered}");
        for path in ["/", "/parts.json", "/stats.json", "/healthz"] {
            let (_, head, body) = plot.ask("GET", path);
            assert!(!(head + &String::from_utf8_lossy(&body)).contains(SECRET), "{path}");
        }
        let log = directory.read("stderr");
        assert!(!log.contains(SECRET), "{log}");
        assert!(log.contains(", alerts mae>60,mae>59,mae>58,mae>57, sent as json\n"), "{log}");
    }
    let bad =
        ["ftp://s3cr3t", "s3cr3t", "http://", "https:///s3cr3t", "http://s3cr3t s3cr3t", "http://s3cr3t:x/"];
    for url in bad {
        for args in [vec![], vec!["--help"], vec!["--version"], vec!["--healthcheck"]] {
            let mut command = command(&directory);
            let output = command.env("PLOT_ALERT_URL", url).args(args).output().unwrap();
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(!said.contains(SECRET), "{said}");
            assert!(
                output.status.success() || said.contains("--alert-url (PLOT_ALERT_URL) is not a URL"),
                "{said}"
            );
        }
    }
}

#[test]
fn a_file_that_is_none_is_said_and_begun_anew() {
    let (directory, receiver) = (bad_log(), Receiver::start(OK));
    let address = free_address();
    let name = format!("plot_alerts_{}.json", address.replace(':', "_"));
    directory.write(&name, "{\"version\": 1, \"fir");
    let url = format!("http://{}/", receiver.address);
    let _plot = Plot::spawn_at(&directory, &mut with_receiver(&directory, "mae>60", &url), address.clone());
    assert_eq!(receiver.changes(1), ["mae>60 firing"]);
    log_has(&directory, &format!("{name}: it is not JSON; what was sent before is not known"));
    until("it is remembered", || remembered(&directory, &address)["firing"][0]["rule"] == "mae>60");
}
