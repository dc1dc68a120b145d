//! SIGKILL at random instants. After every restart no row seen before may be gone or changed, and in the end the ledger holds.

use crate::{
    ledger::{Ledger, Seen},
    metric, names,
};
use amiquip::{ConsumerMessage, ConsumerOptions};
use glue::testing::{
    Direction, Directory, Peer, Proxy, Service, count, figure, prefix, publish_until_confirmed, random,
    shared_broker, wait_for,
};
use std::{fs, thread, time::Duration};

/// About the length of a row; only to choose instants.
const ROW_BYTES: usize = 70;

/// What the kills hit.
#[derive(Default)]
struct Hits {
    /// Instants chosen after some row.
    behind_rows: usize,
    /// Of those: more rows were to come.
    at_work: usize,
    /// Between the log's sync and the store's commit, as the next start found out.
    before_commit: usize,
}

/// Waits for a random instant: mostly until some of the rows that are to come are written, sometimes any time after the start. Gives
/// whether rows were waited for.
fn wait_for_an_instant(
    rng: &mut fastrand::Rng,
    directory: &Directory,
    seen: usize,
    rows_per_kill: usize,
) -> bool {
    if rng.u8(..10) == 0 {
        thread::sleep(Duration::from_micros(rng.u64(..150_000)));
        return false;
    }
    let until = (seen + rng.usize(1..=rows_per_kill) * ROW_BYTES) as u64;
    let bytes = || {
        let names = names(directory, "metric_log").into_iter();
        names.filter_map(|name| fs::metadata(directory.file(&name)).ok()).map(|log| log.len()).sum::<u64>()
    };
    wait_for("further rows", || (bytes() > until).then_some(()));
    thread::sleep(Duration::from_micros(rng.u64(..5_000)));
    true
}

#[test]
fn every_pair_gives_exactly_one_row_whatever_is_killed() {
    kill_at_random_instants(count("CHAOS_KILLS", 15), count("CHAOS_PAIRS", 15_000), 1, false, "");
}

#[test]
fn every_pair_of_batch_messages_gives_exactly_one_row_whatever_is_killed() {
    let (kills, pairs) = (count("CHAOS_BATCH_KILLS", 6), count("CHAOS_BATCH_PAIRS", 100_000));
    kill_at_random_instants(kills, pairs, 100, false, "");
}

#[test]
fn every_pair_of_classes_gives_exactly_one_row_with_their_names_whatever_is_killed() {
    kill_at_random_instants(count("CHAOS_BATCH_KILLS", 6), count("CHAOS_PAIRS", 15_000), 10, true, "");
}

#[test]
fn every_pair_gives_exactly_one_row_over_all_logs_that_got_a_number_whatever_is_killed() {
    kill_at_random_instants(count("CHAOS_KILLS", 15), count("CHAOS_PAIRS", 15_000), 1, false, "8192");
}

fn kill_at_random_instants(
    kills: usize,
    pairs: usize,
    batch: usize,
    is_of_classes: bool,
    log_max_bytes: &str,
) {
    let (mut rng, seed) = random();
    let (url, directory) = (shared_broker(), Directory::new());
    let ledger = Ledger::new(pairs, batch, &mut rng);
    let ledger = if is_of_classes { ledger.of_classes() } else { ledger };
    let settings =
        [ledger.task(), ("predictions", "y_pred"), ("prefetch", "500"), ("log-max-bytes", log_max_bytes)];
    let start = || metric(&url, ledger.prefix(), &directory, &settings);
    let mut service = start();
    service.wait_for_line("consuming");
    let (mut seen, mut hits) = (Seen::default(), Hits::default());
    thread::scope(|scope| {
        scope.spawn(|| ledger.publish(&url));
        for _ in 0..kills {
            let is_behind_rows = wait_for_an_instant(&mut rng, &directory, seen.bytes(), pairs / kills / 2);
            let adopted = service.count_lines("recovered ");
            service.kill();
            hits.before_commit += adopted;
            let new = seen.look(&directory);
            let is_at_work = is_behind_rows && new > 0 && seen.rows() < ledger.early_rows();
            hits.behind_rows += usize::from(is_behind_rows);
            hits.at_work += usize::from(is_at_work);
            service = start();
        }
    });
    ledger.finish(&url, &directory);
    ledger.wait_until_drained(&url);
    assert_eq!(service.terminate(), Some(0));
    seen.look(&directory);
    ledger.check(&directory);
    let logs = names(&directory, "metric_log").len();
    assert_eq!(logs > 1, !log_max_bytes.is_empty(), "{logs} logs");
    let Hits { behind_rows, at_work, before_commit } = hits;
    figure(
        "kill -9 of metric at random instants",
        &format!(
            "{kills} kills, {at_work} of them while rows were written, {before_commit} between log and store; {pairs} pairs of \
             {}, {batch} to a message, {logs} logs",
            ledger.task().1
        ),
        seed,
    );
    assert!(at_work * 10 >= behind_rows * 7, "only {at_work} of {behind_rows} kills hit metric at work");
}

