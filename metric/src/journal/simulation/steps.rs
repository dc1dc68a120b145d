//! Runs of a few fixed steps: the service dies at every call, the disk is full from every call, the log is renamed before every step. Nothing
//! is random, so each run shows the same bugs.

use super::{
    Call, Change, Driver, Fault, Halt, Image, LOG, Loss, OnFailure, Progress, SECTOR_BYTES, Seen, SimDisk,
    Workload, crash, halves, journal, logs, move_numbered, of_numbers, start, workload,
};
use crate::{
    clock::Now,
    join::Side,
    journal::{batch::Batch, settings::Settings},
    wire::labels::Task,
};
use std::{path::Path, sync::Arc, time::Instant};
use workload::{CONFLICT, HEADER, Message, value};

const OLD: &str = "old0.csv";
const UNMATCHED: &str = "unmatched.csv";

fn half(side: Side, id: &str) -> Message {
    Message::Half(side, id.to_owned(), value(side, id))
}

pub fn pair(id: &str) -> [Message; 2] {
    [half(Side::YTrue, id), half(Side::YPred, id)]
}

/// The messages, and the end of each step. All halves of a step are released.
fn steps(settings: Settings) -> (Workload, Vec<usize>) {
    use Side::*;
    let steps = [
        vec![half(YTrue, "k1"), Message::Invalid("invalid".to_owned())],
        // A half that has waited, and a pair that meets in memory. The store is not synced for them.
        [vec![half(YPred, "k1")], pair("k2").into()].concat(),
        // A conflict with a half that is only held.
        vec![half(YTrue, "k3"), Message::Half(YTrue, "k3".to_owned(), CONFLICT)],
        // A conflict with a row, among several rows and a half that is added to the store, which is synced for it.
        [
            [pair("k4"), pair("k5"), pair("k6")].concat(),
            vec![half(YPred, "k3"), Message::Half(YPred, "k2".to_owned(), CONFLICT), half(YTrue, "k7")],
        ]
        .concat(),
        vec![half(YPred, "k7")],
        // A row behind one whose commit is not synced.
        pair("k8").into(),
    ];
    let ends = steps.iter().scan(0, |end, step| {
        *end += step.len();
        Some(*end)
    });
    let ends = ends.collect();
    let messages: Vec<Message> = steps.concat();
    let (late_from, files, rows_before) = (messages.len(), vec![], vec![]);
    (Workload { name: "steps", messages, settings, files, rows_before, late_from }, ends)
}

/// Takes the unacknowledged steps. Renames the log before the step `renames_before`, and returns its content.
fn live(driver: &mut Driver, ends: &[usize], renames_before: Option<usize>) -> Result<Vec<u8>, Halt> {
    let mut renamed = Vec::new();
    let from = driver.seen.acknowledged;
    driver.taken = from;
    let mut journal = driver.open()?;
    for (step, &end) in ends.iter().enumerate().filter(|(_, end)| **end > from) {
        if renames_before == Some(step) {
            renamed = driver.log();
            driver.rename_log();
        }
        driver.deliver(&mut journal, driver.taken..end, true)?;
        driver.taken = end;
        driver.seen.acknowledged = end;
        driver.seen.logs = driver.disk.edit(|image| logs(image));
        driver.disk.note(driver.seen.clone());
    }
    driver.close(journal)?;
    Ok(renamed)
}

fn driver(workload: &Workload, (image, seen): (Image, Seen), fault: Fault, records: bool) -> Driver<'_> {
    Driver::new(workload, image, seen, fault, records, 0)
}

/// A run after a crash. Its rows must be right and durable.
fn recovers(workload: &Workload, ends: &[usize], left: (Image, Seen)) {
    let mut driver = driver(workload, left, Fault::None, false);
    live(&mut driver, ends, None).unwrap();
    driver.check();
    driver.disk.edit(|image| *image = image.clone().power_cut(|_| false));
    driver.check();
}

/// The broker redelivers the unacknowledged messages in another order. With `all` the acknowledgements were lost too.
fn again(seen: &mut Seen, ends: &[usize], all: bool) {
    let next = ends.iter().find(|end| **end > seen.acknowledged).copied().unwrap_or(seen.acknowledged);
    Arc::make_mut(&mut seen.messages)[seen.acknowledged..next].reverse();
    if all {
        seen.acknowledged = 0;
    }
}

