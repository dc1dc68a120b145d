//! What happens to a service in a year, in one history that the seed chooses: outages of the broker, cut connections, logs that are
//! renamed, kills and orderly restarts, a system clock that is set. Any of them may meet any other.

use crate::{
    ledger::{Ledger, Seen},
    names, settings,
};
use glue::testing::{Direction, Directory, Node, Peer, Proxy, Service, count, figure, random, wait_for};
use std::{collections::BTreeMap, ffi::OsStr, fs, io::ErrorKind, path::Path};

/// Where Debian's package puts the library that lets a process see another time.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
/// Long enough that no jump of the clock makes a half too old.
const AGE_MAX: &str = "36500d";
const JUMPS: [&str; 4] = ["+0", "+10y", "-10y", "-40d"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    KillMetric,
    RestartMetric,
    KillBroker,
    StopBroker,
    CutConnection,
    RenameLog,
    SetClock,
}

const EVENTS: [Event; 7] = [
    Event::KillMetric,
    Event::RestartMetric,
    Event::KillBroker,
    Event::StopBroker,
    Event::CutConnection,
    Event::RenameLog,
    Event::SetClock,
];

struct Story<'l> {
    node: Node,
    proxy: Proxy,
    ledger: &'l Ledger,
    directory: Directory,
    service: Service,
    is_broker_up: bool,
    /// By which the service's system clock is wrong.
    clock: &'static str,
    log_max_bytes: &'static str,
    seen: Seen,
    told: BTreeMap<Event, usize>,
}

impl<'l> Story<'l> {
    fn begin(ledger: &'l Ledger, log_max_bytes: &'static str) -> Story<'l> {
        let (node, directory) = (Node::start(), Directory::new());
        let proxy = Proxy::start(&node.url, false);
        let service = start(&proxy, ledger, &directory, "+0", log_max_bytes);
        service.wait_for_line("consuming");
        let (clock, seen, told) = ("+0", Seen::default(), BTreeMap::new());
        Story {
            node,
            proxy,
            ledger,
            directory,
            service,
            is_broker_up: true,
            clock,
            log_max_bytes,
            seen,
            told,
        }
    }

    fn tell(&mut self, event: Event, rng: &mut fastrand::Rng) {
        *self.told.entry(event).or_default() += 1;
        match event {
            Event::KillMetric => {
                self.service.kill();
                self.start();
            }
            Event::RestartMetric => {
                // A signal before that would end it by its default.
                self.service.wait_for_line("log-dir");
                self.service.signal("TERM");
                assert_eq!(self.service.wait().code(), Some(0), "{:?}", self.service.lines());
                self.start();
            }
            Event::KillBroker | Event::StopBroker => {
                self.node.command(if event == Event::KillBroker { "kill" } else { "stop" });
                self.is_broker_up = false;
            }
            // It takes effect with what goes over the wire next.
            Event::CutConnection => self.proxy.cut_after(Direction::FromBroker, rng.usize(0..20_000)),
            Event::RenameLog => self.rename_log(),
            Event::SetClock => {
                self.clock = JUMPS[rng.usize(..JUMPS.len())];
                self.tell(if rng.bool() { Event::KillMetric } else { Event::RestartMetric }, rng);
            }
        }
    }

    fn start(&mut self) {
        self.look();
        self.service = start(&self.proxy, self.ledger, &self.directory, self.clock, self.log_max_bytes);
    }

    fn rename_log(&mut self) {
        self.look();
        let renamed = format!("metric_log.by_hand_{}.csv", self.told[&Event::RenameLog]);
        // There is none if it was renamed already, and no row came since.
        match fs::rename(self.directory.file("metric_log.csv"), self.directory.file(&renamed)) {
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            renamed => renamed.unwrap(),
        }
    }

    /// No row that was seen is gone or changed, in whichever file.
    fn look(&mut self) {
        self.seen.look(&self.directory);
    }

    /// All that was published was delivered, though not all of it need be acknowledged.
    fn wait_until_taken(&self) {
        let peer = Peer::connect(&self.node.url);
        let is_taken = |name: &str| peer.depth(&format!("{}{name}", self.ledger.prefix())) == 0;
        wait_for("empty queues", || ["y_true", "y_pred"].into_iter().all(is_taken).then_some(()));
    }

    fn rows(&mut self) -> usize {
        self.look();
        self.seen.rows()
    }
}

fn start(proxy: &Proxy, ledger: &Ledger, directory: &Directory, clock: &str, log_max_bytes: &str) -> Service {
    // RabbitMQ 3.10 at times loses a quorum queue for good when it is killed soon after a start; `broker_faults` has those.
    let queues = [ledger.task(), ("predictions", "y_pred"), ("queue-type", "classic")];
    let limits = [("pending-max-age", AGE_MAX), ("prefetch", "500"), ("log-max-bytes", log_max_bytes)];
    let more = [&queues[..], &limits].concat();
    let settings = settings(&proxy.url, ledger.prefix(), directory, &more);
    assert!(Path::new(FAKETIME).exists(), "{FAKETIME} is missing: run the tests with `make test-all`");
    let variables = [("LD_PRELOAD", FAKETIME), ("FAKETIME", clock), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    let variables = variables.map(|(name, value)| (name, OsStr::new(value)));
    Service::start_with_variables(env!("CARGO_BIN_EXE_metric"), &variables, &settings)
}

#[test]
fn a_history_of_outages_rotations_restarts_and_clock_jumps_loses_and_doubles_nothing() {
    let (mut rng, seed) = random();
    let rounds = count("CHAOS_HISTORY_ROUNDS", 5);
    let ledger = Ledger::new(count("CHAOS_HISTORY_PAIRS", 5_000), 1, &mut rng);
    let ledger = if rng.bool() { ledger.of_classes() } else { ledger };
    let log_max_bytes = *rng.choice(&["", "20000"]).unwrap();
    let mut story = Story::begin(&ledger, log_max_bytes);
    let mut history = Vec::new();
    for round in 0..rounds {
        // First what is published while all is well, then up to four things at once.
        ledger.publish_part(&story.node.url, round, rounds);
        if rng.bool() {
            story.wait_until_taken();
        }
        let events: Vec<Event> = (0..rng.usize(1..=4)).map(|_| EVENTS[rng.usize(..EVENTS.len())]).collect();
        println!("round {round}: {events:?}");
        for event in &events {
            story.tell(*event, &mut rng);
        }
        if !story.is_broker_up {
            story.node.command("start");
            story.is_broker_up = true;
        }
        history.extend(events);
    }
    ledger.finish(&story.node.url, &story.directory);
    assert!(story.service.is_running(), "{:?}", story.service.lines());
    assert_eq!(story.rows(), ledger.pairs());
    let Story { service, directory, told, .. } = story;
    assert_eq!(service.terminate(), Some(0));
    ledger.check(&directory);
    figure(
        "outages, rotations, restarts and clock jumps in one history",
        &format!(
            "{} events: {told:?}; {} pairs of {} in {} logs",
            history.len(),
            ledger.pairs(),
            ledger.task().1,
            names(&directory, "metric_log").len()
        ),
        seed,
    );
}
