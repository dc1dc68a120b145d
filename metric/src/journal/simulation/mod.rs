//! Tests of the journal on a simulated disk: whichever call it dies in, and whatever a power cut then takes, the redelivered messages lead to
//! the same rows. Each run prints its seed.

mod disk;
mod rotated;
mod steps;
mod workload;

use crate::{
    clock::Now,
    join::Side,
    journal::{
        Journal,
        batch::Batch,
        halt::Halt,
        settings::{Hooks, Settings},
    },
    wire::labels::{Labels, Task},
};
use disk::{Call, Change, Fault, Image, Moment, SECTOR_BYTES, SimDisk};
use std::{
    collections::HashSet,
    env,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use workload::{Given, Message, Row, Workload, batch, rows};

/// States that are tried per workload, at least one for each call. CHAOS_EXHAUSTIVE tries all.
const STATES: usize = 1000;
/// An exhaustive run tries every subset of up to this many unsynced changes; of more changes, as many random subsets.
const SUBSET_CHANGES_MAX: usize = 8;
/// Crashes per workload whose recoveries die at every call.
const RECOVERIES: usize = 3;
/// Messages sent and not yet acknowledged.
const ON_THEIR_WAY: usize = 12;
const LOG: &str = "metric_log.csv";
/// Those whose recoveries and faults are tried.
const WORKLOADS: [fn(&mut fastrand::Rng) -> Workload; 4] =
    [workload::mixed, workload::limited, workload::inherited, workload::rotating];

/// The state of the broker and the readers, which outlives a crash.
#[derive(Clone, Default)]
struct Seen {
    /// In the order in which the broker sends them.
    messages: Arc<Vec<Message>>,
    /// The number of acknowledged messages, which are the first ones.
    acknowledged: usize,
    /// All logs at the last acknowledgement: a reader may rely on them.
    logs: Vec<Vec<u8>>,
    /// The logs that a SIGKILL left. Their last rows may not be synced: a power cut that follows may take them.
    left: Vec<Vec<u8>>,
    /// How often a person renamed the log.
    renames: usize,
    /// How many logs with a number were moved elsewhere.
    moves: usize,
    /// How far the system clock is ahead.
    clock_ahead_ms: u64,
    /// Runs so far.
    lives: u64,
}

/// One batch in this many is followed by an event.
const EVENT_EVERY: usize = 6;
const RENAMES_MAX: usize = 3;
const TEN_YEARS_MS: u64 = 315_360_000_000;

struct Driver<'w> {
    workload: &'w Workload,
    disk: SimDisk<Seen>,
    seen: Seen,
    /// Messages delivered since the last connection began.
    taken: usize,
    /// Halves that the journal holds in memory.
    held: usize,
    /// Batches of this run.
    batches: u64,
    is_opening: bool,
    failed_in_a_close: bool,
    begin: Instant,
    rng: fastrand::Rng,
}

type SimJournal = Journal<'static, SimDisk<Seen>>;

impl<'w> Driver<'w> {
    fn new(
        workload: &'w Workload,
        image: Image,
        mut seen: Seen,
        fault: Fault,
        records: bool,
        seed: u64,
    ) -> Self {
        seen.lives += 1;
        let disk = SimDisk::new(image, seen.clone(), fault, records);
        let rng = fastrand::Rng::with_seed(seed);
        let begin = Instant::now();
        let (is_opening, failed_in_a_close) = (false, false);
        Driver {
            workload,
            disk,
            seen,
            taken: 0,
            held: 0,
            batches: 0,
            is_opening,
            failed_in_a_close,
            begin,
            rng,
        }
    }

    /// One run of the service: recovers, then takes the unacknowledged messages in random batches. Events are ended connections, orderly
    /// restarts, logs that are renamed or moved elsewhere, and a changed clock.
    fn run(&mut self) -> Result<(), Halt> {
        let mut journal = self.open()?;
        self.connect(&mut journal)?;
        while self.seen.acknowledged < self.seen.messages.len() {
            let end = (self.taken + self.rng.usize(1..12)).min(self.seen.messages.len());
            // Some halves are held for a while; then nothing is acknowledged.
            let releases = end == self.seen.messages.len() || self.rng.bool();
            self.deliver(&mut journal, self.taken..end, releases)?;
            self.taken = end;
            if self.held == 0 {
                self.seen.acknowledged = end;
                self.seen.logs = self.disk.edit(|image| logs(image));
                self.disk.note(self.seen.clone());
            }
            if self.rng.usize(..EVENT_EVERY) > 0 {
                continue;
            }
            match self.rng.u8(..5) {
                0 => self.rename_log(),
                1 => self.move_logs(),
                2 => self.set_clock(),
                3 => {
                    journal.end_connection()?;
                    self.connect(&mut journal)?;
                }
                _ => {
                    self.close(journal)?;
                    journal = self.open()?;
                    self.connect(&mut journal)?;
                }
            }
        }
        self.close(journal)
    }

