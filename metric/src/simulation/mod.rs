//! The journal on a simulated disk: whatever call it dies in and whatever a power cut then takes, the redelivered messages come to the
//! same rows. Each run prints its seed.

mod disk;
mod workload;

use crate::{intake::Batch, journal::Journal, message::Sample, rejects::Reject};
use anyhow::{Context, Result};
use disk::{Call, Change, Fault, Image, Moment, SECTOR_BYTES, SimDisk};
use std::{collections::HashSet, env, path::Path, sync::Arc};
use workload::{Message, Row, Workload, batch, rows};

/// States that `make test` tries per workload. With CHAOS_EXHAUSTIVE it is all of them.
const STATES: usize = 7000;
/// Up to so many changes that were not synced, an exhaustive run tries every subset of them; of more, as many random ones.
const SUBSET_CHANGES_MAX: usize = 8;
/// First crashes whose recoveries die at every call, per workload.
const RECOVERIES: usize = 3;
/// Messages sent and not yet acknowledged.
const ON_THEIR_WAY: usize = 12;
const LOG: &str = "metric_log.csv";

/// What outlives a crash: the broker's and the readers' view.
#[derive(Clone, Default)]
struct Seen {
    /// In the order in which the broker sends them.
    messages: Arc<Vec<Message>>,
    /// Messages acknowledged, from the first on.
    acknowledged: usize,
    /// The log at the last acknowledgement: a reader may rely on it.
    log: Vec<u8>,
    /// The log that a SIGKILL left. Its last rows may not be synced: a power cut that follows may take them.
    left: Vec<u8>,
    renamed: bool,
}

struct Driver<'w> {
    workload: &'w Workload,
    disk: SimDisk<Seen>,
    seen: Seen,
    /// Halves that the journal holds in memory.
    held: usize,
    rng: fastrand::Rng,
}

impl<'w> Driver<'w> {
    fn new(workload: &'w Workload, image: Image, seen: Seen, fault: Fault, records: bool, seed: u64) -> Self {
        let disk = SimDisk::new(image, seen.clone(), fault, records);
        Driver { workload, disk, seen, held: 0, rng: fastrand::Rng::with_seed(seed) }
    }

    /// A process's life: recovers, then takes what is not acknowledged, in batches as they happen to come.
    fn run(&mut self) -> Result<()> {
        let mut journal = Journal::open(self.disk.clone(), Path::new(""), self.workload.limits)?;
        assert!(self.log().starts_with(&self.seen.log), "a row that was acknowledged is gone or changed");
        assert!(self.log().starts_with(&self.seen.left), "a row that a SIGKILL left is gone or changed");
        self.reorder();
        // Lost acknowledgements: the broker sends again what it did not hear of.
        let again = self.rng.usize(..4).min(self.seen.acknowledged);
        if again > 0 {
            let begin = self.seen.acknowledged - again;
            self.deliver(&mut journal, begin..self.seen.acknowledged, true)?;
        }
        let mut taken = self.seen.acknowledged;
        while taken < self.seen.messages.len() {
            self.rename_log(&mut journal)?;
            let mut end = (taken + self.rng.usize(1..12)).min(self.seen.messages.len());
            let renamed_at = self.workload.renamed_at;
            if let Some(at) = renamed_at.filter(|at| (taken + 1..end).contains(at)) {
                end = at;
            }
            // Some halves are held for a while; then nothing is acknowledged.
            let is_last = end == self.seen.messages.len() || renamed_at == Some(end);
            let must_release = is_last || self.rng.bool();
            let holds = self.deliver(&mut journal, taken..end, must_release)?;
            taken = end;
            if !holds {
                self.seen.acknowledged = end;
                self.seen.log = self.log();
                self.disk.note(self.seen.clone());
            }
        }
        Ok(())
    }

    /// What was on its way when a consumer died, a quorum queue may send in another order.
    fn reorder(&mut self) {
        let from = self.seen.acknowledged;
        let until = (from + ON_THEIR_WAY).min(self.workload.late_from).max(from);
        self.rng.shuffle(&mut Arc::make_mut(&mut self.seen.messages)[from..until]);
        self.disk.note(self.seen.clone());
    }

