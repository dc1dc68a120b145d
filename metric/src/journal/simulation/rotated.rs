//! Files that are full get a number: which, when, and that the store can do without them from then on.

use super::{
    Batch, LOG, Settings, SimDisk, halves, journal, of_numbers,
    steps::{after, disk, now, pair},
    workload,
};

/// By name, the bytes of the files whose names begin with `stem`.
fn files(disk: &SimDisk<()>, stem: &str) -> Vec<(String, String)> {
    let mut files = disk.edit(|image| {
        let names = image.names().into_iter().filter(|name| name.starts_with(stem));
        let text = |name: &str| String::from_utf8(image.read(name).unwrap().to_vec()).unwrap();
        names.map(|name| (name.clone(), text(&name))).collect::<Vec<_>>()
    });
    files.sort();
    files
}

fn settings(log_max_bytes: u64) -> Settings {
    Settings { log_max_bytes, ..workload::unlimited() }
}

fn pairs(numbers: std::ops::Range<u32>) -> Batch {
    of_numbers(&numbers.flat_map(|number| pair(&format!("k{number}"))).collect::<Vec<_>>())
}

/// A batch is never split: one that is larger than a file may be has a file of its own.
#[test]
fn a_log_gets_a_number_before_it_would_be_larger_than_it_may() {
    const MAX: usize = 400;
    let (disk, now) = (disk(), now());
    let mut journal = journal(&disk, settings(MAX as u64), now);
    journal.digest(halves(0..1), true, now).unwrap();
    let mut expected = Vec::new();
    for batch in [pairs(100..101), pairs(101..131), pairs(131..133)]
        .into_iter()
        .chain((133..200).map(|n| pairs(n..n + 1)))
    {
        let before = files(&disk, "metric_log.");
        journal.digest(batch, true, now).unwrap();
        let after = files(&disk, "metric_log.");
        assert!(after.len() - before.len() <= 1);
        if after.len() > before.len() {
            // What it holds is what the log held, and with the batch it would have been too much.
            let [.., numbered, (_, log)] = after.as_slice() else { panic!("{after:?}") };
            let (_, held) = before.last().unwrap();
            assert_eq!(&numbered.1, held);
            assert!(held.len() + log.len() - workload::HEADER.len() > MAX, "{held}{log}");
            expected.push(format!("metric_log.{:06}.csv", expected.len() + 1));
        }
    }
    let mut logs = files(&disk, "metric_log.");
    assert!(logs.len() > 8, "{logs:?}");
    assert!(logs.iter().all(|(_, log)| log.starts_with(workload::HEADER)));
    let large = logs.iter().filter(|(_, log)| log.len() > MAX).collect::<Vec<_>>();
    assert_eq!((large.len(), large[0].1.lines().count()), (1, 31));
    assert_eq!(logs.pop().unwrap().0, LOG);
    assert_eq!(logs.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), expected);
    assert_eq!(journal.counts().rows, 100);
}

#[test]
fn unmatched_halves_get_files_of_the_same_size() {
    const MAX: usize = 300;
    let (disk, now) = (disk(), now());
    let mut journal = journal(&disk, Settings { halves_max: 0, ..settings(MAX as u64) }, now);
    for first in (0..60).step_by(3) {
        journal.digest(halves(first..first + 3), true, now).unwrap();
    }
    let files = files(&disk, "unmatched.");
    let names = ["unmatched.000001.csv", "unmatched.000002.csv", "unmatched.000003.csv"];
    assert_eq!(files.iter().map(|(name, _)| name).take(3).collect::<Vec<_>>(), names);
    let mut ids = Vec::new();
    for (name, text) in &files {
        assert!(text.len() <= MAX && text.ends_with('\n'), "{name}: {text}");
        let lines = text.strip_prefix("id,kind,value,received_at\n").unwrap().lines();
        ids.extend(lines.map(|line| line.split(',').next().unwrap().to_owned()));
    }
    ids.sort_by_key(|id| id[1..].parse::<u32>().unwrap());
    assert_eq!(ids, (0..60).map(|number| format!("k{number}")).collect::<Vec<_>>());
    assert_eq!(journal.counts().unmatched.y_true, 60);
}

/// Whoever has the other numbers.
#[test]
fn the_number_is_one_above_the_largest_there_is() {
    for (names, expected) in [
        (&["metric_log.000007.csv", "metric_log.000003.csv"][..], "metric_log.000008.csv"),
        (&["metric_log.12.csv", "metric_log.0000009.csv"], "metric_log.000013.csv"),
        (&["metric_log.999999.csv"], "metric_log.1000000.csv"),
        (
            &["metric_log.000004.csvx", "metric_log.x.csv", "metric_log..csv", "old.000009.csv"],
            "metric_log.000001.csv",
        ),
        (&["metric_log.000004.csv.gz", "metric_log.000002.csv"], "metric_log.000005.csv"),
        // Times in nanoseconds, and larger numbers than any.
        (
            &["metric_log.1732341600000000000.csv", "metric_log.99999999999999999999999.csv"],
            "metric_log.000001.csv",
        ),
    ] {
        let (disk, now) = (disk(), now());
        disk.edit(|image| names.iter().for_each(|name| image.put(name, name.as_bytes())));
        let mut journal = journal(&disk, settings(1), now);
        journal.digest(pairs(1..2), true, now).unwrap();
        journal.digest(pairs(2..3), true, now).unwrap();
        assert!(files(&disk, expected)[0].1.contains("\nk1,"), "{names:?}");
        names.iter().for_each(|name| assert_eq!(files(&disk, name)[0].1, *name));
        assert_eq!(
            files(&disk, "metric_log.").len(),
            names.iter().filter(|name| !name.starts_with("old")).count() + 2
        );
    }
}

/// Nothing has to be recovered from a log that has got a number: it may be deleted at once.
#[test]
fn ids_of_a_log_that_got_a_number_stay_done_without_it() {
    let (disk, now) = (disk(), now());
    let mut first = journal(&disk, settings(1), now);
    for id in 1..4 {
        first.digest(pairs(id..id + 1), true, now).unwrap();
    }
    disk.edit(|image| {
        image.remove("metric_log.000001.csv");
        image.remove("metric_log.000002.csv");
    });
    let mut second = journal(&after(&disk, false), settings(1), now);
    let digested = second.digest(pairs(1..4), true, now).unwrap();
    assert_eq!((digested.rows, digested.duplicates, second.counts().rows), (0, 6, 3));
}