    fn close(&mut self, mut journal: SimJournal) -> Result<(), Halt> {
        journal.end_connection()?;
        let failed = self.disk.failed();
        drop(journal);
        self.failed_in_a_close |= self.disk.failed() && !failed;
        Ok(())
    }

    fn open(&mut self) -> Result<SimJournal, Halt> {
        let mut tries = 0;
        let hooks = Hooks {
            reading: Box::new(|_, _, _, _| true),
            wait_for_room: Box::new(move |_| {
                tries += 1;
                tries < 1000
            }),
        };
        let (disk, settings, now) = (self.disk.clone(), self.workload.settings.clone(), self.now());
        self.is_opening = true;
        let failed = self.disk.failed();
        let journal = Journal::open(disk, Path::new(""), settings, hooks, now)?;
        // A new store is closed before it gets its name.
        self.failed_in_a_close |= self.disk.failed() && !failed;
        self.is_opening = false;
        let now = self.disk.edit(|image| logs(image));
        let is_there = |seen: &Vec<u8>| now.iter().any(|log| log.starts_with(seen));
        assert!(self.seen.logs.iter().all(is_there), "a row that was acknowledged is gone or changed");
        assert!(self.seen.left.iter().all(is_there), "a row that a SIGKILL left is gone or changed");
        Ok(journal)
    }

    /// Redelivers unacknowledged messages in another order, as a quorum queue does, and some whose acknowledgement was lost.
    fn connect(&mut self, journal: &mut SimJournal) -> Result<(), Halt> {
        let from = self.seen.acknowledged;
        let until = (from + ON_THEIR_WAY).min(self.workload.late_from).max(from);
        self.rng.shuffle(&mut Arc::make_mut(&mut self.seen.messages)[from..until]);
        self.disk.note(self.seen.clone());
        (self.taken, self.held) = (from, 0);
        let again = self.rng.usize(..4).min(from);
        if again > 0 { self.deliver(journal, from - again..from, true) } else { Ok(()) }
    }

    /// Advances a second per message, so that halves age. No two batches have one time, of whichever run.
    fn now(&self) -> Now {
        let passed_ms = self.taken as u64 * 1000 + self.batches * 10 + self.seen.lives;
        let instant = self.begin + Duration::from_millis(passed_ms);
        Now { unix_ms: passed_ms + self.seen.clock_ahead_ms, instant }
    }

    fn deliver(
        &mut self,
        journal: &mut SimJournal,
        messages: std::ops::Range<usize>,
        releases: bool,
    ) -> Result<(), Halt> {
        let batch = batch(&self.seen.messages[messages], journal.labels());
        self.batches += 1;
        let digested = journal.digest(batch, releases, self.now())?;
        self.held = self.held + digested.held.len() - digested.released.len();
        assert!(!releases || self.held == 0);
        let waiting = digested.waiting;
        assert!(waiting <= self.workload.settings.halves_max, "{waiting} halves wait");
        Ok(())
    }

    /// Renames the log, like a person or logrotate.
    fn rename_log(&mut self) {
        if self.seen.renames < RENAMES_MAX {
            let renamed = format!("old{}.csv", self.seen.renames);
            self.seen.renames += 1;
            self.disk.note(self.seen.clone());
            self.disk.edit(|image| image.rename(Path::new(LOG), Path::new(&renamed)));
        }
    }

    /// Moves all logs that have a number elsewhere, like a person who archives them.
    fn move_logs(&mut self) {
        self.seen.moves += self.disk.edit(|image| move_numbered(image, self.seen.moves));
        self.disk.note(self.seen.clone());
    }

    /// Sets the system clock ahead, or right again.
    fn set_clock(&mut self) {
        self.seen.clock_ahead_ms = if self.seen.clock_ahead_ms == 0 { TEN_YEARS_MS } else { 0 };
        self.disk.note(self.seen.clone());
    }

    fn log(&self) -> Vec<u8> {
        self.disk.edit(|image| image.read(LOG).unwrap_or_default().to_vec())
    }

