//! The alerts that wait to be sent, and the rules that fire as far as they were sent, in a small file that outlives the process. CONTRACT.md
//! has its format.
//! Never sends anything.

use crate::{
    alert::message::{Alert, Phase},
    logs::{follow::plain, small_file},
    replace,
};
use glue::number::counted;
use log::{info, warn};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// Of the file's format.
const VERSION: u64 = 1;

/// Limit of alerts that wait.
const MOST_WAITING: usize = 200;

/// Limit of the file: far more than as many alerts take.
const MOST_BYTES: u64 = 1024 * 1024;

/// Shared by the loop, which adds, and the thread that sends.
pub struct Outbox {
    directory: PathBuf,
    name: String,
    kept: Mutex<Kept>,
    more: Condvar,
}

/// What the file holds.
#[derive(Debug, Default, PartialEq)]
struct Kept {
    /// One of each rule that fires by what was delivered or waits.
    firing: Vec<Alert>,
    /// From old to new.
    waiting: VecDeque<Alert>,
    /// An alert had no room since the oldest one was taken out.
    is_full: bool,
    /// Why the file could not be written last.
    trouble: Option<String>,
}

/// The name of the file: two processes with pages of their own may share a directory.
pub fn name(listen: Option<SocketAddr>) -> String {
    let listen = listen.map_or("none".to_owned(), |address| address.to_string());
    let plain: String =
        listen.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' }).collect();
    format!("plot_alerts_{plain}.json")
}

