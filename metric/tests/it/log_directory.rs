//! What people and other processes do to the log directory.

use crate::{
    HEADER, metric, rows,
    testing::{Directory, Peer, prefix, shared_broker, wait_for},
};
use std::{fs, io::Write, os::unix::fs::PermissionsExt};

struct Scene {
    url: String,
    prefix: String,
    directory: Directory,
    peer: Peer,
}

impl Scene {
    fn new() -> Scene {
        let (url, prefix) = (shared_broker(), prefix());
        let peer = Peer::connect(&url);
        Scene { url, prefix, directory: Directory::new(), peer }
    }

    fn metric(&self) -> crate::Service {
        let service = metric(&self.url, &self.prefix, &self.directory, &[("predictions", "y_pred")]);
        service.wait_for_line("consuming");
        service
    }

    fn pair(&mut self, id: &str) {
        for queue in ["y_true", "y_pred"] {
            let body = serde_json::json!({"id": id, "body": 1}).to_string();
            self.peer.publish(&format!("{}{queue}", self.prefix), body.as_bytes());
        }
        self.peer.confirmed();
    }

    fn wait_for_ids(&self, expected: &[&str]) {
        let ids = || rows(&self.directory).into_iter().map(|row| row.0).collect::<Vec<_>>();
        wait_for(&format!("log of {expected:?}, but {:?}", ids()), || (ids() == expected).then_some(()));
    }
}

#[test]
fn rows_survive_a_restart_and_repeats_are_not_logged_again() {
    let mut scene = Scene::new();
    let service = scene.metric();
    scene.pair("a");
    scene.wait_for_ids(&["a"]);
    assert_eq!(service.terminate(), Some(0));
    let service = scene.metric();
    scene.pair("a");
    scene.pair("b");
    scene.wait_for_ids(&["a", "b"]);
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn after_an_orderly_end_no_message_of_a_row_comes_again() {
    let mut scene = Scene::new();
    let service = scene.metric();
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
    let service = scene.metric();
    scene.pair("a");
    scene.wait_for_ids(&["a"]);
    assert_eq!(service.terminate(), Some(0));
    fs::remove_file(scene.directory.file("metric.redb")).unwrap();
    let service = scene.metric();
    scene.pair("a");
    scene.pair("b");
    scene.wait_for_ids(&["a", "b"]);
    service.wait_for_line("1 rows of the log were not accounted for");
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn a_log_that_is_renamed_or_deleted_while_running_is_begun_anew() {
    let mut scene = Scene::new();
    let service = scene.metric();
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
    let service = scene.metric();
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
    service.wait_for_line("1 lines of the log are no rows");
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn unfinished_rows_are_cut_and_known_ones_are_kept() {
    let mut scene = Scene::new();
    let service = scene.metric();
    scene.pair("a");
    scene.wait_for_ids(&["a"]);
    assert_eq!(service.terminate(), Some(0));
    let log = scene.directory.file("metric_log.csv");
    let whole = fs::read(&log).unwrap();
    // As a spreadsheet saves it: a byte order mark, CRLF, and no line break at the end.
    let text = format!("\u{feff}{}", String::from_utf8(whole.clone()).unwrap().replace('\n', "\r\n"));
    fs::write(&log, text.trim_end()).unwrap();
    let service = scene.metric();
    scene.pair("a");
    scene.pair("b");
    wait_for("row b", || scene.directory.read("metric_log.csv").contains("\nb,").then_some(()));
    assert_eq!(scene.directory.read("metric_log.csv").matches("\na,").count(), 1);
    assert_eq!(service.terminate(), Some(0));

    for torn in [&b"c,1,1"[..], b"c,1,1,0,1732341600.0", b"\0\0\0\0\nc,1,1,0,1\n"] {
        fs::write(&log, [&whole[..], torn].concat()).unwrap();
        let service = scene.metric();
        service.wait_for_line("were cut off the log");
        assert_eq!(fs::read(&log).unwrap(), whole);
        assert_eq!(service.terminate(), Some(0));
    }
}

#[test]
fn a_log_with_another_header_is_refused_and_left_alone() {
    let scene = Scene::new();
    let foreign = "id,y_true,y_pred,absolute_error\na,1,2,1\n";
    fs::write(scene.directory.file("metric_log.csv"), foreign).unwrap();
    let mut service = metric(&scene.url, &scene.prefix, &scene.directory, &[]);
    assert_eq!(service.wait().code(), Some(1));
    service.wait_for_line("move it away");
    assert_eq!(scene.directory.read("metric_log.csv"), foreign);
}

#[test]
fn a_second_instance_is_told_who_holds_the_directory() {
    let scene = Scene::new();
    let service = scene.metric();
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
    let mut service = scene.metric();
    fs::remove_file(scene.directory.file("rejected.jsonl")).unwrap();
    fs::create_dir(scene.directory.file("rejected.jsonl")).unwrap();
    scene.peer.publish(&format!("{}y_true", scene.prefix), b"not JSON");
    assert_eq!(service.wait().code(), Some(1));
    service.wait_for_line("rejected.jsonl: Is a directory");
    fs::remove_dir(scene.directory.file("rejected.jsonl")).unwrap();
    let service = scene.metric();
    wait_for("rejected message", || {
        scene.directory.read("rejected.jsonl").contains("not JSON").then_some(())
    });
    assert_eq!(service.terminate(), Some(0));
}