    /// Gives whether halves of this or of an earlier batch are held.
    fn deliver(
        &mut self,
        journal: &mut Journal<SimDisk<Seen>>,
        messages: std::ops::Range<usize>,
        must_release: bool,
    ) -> Result<bool> {
        // A second for each message, so that halves grow old.
        let now_ms = messages.end as u64 * 1000;
        let Batch { arrivals, mut rejects } = batch(&self.seen.messages[messages]);
        let mut tries = 0;
        let mut wait = |_: &anyhow::Error| {
            tries += 1;
            tries < 100
        };
        let mut joined = journal.join(arrivals.in_order(), now_ms, &mut wait)?.context("no room for ever")?;
        if must_release {
            journal.release(&mut joined);
        }
        for (_, Sample { id, value }, reason) in joined.refused.drain(..) {
            let body = workload::body(&id, value);
            rejects.push(Reject::new(now_ms, "y_true", reason, body.as_bytes(), None));
        }
        self.held = self.held + joined.held.len() - joined.released.len();
        let committed = journal.commit_when_room(&mut joined, &rejects, now_ms, wait)?;
        let outcome = committed.context("no room for ever")?;
        assert!(outcome.waiting <= self.workload.limits.halves, "{} halves wait", outcome.waiting);
        Ok(self.held > 0)
    }

    /// A person does so when the log has been quiet for a second.
    fn rename_log(&mut self, journal: &mut Journal<SimDisk<Seen>>) -> Result<()> {
        if self.workload.renamed_at == Some(self.seen.acknowledged) && !self.seen.renamed {
            journal.catch_up(0, |_| true)?;
            self.seen = Seen { renamed: true, log: Vec::new(), ..self.seen.clone() };
            self.disk.note(self.seen.clone());
            self.disk.edit(|image| image.rename(Path::new(LOG), Path::new("old.csv")));
        }
        Ok(())
    }

    fn log(&self) -> Vec<u8> {
        self.disk.edit(|image| image.read(LOG).unwrap_or_default().to_vec())
    }

    /// All messages are acknowledged: what must be in the files.
    fn check(&self) {
        let image = self.disk.image();
        let mut rows: Vec<Row> = rows(image.read(LOG).unwrap());
        rows.extend(image.read("old.csv").map(workload::rows).unwrap_or_default());
        let text = |name| std::str::from_utf8(image.read(name).unwrap_or_default()).unwrap();
        let mut unmatched = HashSet::new();
        for record in csv::Reader::from_reader(text("unmatched.csv").as_bytes()).records() {
            let record = record.unwrap();
            assert_eq!(record.len(), 4);
            unmatched.insert((record[0].trim_start_matches('\'').to_owned(), &record[1] == "y_true"));
        }
        let rejects = text("rejected.jsonl").lines().map(|line| {
            let reject: serde_json::Value = serde_json::from_str(line).unwrap();
            reject["body"].as_str().unwrap().to_owned()
        });
        let rejects: HashSet<String> = rejects.collect();
        self.workload.check_rows(&rows, &unmatched, &rejects);
        for message in &self.workload.messages {
            if let Message::Invalid(body) = message {
                assert!(rejects.contains(body), "{body} is not in rejected.jsonl");
            }
        }
    }
}

fn seed() -> u64 {
    let seed = env::var("TEST_SEED").map_or_else(|_| fastrand::u64(..), |text| text.parse().unwrap());
    println!("TEST_SEED={seed}");
    seed
}

fn count(variable: &str, default: usize) -> usize {
    env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// What a crash leaves of the changes that were not synced.
#[derive(Clone, Copy, Debug)]
enum Loss {
    /// SIGKILL.
    Nothing,
    /// A power cut that takes all of them.
    Everything,
    /// A power cut: each sector survives with this probability.
    Some { seed: u64, kept: f64 },
    /// A power cut: the changes whose bits are set survive.
    Subset(u64),
}

/// How far the call had come.
#[derive(Clone, Copy, Debug)]
enum Progress {
    Before,
    Torn(usize),
    After,
}

fn crash(moment: &Moment<Seen>, progress: Progress, loss: Loss) -> (Image, Seen) {
    let (mut image, mut seen) = (moment.image.clone(), moment.note.clone());
    match progress {
        Progress::Before => {}
        Progress::Torn(len) => image.apply(&moment.call, Some(len)),
        Progress::After => image.apply(&moment.call, None),
    }
    seen.left.clear();
    let image = match loss {
        Loss::Nothing => image.killed(),
        Loss::Everything => image.power_cut(|_| false),
        Loss::Some { seed, kept } => {
            let mut rng = fastrand::Rng::with_seed(seed);
            image.power_cut(|_| rng.f64() < kept)
        }
        Loss::Subset(kept) => image.power_cut(|number| kept >> number & 1 == 1),
    };
    if let (Loss::Nothing, Some(log)) = (loss, image.read(LOG)) {
        // A reader may have seen every whole line.
        seen.left = log[..log.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1)].to_vec();
    }
    (image, seen)
}