impl Outbox {
    /// Reads the file; what cannot be read is said, and begun anew.
    pub fn open(directory: &Path, name: String) -> Self {
        replace::remove_temporary(directory, &name);
        let path = directory.join(&name);
        let kept = read(&path).unwrap_or_else(|trouble| {
            warn!(
                "{}: {trouble}; what was sent before is not known, and what fires is sent again",
                path.display()
            );
            Kept::default()
        });
        if !kept.waiting.is_empty() {
            let waiting = counted(kept.waiting.len() as u64, "alert", "alerts");
            info!("{waiting} of before the start not delivered yet");
        }
        Outbox { directory: directory.to_owned(), name, kept: Mutex::new(kept), more: Condvar::new() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of each rule that fires by what was delivered or waits.
    pub fn firing(&self) -> Vec<Alert> {
        self.kept().firing.clone()
    }

    /// Adds an alert; once this returns it is on the disk, if that can be written. False if too many wait.
    pub fn push(&self, alert: &Alert) -> bool {
        let mut kept = self.kept();
        if kept.waiting.len() >= MOST_WAITING {
            if !kept.is_full {
                warn!(
                    "{MOST_WAITING} alerts wait; of what changes now only the last state of each rule will be sent"
                );
            }
            kept.is_full = true;
            return false;
        }
        kept.firing.retain(|other| other.rule != alert.rule);
        if alert.phase == Phase::Firing {
            kept.firing.push(alert.clone());
        }
        kept.waiting.push_back(alert.clone());
        self.save(&mut kept);
        self.more.notify_one();
        true
    }

    /// Waits for an alert; returns the oldest one, and how many wait.
    pub fn oldest(&self) -> (Alert, usize) {
        let mut kept = self.kept();
        loop {
            if let Some(alert) = kept.waiting.front() {
                return (alert.clone(), kept.waiting.len());
            }
            kept = self.more.wait(kept).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The oldest one is delivered, or never will be.
    pub fn pop(&self) {
        let mut kept = self.kept();
        kept.waiting.pop_front();
        kept.is_full = false;
        self.save(&mut kept);
    }

    /// Logs one line for each change of what is wrong.
    fn save(&self, kept: &mut Kept) {
        let text = format!("{:#}\n", kept.json());
        let trouble = replace::replace(&self.directory, &self.name, text.as_bytes()).err().map(|e| plain(&e));
        if kept.trouble != trouble {
            let path = self.directory.join(&self.name);
            match &trouble {
                Some(trouble) => warn!(
                    "{}: {trouble}; after a restart alerts may be sent again, and those that wait are lost",
                    path.display()
                ),
                None => info!("{} can be written again", path.display()),
            }
            kept.trouble = trouble;
        }
    }
}

/// # Errors
/// What is wrong with the file. None is no error.
fn read(path: &Path) -> Result<Kept, String> {
    let Some(text) = small_file::read(path, MOST_BYTES)? else { return Ok(Kept::default()) };
    let value: Value = serde_json::from_str(&text).map_err(|_| "it is not JSON".to_owned())?;
    match value.get("version").and_then(Value::as_u64) {
        Some(VERSION) => Kept::from_json(&value).ok_or_else(|| "it does not hold alerts".to_owned()),
        Some(other) => Err(format!("it is of version {other}, not {VERSION}")),
        None => Err("it has no version".to_owned()),
    }
}

impl Kept {
    fn json(&self) -> Value {
        json!({
            "version": VERSION,
            "firing": self.firing.iter().map(Alert::json).collect::<Vec<_>>(),
            "waiting": self.waiting.iter().map(Alert::json).collect::<Vec<_>>(),
        })
    }

    fn from_json(value: &Value) -> Option<Kept> {
        let list = |key: &str| -> Option<Vec<Alert>> {
            value.get(key)?.as_array()?.iter().map(Alert::from_json).collect()
        };
        Some(Kept { firing: list("firing")?, waiting: list("waiting")?.into(), ..Kept::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glue::testing::Directory;
    use std::fs;

    const NAME: &str = "plot_alerts_none.json";

    fn alert(n: usize, rule: &str, phase: Phase) -> Alert {
        let (rule, text) = (rule.to_owned(), "x".repeat(500));
        Alert {
            id: format!("5f3a9c01-{n}"),
            rule,
            phase,
            value: Some(n as f64),
            limit: None,
            since_s: 1.5,
            text,
        }
    }

    fn open(directory: &Directory) -> Outbox {
        Outbox::open(&directory.0, NAME.to_owned())
    }

    #[test]
    fn what_waits_and_what_fires_outlives_the_process() {
        let directory = Directory::new();
        assert_eq!(*open(&directory).kept(), Kept::default());
        let [first, second, third] = [
            alert(1, "mae>60", Phase::Firing),
            alert(2, "drift", Phase::Firing),
            alert(3, "mae>60", Phase::Resolved),
        ];
        for alert in [&first, &second, &third] {
            assert!(open(&directory).push(alert));
        }
        let outbox = open(&directory);
        assert_eq!((outbox.firing(), outbox.oldest()), (vec![second.clone()], (first, 3)));
        outbox.pop();
        assert_eq!(open(&directory).oldest(), (second.clone(), 2));
        outbox.pop();
        outbox.pop();
        let outbox = open(&directory);
        assert_eq!((outbox.firing(), outbox.kept().waiting.len()), (vec![second], 0));
    }

    #[test]
    fn the_oldest_stay_where_there_is_no_room() {
        let directory = Directory::new();
        let outbox = open(&directory);
        let phase = |n| if n % 2 == 0 { Phase::Firing } else { Phase::Resolved };
        for n in 0..MOST_WAITING {
            assert!(outbox.push(&alert(n, "drift", phase(n))));
        }
        assert!(!outbox.push(&alert(MOST_WAITING, "drift", Phase::Firing)));
        assert_eq!((outbox.firing(), outbox.oldest().0.id.as_str()), (Vec::new(), "5f3a9c01-0"));
        assert!(fs::metadata(directory.file(NAME)).unwrap().len() < MOST_BYTES / 2);
        let again = open(&directory);
        assert!(again.kept().waiting == outbox.kept().waiting && again.firing().is_empty());
        outbox.pop();
        assert!(outbox.push(&alert(MOST_WAITING, "drift", Phase::Firing)));
    }

    #[test]
    fn a_file_of_something_else_is_begun_anew() {
        let directory = Directory::new();
        let good = r#"{"version": 1, "firing": [], "waiting": []}"#;
        directory.write(NAME, good);
        assert_eq!(read(&directory.file(NAME)), Ok(Kept::default()));
        for (text, complaint) in [
            (String::new(), "it is not JSON"),
            (good[..30].to_owned(), "it is not JSON"),
            ("\0".repeat(100), "it is not JSON"),
            (good.replace('1', "2"), "it is of version 2, not 1"),
            ("[]".to_owned(), "it has no version"),
            (good.replace("firing", "x"), "it does not hold alerts"),
            (good.replace("[]", "[{}]"), "it does not hold alerts"),
            (" ".repeat(MOST_BYTES as usize + 1), "it has more than 1048576 bytes"),
        ] {
            directory.write(NAME, &text);
            assert_eq!(read(&directory.file(NAME)).unwrap_err(), complaint);
            assert!(open(&directory).push(&alert(1, "drift", Phase::Firing)), "{complaint}");
            assert_eq!(open(&directory).firing().len(), 1);
        }
        directory.write(NAME, b"\xff\xfe");
        assert!(read(&directory.file(NAME)).is_err());
    }

    #[test]
    fn alerts_are_kept_in_memory_where_the_disk_takes_none() {
        let directory = Directory::new();
        fs::create_dir(directory.file(NAME)).unwrap();
        let outbox = open(&directory);
        assert!(outbox.push(&alert(1, "drift", Phase::Firing)) && outbox.kept().trouble.is_some());
        assert_eq!(outbox.oldest().1, 1);
        fs::remove_dir(directory.file(NAME)).unwrap();
        outbox.pop();
        assert_eq!((outbox.kept().trouble.as_ref(), open(&directory).firing().len()), (None, 1));
    }

    #[test]
    fn the_file_is_named_after_the_page() {
        for (listen, name) in [
            (None, NAME),
            (Some("127.0.0.1:8080"), "plot_alerts_127.0.0.1_8080.json"),
            (Some("[::1]:80"), "plot_alerts____1__80.json"),
        ] {
            assert_eq!(super::name(listen.map(|address| address.parse().unwrap())), name);
        }
    }
}
