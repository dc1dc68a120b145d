//! The store on a real disk: what it remembers, what it refuses, and what an error leaves.

use super::*;
use crate::{
    clock::ClockMark,
    disk::RealDisk,
    join::{Half, Known, Side, Values},
    journal::{counts::BySide, done::Done, tables::NEXT_ARRIVAL},
};
use std::{env, fs};

/// A path in a directory of the test's own, which is removed with it.
struct Place(PathBuf);

impl Place {
    fn new() -> Place {
        let directory = env::temp_dir().join(format!("store-{:016x}", fastrand::u64(..)));
        fs::create_dir(&directory).unwrap();
        Place(directory.join("metric.redb"))
    }

    fn open(&self, prefix: &str) -> Result<Store<RealDisk>> {
        self.open_for(prefix, Task::Regression)
    }

    fn open_for(&self, prefix: &str, task: Task) -> Result<Store<RealDisk>> {
        let settings = Settings {
            task,
            queue_prefix: prefix.to_owned(),
            queues: Default::default(),
            compares_predictions: true,
            halves_max: u64::MAX,
            age_max_ms: u64::MAX,
            done_ids: 3,
            log_max_bytes: u64::MAX,
        };
        Store::open(&RealDisk, &self.0, &settings)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(self.0.parent().unwrap()).unwrap();
    }
}

const VALUES: Values = Values { y_true: 1.0, y_pred: 2.0 };

fn half_of(value: f64, age_ms: u64) -> Half {
    Half { side: Side::YTrue, value, received: ClockMark { age_ms, unix_ms: 0 }, group: None }
}

/// Three predictions, two truths, and so on. By Unix time each is older than the one before.
fn of_side_in_turn(n: u64) -> Half {
    let side = if n % 5 < 3 { Side::YPred } else { Side::YTrue };
    let received = ClockMark { age_ms: n, unix_ms: 100 - n };
    Half { side, value: 0.0, received, group: Some("g".into()) }
}

fn known(store: &mut Store<RealDisk>, id: &str) -> Known {
    store.read(|view| view.known(id)).unwrap()
}

#[test]
fn a_half_that_waits_already_is_not_entered_again() {
    let place = Place::new();
    let mut store = place.open("").unwrap();
    let write = store.write(Durability::Immediate, |tables| {
        tables.add_waiting("a", &half_of(1.0, 5))?;
        tables.add_waiting("a", &half_of(2.0, 5))?;
        tables.add_waiting("b", &half_of(3.0, 6))
    });
    write.unwrap();
    assert_eq!(store.counts.waiting, BySide { y_true: 2, y_pred: 0 });
    assert_eq!(known(&mut store, "a"), Known::Waiting(half_of(1.0, 5)));
    let removed = store.write(Durability::Immediate, |tables| tables.remove_waiting("a")).unwrap();
    assert_eq!((removed, store.counts.waiting.y_true), (Some(Side::YTrue), 1));
    let beyond = store.read(|view| view.beyond(0, 0, 10)).unwrap();
    assert_eq!(beyond, [("b".to_owned(), half_of(3.0, 6))]);
}

#[test]
fn halves_beyond_number_or_age_are_found_the_oldest_first() {
    let place = Place::new();
    let mut store = place.open("").unwrap();
    let write = store.write(Durability::Immediate, |tables| {
        (0..10).try_for_each(|n| tables.add_waiting(&n.to_string(), &of_side_in_turn(n)))
    });
    write.unwrap();
    let mut beyond = |halves_max, oldest_age_ms, most| {
        let found = store.read(|view| view.beyond(halves_max, oldest_age_ms, most)).unwrap();
        found.into_iter().map(|(id, _)| id).collect::<String>()
    };
    assert_eq!([beyond(10, 0, 99), beyond(7, 0, 99), beyond(7, 0, 2)], ["", "012", "01"]);
    assert_eq!([beyond(10, 4, 99), beyond(7, 4, 99), beyond(0, 0, 99)], ["0123", "0123", "0123456789"]);
}

#[test]
fn the_older_generation_of_done_ids_is_forgotten_when_the_younger_is_full() {
    let place = Place::new();
    let mut store = place.open("").unwrap();
    for id in ["a", "b", "c", "d", "e", "f", "g"] {
        let ids = [Done { id, values: VALUES }];
        store.write(Durability::None, |tables| tables.remember_done(&ids)).unwrap();
    }
    let found = ["c", "d", "f", "g"].map(|id| known(&mut store, id));
    assert_eq!(found, [Known::Nothing, Known::Done(VALUES), Known::Done(VALUES), Known::Done(VALUES)]);
}