/// The states in which a call may be the last one. A completed call is the state before the next one.
fn progresses(call: &Call) -> Vec<Progress> {
    let mut progresses = vec![Progress::Before];
    if let Call::Change(_, Change::Write { bytes, .. }) = call {
        let torn = [1, SECTOR_BYTES, bytes.len() / 2, bytes.len() - 1];
        let is_page = bytes.len().is_multiple_of(SECTOR_BYTES);
        let torn = torn.into_iter().filter(|len| (1..bytes.len()).contains(len));
        progresses.extend(torn.filter(|len| !is_page || *len == SECTOR_BYTES).map(Progress::Torn));
    }
    progresses
}

/// Each call of a run is the last one, with and without a power cut. Then the unacknowledged messages are redelivered, or the log is renamed
/// meanwhile and all acknowledgements are lost.
#[test]
fn a_life_that_ends_at_any_call_comes_to_one_row_of_each_pair() {
    ends_at_any_call(workload::unlimited());
}

#[test]
fn a_life_that_ends_at_any_call_comes_to_one_row_of_each_pair_of_classes() {
    ends_at_any_call(Settings { task: Task::Classes, ..workload::unlimited() });
}

#[test]
fn a_life_that_ends_at_any_call_comes_to_one_row_of_each_pair_while_the_log_gets_numbers() {
    ends_at_any_call(rotating());
}

/// Each batch with rows gets a log of its own.
fn rotating() -> Settings {
    Settings { log_max_bytes: 1, ..workload::unlimited() }
}

/// What a person does between two lives. The first changes nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
enum ByHand {
    Nothing,
    RenamesLog,
    MovesNumberedLogs,
}

fn ends_at_any_call(settings: Settings) {
    let rotates = settings.log_max_bytes < u64::MAX;
    let (workload, ends) = steps(settings);
    let mut first = driver(&workload, start(&workload), Fault::None, true);
    live(&mut first, &ends, None).unwrap();
    first.check();
    let names = first.disk.image().names();
    assert_eq!(
        names.iter().filter(|name| name.starts_with("metric_log.0")).count(),
        if rotates { 3 } else { 0 }
    );
    let mut states = 0;
    for (at, moment) in first.disk.moments().iter().enumerate() {
        for progress in progresses(&moment.call) {
            for loss in [Loss::Nothing, Loss::Everything] {
                for by_hand in [ByHand::Nothing, ByHand::RenamesLog, ByHand::MovesNumberedLogs] {
                    let (mut image, mut seen) = crash(moment, progress, loss);
                    // A renamed log with an unfinished row, or half a header, is left as it is.
                    let is_whole = |log: &[u8]| log.len() > HEADER.len() && log.ends_with(b"\n");
                    match by_hand {
                        ByHand::Nothing => {}
                        ByHand::RenamesLog if image.read(LOG).is_some_and(is_whole) => {
                            image.rename(Path::new(LOG), Path::new(OLD));
                        }
                        ByHand::MovesNumberedLogs if move_numbered(&mut image, 0) > 0 => {}
                        _ => continue,
                    }
                    let on_failure = OnFailure(format!("call {at}, {progress:?}, {loss:?}, {by_hand:?}"));
                    again(&mut seen, &ends, by_hand != ByHand::Nothing);
                    recovers(&workload, &ends, (image, seen));
                    drop(on_failure);
                    states += 1;
                }
            }
        }
    }
    assert!(states > 500, "{states} states");
}

/// The log is renamed before any step. From then on it stays unchanged, and its ids stay done over a kill.
#[test]
fn a_log_that_is_renamed_between_two_batches_is_left_alone() {
    let (workload, ends) = steps(workload::unlimited());
    for step in 0..ends.len() {
        let mut first = driver(&workload, start(&workload), Fault::None, false);
        let renamed = live(&mut first, &ends, Some(step)).unwrap();
        first.check();
        let image = first.disk.image().killed();
        assert_eq!(image.read(OLD), Some(&renamed[..]), "renamed before step {step}");
        let mut seen = first.seen.clone();
        again(&mut seen, &ends, true);
        recovers(&workload, &ends, (image, seen));
    }
}

/// The disk is full for one or more calls, starting at any call. Partly written batches are cut off, and the store stays as it was.
#[test]
fn a_full_disk_at_any_call_doubles_and_loses_nothing() {
    full_at_any_call(workload::unlimited());
}

#[test]
fn a_full_disk_at_any_call_doubles_and_loses_nothing_while_the_log_gets_numbers() {
    full_at_any_call(rotating());
}