/// A torn write ends anywhere.
fn progresses(call: &Call, rng: &mut fastrand::Rng) -> Vec<Progress> {
    let mut progresses = vec![Progress::Before, Progress::After];
    if let Call::Change(_, Change::Write { bytes, .. }) = call
        && bytes.len() > 1
    {
        progresses.push(Progress::Torn(rng.usize(1..bytes.len())));
    }
    progresses
}

fn start(workload: &Workload) -> (Image, Seen) {
    let messages = Arc::new(workload.messages.clone());
    let (mut image, mut seen) = (Image::default(), Seen { messages, ..Seen::default() });
    for (name, text) in &workload.files {
        image.put(name, text.as_bytes());
        seen.log = text.as_bytes()[..text.rfind('\n').map_or(0, |at| at + 1)].to_vec();
    }
    (image, seen)
}

/// A life without a crash, and every moment of it.
fn moments(workload: &Workload, (image, seen): (Image, Seen), seed: u64) -> Vec<Moment<Seen>> {
    let mut driver = Driver::new(workload, image, seen, Fault::None, true, seed);
    driver.run().unwrap();
    driver.check();
    driver.disk.moments()
}

fn recovers(workload: &Workload, (image, seen): (Image, Seen), seed: u64) {
    let mut driver = Driver::new(workload, image, seen, Fault::None, false, seed);
    driver.run().unwrap();
    driver.check();
}

fn dies_at_every_call(make: fn(&mut fastrand::Rng) -> Workload) {
    let seed = seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let workload = make(&mut rng);
    let moments = moments(&workload, start(&workload), rng.u64(..));
    let (mut states, mut round) = (0, 0);
    let mut dies = |at: usize, progress, loss, rng: &mut fastrand::Rng| {
        let on_failure = OnFailure(format!("{}: call {at}, {progress:?}, {loss:?}", workload.name));
        recovers(&workload, crash(&moments[at], progress, loss), rng.u64(..));
        drop(on_failure);
        states += 1;
        states
    };
    if env::var_os("CHAOS_EXHAUSTIVE").is_some() {
        for (at, moment) in moments.iter().enumerate() {
            for progress in every_progress(&moment.call) {
                dies(at, progress, Loss::Nothing, &mut rng);
                dies(at, progress, Loss::Everything, &mut rng);
            }
            for loss in every_loss(&moment.image, &mut rng) {
                dies(at, Progress::Before, loss, &mut rng);
                dies(at, Progress::After, loss, &mut rng);
            }
        }
        println!(
            "figure\tsimulated disk, {}: every call, torn, and what a power cut takes\t{} calls, {states} states\t{seed}",
            workload.name,
            moments.len()
        );
        return;
    }
    let wanted = count("CHAOS_STATES", STATES);
    let mut done = 0;
    while done < wanted {
        for (at, moment) in moments.iter().enumerate() {
            for progress in progresses(&moment.call, &mut rng) {
                let kept = [0.5, 0.1, 0.9][round % 3];
                let mut losses = vec![Loss::Some { seed: rng.u64(..), kept }];
                if round == 0 {
                    losses.extend([Loss::Nothing, Loss::Everything]);
                }
                for loss in losses {
                    done = dies(at, progress, loss, &mut rng);
                }
            }
        }
        round += 1;
    }
    println!("{}: {} calls, {states} states", workload.name, moments.len());
}

/// A line torn at every byte, a page of the store at every sector and one byte behind it.
fn every_progress(call: &Call) -> Vec<Progress> {
    let mut progresses = vec![Progress::Before, Progress::After];
    if let Call::Change(_, Change::Write { bytes, .. }) = call {
        let is_page = bytes.len().is_multiple_of(SECTOR_BYTES);
        let torn = (1..bytes.len()).filter(|len| !is_page || len % SECTOR_BYTES < 2);
        progresses.extend(torn.map(Progress::Torn));
    }
    progresses
}

fn every_loss(image: &Image, rng: &mut fastrand::Rng) -> Vec<Loss> {
    let unsynced = image.unsynced();
    // Of the changes to come, the one that the call makes is kept or lost too.
    if unsynced < SUBSET_CHANGES_MAX {
        (0..1 << (unsynced + 1)).map(Loss::Subset).collect()
    } else {
        (0..1 << SUBSET_CHANGES_MAX).map(|_| Loss::Subset(rng.u64(..))).collect()
    }
}

/// Says in which state a check failed.
struct OnFailure(String);

impl Drop for OnFailure {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.0);
        }
    }
}

#[test]
fn whatever_call_it_dies_in_the_rows_come_out_the_same() {
    dies_at_every_call(workload::mixed);
}

