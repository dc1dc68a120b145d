//! What `metric` says, or all of them together where each takes a partition.
//! Never judges how it is.

use crate::{
    logs::{
        follow::expand,
        status::{self, Halves, NAME, Status},
    },
    stats::backlog::GONE_S,
};
use std::path::Path;

/// The status files beside logs: in the same directories, which may be patterns.
pub fn beside(logs: &[String]) -> Vec<String> {
    let beside = |log: &String| Path::new(log).with_file_name(NAME).to_string_lossy().into_owned();
    let mut names: Vec<String> = Vec::new();
    for name in logs.iter().map(beside) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Reads the files of `names`, paths or patterns. None where there is none. Without partitions the first one counts: other logs may be those
/// of a `metric` that is long gone.
///
/// # Errors
/// Why one cannot be read, or which do not go together.
pub fn read(names: &[String], now_s: f64) -> Result<Option<Status>, String> {
    let mut found = Vec::new();
    for path in names.iter().flat_map(|name| expand(name)) {
        if let Some(status) = status::read(&path)? {
            found.push((path.display().to_string(), status));
        }
    }
    together(found, now_s)
}

/// Of statuses by the names of their files. State, reason and time are those of the one that is worst off.
fn together(mut found: Vec<(String, Status)>, now_s: f64) -> Result<Option<Status>, String> {
    let Some((first, Status { task, partition: Some((_, of)), .. })) = found.first().cloned() else {
        return Ok(found.drain(..).next().map(|(_, status)| status));
    };
    found.retain(|(_, status)| status.partition.is_some());
    let mut all = Status { task: task.clone(), ..Status::default() };
    for (name, status) in &mut found {
        if status.task != task {
            let named = |task: &Option<String>| task.clone().unwrap_or("none".to_owned());
            return Err(format!("{first} says task {}, {name} {}", named(&task), named(&status.task)));
        }
        let (number, here) = status.partition.unwrap_or_default();
        if here != of {
            return Err(format!("{first} is of {of} partitions, {name} of {here}"));
        }
        status.whose = Some(format!("partition {number}/{of}"));
        add(&mut all, status);
    }
    let is_there = |number| found.iter().any(|(_, status)| status.partition == Some((number, of)));
    let missing = (0..of).find(|number| !is_there(*number));
    let worst = found.iter().map(|(_, status)| status).max_by_key(|status| {
        // Of several that are gone the one that went first.
        let is_gone = now_s - status.at_s > GONE_S;
        let silent_s = if is_gone { (now_s - status.at_s) as u64 } else { 0 };
        (status.state == "stopped", silent_s, status.state != "consuming")
    });
    match (missing, worst) {
        (Some(number), Some(worst)) if worst.state == "consuming" && now_s - worst.at_s <= GONE_S => {
            all.whose = Some(format!("partition {number}/{of}"));
            (all.at_s, all.state) = (worst.at_s, "missing".to_owned());
        }
        (_, Some(worst)) => {
            (all.at_s, all.state, all.reason) = (worst.at_s, worst.state.clone(), worst.reason.clone());
            all.whose = worst.whose.clone();
        }
        (_, None) => {}
    }
    Ok(Some(all))
}

/// Adds the counts of one.
fn add(all: &mut Status, one: &Status) {
    all.rows += one.rows;
    all.duplicates += one.duplicates;
    all.conflicts += one.conflicts;
    all.rejected += one.rejected;
    let sum = |all: &mut Halves, one: &Halves| {
        (all.y_true, all.y_pred) = (all.y_true + one.y_true, all.y_pred + one.y_pred);
    };
    sum(&mut all.unmatched, &one.unmatched);
    sum(&mut all.waiting, &one.waiting);
    let oldest = |all: Option<f64>, one: Option<f64>| all.into_iter().chain(one).reduce(f64::min);
    let Halves { y_true, y_pred } = one.oldest_waiting_s;
    let before = all.oldest_waiting_s;
    all.oldest_waiting_s =
        Halves { y_true: oldest(before.y_true, y_true), y_pred: oldest(before.y_pred, y_pred) };
    let is_later = |last: &&(f64, String)| all.last_rejection.as_ref().is_none_or(|before| before.0 < last.0);
    if let Some(last) = one.last_rejection.as_ref().filter(is_later) {
        all.last_rejection = Some(last.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glue::testing::Directory;

    fn write(directory: &Directory, number: u32, rest: &str) {
        let part = directory.file(&format!("p{number}"));
        std::fs::create_dir_all(&part).unwrap();
        std::fs::write(part.join(NAME), format!("{{\"version\": 1, {rest}}}")).unwrap();
    }

    fn read_all(directory: &Directory) -> Result<Option<Status>, String> {
        let logs = [directory.file("*/metric_log.csv").display().to_string()];
        read(&beside(&logs), 100.0)
    }

    #[test]
    fn partitions_add_up_and_the_worst_one_is_told() {
        let directory = Directory::new();
        assert_eq!(read_all(&directory), Ok(None));
        let of = |number: u32, state: &str, at_s: u32| {
            let waiting = format!(
                "\"waiting\": {{\"y_pred\": {number}}}, \"oldest_waiting_at\": {{\"y_pred\": {}}}",
                50 - number
            );
            format!(
                "\"partition\": \"{number}/3\", \"at\": {at_s}, \"state\": \"{state}\", \"rows\": 10, \"rejected\": {number}, {waiting}"
            )
        };
        let say = |directory: &Directory| {
            let status = read_all(directory).unwrap().unwrap();
            (status.state, status.whose.unwrap(), status.rows)
        };
        write(&directory, 0, &of(0, "consuming", 99));
        write(&directory, 2, &of(2, "consuming", 99));
        assert_eq!(say(&directory), ("missing".to_owned(), "partition 1/3".to_owned(), 20));
        write(&directory, 1, &of(1, "consuming", 99));
        let status = read_all(&directory).unwrap().unwrap();
        assert_eq!(
            (status.state.as_str(), status.rows, status.rejected, status.waiting.y_pred),
            ("consuming", 30, 3, 3)
        );
        assert_eq!(status.oldest_waiting_s.y_pred, Some(48.0));
        write(&directory, 2, &of(2, "reconnecting", 99));
        assert_eq!(say(&directory), ("reconnecting".to_owned(), "partition 2/3".to_owned(), 30));
        write(&directory, 0, &of(0, "consuming", 70));
        assert_eq!(say(&directory), ("consuming".to_owned(), "partition 0/3".to_owned(), 30));
        assert_eq!(read_all(&directory).unwrap().unwrap().at_s, 70.0);
        write(&directory, 1, &of(1, "stopped", 10));
        assert_eq!(say(&directory), ("stopped".to_owned(), "partition 1/3".to_owned(), 30));
    }

    #[test]
    fn what_does_not_go_together_is_named() {
        let directory = Directory::new();
        write(&directory, 0, "\"partition\": \"0/2\", \"task\": \"binary\"");
        write(&directory, 1, "\"partition\": \"1/3\", \"task\": \"binary\"");
        let error = read_all(&directory).unwrap_err();
        assert!(
            error.contains("is of 2 partitions, ") && error.ends_with("p1/metric_status.json of 3"),
            "{error}"
        );
        write(&directory, 1, "\"partition\": \"1/2\", \"task\": \"classes\"");
        let error = read_all(&directory).unwrap_err();
        assert!(
            error.contains("says task binary, ") && error.ends_with("metric_status.json classes"),
            "{error}"
        );
        // One without partitions, as of another time, does not count; and where the first is such a one, no other does.
        write(&directory, 1, "\"task\": \"classes\", \"rows\": 5");
        assert_eq!(read_all(&directory).unwrap().unwrap().whose.unwrap(), "partition 0/2");
        write(&directory, 0, "\"rows\": 7");
        let status = read_all(&directory).unwrap().unwrap();
        assert_eq!((status.rows, status.whose), (7, None));
    }

    #[test]
    fn a_status_file_is_looked_for_beside_each_log() {
        for (logs, expected) in [
            (&["/d/metric_log.csv"][..], &["/d/metric_status.json"][..]),
            (&["/a/x.csv", "/a/y.csv", "/b/*.csv"], &["/a/metric_status.json", "/b/metric_status.json"]),
            (&["logs/*/metric_log.csv"], &["logs/*/metric_status.json"]),
            (&["x.csv"], &["metric_status.json"]),
        ] {
            let logs: Vec<String> = logs.iter().map(|&log| log.to_owned()).collect();
            assert_eq!(beside(&logs), expected);
        }
    }
}