fn full_at_any_call(settings: Settings) {
    let (workload, ends) = steps(settings);
    let mut held = 0;
    for calls in [1, 2, 9] {
        for from_call in 1.. {
            let on_failure = OnFailure(format!("full from call {from_call}, for {calls}"));
            let mut first = driver(&workload, start(&workload), Fault::Enospc { from_call, calls }, false);
            let result = live(&mut first, &ends, None);
            if first.disk.calls() < from_call {
                break;
            }
            assert!(result.is_ok() || first.is_opening, "ended: {result:?}");
            if result.is_ok() {
                first.check();
                held += u64::from(first.disk.failed());
            }
            let (image, mut seen) = (first.disk.image().killed(), first.seen.clone());
            again(&mut seen, &ends, true);
            recovers(&workload, &ends, (image, seen));
            drop(on_failure);
        }
    }
    assert!(held > 50, "the disk was full only {held} times");
}

pub fn now() -> Now {
    Now { unix_ms: 0, instant: Instant::now() }
}

pub fn disk() -> SimDisk<()> {
    SimDisk::new(Image::default(), (), Fault::None, false)
}

/// The disk after a kill, or after a power cut that takes all unsynced changes.
pub fn after(disk: &SimDisk<()>, power_cut: bool) -> SimDisk<()> {
    let image = disk.image();
    let image = if power_cut { image.power_cut(|_| false) } else { image.killed() };
    SimDisk::new(image, (), Fault::None, false)
}

/// Nothing can be adopted from a deleted log. So the store must be synced before a new log gets its first row.
#[test]
fn ids_of_a_log_that_was_deleted_stay_done_once_another_one_has_a_row() {
    let (disk, now) = (disk(), now());
    let mut first = journal(&disk, workload::unlimited(), now);
    first.digest(of_numbers(&pair("k1")), true, now).unwrap();
    disk.edit(|image| image.remove(LOG));
    first.digest(of_numbers(&pair("k2")), true, now).unwrap();
    let mut second = journal(&after(&disk, false), workload::unlimited(), now);
    let digested = second.digest(of_numbers(&pair("k1")), true, now).unwrap();
    assert_eq!((digested.rows, digested.duplicates), (0, 2));
}

/// Its delivery was not acknowledged, so it is redelivered. As a duplicate it would be acknowledged while it is only in memory.
#[test]
fn a_held_half_that_comes_again_with_the_next_connection_is_held_anew() {
    let (disk, now) = (disk(), now());
    let mut journal = journal(&disk, workload::unlimited(), now);
    for _ in 0..2 {
        let digested = journal.digest(halves(1..2), false, now).unwrap();
        assert_eq!((digested.held.len(), digested.duplicates), (1, 0));
        journal.end_connection().unwrap();
    }
}

#[test]
fn a_store_that_is_taken_away_fails_the_batch_before_it_may_be_acknowledged() {
    for name in ["metric.redb", "elsewhere"] {
        let (disk, now) = (disk(), now());
        let mut journal = journal(&disk, workload::unlimited(), now);
        journal.digest(of_numbers(&pair("k1")), true, now).unwrap();
        disk.edit(|image| image.remove(name));
        for batch in [halves(1..2), Batch::default()] {
            assert_eq!(journal.digest(batch, true, now).is_err(), name == "metric.redb");
        }
    }
}

#[test]
fn foreign_queues_are_known_after_a_power_cut() {
    let (disk, now) = (disk(), now());
    let mut first = journal(&disk, workload::unlimited(), now);
    first.remember_foreign_queue("y_true").unwrap();
    let queues = journal(&after(&disk, true), workload::unlimited(), now).foreign_queues().unwrap();
    assert_eq!(queues.into_iter().collect::<Vec<_>>(), ["y_true"]);
}

/// A process is killed at any call and leaves what is not synced; another one goes on, and a power cut takes any one change, or all others.
#[test]
fn no_line_outlives_the_header_that_a_killed_process_left() {
    let run = |image: Image| {
        let disk = SimDisk::new(image, (), Fault::None, true);
        let mut journal = journal(&disk, Settings { halves_max: 0, ..workload::unlimited() }, now());
        journal.digest(halves(0..3), true, now()).unwrap();
        journal.digest(of_numbers(&pair("k9")), true, now()).unwrap();
        disk.moments().into_iter().filter(|moment| moment.image.names().iter().any(|name| name == UNMATCHED))
    };
    let mut cuts = 0;
    for killed in run(Image::default()) {
        for cut in run(killed.image.killed()) {
            for change in 0..cut.image.unsynced() {
                for keeps in [true, false] {
                    let image = cut.image.clone().power_cut(|number| (number == change) == keeps);
                    for (name, header) in [(UNMATCHED, "id,kind,value,received_at\n"), (LOG, HEADER)] {
                        let text = String::from_utf8_lossy(image.read(name).unwrap_or_default());
                        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
                        assert!(whole.is_empty() || whole.starts_with(header), "{name}: {text:?}");
                    }
                    cuts += 1;
                }
            }
        }
    }
    assert!(cuts > 100, "{cuts}");
}
