//! Several URLs in `AMQP_URL`: which broker is tried when.

use crate::{metric, rows};
use glue::testing::{Directory, Peer, Proxy, free_address, prefix, shared_broker, wait_for};
use std::collections::HashSet;

/// As the log names a broker.
fn shown(url: &str) -> String {
    let address = url.split(['@', '/']).nth(3).unwrap();
    format!("amqp://guest@{address} (vhost /)")
}

#[test]
fn brokers_are_tried_in_turn_and_the_first_one_again_once_a_connection_is_lost() {
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    let [first, second] = [(); 2].map(|()| Proxy::start(&url, false));
    let nowhere = format!("amqp://guest:guest@{}/%2f", free_address());
    first.set_away(true);
    let urls = [nowhere.as_str(), &first.url, &second.url].join(",");
    let service = metric(&urls, &prefix, &directory, &[("predictions", "y_pred")]);
    let [of_nowhere, of_first, of_second] = [&nowhere, &first.url, &second.url].map(|url| shown(url));
    service.wait_for_line(&format!("broker {of_nowhere}, {of_first}, {of_second}, "));
    service.wait_for_line(&format!(
        "no connection to {of_nowhere}: Connection refused (os error 111); trying {of_first}"
    ));
    service.wait_for_line(&format!("no connection to {of_first}: "));
    service.wait_for_line(&format!("connected to {of_second}; consuming"));

    let mut peer = Peer::connect(&url);
    let mut published = 0;
    let mut make_rows = || {
        for id in published..published + 500 {
            for queue in ["y_true", "y_pred"] {
                let half = format!("{{\"id\": {id}, \"body\": {id}}}");
                peer.publish(&format!("{prefix}{queue}"), half.as_bytes());
            }
        }
        peer.confirmed();
        published += 500;
        wait_for("rows", || (rows(&directory).len() == published).then_some(()));
    };
    make_rows();
    // It stays where it is, also once the first one is back.
    let tries = first.connections();
    first.set_away(false);
    make_rows();
    assert_eq!(first.connections(), tries);
    second.set_away(true);
    service.wait_for_line(&format!("connected to {of_first}; consuming"));
    make_rows();
    // Away from all: each is tried, and the one that comes back is found.
    first.set_away(true);
    service.wait_for_line(&format!("no connection to {of_second}: "));
    second.set_away(false);
    wait_for("connection", || (service.count_lines(&format!("connected to {of_second}")) == 2).then_some(()));
    make_rows();
    assert!(!service.lines().iter().any(|line| line.contains("guest:guest")), "{:?}", service.lines());
    assert_eq!(service.terminate(), Some(0));
    let ids: HashSet<String> = rows(&directory).into_iter().map(|row| row.0).collect();
    assert_eq!((ids.len(), rows(&directory).len()), (published, published));
}
