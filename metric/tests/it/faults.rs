//! strace between the real binary and the kernel: the n-th call of a kind is answered with an error, or is where the process dies.
//! Each run takes the next n, until one ends undisturbed: then every call that the work makes has had its turn.

use crate::{HEADER, rows, settings, status::wait_for_status};
use glue::testing::{Directory, Peer, Service, count, figure, prefix, random, shared_broker, wait_for};
use serde_json::json;
use std::{
    collections::HashMap,
    ffi::OsString,
    fs,
    ops::ControlFlow::{self, Break, Continue},
    os::unix::process::ExitStatusExt,
    path::PathBuf,
};

/// The calls that change something on the disk.
pub const CALLS: [&str; 6] = ["write", "pwrite64", "fdatasync", "fsync", "ftruncate", "rename"];
const FILES: [&str; 6] = [
    "metric_log.csv",
    "metric_log.000001.csv",
    "metric.redb",
    "metric.redb.new",
    "rejected.jsonl",
    "unmatched.csv",
];
const PAIRS: usize = 10;
const INVALID: usize = 2;

/// A log directory and queues of its own.
pub struct Scene {
    url: String,
    prefix: String,
    pub directory: Directory,
    peer: Peer,
    pub log_max_bytes: &'static str,
}

impl Scene {
    pub fn new() -> Scene {
        Scene::of_queues(prefix())
    }

    fn of_queues(prefix: String) -> Scene {
        let url = shared_broker();
        let peer = Peer::connect(&url);
        for queue in ["y_true", "y_pred"] {
            peer.declare_transient(&format!("{prefix}{queue}"));
        }
        Scene { url, prefix, directory: Directory::new(), peer, log_max_bytes: "" }
    }

    fn settings(&self) -> Vec<(&str, &str)> {
        // A few deliveries a batch, so that the work takes several.
        let more = [("predictions", "y_pred"), ("prefetch", "16"), ("queue-type", "existing")];
        let more = [&more[..], &[("log-max-bytes", self.log_max_bytes)]].concat();
        settings(&self.url, &self.prefix, &self.directory, &more)
    }

    pub fn metric(&self) -> Service {
        Service::start(env!("CARGO_BIN_EXE_metric"), &self.settings())
    }

    /// `what` (`error=EIO`, `signal=KILL`) comes of the calls of a kind with these numbers on files of the log directory.
    fn disturbed(&self, call: &str, what: &str, numbers: &str) -> Service {
        self.disturbed_as(vec![format!("--trace={call}"), format!("--inject={call}:{what}:when={numbers}")])
    }

    /// The service under strace with these options, for calls on files of the log directory.
    pub fn disturbed_as(&self, mut options: Vec<String>) -> Service {
        let paths = FILES.iter().map(|file| self.directory.file(file)).chain([self.directory.0.clone()]);
        options.extend(paths.flat_map(|path| ["-P".to_owned(), path.to_str().unwrap().to_owned()]));
        Service::start_traced(env!("CARGO_BIN_EXE_metric"), &self.settings(), &options, &self.trace())
    }

    fn trace(&self) -> PathBuf {
        self.directory.0.with_extension("strace")
    }

    /// How many calls were disturbed.
    fn disturbances(&self) -> usize {
        fs::read_to_string(self.trace()).unwrap().matches("INJECTED").count()
    }

    pub fn publish(&mut self, queue: &str, bodies: impl Iterator<Item = String>) {
        let queue = format!("{}{queue}", self.prefix);
        bodies.for_each(|body| self.peer.publish(&queue, body.as_bytes()));
        self.peer.confirmed();
    }

    /// Both halves of some ids, and messages that no one can use.
    fn publish_work(&mut self) {
        let half = |id| format!("{{\"id\": {id}, \"body\": {id}}}");
        self.publish("y_true", (0..PAIRS).map(half).chain((0..INVALID).map(|i| format!("not JSON {i}"))));
        self.publish("y_pred", (0..PAIRS).map(half));
    }

    fn work_is_done(&self) -> bool {
        let rejected = self.directory.read("rejected.jsonl").lines().count();
        rows(&self.directory).len() == PAIRS && rejected >= INVALID
    }

    /// Exactly one row of each pair, and each invalid message.
    fn check_work(&self) {
        let mut ids: Vec<usize> = rows(&self.directory).iter().map(|row| row.0.parse().unwrap()).collect();
        ids.sort_unstable();
        assert_eq!(ids, (0..PAIRS).collect::<Vec<_>>());
        let rejected = self.directory.read("rejected.jsonl");
        assert!((0..INVALID).all(|i| rejected.contains(&format!("\"not JSON {i}\""))), "{rejected}");
    }