    /// Checks the files once all messages are acknowledged.
    fn check(&self) {
        let image = self.disk.image();
        let others = self.workload.files.iter().filter(|(name, _)| *name != LOG);
        others.for_each(|(name, text)| assert_eq!(image.read(name), Some(text.as_bytes()), "{name}"));
        // A rename that was interrupted may leave an empty file.
        let files = |is_one: fn(&str) -> bool| {
            let names = image.names().into_iter();
            let ours = names.filter(|name| {
                is_one(name) && !self.workload.files.iter().any(|f| f.0 == name && name != LOG)
            });
            ours.filter(|name| image.read(name) != Some(&[])).collect::<Vec<_>>()
        };
        let rows_of = |name: String| rows(image.read(&name).unwrap(), self.workload.settings.task);
        let rows: Vec<Row> = files(is_log).into_iter().flat_map(rows_of).collect();
        // A power cut may leave a line that holds zeros.
        let lines = |name: &str| {
            let text = std::str::from_utf8(image.read(name).unwrap_or_default()).unwrap().to_owned();
            text.lines().filter(|line| !line.contains('\0')).map(str::to_owned).collect::<Vec<_>>()
        };
        let mut unmatched = HashSet::new();
        let unmatched_lines = files(|name| name.starts_with("unmatched.")).into_iter().flat_map(|name| {
            let mut lines = lines(&name).into_iter();
            assert_eq!(lines.next().as_deref(), Some("id,kind,value,received_at"), "{name}");
            lines
        });
        for line in unmatched_lines {
            let fields: Vec<&str> = line.split(',').collect();
            assert_eq!(fields.len(), 4, "{line}");
            let side = if fields[1] == "y_true" { Side::YTrue } else { Side::YPred };
            let [id, _, value, _] = [0, 1, 2, 3].map(|at| fields[at].trim_start_matches('\'').to_owned());
            unmatched.insert(Given { id, side, value, line });
        }
        let rejects = lines("rejected.jsonl").into_iter().map(|line| {
            let reject: serde_json::Value = serde_json::from_str(&line).unwrap();
            reject["body"].as_str().unwrap().to_owned()
        });
        let rejects: HashSet<String> = rejects.collect();
        self.workload.check_rows(&rows, &unmatched, &rejects);
        for message in &self.workload.messages {
            if let Message::Invalid(body) = message {
                assert!(rejects.contains(body), "{body} is not in rejected.jsonl");
            }
        }
        self.check_counts(image, &rows, &unmatched);
    }

    /// Checks the counts that the next start finds.
    fn check_counts(&self, image: Image, rows: &[Row], unmatched: &HashSet<Given>) {
        let disk = SimDisk::new(image, (), Fault::None, false);
        let mut journal = journal(&disk, self.workload.settings.clone(), self.now());
        let waiting = journal.store.read(|view| view.beyond(0, 0, usize::MAX)).unwrap();
        self.workload.check_counts(journal.counts(), rows, unmatched, &waiting, journal.labels());
    }
}

/// Under its own name, a number or another name, here or elsewhere.
fn is_log(name: &str) -> bool {
    name.contains("metric_log.") || name.starts_with("old")
}

/// The whole lines of all logs: a reader may have read them.
fn logs(image: &Image) -> Vec<Vec<u8>> {
    let whole = |log: &[u8]| log[..log.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1)].to_vec();
    image.names().iter().filter(|name| is_log(name)).map(|name| whole(image.read(name).unwrap())).collect()
}

/// Moves the logs with a number to another directory, where they are numbered from `next`. Returns how many.
fn move_numbered(image: &mut Image, next: usize) -> usize {
    let names = image.names().into_iter();
    let numbered: Vec<String> = names.filter(|name| name.starts_with("metric_log.0")).collect();
    for (at, name) in numbered.iter().enumerate() {
        image.rename(Path::new(name), Path::new(&format!("elsewhere/metric_log.{}.csv", next + at)));
    }
    numbered.len()
}

fn seed() -> u64 {
    let seed = env::var("TEST_SEED").map_or_else(|_| fastrand::u64(..), |text| text.parse().unwrap());
    println!("TEST_SEED={seed}");
    seed
}

fn count(variable: &str, default: usize) -> usize {
    env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// The unsynced changes that a crash takes.
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

/// How far a call came before the crash.
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
    if let Loss::Nothing = loss {
        seen.left = logs(&image);
    }
    (image, seen)
}

/// Before, after, and torn at a random byte.
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
    workload.files.iter().for_each(|(name, text)| image.put(name, text.as_bytes()));
    seen.logs = logs(&image);
    (image, seen)
}

