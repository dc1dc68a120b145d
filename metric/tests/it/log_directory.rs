//! What people and other processes do to the log directory.

use crate::{HEADER, metric, rows, scene::Scene};
use glue::testing::{Direction, Directory, Proxy, prefix, wait_for};
use std::{fs, io::Write, os::unix::fs::PermissionsExt};

impl Scene {
    fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.directory.file("metric_log.csv")).unwrap_or_default())
            .into_owned()
    }

    fn wait_for_ids(&self, expected: &[&str]) {
        let ids = || rows(&self.directory).into_iter().map(|row| row.0).collect::<Vec<_>>();
        wait_for(&format!("log of {expected:?}, but {:?}", ids()), || (ids() == expected).then_some(()));
    }
}

#[test]
fn rows_survive_a_restart_and_repeats_are_not_logged_again() {
    let mut scene = Scene::new();
    let service = scene.metric(&[]);
    scene.pair("a");
    scene.wait_for_ids(&["a"]);
    assert_eq!(service.terminate(), Some(0));
    let service = scene.metric(&[]);
    scene.pair("a");
    scene.pair("b");
    scene.wait_for_ids(&["a", "b"]);
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn after_an_orderly_end_no_message_of_a_row_comes_again() {
    let mut scene = Scene::new();
    let service = scene.metric(&[]);
    // So many that the prefetch grows and few deliveries are kept to be acknowledged.
    let ids: Vec<String> = (0..100).map(|id| id.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    ids.iter().for_each(|id| scene.pair(id));
    scene.wait_for_ids(&ids);
    assert_eq!(service.terminate(), Some(0));
    let ready = ["y_true", "y_pred"].map(|queue| scene.peer.depth(&format!("{}{queue}", scene.prefix)));
    assert_eq!(ready, [0, 0]);
}

#[test]
fn without_its_store_the_log_is_read_again() {
    let mut scene = Scene::new();
    let service = scene.metric(&[]);
    scene.pair("a");
    scene.wait_for_ids(&["a"]);
    assert_eq!(service.terminate(), Some(0));
    fs::remove_file(scene.directory.file("metric.redb")).unwrap();
    let service = scene.metric(&[]);
    scene.pair("a");
    scene.pair("b");
    scene.wait_for_ids(&["a", "b"]);
    service.wait_for_line("recovered 1 row from the log");
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn a_log_that_is_renamed_or_deleted_while_running_is_begun_anew() {
    let mut scene = Scene::new();
    let service = scene.metric(&[]);
    let log = scene.directory.file("metric_log.csv");
    scene.pair("a");
    scene.wait_for_ids(&["a"]);
    fs::rename(&log, scene.directory.file("metric_log.1.csv")).unwrap();
    scene.pair("a");
    scene.pair("b");
    scene.wait_for_ids(&["b"]);
    fs::remove_file(&log).unwrap();
    scene.pair("b");
    scene.pair("c");
    scene.wait_for_ids(&["c"]);
    assert!(scene.directory.read("metric_log.csv").starts_with(HEADER));
    fs::write(&log, "").unwrap();
    scene.pair("d");
    scene.wait_for_ids(&["d"]);
    assert_eq!(scene.directory.read("metric_log.1.csv").lines().count(), 2);
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn rows_that_a_person_appends_count_and_other_text_stays() {
    let mut scene = Scene::new();
    let service = scene.metric(&[]);
    scene.pair("a");
    scene.wait_for_ids(&["a"]);
    let mut log = fs::OpenOptions::new().append(true).open(scene.directory.file("metric_log.csv")).unwrap();
    log.write_all(b"by hand,1,2,1,0\r\na note\n").unwrap();
    scene.pair("by hand");
    scene.pair("b");
    let text =
        wait_for("row b", || Some(scene.directory.read("metric_log.csv")).filter(|t| t.contains("\nb,")));
    assert_eq!(text.matches("by hand").count(), 1);
    assert!(text.contains("a note\n"));
    service.wait_for_line("ignored 1 line of the log");
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn unfinished_rows_are_cut_and_known_ones_are_kept() {
    let mut scene = Scene::new();
    let service = scene.metric(&[]);
    scene.pair("a");
    scene.wait_for_ids(&["a"]);
    assert_eq!(service.terminate(), Some(0));
    let log = scene.directory.file("metric_log.csv");
    let whole = fs::read(&log).unwrap();
    // As a spreadsheet saves it: a byte order mark, CRLF, and no line break at the end.
    let text = format!("\u{feff}{}", String::from_utf8(whole.clone()).unwrap().replace('\n', "\r\n"));
    fs::write(&log, text.trim_end()).unwrap();
    let service = scene.metric(&[]);
    scene.pair("a");
    scene.pair("b");
    wait_for("row b", || scene.directory.read("metric_log.csv").contains("\nb,").then_some(()));
    assert_eq!(scene.directory.read("metric_log.csv").matches("\na,").count(), 1);
    assert_eq!(service.terminate(), Some(0));

    // Whatever follows the last line break, as long as it likes.
    for torn in [&b"c,1,1"[..], b"c,1,1,0,1732341600.0", &[0; 5000], &[b'x'; 300_000]] {
        fs::write(&log, [&whole[..], torn].concat()).unwrap();
        let service = scene.metric(&[]);
        service.wait_for_line("of an unfinished row off the log");
        assert_eq!(fs::read(&log).unwrap(), whole);
        assert_eq!(service.terminate(), Some(0));
    }
}

/// Each with the store gone, so that all depends on what is read.
#[test]
fn no_bytes_inside_a_log_cost_a_row_or_make_one_up() {
    let rows = |ids: std::ops::Range<u32>| ids.map(|id| format!("r{id},1,1,0,1.000\n")).collect::<String>();
    let long = "y".repeat(70_000) + ",1,1,0,1.000";
    let endless = "z".repeat(65_536) + "made-up,1,1,0,1.000";
    let spoilt: [&[u8]; 8] = [
        b"r5,1,\0,0,1.000",
        b"\0\0\0\0\0\0\0\0",
        b"r5\xff,1,1,0,1.000",
        b"\"r5,1,1,0,1.000",
        b"made-up,1,1,\"0",
        b"made-up,1,1,0,1.000\rmade-up,1,1,0,1.000",
        long.as_bytes(),
        endless.as_bytes(),
    ];
    for bytes in spoilt {
        let mut scene = Scene::new();
        let text = [HEADER.as_bytes(), rows(0..5).as_bytes(), bytes, b"\n", rows(6..100).as_bytes()].concat();
        fs::write(scene.directory.file("metric_log.csv"), &text).unwrap();
        let service = scene.metric(&[]);
        service.wait_for_line("recovered 99 rows from the log");
        service.wait_for_line("ignored 1 line of the log");
        // A row behind the line is known, and what stands in the line is not.
        for id in ["r99", "made-up", "r5", "last"] {
            scene.pair(id);
        }
        wait_for("last row", || scene.log().contains("\nlast,").then_some(()));
        let log = fs::read(scene.directory.file("metric_log.csv")).unwrap();
        let added = log.strip_prefix(&text[..]).expect("a row is gone or changed");
        let ids: Vec<String> = String::from_utf8_lossy(added)
            .lines()
            .map(|row| row.split(',').next().unwrap().to_owned())
            .collect();
        assert_eq!(ids, ["made-up", "r5", "last"]);
        assert_eq!(service.terminate(), Some(0));
    }
}

/// Logs as Python services begin them: fewer columns or more, in another order, quoted, with blank lines before the header.
#[test]
fn a_log_of_another_program_is_continued_with_its_own_columns() {
    for (begin, row) in [
        ("id,y_true,y_pred,absolute_error\nold,1,2,1\n", "new,1,1,0\n"),
        ("\"id\",\"y_true\",\"y_pred\",\"absolute_error\"\r\n\"old\",1,2,1\r\n", "new,1,1,0\n"),
        ("\n\r\nid,y_true,y_pred,absolute_error\nold,1,2,1\n", "new,1,1,0\n"),
        ("\u{feff}when,y_pred,y_true,absolute_error,id,note\nt,2,1,1,old,\"a, b\"\n", ",1,1,0,new,\n"),
        ("id,y_true,y_pred,absolute_error,note", "\nnew,1,1,0,\n"),
    ] {
        let mut scene = Scene::new();
        fs::write(scene.directory.file("metric_log.csv"), begin).unwrap();
        let service = scene.metric(&[]);
        if begin.contains("old") {
            scene.pair("old");
        }
        scene.pair("new");
        wait_for("new row", || scene.log().contains("new").then_some(()));
        assert_eq!(scene.log(), format!("{begin}{row}"));
        assert_eq!(service.terminate(), Some(0));
    }
}

#[test]
fn a_log_whose_header_lacks_a_column_is_refused_with_its_header_and_left_alone() {
    let scene = Scene::new();
    for foreign in
        ["id,y_true,y_pred\na,1,2\n", "a,1,2,1\n", "id;y_true;y_pred;absolute_error\n", "\n\nid,value\n"]
    {
        fs::write(scene.directory.file("metric_log.csv"), foreign).unwrap();
        let mut service = metric(&scene.url, &scene.prefix, &scene.directory, &[]);
        assert_eq!(service.wait().code(), Some(1));
        let line = service.wait_for_line("move it away");
        assert!(
            line.contains(&format!("begins with {:?}", foreign.trim().lines().next().unwrap())),
            "{line}"
        );
        assert_eq!(scene.log(), foreign);
    }
}

/// Renamed and killed before the store has been synced; all messages come again. Then with the broker gone in between.
#[test]
fn ids_of_a_log_that_is_renamed_before_a_kill_stay_done() {
    for rename in ["metric_log.1.csv", "old"] {
        let mut scene = Scene::new();
        let proxy = Proxy::start(&scene.url, false);
        let mut service = metric(&proxy.url, &scene.prefix, &scene.directory, &[("predictions", "y_pred")]);
        service.wait_for_line("consuming");
        proxy.swallow_acks(Direction::ToBroker, true);
        let ids: Vec<String> = (0..50).map(|id| id.to_string()).collect();
        ids.iter().for_each(|id| scene.pair(id));
        wait_for("rows", || (rows(&scene.directory).len() == ids.len()).then_some(()));
        fs::rename(scene.directory.file("metric_log.csv"), scene.directory.file(rename)).unwrap();
        service.kill();
        let service = scene.metric(&[]);
        scene.pair("last");
        wait_for("last row", || scene.log().contains("\nlast,").then_some(()));
        assert_eq!(scene.log().lines().count(), 2, "{}", scene.log());
        assert_eq!(scene.directory.read(rename).lines().count(), 1 + ids.len());
        assert_eq!(service.terminate(), Some(0));
    }
}

/// An id that is used again with other values is set aside, with what stands in the log; a repeat is not, nor is one of another model.
#[test]
fn an_id_that_is_used_again_is_a_conflict_and_a_repeat_is_not() {
    let mut scene = Scene::new();
    let service = scene.metric(&[]);
    let half = |scene: &mut Scene, queue: &str, id: u32, value: f64| {
        let body = serde_json::json!({"id": id, "body": value}).to_string();
        scene.peer.publish(&format!("{}{queue}", scene.prefix), body.as_bytes());
    };
    for (round, values) in [(0.5, 1..4), (0.5, 1..4), (100.5, 1..4)] {
        for id in values {
            half(&mut scene, "y_true", id, f64::from(id) + round);
            half(&mut scene, "y_pred", id, f64::from(id) - round);
        }
        scene.peer.confirmed();
        wait_for("three rows", || (rows(&scene.directory).len() == 3).then_some(()));
    }
    let rejects = wait_for("six conflicts", || {
        let text = scene.directory.read("rejected.jsonl");
        (text.lines().count() == 6).then_some(text)
    });
    for part in [
        "conflict: 101.5 differs from 1.5, which is in the log",
        "conflict: -97.5 differs from 2.5, which is in the log",
    ] {
        assert!(rejects.contains(part), "{part} is not in {rejects}");
    }
    assert_eq!(service.terminate(), Some(0));
    // Also when all that is known comes from the log.
    fs::remove_file(scene.directory.file("metric.redb")).unwrap();
    let service = scene.metric(&[]);
    half(&mut scene, "y_true", 1, 1.5);
    half(&mut scene, "y_true", 2, -3.0);
    wait_for("another conflict", || {
        scene.directory.read("rejected.jsonl").contains("conflict: -3 differs from 2.5").then_some(())
    });
    assert_eq!(scene.directory.read("rejected.jsonl").lines().count(), 7);
    assert_eq!(service.terminate(), Some(0));

    // Features that come again meet another model.
    let directory = Directory::new();
    let model = |intercept: f64| {
        let path = directory.file(&format!("model{intercept}.json"));
        fs::write(&path, format!("{{\"intercept\": {intercept}, \"coefficients\": [1.0]}}")).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let prefix = prefix();
    for (intercept, rows_then) in [(0.0, 1), (5.0, 1)] {
        let service = metric(&scene.url, &prefix, &directory, &[("model", &model(intercept))]);
        service.wait_for_line("consuming");
        scene.peer.publish(&format!("{prefix}y_true"), b"{\"id\": 1, \"body\": 2}");
        scene.peer.publish(&format!("{prefix}features"), b"{\"id\": 1, \"body\": [2]}");
        scene.peer.publish(&format!("{prefix}features"), b"{\"id\": \"waits\", \"body\": [2]}");
        scene.peer.confirmed();
        wait_for("row", || (rows(&directory).len() == rows_then).then_some(()));
        for queue in ["y_true", "features"] {
            wait_for("acknowledgement", || {
                (scene.peer.depth(&format!("{prefix}{queue}")) == 0).then_some(())
            });
        }
        assert_eq!(service.terminate(), Some(0));
    }
    assert_eq!(directory.read("rejected.jsonl"), "");
}

/// Files of the directory that are taken away under it: it ends before it acknowledges anything more.
#[test]
fn a_lock_or_a_store_that_is_taken_away_ends_the_process_before_the_next_acknowledgement() {
    for (file, replaces) in
        [("metric.lock", false), ("metric.redb", false), ("metric.lock", true), ("metric.redb", true)]
    {
        let mut scene = Scene::new();
        let mut service = scene.metric(&[]);
        scene.pair("a");
        scene.wait_for_ids(&["a"]);
        fs::remove_file(scene.directory.file(file)).unwrap();
        if replaces {
            fs::write(scene.directory.file(file), "").unwrap();
        }
        for id in 0..100 {
            let body = format!("{{\"id\": \"half {id}\", \"body\": 1}}");
            scene.peer.publish(&format!("{}y_true", scene.prefix), body.as_bytes());
        }
        scene.peer.confirmed();
        assert_eq!(service.wait().code(), Some(1), "{:?}", service.lines());
        service.wait_for_line(&format!("{file} was deleted or replaced while metric was running"));
        let y_true = format!("{}y_true", scene.prefix);
        // And the half of the first row, if its acknowledgement had not been sent yet.
        wait_for("redelivery", || (100..=101).contains(&scene.peer.depth(&y_true)).then_some(()));
        if file == "metric.redb" && replaces {
            fs::remove_file(scene.directory.file(file)).unwrap();
        }
        let service = scene.metric(&[]);
        wait_for("acknowledgement", || (scene.peer.depth(&y_true) == 0).then_some(()));
        service.wait_for_line("halves waiting");
        scene.pair("half 99");
        wait_for("row of a half", || scene.log().contains("\nhalf 99,1,1,0,").then_some(()));
        assert_eq!(service.terminate(), Some(0));
    }
}

#[test]
fn a_directory_of_other_queues_is_refused_by_name() {
    let scene = Scene::new();
    assert_eq!(scene.metric(&[]).terminate(), Some(0));
    let mut service = metric(&scene.url, "other.", &scene.directory, &[]);
    assert_eq!(service.wait().code(), Some(1));
    let line = service.wait_for_line("belongs to the queues with prefix");
    assert!(line.contains(&format!("{:?}, not \"other.\"", scene.prefix)), "{line}");
    assert_eq!(scene.metric(&[]).terminate(), Some(0));
}

#[test]
fn a_second_instance_is_told_who_holds_the_directory() {
    let scene = Scene::new();
    let service = scene.metric(&[]);
    let mut second = metric(&scene.url, &scene.prefix, &scene.directory, &[]);
    assert_eq!(second.wait().code(), Some(1));
    second.wait_for_line("is held by another metric: process ");
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn files_that_cannot_be_written_are_named_and_nothing_is_acknowledged() {
    let mut scene = Scene::new();
    let blocked = scene.directory.file("file");
    fs::write(&blocked, "").unwrap();
    fs::set_permissions(&blocked, fs::Permissions::from_mode(0o400)).unwrap();
    let below = Directory(blocked.join("logs"));
    let mut service = metric(&scene.url, &scene.prefix, &below, &[]);
    assert_eq!(service.wait().code(), Some(1));
    service.wait_for_line("file/logs: Not a directory");
    std::mem::forget(below);

    // A directory in the place of a file makes a write fail in the middle of the work.
    let mut service = scene.metric(&[]);
    fs::remove_file(scene.directory.file("rejected.jsonl")).unwrap();
    fs::create_dir(scene.directory.file("rejected.jsonl")).unwrap();
    scene.peer.publish(&format!("{}y_true", scene.prefix), b"not JSON");
    assert_eq!(service.wait().code(), Some(1));
    service.wait_for_line("rejected.jsonl: Is a directory");
    fs::remove_dir(scene.directory.file("rejected.jsonl")).unwrap();
    let service = scene.metric(&[]);
    wait_for("rejected message", || {
        scene.directory.read("rejected.jsonl").contains("not JSON").then_some(())
    });
    assert_eq!(service.terminate(), Some(0));
}
