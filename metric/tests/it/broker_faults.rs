//! All that a broker does to its clients, while `features` and `metric` work: no sample is lost or doubled.

use crate::{
    ledger::Ledger,
    metric,
    pipeline::binary,
    rows,
    work::{self, Work},
};
use glue::testing::{Direction, Directory, Node, Proxy, Service, count, figure, random, wait_for};
use std::{iter, thread};

#[derive(Clone, Copy, Debug)]
enum Fault {
    Kill,
    Restart,
    /// A connection, in the middle of a frame.
    Cut,
}

/// Cuts the connection after some bytes more.
fn cut(proxy: &Proxy, rng: &mut fastrand::Rng) {
    let cuts = proxy.cuts();
    let (direction, bytes) =
        if rng.bool() { (Direction::ToBroker, 500) } else { (Direction::FromBroker, 20_000) };
    proxy.cut_after(direction, rng.usize(0..bytes));
    wait_for("cut", || (proxy.cuts() > cuts).then_some(()));
}

#[test]
fn brokers_that_die_and_connections_that_are_cut_lose_and_double_nothing() {
    let (mut rng, seed) = random();
    let [kills, restarts, cuts] =
        [("CHAOS_BROKER_KILLS", 1), ("CHAOS_BROKER_RESTARTS", 1), ("CHAOS_CUTS", 5)]
            .map(|(variable, usual)| count(variable, usual));
    let node = Node::start();
    let ledger = Ledger::new(count("CHAOS_BROKER_PAIRS", 10_000), 1, &mut rng);
    let proxies = [(); 3].map(|()| Proxy::start(&node.url, false));
    let mut samples = Work::start(&proxies[0].url, "", "model");
    let mut pairs = Work::start(&proxies[1].url, ledger.prefix(), "y_pred");
    let features =
        Service::start(binary("features"), &[("amqp-url", &proxies[2].url), ("interval", "0.002")]);
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
                Fault::Cut => cut(&proxies[rng.usize(..3)], &mut rng),
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
    let sent = work::finish(&node.url, &ledger, features, samples, pairs);
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