/// The acknowledgements never reach the broker, so each kill sends the same messages round again. RabbitMQ 4 drops a message that
/// came back 20 times, unless it is told otherwise.
#[test]
fn a_hundred_kills_in_a_row_lose_nothing() {
    const PAIRS: usize = 100;
    let (_, seed) = random();
    let kills = count("CHAOS_KILLS_IN_A_ROW", 100);
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    let (y_true, y_pred) = (format!("{prefix}y_true"), format!("{prefix}y_pred"));
    let settings = [("predictions", "y_pred")];
    let mut service = metric(&url, &prefix, &directory, &settings);
    service.wait_for_line("consuming");
    service.kill();
    publish_until_confirmed(&url, PAIRS, |id| {
        (y_true.clone(), format!("{{\"id\": {id}, \"body\": 1}}").into_bytes())
    });
    let proxy = Proxy::start(&url, false);
    let peer = Peer::connect(&url);
    let come_back = || wait_for("redelivery", || (peer.depth(&y_true) as usize == PAIRS).then_some(()));
    proxy.swallow_acks(Direction::ToBroker, true);
    for _ in 0..kills {
        come_back();
        let mut service = metric(&proxy.url, &prefix, &directory, &settings);
        service.wait_for_line("consuming");
        wait_for("delivery", || (peer.depth(&y_true) == 0).then_some(()));
        service.kill();
    }
    come_back();
    publish_until_confirmed(&url, PAIRS, |id| {
        (y_pred.clone(), format!("{{\"id\": {id}, \"body\": 2}}").into_bytes())
    });
    // A store of its own, in which nothing waits: the rows come of what the broker still has.
    let empty = Directory::new();
    let service: Service = metric(&url, &prefix, &empty, &settings);
    wait_for("row of every pair", || (crate::rows(&empty).len() == PAIRS).then_some(()));
    assert_eq!(peer.depth(&format!("{prefix}dead_letters")), 0);
    assert_eq!(service.terminate(), Some(0));
    figure(
        "kills in a row, each with all messages unacknowledged",
        &format!("{kills} kills, {PAIRS} pairs"),
        seed,
    );
}

/// What a message comes to in the end that ends its consumer each time.
#[test]
fn a_message_that_came_back_a_thousand_times_is_kept_as_a_dead_letter() {
    let (url, prefix, directory) = (shared_broker(), prefix(), Directory::new());
    let service = metric(&url, &prefix, &directory, &[("predictions", "y_pred")]);
    service.wait_for_line("consuming");
    assert_eq!(service.terminate(), Some(0));
    let mut peer = Peer::connect(&url);
    peer.publish(&format!("{prefix}y_true"), br#"{"id": "again", "body": 1}"#);
    peer.confirmed();
    let dead_letters = format!("{prefix}dead_letters");
    let options = ConsumerOptions::default();
    let consumer = peer.channel.basic_consume(format!("{prefix}y_true"), options).unwrap();
    let mut came = 0;
    wait_for("dead letter", || {
        while let Ok(ConsumerMessage::Delivery(delivery)) =
            consumer.receiver().recv_timeout(Duration::from_millis(200))
        {
            delivery.nack(&peer.channel, true).unwrap();
            came += 1;
        }
        (peer.depth(&dead_letters) == 1).then_some(())
    });
    // Once, and the 1,000 times that it came back.
    assert_eq!(came, 1001);
    assert_eq!(peer.drain(&dead_letters)[0].body, br#"{"id": "again", "body": 1}"#);
}
