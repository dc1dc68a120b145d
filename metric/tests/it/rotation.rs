//! Files that get a number when they are full: `metric_log.csv` and `unmatched.csv`.

use crate::{
    HEADER, all_files, all_logs, faults, metric, names, rows_of_all_logs, scene::Scene, status,
    status::wait_for_status,
};
use glue::testing::{Directory, count, figure, publish_until_confirmed, random, wait_for};
use serde_json::json;
use std::{
    collections::HashMap,
    fs,
    ops::ControlFlow::{self, Break, Continue},
    os::unix::process::ExitStatusExt,
};

const MAX: (&str, &str) = ("log-max-bytes", "4096");

#[test]
fn a_limit_that_is_too_small_or_no_number_is_refused_by_name() {
    for limit in ["4095", "0", "100M", "-1"] {
        let directory = Directory::new();
        let mut service = metric("amqp://localhost:1", "", &directory, &[("log-max-bytes", limit)]);
        assert_eq!(service.wait().code(), Some(2));
        service.wait_for_line(&format!(
            "--log-max-bytes is \"{limit}\"; allowed: a whole number of bytes, at least 4096"
        ));
    }
}

/// Files and a directory of other programs, also one that they make while it runs.
#[test]
fn a_full_log_gets_the_next_number_and_replaces_nothing() {
    let mut scene = Scene::new();
    let file = |name: &str| scene.directory.file(name);
    fs::write(file("metric_log.000003.csv"), "mine").unwrap();
    fs::create_dir(file("metric_log.000005.csv")).unwrap();
    fs::write(file("metric_log.2.csv"), "also mine").unwrap();
    let service = scene.metric(&[MAX]);
    let mut published = 0;
    let mut publish_until = |scene: &mut Scene, name: &str| {
        while !scene.directory.file(name).exists() {
            // Longer than the rows of other tests.
            let id = format!("{published:0100}");
            scene.pair(&id);
            wait_for("row", || all_logs(&scene.directory).iter().any(|log| log.contains(&id)).then_some(()));
            published += 1;
        }
    };
    publish_until(&mut scene, "metric_log.000006.csv");
    fs::write(scene.directory.file("metric_log.000007.csv"), "mine too").unwrap();
    publish_until(&mut scene, "metric_log.000008.csv");
    let line = "metric_log.csv is a new log; the one before is ";
    for name in ["metric_log.000006.csv", "metric_log.000008.csv"] {
        let log = scene.directory.read(name);
        assert!(log.starts_with(HEADER) && log.ends_with('\n'), "{log}");
        assert!((3500..=4096).contains(&log.len()), "{}", log.len());
        let path = scene.directory.file(name);
        service.wait_for_line(&format!("{line}{}", path.display()));
    }
    assert_eq!(service.count_lines(line), 2);
    assert_eq!(service.terminate(), Some(0));
    for (name, text) in [("000003", "mine"), ("2", "also mine"), ("000007", "mine too")] {
        assert_eq!(scene.directory.read(&format!("metric_log.{name}.csv")), text);
    }
    assert_eq!(fs::read_dir(scene.directory.file("metric_log.000005.csv")).unwrap().count(), 0);
    let ours = ["metric_log.000006.csv", "metric_log.000008.csv", "metric_log.csv"];
    let rows = ours.map(|name| scene.directory.read(name).lines().count() - 1);
    assert_eq!(rows.iter().sum::<usize>(), published);
}

/// A log that was there before is continued, and renamed as it is, whatever its columns are.
#[test]
fn a_log_of_another_program_gets_a_number_too_and_its_ids_stay_done() {
    let mut scene = Scene::new();
    let row = |id: usize| format!("old {id},1,1,0\n");
    let begin = "id,y_true,y_pred,absolute_error\n".to_owned() + &(0..500).map(row).collect::<String>();
    scene.directory.write("metric_log.csv", &begin);
    let service = scene.metric(&[MAX]);
    scene.pair("old 7");
    scene.pair("new");
    wait_for("new log", || scene.directory.read("metric_log.csv").contains("\nnew,1,1,0,").then_some(()));
    assert_eq!(scene.directory.read("metric_log.000001.csv"), begin);
    assert_eq!(scene.directory.read("metric_log.csv").lines().count(), 2);
    wait_for_status(&scene.directory, &json!({"rows": 501, "duplicates": 2}));
    assert_eq!(service.terminate(), Some(0));
}

/// What is deleted as soon as it has a number is not missed: the ids stay done, also over kills.
#[test]
fn logs_that_are_deleted_once_they_have_a_number_are_not_missed() {
    let mut scene = Scene::new();
    let mut rows = 0;
    for round in 0..4 {
        let mut service = scene.metric(&[MAX]);
        let ids: Vec<String> = (0..60 * (round + 1)).map(|id| format!("{id:050}")).collect();
        ids.iter().for_each(|id| scene.pair(id));
        wait_for_status(&scene.directory, &json!({"rows": ids.len()}));
        let numbered = names(&scene.directory, "metric_log.0");
        assert!(!numbered.is_empty());
        for name in numbered {
            rows += scene.directory.read(&name).lines().count() - 1;
            fs::remove_file(scene.directory.file(&name)).unwrap();
        }
        service.kill();
    }
    assert_eq!(rows + rows_of_all_logs(&scene.directory).len(), 240);
}