#[test]
fn what_fails_closes_the_store_until_it_is_opened_again() {
    let place = Place::new();
    let mut store = place.open("").unwrap();
    store.write(Durability::Immediate, |tables| tables.add_waiting("a", &half_of(1.0, 5))).unwrap();
    let failed: Result<()> = store.write(Durability::None, |tables| {
        tables.remove_waiting("a")?;
        Err(redb::Error::Corrupted("no".to_owned()))
    });
    assert!(failed.is_err() && !store.is_open());
    assert!(store.read(|view| view.known("a")).is_err());
    store.reopen().unwrap();
    assert_eq!(known(&mut store, "a"), Known::Waiting(half_of(1.0, 5)));
    assert_eq!(store.counts.waiting.y_true, 1);
}

#[test]
fn the_store_of_other_queues_and_of_other_versions_are_refused_by_name() {
    let place = Place::new();
    drop(place.open("a.").unwrap());
    let error = place.open("b.").err().unwrap().to_string();
    assert!(error.contains("metric.redb belongs to the queues with prefix \"a.\", not \"b.\""), "{error}");
    assert!(place.open("a.").is_ok());
    let error = place.open_for("a.", Task::Classes).err().unwrap().to_string();
    assert!(error.contains("metric.redb belongs to task regression, not classes"), "{error}");

    for (key, complaint) in [
        ((NEXT_ARRIVAL, 1), "metric.redb has format 1, of an earlier metric"),
        ((FORMAT_KEY, 2), "metric.redb has format 2, of an earlier metric"),
        ((FORMAT_KEY, 5), "metric.redb has format 5, this metric reads 4"),
    ] {
        let place = Place::new();
        let other = Database::create(&place.0).unwrap();
        let write = other.begin_write().unwrap();
        write.open_table(NUMBERS).unwrap().insert(key.0, key.1).unwrap();
        write.commit().unwrap();
        drop(other);
        let error = place.open("").err().unwrap().to_string();
        assert!(error.contains(complaint), "{error}");
    }
}

#[test]
fn a_store_that_names_no_task_is_one_of_a_regression() {
    let place = Place::new();
    drop(place.open("").unwrap());
    let other = Database::open(&place.0).unwrap();
    let write = other.begin_write().unwrap();
    write.open_table(TEXTS).unwrap().remove(TASK).unwrap();
    write.delete_table(CLASSES).unwrap();
    write.commit().unwrap();
    drop(other);
    let error = place.open_for("", Task::Binary).err().unwrap().to_string();
    assert!(error.contains("belongs to task regression, not binary"), "{error}");
    let mut store = place.open("").unwrap();
    store.write(Durability::Immediate, |tables| tables.add_waiting("a", &half_of(1.0, 5))).unwrap();
}

#[test]
fn classes_are_stored_with_the_next_commit_and_again_after_one_that_was_lost() {
    let place = Place::new();
    let stored = |place: &Place| {
        let labels = place.open_for("", Task::Classes).unwrap().labels;
        (0..labels.count()).map(|number| labels.class(number as f64).unwrap().to_string()).collect::<Vec<_>>()
    };
    let mut store = place.open_for("", Task::Classes).unwrap();
    store.labels.number("cat").unwrap();
    store.write(Durability::Immediate, |_| Ok(())).unwrap();
    store.labels.number("dog").unwrap();
    let failed: Result<()> = store.write(Durability::None, |_| Err(redb::Error::Corrupted("no".to_owned())));
    assert!(failed.is_err());
    store.labels.number("horse").unwrap();
    store.reopen().unwrap();
    store.write(Durability::Immediate, |_| Ok(())).unwrap();
    drop(store);
    assert_eq!(stored(&place), ["cat", "dog", "horse"]);
}

#[test]
fn a_store_that_was_deleted_is_noticed_and_not_made_anew() {
    let place = Place::new();
    let mut store = place.open("").unwrap();
    store.check_in_place().unwrap();
    fs::remove_file(&place.0).unwrap();
    assert!(store.check_in_place().unwrap_err().to_string().contains("was deleted or replaced"));
    fs::write(&place.0, "").unwrap();
    assert!(store.check_in_place().is_err() && store.reopen().is_err());
}