    /// Starts it undisturbed, waits until the work is done and checks it.
    fn make_good(&self) {
        let service = self.metric();
        service.wait_for_line("consuming");
        wait_for("all the work", || self.work_is_done().then_some(()));
        assert_eq!(service.terminate(), Some(0));
        self.check_work();
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.trace());
    }
}

/// Waits until the service has ended or the work is done, and ends it then; says whether it failed.
fn fails(service: &mut Service, scene: &Scene) -> bool {
    wait_for("end or success", || (!service.is_running() || scene.work_is_done()).then_some(()));
    // It may still fail: rows are seen before a sync that takes them back.
    if service.is_running() {
        service.signal("TERM");
    }
    service.wait().code() != Some(0)
}

/// Tries each call of each kind: `run` gets the kind and the number of a call, from 1, and breaks if there is no such call any more.
/// Goes on for as many rounds as `wanted` calls take. Returns how many were tried.
fn each_call(wanted: usize, mut run: impl FnMut(&str, usize) -> ControlFlow<()>) -> usize {
    let mut tried = 0;
    while tried == 0 || tried < wanted {
        for call in CALLS {
            tried += (1..).take_while(|&n| run(call, n).is_continue()).count();
        }
    }
    tried
}

#[test]
fn an_error_of_the_disk_at_any_call_ends_the_process_and_the_next_start_puts_it_right() {
    let (_, seed) = random();
    let mut ended = 0;
    let calls = each_call(count("CHAOS_DISK_ERRORS", 0), |call, n| {
        let mut scene = Scene::new();
        scene.publish_work();
        let mut service = scene.disturbed(call, "error=EIO", &n.to_string());
        if fails(&mut service, &scene) {
            assert_eq!(service.wait().code(), Some(1), "{call} {n}: {:?}", service.lines());
            service.wait_for_line("Input/output error");
            ended += 1;
        } else {
            scene.check_work();
            if scene.disturbances() == 0 {
                return Break(());
            }
        }
        scene.make_good();
        Continue(())
    });
    // redb keeps quiet about an error while it closes its file, when all that was promised is on the disk.
    figure(
        "EIO at each call",
        &format!("{calls} calls, {ended} of which ended the process; the rest closed the store"),
        seed,
    );
}

#[test]
fn a_full_disk_at_any_call_is_waited_for() {
    let (_, seed) = random();
    let mut ended = 0;
    let calls = each_call(count("CHAOS_DISK_FULL", 0), |call, n| {
        let mut scene = Scene::new();
        scene.publish_work();
        let mut service = scene.disturbed(call, "error=ENOSPC", &format!("{n}..{}", n + 2));
        if fails(&mut service, &scene) {
            assert_eq!(service.wait().code(), Some(1), "{call} {n}: {:?}", service.lines());
            // What a failed sync was to write may be gone from memory: that one ends the process, as other errors do.
            let may_end = call.contains("sync") || service.count_lines("consuming") == 0;
            assert!(may_end, "{call} {n}: {:?}", service.lines());
            service.wait_for_line("No space left on device");
            ended += 1;
        } else {
            assert!(service.count_lines("waiting for room") <= 2, "{:?}", service.lines());
            assert_eq!(service.count_lines("connected to"), 1, "{:?}", service.lines());
            scene.check_work();
            if scene.disturbances() == 0 {
                return Break(());
            }
        }
        scene.make_good();
        Continue(())
    });

    figure(
        "ENOSPC at each call",
        &format!("{calls} calls, {ended} of which ended the process: while it started, or in a sync"),
        seed,
    );
}

