//! All that a broker does to its clients, while `features` and `metric` work: no sample is lost or doubled.

use crate::{
    ledger::{Ledger, Seen},
    metric,
    pipeline::binary,
    rows,
};
use glue::testing::{Direction, Directory, Node, Proxy, Service, count, figure, random, wait_for};
use std::{collections::HashSet, iter, thread};

#[derive(Clone, Copy, Debug)]
enum Fault {
    Kill,
    Restart,
    /// A connection, in the middle of a frame.
    Cut,
}

/// A log directory, the `metric` at work on it through a proxy, and what was seen of its log.
struct Work {
    proxy: Proxy,
    directory: Directory,
    service: Service,
    seen: Seen,
}

impl Work {
    fn start(url: &str, prefix: &str, predictions: &str) -> Work {
        let (proxy, directory) = (Proxy::start(url, false), Directory::new());
        let service = metric(&proxy.url, prefix, &directory, &[("predictions", predictions)]);
        service.wait_for_line("consuming");
        Work { proxy, directory, service, seen: Seen::default() }
    }
}

/// Cuts the connection after some bytes more.
fn cut(proxy: &Proxy, rng: &mut fastrand::Rng) {
    let cuts = proxy.cuts();
    let (direction, bytes) =
        if rng.bool() { (Direction::ToBroker, 500) } else { (Direction::FromBroker, 20_000) };
    proxy.cut_after(direction, rng.usize(0..bytes));
    wait_for("cut", || (proxy.cuts() > cuts).then_some(()));
}

/// How many samples the last line with `text` says; none without such a line.
fn samples_in_line(service: &Service, text: &str) -> usize {
    let lines = service.lines();
    let words = |line: &String| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let line = lines.iter().rev().find(|line| line.contains(text)).map(words).unwrap_or_default();
    let before = line.windows(2).find(|pair| pair[1].starts_with("sample"));
    before.map_or(0, |pair| pair[0].parse().unwrap())
}

#[test]
fn brokers_that_die_and_connections_that_are_cut_lose_and_double_nothing() {
    let (mut rng, seed) = random();
    let [kills, restarts, cuts] =
        [("CHAOS_BROKER_KILLS", 1), ("CHAOS_BROKER_RESTARTS", 1), ("CHAOS_CUTS", 5)]
            .map(|(variable, usual)| count(variable, usual));
    let node = Node::start();
    let ledger = Ledger::new(count("CHAOS_BROKER_PAIRS", 10_000), 1, &mut rng);
    let mut samples = Work::start(&node.url, "", "model");
    let mut pairs = Work::start(&node.url, ledger.prefix(), "y_pred");
    let features_proxy = Proxy::start(&node.url, false);
    let features =
        Service::start(binary("features"), &[("amqp-url", &features_proxy.url), ("interval", "0.002")]);
    features.wait_for_line(" sent, ");
    let mut faults: Vec<Fault> = [(Fault::Kill, kills), (Fault::Restart, restarts), (Fault::Cut, cuts)]
        .into_iter()
        .flat_map(|(fault, times)| iter::repeat_n(fault, times))
        .collect();
    rng.shuffle(&mut faults);
    for (round, fault) in faults.iter().enumerate() {
        if let Fault::Kill = fault {
            node.sync_queues();
        }
        thread::scope(|scope| {
            scope.spawn(|| ledger.publish_part(&node.url, round, faults.len()));
            match fault {
                Fault::Kill => node.command("kill"),
                Fault::Restart => node.command("stop"),
                Fault::Cut => {
                    let proxies = [&features_proxy, &samples.proxy, &pairs.proxy];
                    cut(proxies[rng.usize(..3)], &mut rng);
                }
            }
            node.command("start");
        });
        let before = samples.seen.rows();
        wait_for("further rows", || {
            samples.seen.look(&samples.directory);
            pairs.seen.look(&pairs.directory);
            (samples.seen.rows() > before).then_some(())
        });
    }
    ledger.finish(&node.url, &pairs.directory);
    features.signal("TERM");
    let mut features = features;
    assert_eq!(features.wait().code(), Some(0));
    let sent = samples_in_line(&features, "stopped; ");
    let unconfirmed = samples_in_line(&features, "not counted as sent");
    wait_for("row of every sample", || (rows(&samples.directory).len() >= sent).then_some(()));
    for work in [&mut samples, &mut pairs] {
        work.seen.look(&work.directory);
        assert!(work.service.is_running(), "{:?}", work.service.lines());
    }
    assert_eq!([samples.service.terminate(), pairs.service.terminate()], [Some(0), Some(0)]);
    ledger.check(&pairs.directory);
    let ids: Vec<String> = rows(&samples.directory).into_iter().map(|row| row.0).collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "an id has two rows");
    assert!((sent..=sent + unconfirmed).contains(&ids.len()), "{sent} sent, {} rows", ids.len());
    assert_eq!(samples.directory.read("rejected.jsonl"), "");
    figure(
        "broker killed / restarted / connections cut in a frame",
        &format!("{kills} / {restarts} / {cuts}; {sent} samples of features, {} other pairs", ledger.pairs()),
        seed,
    );
}

/// An alarm keeps publishers waiting, not consumers.
#[test]
fn an_alarm_does_not_keep_metric_from_its_work() {
    let node = Node::start();
    let ledger = Ledger::new(500, 1, &mut random().0);
    let directory = Directory::new();
    let settings = [("predictions", "y_pred")];
    let mut service = metric(&node.url, ledger.prefix(), &directory, &settings);
    service.wait_for_line("consuming");
    service.kill();
    ledger.publish(&node.url);
    node.alarm(true);
    let service = metric(&node.url, ledger.prefix(), &directory, &settings);
    wait_for("rows", || (rows(&directory).len() == ledger.early_rows()).then_some(()));
    wait_for("acknowledgements", || {
        let listed =
            node.eval("[rabbit_amqqueue:info(Queue, [messages]) || Queue <- rabbit_amqqueue:list()].");
        (listed.matches("{messages, 0}").count() == listed.matches("{messages,").count()).then_some(())
    });
    node.alarm(false);
    ledger.finish(&node.url, &directory);
    assert_eq!(service.terminate(), Some(0));
    ledger.check(&directory);
}