#[test]
fn whatever_call_it_dies_in_what_is_given_up_is_written_down() {
    dies_at_every_call(workload::limited);
}

#[test]
fn whatever_call_it_dies_in_an_inherited_log_is_taken_over() {
    dies_at_every_call(workload::inherited);
}

/// Starts from crashes at random and dies again at every call of the recovery.
#[test]
fn whatever_call_a_recovery_dies_in_the_next_one_comes_to_the_same_rows() {
    let seed = seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut states = 0;
    for make in [workload::mixed, workload::limited, workload::inherited] {
        let workload = make(&mut rng);
        let first = moments(&workload, start(&workload), rng.u64(..));
        let syncs: Vec<&Moment<Seen>> = first.iter().filter(|m| matches!(m.call, Call::Sync(_))).collect();
        for number in 0..count("CHAOS_RECOVERIES", RECOVERIES) {
            let kept = rng.f64();
            // Every other one is killed before a sync: what it leaves is whole, and not yet durable.
            let (moment, progress, loss) = if number % 2 == 0 {
                (syncs[rng.usize(..syncs.len())], Progress::Before, Loss::Nothing)
            } else {
                let moment = &first[rng.usize(..first.len())];
                let progresses = progresses(&moment.call, &mut rng);
                let progress = progresses[rng.usize(..progresses.len())];
                (moment, progress, Loss::Some { seed: rng.u64(..), kept })
            };
            let (image, seen) = crash(moment, progress, loss);
            let acknowledged = seen.acknowledged;
            let second = moments(&workload, (image, seen), rng.u64(..));
            // The recovery and the first batch after it.
            for again in second.iter().take_while(|again| again.note.acknowledged == acknowledged) {
                for progress_again in progresses(&again.call, &mut rng) {
                    for loss_again in [Loss::Everything, Loss::Some { seed: rng.u64(..), kept }] {
                        let what = format!("{progress:?}, {loss:?}, then {progress_again:?}, {loss_again:?}");
                        let on_failure = OnFailure(format!("{}: {what}", workload.name));
                        recovers(&workload, crash(again, progress_again, loss_again), rng.u64(..));
                        drop(on_failure);
                        states += 1;
                    }
                }
            }
        }
    }
    println!("{states} states");
}

/// Every call of a life fails once: the process ends, and the next one recovers, with and without a power cut between them.
#[test]
fn an_error_at_any_call_ends_the_process_and_the_next_one_recovers() {
    let seed = seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut errors = 0;
    for make in [workload::mixed, workload::limited, workload::inherited] {
        let workload = make(&mut rng);
        for at_call in 1.. {
            let (image, seen) = start(&workload);
            let fault = Fault::Eio { at_call };
            let mut driver = Driver::new(&workload, image, seen, fault, false, seed);
            let result = driver.run();
            if !driver.disk.failed() {
                break;
            }
            let on_failure = OnFailure(format!("{}: EIO at call {at_call}", workload.name));
            // The last calls only close the store, after all is done.
            assert!(result.is_err() || driver.seen.acknowledged == workload.messages.len(), "went on");
            let image = driver.disk.image();
            recovers(&workload, (image.clone().killed(), driver.seen.clone()), rng.u64(..));
            recovers(&workload, (image.power_cut(|_| false), driver.seen.clone()), rng.u64(..));
            drop(on_failure);
            errors += 1;
        }
    }
    println!("{errors} errors");
}

/// From any call on the disk is full for a while: the work is held and goes on, or at the start the process ends and a later one works.
#[test]
fn a_disk_that_is_full_from_any_call_on_is_waited_for() {
    let seed = seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut held, mut ended) = (0, 0);
    for make in [workload::mixed, workload::limited, workload::inherited] {
        let workload = make(&mut rng);
        for from_call in 1.. {
            let (image, seen) = start(&workload);
            let fault = Fault::Enospc { from_call, calls: rng.u64(1..60) };
            let mut driver = Driver::new(&workload, image, seen, fault, false, seed);
            let result = driver.run();
            if driver.disk.calls() < from_call {
                break;
            }
            let on_failure = OnFailure(format!("{}: full from call {from_call}", workload.name));
            if result.is_ok() {
                driver.check();
                held += driver.disk.failed() as u64;
            } else {
                assert_eq!(driver.seen.acknowledged, 0, "ended: {result:?}");
                ended += 1;
            }
            recovers(&workload, (driver.disk.image().killed(), driver.seen.clone()), rng.u64(..));
            drop(on_failure);
        }
    }
    println!("held {held} times, ended at the start {ended} times");
}