/// Records every moment of a run without a crash.
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
            "figure\tsimulated disk, {}, {}: every call, torn, and what a power cut takes\t{} calls, {states} states\t{seed}",
            workload.name,
            workload.settings.task.name(),
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
    let (name, task) = (workload.name, workload.settings.task);
    println!("{name}, {task:?}: {} calls, {states} states", moments.len());
}

/// Before, after, and torn: a line at every byte, a page of the store at every sector and one byte behind it.
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
    // The change of the call itself may be kept or lost too.
    if unsynced < SUBSET_CHANGES_MAX {
        (0..1 << (unsynced + 1)).map(Loss::Subset).collect()
    } else {
        (0..1 << SUBSET_CHANGES_MAX).map(|_| Loss::Subset(rng.u64(..))).collect()
    }
}

/// Prints the state in which a check failed.
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

#[test]
fn whatever_call_it_dies_in_files_that_are_full_get_a_number_and_nothing_is_replaced() {
    dies_at_every_call(workload::rotating);
}

#[test]
fn whatever_call_it_dies_in_classes_keep_their_names() {
    dies_at_every_call(workload::of_classes);
}

/// Starts from random crashes and dies again at every call of the recovery.
#[test]
fn whatever_call_a_recovery_dies_in_the_next_one_comes_to_the_same_rows() {
    let seed = seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut states = 0;
    for make in WORKLOADS {
        let workload = make(&mut rng);
        let first = moments(&workload, start(&workload), rng.u64(..));
        let syncs: Vec<&Moment<Seen>> = first.iter().filter(|m| matches!(m.call, Call::Sync(_))).collect();
        for number in 0..count("CHAOS_RECOVERIES", RECOVERIES) {
            let kept = rng.f64();
            // Every other one is killed before a sync, and leaves whole lines that are not durable.
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

/// Every call of a run fails once. The process ends, and the next one recovers, with and without a power cut between them.
#[test]
fn an_error_at_any_call_ends_the_process_and_the_next_one_recovers() {
    let seed = seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut errors = 0;
    for make in WORKLOADS {
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
            // redb hides an error while it closes its file. Everything that was promised is on the disk by then.
            assert!(result.is_err() || driver.failed_in_a_close, "went on");
            let image = driver.disk.image();
            recovers(&workload, (image.clone().killed(), driver.seen.clone()), rng.u64(..));
            recovers(&workload, (image.power_cut(|_| false), driver.seen.clone()), rng.u64(..));
            drop(on_failure);
            errors += 1;
        }
    }
    println!("{errors} errors");
}

/// The disk is full for a while, starting at any call. The work waits and resumes, or a starting process ends and a later one works.
#[test]
fn a_disk_that_is_full_from_any_call_on_is_waited_for() {
    let seed = seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut held, mut ended) = (0, 0);
    for make in WORKLOADS {
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
                assert!(driver.is_opening, "ended: {result:?}");
                ended += 1;
            }
            recovers(&workload, (driver.disk.image().killed(), driver.seen.clone()), rng.u64(..));
            drop(on_failure);
        }
    }
    println!("held {held} times, ended at a start {ended} times");
}

/// A journal on a disk in memory, for tests that choose the time.
fn journal(disk: &SimDisk<()>, settings: Settings, now: Now) -> Journal<'static, SimDisk<()>> {
    let hooks = Hooks { reading: Box::new(|_, _, _, _| true), wait_for_room: Box::new(|_| true) };
    Journal::open(disk.clone(), Path::new(""), settings, hooks, now).unwrap()
}

/// A batch of a regression.
fn of_numbers(messages: &[Message]) -> Batch {
    batch(messages, &Labels::new(Task::Regression))
}

/// One half for each number.
fn halves(numbers: std::ops::Range<u32>) -> Batch {
    let half = |number| Message::Half(Side::YTrue, format!("k{number}"), f64::from(number));
    of_numbers(&numbers.map(half).collect::<Vec<_>>())
}

fn given_up(disk: &SimDisk<()>) -> Vec<String> {
    let text = disk.edit(|image| String::from_utf8(image.read("unmatched.csv").unwrap_or_default().to_vec()));
    text.unwrap().lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect()
}