/// Halves that wait since an earlier run expire. A crash may have written lines twice.
#[test]
fn every_half_that_expires_is_in_one_of_the_files_whatever_is_killed() {
    const AT_A_TIME: usize = 100;
    let (mut rng, seed) = random();
    let halves = count("CHAOS_EXPIRED_HALVES", 60_000);
    let scene = Scene::new();
    let service = scene.metric(&[]);
    publish_until_confirmed(&scene.url, halves / AT_A_TIME, |at| {
        let half = |id| json!({"id": format!("k{id}"), "body": id});
        let batch = (at * AT_A_TIME..(at + 1) * AT_A_TIME).map(half).collect::<Vec<_>>();
        (format!("{}y_true", scene.prefix), json!(batch).to_string().into_bytes())
    });
    wait_for_status(&scene.directory, &json!({"waiting": {"y_true": halves, "y_pred": 0}}));
    wait_for("acknowledgements", || {
        (scene.peer.depth(&format!("{}y_true", scene.prefix)) == 0).then_some(())
    });
    assert_eq!(service.terminate(), Some(0));

    let all_expired = || {
        status(&scene.directory)
            .is_some_and(|status| status["unmatched"] == json!({"y_true": halves, "y_pred": 0}))
    };
    let mut kills = 0;
    loop {
        let until = names(&scene.directory, "unmatched").len() + rng.usize(1..8);
        let mut service = scene.metric(&[("pending-max", "0"), MAX]);
        let goes_on = || names(&scene.directory, "unmatched").len() >= until;
        wait_for("files", || (goes_on() || all_expired()).then_some(()));
        if !goes_on() {
            assert_eq!(service.terminate(), Some(0));
            break;
        }
        service.kill();
        kills += 1;
    }
    let files = all_files(&scene.directory, "unmatched");
    // Halves that expire together are not split.
    assert!(kills > 1 && files.len() > halves / 2048, "{kills} kills, {} files", files.len());
    let mut lines: HashMap<usize, &str> = HashMap::new();
    let mut again = 0;
    for line in
        files.iter().flat_map(|file| file.strip_prefix("id,kind,value,received_at\n").unwrap().lines())
    {
        let id = line[1..].split(',').next().unwrap().parse().unwrap();
        assert!(line.starts_with(&format!("k{id},y_true,{id},")), "{line}");
        if let Some(before) = lines.insert(id, line) {
            assert_eq!(before, line);
            again += 1;
        }
    }
    assert_eq!(lines.len(), halves);
    assert_eq!(all_logs(&scene.directory), [HEADER]);
    figure(
        "kill -9 of metric while halves expire",
        &format!("{kills} kills; {halves} halves in {} files, {again} lines twice", files.len()),
        seed,
    );
}

/// The first row finds the log full. Also on a file system whose renames replace what is there.
#[test]
fn a_start_that_is_killed_at_any_call_while_the_log_gets_a_number_is_made_good_by_the_next() {
    let (_, seed) = random();
    let mut kills = 0;
    for lacks_renameat2 in [false, true] {
        for call in faults::CALLS.into_iter().chain(["renameat2", "openat"]) {
            kills += (1..).take_while(|&n| kill_a_rotation(call, n, lacks_renameat2).is_continue()).count();
        }
    }
    figure(
        "kill -9 at each call of a start whose first row finds the log full",
        &format!("{kills} kills"),
        seed,
    );
}

fn kill_a_rotation(call: &str, n: usize, lacks_renameat2: bool) -> ControlFlow<()> {
    const OLD: usize = 130;
    let mut scene = faults::Scene::new();
    scene.log_max_bytes = "4096";
    let row = |row| format!("old {row},1,2.5,1.5,1732341600.000\n");
    let full = HEADER.to_owned() + &(0..OLD).map(row).collect::<String>();
    scene.directory.write("metric_log.csv", &full);
    for queue in ["y_true", "y_pred"] {
        let half = |id: &str| format!("{{\"id\": \"{id}\", \"body\": 1}}");
        scene.publish(queue, ["old 7", "new"].map(half).into_iter());
    }
    let mut options = vec![format!("--trace={call},renameat2")];
    if lacks_renameat2 {
        options.push("--inject=renameat2:error=EINVAL".to_owned());
    }
    if !(lacks_renameat2 && call == "renameat2") {
        options.push(format!("--inject={call}:signal=KILL:when={n}"));
    }
    let mut service = scene.disturbed_as(options);
    let is_done = || scene.directory.read("metric_log.csv").contains("\nnew,1,1,0,");
    wait_for("end or row", || (!service.is_running() || is_done()).then_some(()));
    if service.is_running() {
        service.signal("TERM");
    }
    let was_killed = service.wait().signal() == Some(9);
    let service = scene.metric();
    service.wait_for_line("consuming");
    wait_for("row", || is_done().then_some(()));
    assert_eq!(service.terminate(), Some(0));
    let mut ids: Vec<String> = rows_of_all_logs(&scene.directory).into_iter().map(|row| row.0).collect();
    ids.sort();
    let mut expected: Vec<String> =
        (0..OLD).map(|row| format!("old {row}")).chain(["new".to_owned()]).collect();
    expected.sort();
    assert_eq!(ids, expected, "{call} {n}");
    assert!(all_logs(&scene.directory).contains(&full), "{call} {n}");
    if was_killed { Continue(()) } else { Break(()) }
}
