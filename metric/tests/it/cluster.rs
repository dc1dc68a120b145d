//! A cluster of three nodes that die, lose their majority and stand still, while `features` and `metric` work over all of its URLs: no
//! sample is lost or doubled.

use crate::{
    ledger::Ledger,
    pipeline::binary,
    status,
    work::{self, Work},
};
use glue::testing::{Cluster, Service, count, figure, random, wait_for};
use std::{
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    thread,
};

/// More samples than `features` can have unconfirmed and `metric` in memory: these came after the fault.
const FURTHER_ROWS: u64 = 3000;

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// SIGKILL of a node; it comes back after the work has gone on without it.
    Kill(usize),
    /// SIGKILL of all nodes but this one.
    KillOthers(usize),
    /// SIGSTOP of a node until the others have given it up and the work has gone on, SIGCONT, and an orderly restart.
    Pause(usize),
}

fn rows(work: &Work) -> u64 {
    status(&work.directory).unwrap()["rows"].as_u64().unwrap()
}

fn is_connected(work: &Work) -> bool {
    status(&work.directory).unwrap()["state"] == "consuming"
}

/// The URLs in another order: not all services have their connection to one node.
fn from(first: usize, urls: &str) -> String {
    let mut urls: Vec<&str> = urls.split(',').collect();
    urls.rotate_left(first);
    urls.join(",")
}

fn faults(rounds: usize, rng: &mut fastrand::Rng) -> Vec<Fault> {
    let mut faults = Vec::new();
    for _ in 0..rounds {
        let mut round: Vec<Fault> = (0..3).map(Fault::Kill).collect();
        round.extend([Fault::KillOthers(rng.usize(..3)), Fault::Pause(rng.usize(..3))]);
        rng.shuffle(&mut round);
        faults.extend(round);
    }
    faults
}

#[test]
fn a_cluster_whose_nodes_die_or_stand_still_loses_and_doubles_nothing() {
    let (mut rng, seed) = random();
    let faults = faults(count("CHAOS_CLUSTER_ROUNDS", 1), &mut rng);
    let ledger = Ledger::new(count("CHAOS_CLUSTER_PAIRS", 10_000), 1, &mut rng);
    let cluster = Cluster::start();
    let urls = cluster.urls();
    let mut samples = Work::start(&urls, "", "model");
    let mut pairs = Work::start(&from(1, &urls), ledger.prefix(), "y_pred");
    let of_features = from(2, &urls);
    let features = Service::start(binary("features"), &[("amqp-url", &of_features), ("interval", "0.001")]);
    features.wait_for_line(" sent, ");
    let wait_for_further_rows = |work: &Work| {
        let before = rows(work);
        wait_for("further rows", || (rows(work) >= before + FURTHER_ROWS).then_some(()));
    };
    for (part, fault) in faults.iter().enumerate() {
        println!("{fault:?}");
        cluster.wait_until_whole();
        cluster.nodes.iter().for_each(|node| node.sync_queues());
        let is_published = AtomicBool::new(false);
        let publish = || {
            ledger.publish_part(&urls, part, faults.len());
            is_published.store(true, SeqCst);
        };
        thread::scope(|scope| match *fault {
            Fault::Kill(number) => {
                scope.spawn(publish);
                cluster.nodes[number].command("kill");
                wait_for_further_rows(&samples);
                cluster.start_again(&[number]);
            }
            Fault::KillOthers(number) => {
                let others = [(number + 1) % 3, (number + 2) % 3];
                others.iter().for_each(|other| cluster.nodes[*other].command("kill"));
                scope.spawn(publish);
                let all = [&samples, &pairs];
                wait_for("end of all connections", || {
                    all.iter().all(|work| !is_connected(work)).then_some(())
                });
                assert!(!is_published.load(SeqCst), "one node of three has confirmed");
                cluster.start_again(&others);
            }
            Fault::Pause(number) => {
                scope.spawn(publish);
                cluster.nodes[number].command("pause");
                cluster.wait_until_given_up(number, (number + 1) % 3);
                wait_for_further_rows(&samples);
                cluster.nodes[number].command("continue");
                wait_for_further_rows(&samples);
                // RabbitMQ 3.10 may leave it as it is: up, and for the others down.
                cluster.nodes[number].command("restart");
            }
        });
        wait_for_further_rows(&samples);
        for work in [&mut samples, &mut pairs] {
            work.seen.look(&work.directory);
            assert!(work.service.is_running(), "{:?}", work.service.lines());
        }
    }
    cluster.wait_until_whole();
    let sent = work::finish(&urls, &ledger, features, samples, pairs);
    let times = |is_it: fn(&Fault) -> bool| faults.iter().filter(|fault| is_it(fault)).count();
    figure(
        "cluster of three nodes: one killed / two killed / one paused beyond the net tick",
        &format!(
            "{} / {} / {}; {sent} samples of features, {} other pairs",
            times(|fault| matches!(fault, Fault::Kill(_))),
            times(|fault| matches!(fault, Fault::KillOthers(_))),
            times(|fault| matches!(fault, Fault::Pause(_))),
            ledger.pairs()
        ),
        seed,
    );
}
