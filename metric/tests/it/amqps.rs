//! TLS between the services and a real broker: which connections are refused, and in which words; and that nothing is lost or doubled.

use crate::{
    ledger::{Ledger, Seen},
    metric,
    pipeline::binary,
    rows,
};
use glue::testing::{
    Authority, Direction, Directory, Node, Proxy, Service, count, figure, permit_certificate, prefix, random,
    shared_broker, wait_for,
};

const HERE: &str = "DNS:localhost,IP:127.0.0.1";
const REQUIRED: &str = ",{verify,verify_peer},{fail_if_no_peer_cert,true}";

/// An authority whose certificate `server` is valid for the listeners.
fn authority() -> Authority {
    let authority = Authority::new();
    authority.certify("server", HERE);
    authority
}

fn url(address: &str) -> String {
    format!("amqps://guest:guest@{address}/%2f")
}

/// Starts `metric` and waits for a line that says why it has no connection to `url`.
fn refuses(url: &str, settings: &[(&str, &str)], words: &str) {
    let (prefix, directory) = (prefix(), Directory::new());
    let service = metric(url, &prefix, &directory, settings);
    let line = service.wait_for_line("no connection to");
    assert!(line.contains(words), "{line}");
    assert!(!line.contains("guest:guest"), "{line}");
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn a_certificate_that_does_not_hold_is_refused_in_words() {
    let (node, ours, others) = (Node::shared(), authority(), authority());
    ours.certify("elsewhere", "DNS:broker.example,DNS:*.example");
    ours.certify("nowhere", "email:nobody");
    ours.certify("address", "IP:127.0.0.1");
    ours.certify_between("old", HERE, "20200101000000Z", "20200201000000Z");
    ours.certify_between("early", HERE, "20990101000000Z", "20990201000000Z");
    let (our_ca, other_ca) = (ours.path("ca.pem"), others.path("ca.pem"));
    let trust = [("amqp-ca", our_ca.as_str())];
    let good = url(&ours.listen(&node, "server", ""));
    refuses(&good, &[], "its certificate is not of a public authority; --amqp-ca FILE names another");
    let words = format!("its certificate is not of an authority in {other_ca} (--amqp-ca)");
    refuses(&good, &[("amqp-ca", &other_ca)], &words);
    for (name, words) in [
        ("old", "its certificate expired "),
        ("early", "its certificate is valid only in "),
        ("elsewhere", "its certificate is for broker.example, *.example, not for 127.0.0.1"),
        ("nowhere", "its certificate has no names (a common name does not count), not for 127.0.0.1"),
        ("ca", "its certificate is that of an authority (CA:TRUE)"),
    ] {
        refuses(&url(&ours.listen(&node, name, "")), &trust, words);
    }
    let address = url(&ours.listen(&node, "address", "")).replace("127.0.0.1", "localhost");
    refuses(&address, &trust, "its certificate is for 127.0.0.1, not for localhost");
    // With the right authority and the right name it is as good as a plain one.
    for host in ["127.0.0.1", "localhost"] {
        let url = good.replace("127.0.0.1", host);
        // In a variable: a temporary value would be dropped while the service runs.
        let directory = Directory::new();
        let service = metric(&url, &prefix(), &directory, &trust);
        service.wait_for_line("connected to amqps://guest@");
        assert_eq!(service.terminate(), Some(0));
    }
}

#[test]
fn a_broker_that_wants_a_certificate_or_no_tls_at_all_is_named_in_words() {
    let (node, ours, others) = (Node::shared(), authority(), authority());
    ours.certify("client", "DNS:client");
    others.certify("client", "DNS:client");
    let ca = ours.path("ca.pem");
    for (version, words) in [
        ("tlsv1.3", "it requires a client certificate"),
        ("tlsv1.2", "it refuses the handshake; perhaps it requires a client certificate"),
    ] {
        let more = format!("{REQUIRED},{{versions,['{version}']}}");
        let url = url(&ours.listen(&node, "server", &more));
        refuses(&url, &[("amqp-ca", &ca)], words);
        let [certificate, key] = ["client.pem", "client.key"].map(|file| others.path(file));
        let settings = [("amqp-ca", ca.as_str()), ("amqp-cert", &certificate), ("amqp-key", &key)];
        refuses(&url, &settings, "it does not know the authority of the client certificate (--amqp-cert)");
    }
    let plain = shared_broker();
    let to_plain = plain.replace("amqp://", "amqps://");
    refuses(&to_plain, &[("amqp-ca", &ca)], "it does not speak TLS on this port");
    let to_tls = url(&ours.listen(&node, "server", "")).replace("amqps://", "amqp://");
    refuses(&to_tls, &[], "this port speaks TLS: use amqps://");
    let old = ours.listen(&node, "server", ",{versions,['tlsv1.1']}");
    refuses(&url(&old), &[("amqp-ca", &ca)], "it supports neither TLS 1.2 nor TLS 1.3");
}

#[test]
fn files_that_cannot_be_used_end_the_start() {
    let (ours, directory) = (authority(), Directory::new());
    ours.certify("client", "DNS:client");
    ours.openssl("pkey -in client.key -aes128 -passout pass:word -out locked.key");
    let path = |file: &str| ours.path(file);
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("amqp-ca", "/none.pem")], "--amqp-ca (AMQP_CA) /none.pem: No such file or directory"),
        (&[("amqp-ca", &path("client.key"))], "client.key: no certificate in PEM"),
        (
            &[("amqp-cert", &path("client.pem"))],
            "--amqp-cert (AMQP_CERT) and --amqp-key (AMQP_KEY) go together",
        ),
        (
            &[("amqp-cert", &path("client.key")), ("amqp-key", &path("client.key"))],
            "client.key: no certificate in PEM",
        ),
        (
            &[("amqp-cert", &path("client.pem")), ("amqp-key", "/none.key")],
            "--amqp-key (AMQP_KEY) /none.key: No such file",
        ),
        (
            &[("amqp-cert", &path("client.pem")), ("amqp-key", &path("client.pem"))],
            "client.pem: no private key in PEM",
        ),
        (
            &[("amqp-cert", &path("client.pem")), ("amqp-key", &path("locked.key"))],
            "locked.key: the key is encrypted",
        ),
        (
            &[("amqp-cert", &path("client.pem")), ("amqp-key", &path("server.key"))],
            "server.key: the key is not that of the certificate in",
        ),
        (
            &[("amqp-url", "amqp://guest:secret@h"), ("amqp-ca", &path("ca.pem"))],
            "--amqp-ca (AMQP_CA) goes with amqps://",
        ),
    ];
    for binary in [env!("CARGO_BIN_EXE_metric").into(), binary("features")] {
        for (settings, words) in cases {
            let all = [("log-dir", directory.0.to_str().unwrap()), ("amqp-url", "amqps://u:secret@h")];
            let mut service = Service::start(&binary, &[&all, *settings].concat());
            assert_eq!(service.wait().code(), Some(2), "{words}: {:?}", service.lines());
            let lines = service.lines();
            assert!(lines.len() == 1 && lines[0].contains(words), "{words}: {lines:?}");
            assert!(!lines[0].contains("secret"), "{lines:?}");
        }
    }
}

