//! What becomes of samples when `features` is killed or its connection dies before a confirm. The proxy keeps what went over the
//! wire: which messages were published, and which confirms came back.

use crate::{drain, features};
use glue::testing::{
    Direction, Peer, Proxy, count, figure,
    frames::{Published, published},
    prefix, random, shared_broker, wait_for,
};
use std::{collections::BTreeMap, thread, time::Duration};

/// Samples by id: how many of their halves were published, and how many of those confirmed.
fn samples(messages: &[Published]) -> BTreeMap<String, (usize, usize)> {
    let mut samples = BTreeMap::<_, (usize, usize)>::new();
    for message in messages {
        let sample: serde_json::Value = serde_json::from_slice(&message.body).unwrap();
        let (published, confirmed) = samples.entry(sample["id"].as_str().unwrap().to_owned()).or_default();
        *published += 1;
        *confirmed += usize::from(message.confirmed);
    }
    samples
}

#[test]
fn a_kill_loses_no_half_of_a_sample_that_counts_as_sent() {
    let (mut rng, seed) = random();
    let kills = count("CHAOS_FEATURES_KILLS", 20);
    let (url, prefix) = (shared_broker(), prefix());
    let (y_true, x) = (format!("{prefix}y_true"), format!("{prefix}features"));
    let (mut sent, mut unfinished) = (0, 0);
    let mut in_queues = [BTreeMap::<String, usize>::new(), BTreeMap::new()];
    for _ in 0..kills {
        let proxy = Proxy::start(&url, true);
        let mut service = features(&proxy.url, &prefix, &[("interval", "0.0002")]);
        service.wait_for_line(" sent, ");
        thread::sleep(Duration::from_micros(rng.u64(..100_000)));
        service.kill();
        let [to_broker, from_broker] = proxy.said().pop().unwrap();
        let samples = samples(&published(&to_broker, &from_broker));
        let peer = Peer::connect(&url);
        for (queue, ids) in [&y_true, &x].into_iter().zip(&mut in_queues) {
            for (id, _) in drain(&peer, queue) {
                *ids.entry(id).or_default() += 1;
            }
        }
        for (id, (_, confirmed)) in &samples {
            if *confirmed == 2 {
                sent += 1;
                assert!(in_queues.iter().all(|ids| ids.contains_key(id)), "half of {id} is gone");
            } else {
                unfinished += 1;
            }
        }
    }
    for ids in &in_queues {
        assert!(ids.values().all(|&times| times == 1), "an id was given twice");
    }
    assert!(unfinished > 0, "no kill came before a confirm");
    figure(
        "kill -9 of features while it publishes",
        &format!("{kills} kills, {sent} samples sent, {unfinished} on their way when it died"),
        seed,
    );
}

#[test]
fn what_was_not_confirmed_when_a_connection_dies_is_published_again_under_its_id() {
    let (mut rng, seed) = random();
    let cuts = count("CHAOS_FEATURES_CUTS", 5);
    let (url, prefix) = (shared_broker(), prefix());
    let proxy = Proxy::start(&url, true);
    let service = features(&proxy.url, &prefix, &[("interval", "0.002")]);
    for cut in 1..=cuts {
        wait_for("connection", || (service.count_lines("connected to") == cut).then_some(()));
        let with_confirm = |wanted: bool| {
            let [to_broker, from_broker] = proxy.said().pop().unwrap();
            let messages = published(&to_broker, &from_broker);
            messages.iter().filter(|message| message.confirmed == wanted).count()
        };
        wait_for("confirms", || (with_confirm(true) > 20).then_some(()));
        proxy.swallow_acks(Direction::FromBroker, true);
        wait_for("messages without a confirm", || (with_confirm(false) > 20).then_some(()));
        proxy.cut_after(Direction::ToBroker, rng.usize(0..2000));
        wait_for("cut", || (proxy.cuts() == cut).then_some(()));
        proxy.swallow_acks(Direction::FromBroker, false);
    }
    wait_for("connection", || (service.count_lines("connected to") > cuts).then_some(()));
    assert_eq!(service.terminate(), Some(0));

    let connections: Vec<Vec<Published>> =
        proxy.said().iter().map(|[to, from]| published(to, from)).collect();
    let mut again = 0;
    for pair in connections.windows(2) {
        let lost: Vec<_> = pair[0].iter().filter(|message| !message.confirmed).collect();
        // In the order in which they were published first, before anything new.
        for (lost, repeated) in lost.iter().zip(&pair[1]) {
            assert_eq!((&lost.queue, &lost.body), (&repeated.queue, &repeated.body));
        }
        assert!(pair[1].len() >= lost.len());
        let confirmed: Vec<_> = pair[0].iter().filter(|message| message.confirmed).collect();
        for message in &pair[1] {
            assert!(!confirmed.iter().any(|c| (&c.queue, &c.body) == (&message.queue, &message.body)));
        }
        again += lost.len();
    }
    let peer = Peer::connect(&url);
    let [y_true, x] = ["y_true", "features"].map(|queue| {
        let mut ids: Vec<String> =
            drain(&peer, &format!("{prefix}{queue}")).into_iter().map(|sample| sample.0).collect();
        ids.sort();
        ids.dedup();
        ids
    });
    assert_eq!(y_true, x, "half a sample");
    figure(
        "features' connection cut before the confirms came",
        &format!("{cuts} cuts, {again} messages published again, {} samples", x.len()),
        seed,
    );
}
