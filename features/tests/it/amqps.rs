//! TLS between `features` and a real broker.

use crate::{drain, features};
use glue::testing::{
    Authority, Direction, Node, Peer, Proxy, count, figure, prefix, random, shared_broker, wait_for,
};
use std::collections::BTreeSet;

#[test]
fn connections_of_tls_that_are_cut_anywhere_lose_no_half_of_a_sample() {
    let (mut rng, seed) = random();
    let cuts = count("CHAOS_FEATURES_TLS_CUTS", 20);
    let (node, authority, url, prefix) = (Node::shared(), Authority::new(), shared_broker(), prefix());
    authority.certify("server", "IP:127.0.0.1");
    let address = authority.listen(&node, "server", "");
    let proxy = Proxy::start(&format!("amqps://guest:guest@{address}/%2f"), false);
    // Ten times as many samples as the cuts let through.
    let (ca, samples) = (authority.path("ca.pem"), (1000 * cuts).to_string());
    let settings = [("interval", "0.001"), ("batch", "10"), ("count", &samples), ("amqp-ca", &ca)];
    let mut service = features(&proxy.url, &prefix, &settings);
    for cut in 1..=cuts {
        // A confirm is some 50 bytes, the two messages of a batch some 3,500.
        let (direction, bytes) =
            if rng.bool() { (Direction::ToBroker, 50_000) } else { (Direction::FromBroker, 5000) };
        proxy.cut_after(direction, rng.usize(0..bytes));
        wait_for("cut", || (proxy.cuts() == cut).then_some(()));
    }
    assert!(service.wait().success(), "{:?}", service.lines());

    let peer = Peer::connect(&url);
    let [y_true, x] = ["y_true", "features"].map(|queue| {
        let samples = drain(&peer, &format!("{prefix}{queue}"));
        samples.into_iter().map(|sample| sample.0).collect::<BTreeSet<String>>()
    });
    assert_eq!((y_true.len(), y_true == x), (1000 * cuts, true), "half a sample, or too few");
    figure("features' connection of TLS cut", &format!("{cuts} cuts, {} samples", x.len()), seed);
}