/// The row's write fails for some seconds; the header's is the first.
#[test]
fn the_status_says_that_the_disk_is_full_and_that_there_is_room_again() {
    let mut scene = Scene::new();
    let service = scene.disturbed("write", "error=ENOSPC", "2..9");
    service.wait_for_line("consuming");
    for queue in ["y_true", "y_pred"] {
        scene.publish(queue, std::iter::once(r#"{"id": "a", "body": 1}"#.to_owned()));
    }
    let full = wait_for_status(&scene.directory, &json!({"state": "waiting_for_room", "rows": 0}));
    let reason = full["reason"].as_str().unwrap();
    assert!(reason.contains("metric_log.csv") && reason.contains("No space left on device"), "{reason}");
    wait_for_status(&scene.directory, &json!({"state": "consuming", "reason": null, "rows": 1}));
    assert_eq!(service.terminate(), Some(0));
}

/// Each read takes so long that the test comes in time.
#[test]
fn the_status_says_that_a_log_is_read() {
    let scene = Scene::new();
    let row = |id: usize| format!("id {id},1,2.5,1.5,1732341600.000\n");
    scene.directory.write("metric_log.csv", HEADER.to_owned() + &(0..500_000).map(row).collect::<String>());
    let service = scene.disturbed("read,pread64", "delay_enter=100000", "1+");
    let reading = wait_for_status(&scene.directory, &json!({"state": "recovering"}));
    assert!(reading["reason"].as_str().unwrap().contains("metric_log.csv: "), "{reading}");
    assert_eq!(service.terminate(), Some(0));
    wait_for_status(&scene.directory, &json!({"state": "stopped", "reason": null}));
}

type Files = HashMap<OsString, Vec<u8>>;

/// What a killed process left behind, and the prefix of its queues.
fn left_behind() -> (Files, String) {
    let mut scene = Scene::new();
    scene.publish_work();
    let mut service = scene.metric();
    wait_for("all the work", || scene.work_is_done().then_some(()));
    service.kill();
    let files = fs::read_dir(&scene.directory.0).unwrap().map(|entry| entry.unwrap());
    let files = files.map(|file| (file.file_name(), fs::read(file.path()).unwrap())).collect();
    (files, scene.prefix.clone())
}

/// Whether the start finds the store of a killed process or none, the log goes on with rows that the store does not know and an
/// unfinished one.
#[test]
fn a_start_that_is_killed_at_any_call_is_made_good_by_the_next() {
    let (mut rng, seed) = random();
    let mut kills = 0;
    let empty = HashMap::from([("metric_log.csv".into(), HEADER.into())]);
    for (files, prefix) in [(empty, prefix()), left_behind()] {
        kills += each_call(count("CHAOS_RECOVERY_KILLS", 0) / 2, |call, n| {
            let unaccounted = rng.usize(2..3000);
            let scene = Scene::of_queues(prefix.clone());
            for (name, bytes) in &files {
                fs::write(scene.directory.0.join(name), bytes).unwrap();
            }
            let row = |row| format!("old {row},1,2.5,1.5,1732341600.000\n");
            let whole =
                scene.directory.read("metric_log.csv") + &(0..unaccounted).map(row).collect::<String>();
            fs::write(scene.directory.file("metric_log.csv"), format!("{whole}torn,1,2.5")).unwrap();
            fs::write(scene.directory.file("rejected.jsonl"), "{\"time\":173").unwrap();
            let known = format!("old {}", rng.usize(..unaccounted));
            kill_a_start(scene, &whole, &known, call, n)
        });
    }
    figure("kill -9 at each call of the recovery", &format!("{kills} kills"), seed);
}

/// Then nothing of the `whole` log may be gone, the row of the `known` id not come again, and a new one come behind it.
fn kill_a_start(mut scene: Scene, whole: &str, known: &str, call: &str, n: usize) -> ControlFlow<()> {
    let log = |scene: &Scene| scene.directory.read("metric_log.csv");
    let mut service = scene.disturbed(call, "signal=KILL", &n.to_string());
    let consumes = |service: &Service| service.count_lines("consuming") > 0;
    wait_for("end or start", || (!service.is_running() || consumes(&service)).then_some(()));
    if service.is_running() {
        return Break(());
    }
    assert_eq!(service.wait().signal(), Some(9), "{:?}", service.lines());
    assert!(log(&scene).starts_with(whole), "{call} {n}: rows are gone");
    for queue in ["y_true", "y_pred"] {
        let half = |id: &str| format!("{{\"id\": \"{id}\", \"body\": 1}}");
        scene.publish(queue, [known, "new"].map(half).into_iter());
    }
    let service = scene.metric();
    service.wait_for_line("consuming");
    wait_for("new row", || log(&scene).contains("\nnew,").then_some(()));
    assert_eq!(service.terminate(), Some(0));
    let log = log(&scene);
    let added = log.strip_prefix(whole).expect("rows are gone or changed");
    assert!(added.starts_with("new,1,1,0,") && added.lines().count() == 1, "{call} {n}: {added}");
    Continue(())
}