/// From samples to rows, in either version, where a client certificate says who connects.
#[test]
fn a_client_certificate_takes_the_place_of_a_password() {
    let (node, ours) = (Node::shared(), authority());
    let name = prefix().replace('.', "");
    ours.certify(&name, "DNS:client");
    permit_certificate(&node, &name);
    let [ca, certificate, key] =
        ["ca.pem".to_owned(), format!("{name}.pem"), format!("{name}.key")].map(|file| ours.path(&file));
    for version in ["tlsv1.2", "tlsv1.3"] {
        let (prefix, directory) = (prefix(), Directory::new());
        let address = ours.listen(&node, "server", &format!("{REQUIRED},{{versions,['{version}']}}"));
        let url = format!("amqps://{address}");
        let tls = [("amqp-ca", ca.as_str()), ("amqp-cert", &certificate), ("amqp-key", &key)];
        let service = metric(&url, &prefix, &directory, &tls);
        service.wait_for_line(&format!("connected to amqps://{address} (vhost /); consuming"));
        let settings = [
            ("amqp-url", url.as_str()),
            ("queue-prefix", &prefix),
            ("interval", "0"),
            ("count", "5000"),
            ("batch", "100"),
        ];
        let mut features = Service::start(binary("features"), &[&settings[..], &tls].concat());
        assert!(features.wait().success(), "{:?}", features.lines());
        wait_for("row of every sample", || (rows(&directory).len() == 5000).then_some(()));
        assert_eq!(service.terminate(), Some(0));
    }
}

#[test]
fn connections_of_tls_1_2_that_are_cut_anywhere_lose_and_double_nothing() {
    cut_anywhere("tlsv1.2");
}

#[test]
fn connections_of_tls_1_3_that_are_cut_anywhere_lose_and_double_nothing() {
    cut_anywhere("tlsv1.3");
}

/// Cuts one connection after the other, in the handshake, in the middle of records, and just where one ends.
fn cut_anywhere(version: &str) {
    const BATCH: usize = 5;
    let (mut rng, seed) = random();
    let cuts = count("CHAOS_TLS_CUTS", 30);
    let (node, ours, plain, directory) = (Node::shared(), authority(), shared_broker(), Directory::new());
    let ledger = Ledger::new(cuts * 300, BATCH, &mut rng);
    let address = ours.listen(&node, "server", &format!(",{{versions,['{version}']}}"));
    let (proxy, ca) = (Proxy::start(&url(&address), false), ours.path("ca.pem"));
    let settings = [("predictions", "y_pred"), ("prefetch", "200"), ("amqp-ca", ca.as_str())];
    let start = |url: &str| metric(url, ledger.prefix(), &directory, &settings);
    // Declares the queues; then there is a backlog at each connection, so that each cut hits one at work.
    let service = start(&proxy.url);
    service.wait_for_line("consuming");
    assert_eq!(service.terminate(), Some(0));
    ledger.publish(&plain);
    proxy.cut_after(Direction::FromBroker, rng.usize(0..3000));
    let service = start(&proxy.url);
    let mut seen = Seen::default();
    for cut in 1..=cuts {
        wait_for("cut", || (proxy.cuts() == cut).then_some(()));
        seen.look(&directory);
        // A handshake takes some 1500 bytes from the broker and 500 to it.
        match cut % 4 {
            _ if cut == cuts => {}
            0 => proxy.cut_after(Direction::FromBroker, rng.usize(0..3000)),
            1 => proxy.cut_after(Direction::ToBroker, rng.usize(0..3000)),
            _ => proxy.cut_after(Direction::FromBroker, rng.usize(3000..40_000)),
        }
    }
    ledger.finish(&plain, &directory);
    ledger.wait_until_drained(&plain);
    assert_eq!(service.terminate(), Some(0));
    ledger.check(&directory);
    figure(&format!("connections of {version} cut"), &format!("{cuts} cuts, {} pairs", ledger.pairs()), seed);
}