/// The disk is full at any call while more halves expire than are written at a time. Each is written once.
#[test]
fn no_half_is_given_up_twice_where_the_disk_is_full_in_between() {
    const HALVES: u32 = 6001;
    let settings = Settings { halves_max: 0, ..workload::unlimited() };
    let now = Now { unix_ms: 0, instant: Instant::now() };
    let (mut tried, mut failed) = (0, 0);
    let mut calls = 0;
    loop {
        let disk = SimDisk::new(Image::default(), (), Fault::None, false);
        let mut journal = journal(&disk, settings.clone(), now);
        let before = disk.calls();
        disk.set_fault(Fault::Enospc { from_call: before + tried, calls: 3 });
        let digested = journal.digest(halves(0..HALVES), true, now).unwrap();
        assert_eq!(digested.unmatched, u64::from(HALVES));
        let mut ids = given_up(&disk);
        assert_eq!(ids.len(), HALVES as usize, "full from call {tried} of {calls}");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), HALVES as usize);
        failed += u64::from(disk.failed());
        calls = calls.max(disk.calls() - before);
        if tried > calls {
            break;
        }
        // The first calls add the halves to the store; the more important ones come later.
        tried += 1 + calls / 80;
    }
    assert!(failed > 20, "the disk was full only {failed} times");
}

/// A half that came while the clock was ten years ahead ages like any other, and delays none behind it.
#[test]
fn a_clock_that_was_ahead_keeps_no_half_waiting() {
    let settings = Settings { age_max_ms: 5000, ..workload::unlimited() };
    let (begin, right_ms) = (Instant::now(), 1_800_000_000_000);
    let at = |unix_ms, passed_ms| Now { unix_ms, instant: begin + Duration::from_millis(passed_ms) };
    let disk = SimDisk::new(Image::default(), (), Fault::None, false);
    // Set ahead while it runs, and set right again before the next start.
    let mut first = journal(&disk, settings.clone(), at(right_ms, 0));
    first.digest(halves(0..1), true, at(right_ms, 0)).unwrap();
    first.digest(halves(1..2), true, at(right_ms + TEN_YEARS_MS, 1000)).unwrap();
    first.end_connection().unwrap();
    drop(first);
    let mut second = journal(&disk, settings.clone(), at(right_ms + 1000, 1000));
    second.digest(halves(2..3), true, at(right_ms + 2000, 2000)).unwrap();
    for (passed_ms, expected) in [(3500, 0), (4900, 0), (5950, 1), (6960, 2), (7960, 3)] {
        second.digest(Batch::default(), false, at(right_ms + passed_ms, passed_ms)).unwrap();
        assert_eq!(given_up(&disk).len(), expected, "after {passed_ms} ms");
    }
    drop(second);
    // A whole run with a clock that is ahead.
    let mut third = journal(&disk, settings.clone(), at(right_ms + TEN_YEARS_MS, 9000));
    third.digest(halves(3..4), true, at(right_ms + TEN_YEARS_MS, 9000)).unwrap();
    drop(third);
    let mut fourth = journal(&disk, settings, at(right_ms + 10_000, 10_000));
    fourth.digest(halves(4..5), true, at(right_ms + 10_000, 10_000)).unwrap();
    fourth.digest(Batch::default(), false, at(right_ms + 16_000, 16_000)).unwrap();
    assert_eq!(given_up(&disk), ["k0", "k1", "k2", "k3", "k4"]);
}

/// The store is synced within a second, and at once when a connection ends.
#[test]
fn the_store_does_not_stay_behind_the_log() {
    let pair = |id: &str| {
        let half = |side| Message::Half(side, id.to_owned(), 1.0);
        of_numbers(&[half(Side::YTrue), half(Side::YPred)])
    };
    let begin = Instant::now();
    let at = |passed: Duration| Now { unix_ms: 0, instant: begin + passed };
    let rows_lacking = |disk: &SimDisk<()>| {
        // The disk after a SIGKILL, with the log moved out of the directory.
        let mut image = disk.image().killed();
        image.remove(LOG);
        let disk = SimDisk::new(image, (), Fault::None, false);
        let mut journal = journal(&disk, workload::unlimited(), at(Duration::ZERO));
        let again = journal.digest(pair("k1"), true, at(Duration::ZERO)).unwrap();
        again.rows
    };
    for ends_connection in [false, true] {
        let disk = SimDisk::new(Image::default(), (), Fault::None, false);
        let mut journal = journal(&disk, workload::unlimited(), at(Duration::ZERO));
        journal.digest(pair("k1"), false, at(Duration::ZERO)).unwrap();
        let due = journal.sync_due().unwrap() - begin;
        assert_eq!(rows_lacking(&disk), 1, "the commit is volatile at first");
        if ends_connection {
            journal.end_connection().unwrap();
        } else {
            assert!(due <= Duration::from_secs(1), "{due:?}");
            journal.digest(Batch::default(), false, at(due)).unwrap();
        }
        assert_eq!(journal.sync_due(), None);
        assert_eq!(rows_lacking(&disk), 0);
    }
}
