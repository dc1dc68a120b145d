//! The loop: follows the logs, publishes the numbers, and draws when a picture is due, until a signal comes.
//! Never computes a number.

use crate::alert::alarms::Alarms;
use crate::alert::message::{Alert, Phase};
use crate::alert::outbox::{self, Outbox};
use crate::alert::send;
use crate::alert::verdict::{Facts, Standing, Verdict};
use crate::chosen_task::ChosenTask;
use crate::config::Config;
use crate::fault_warning::FaultWarning;
use crate::http::live::Live;
use crate::http::server;
use crate::logs::follow::{State, plain};
use crate::logs::lines::Event;
use crate::logs::source::Source;
use crate::logs::statuses;
use crate::logs::task::Task;
use crate::stats::backlog::Backlog;
use crate::stats::numbers::Numbers;
use crate::stats::statistics::Statistics;
use crate::stats::summary::Summary;
use crate::unix_time::now_s;
use crate::view::moment::{Metric, Moment};
use crate::view::picture::{self, PNG_NAME, SVG_NAME};
use crate::words::number::{self, rows, short};
use crate::{counting, descriptors, replace};
use anyhow::{Result, anyhow, bail};
use glue::health::Health;
use glue::program::Program;
use log::{debug, info, log, warn};
use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the logs are checked for changes. The page promises new rows within 2 s.
const LOOK: Duration = Duration::from_millis(500);

/// At most one line of progress in this time.
const PROGRESS: Duration = Duration::from_secs(10);

/// Runs until `stop` delivers.
///
/// # Errors
/// The service cannot start, or the thread of the live page or that of alerts has ended.
pub fn run(config: &Config, stop: &Receiver<()>) -> Result<()> {
    picture::register()?;
    info!("{}", config.line);
    for name in [PNG_NAME, SVG_NAME] {
        replace::remove_temporary(&config.log_dir, name);
    }
    let health = Health::answer(&config.health_name());
    let task = config.task.unwrap_or_default();
    let statistics =
        Statistics::new(config.window).with_baseline(config.baseline).with_task(task, config.threshold);
    let (summary, past) = (Summary::of(&statistics).into(), Arc::clone(&statistics.past));
    let live = Arc::new(Live::new(&config.logs, config.hosts.clone(), summary, past));
    let server = config.listen.map(|address| server::start(address, descriptors::quarter(), &live));
    let server = server.transpose()?;
    let outbox = config.receiver.as_ref().map(|receiver| -> Result<_> {
        let outbox = Arc::new(Outbox::open(&config.log_dir, outbox::name(config.listen)));
        Ok((Arc::clone(&outbox), send::start(receiver, outbox)?))
    });
    let (outbox, sender) = outbox.transpose()?.unzip();
    let stopping = Cell::new(false);
    let is_stopping = || {
        live.beat(now_s());
        say_health(&health, &live);
        stopping.set(stopping.get() || !matches!(stop.try_recv(), Err(TryRecvError::Empty)));
        stopping.get()
    };
    let mut service = Service::new(config, &live, statistics, outbox.as_deref());
    while !is_stopping() {
        service.look(&is_stopping);
        if stopping.get() {
            break;
        }
        match stop.recv_timeout(LOOK.min(config.interval)) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
        }
        if server.as_ref().is_some_and(JoinHandle::is_finished) {
            bail!("the thread of the live page has ended");
        }
        if sender.as_ref().is_some_and(JoinHandle::is_finished) {
            bail!("the thread that sends alerts has ended");
        }
    }
    info!("stopped");
    Ok(())
}

/// One line for each change of the verdict, and of the error.
fn say(verdict: &Verdict) {
    match verdict.state {
        Standing::Worse | Standing::Silent | Standing::Blind => warn!("{}", verdict.text),
        Standing::Learning | Standing::Steady | Standing::Better => info!("{}", verdict.text),
    }
}

/// One line for each rule that fires or resolves.
fn say_alert(Alert { id, rule, phase, text, .. }: &Alert) {
    match phase {
        Phase::Firing => warn!("alert {id}: {rule} fires: {text}"),
        Phase::Resolved => info!("alert {id}: {rule} has resolved: {text}"),
    }
}

fn say_health(health: &Health, live: &Live) {
    match live.health() {
        Ok(()) => health.ok(format!("{} read", rows(live.moment().summary.all.n))),
        Err(reason) => health.unhealthy(reason),
    }
}

struct Service<'a> {
    config: &'a Config,
    live: &'a Live,
    logs: Source,
    task: ChosenTask,
    /// Of the rules that have no number with this task it was said; none before the first look.
    rules_said_of: Option<Task>,
    statistics: Statistics,
    backlog: Backlog,
    alarms: Alarms,
    /// None without a receiver.
    outbox: Option<&'a Outbox>,
    /// As last logged.
    state: State,
    /// All logs were read once: a log that appears now has come back.
    has_followed: bool,
    /// Events so far, and those that were published and drawn.
    changes: u64,
    published: u64,
    drawn: u64,
    last_drawn: Option<Instant>,
    picture_trouble: Option<String>,
    /// The line of progress on the last picture, until it is logged.
    progress: Option<String>,
    last_progress: Option<Instant>,
    fault_warning: FaultWarning,
}

impl<'a> Service<'a> {
    fn new(config: &'a Config, live: &'a Live, statistics: Statistics, outbox: Option<&'a Outbox>) -> Self {
        let (firing, random) = (outbox.map(Outbox::firing), RandomState::new().build_hasher().finish());
        Service {
            config,
            live,
            logs: config.source(descriptors::quarter(), statistics.task),
            task: ChosenTask::new(config.task),
            rules_said_of: None,
            statistics,
            backlog: Backlog::default(),
            alarms: Alarms::new(&config.alert, firing.unwrap_or_default(), random as u32, now_s()),
            outbox,
            state: State::Starting,
            has_followed: false,
            changes: 0,
            published: 0,
            drawn: 0,
            last_drawn: None,
            picture_trouble: None,
            progress: None,
            last_progress: None,
            fault_warning: FaultWarning::default(),
        }
    }

    /// Reads what is new in the logs, publishes it, and draws if a picture is due.
    fn look(&mut self, stop: &impl Fn() -> bool) {
        let started = Instant::now();
        self.settle_task();
        let Service { logs, statistics, changes, alarms, fault_warning, .. } = self;
        let state = counting::count(statistics, |send| {
            logs.follow(stop, |event| {
                if matches!(event, Event::StartOver) {
                    warn!("a log was replaced, truncated or removed: reading all logs again");
                    fault_warning.start_over();
                    alarms.start_over();
                }
                *changes += 1;
                send(event)
            })
        });
        if stop() {
            return;
        }
        self.enter(state);
        self.say_gone();
        self.warn_of_faults();
        // Read again: while a long log was read the status has grown old.
        self.backlog.take(statuses::read(&self.config.statuses, now_s()), now_s());
        let has_changed = self.published != self.changes;
        self.publish();
        if has_changed {
            debug!("read, counted and published in {:.1} ms", started.elapsed().as_secs_f64() * 1000.0);
        }
        let due = self.last_drawn.is_none_or(|at| at.elapsed() >= self.config.interval);
        if due && self.changes != self.drawn && self.statistics.n() > 0 {
            self.draw();
            debug!("read, counted and drawn in {:.1} ms", started.elapsed().as_secs_f64() * 1000.0);
        }
        self.log_progress();
    }

    /// Reads all logs again if `metric` names another task. Says which rules have no number with the task.
    fn settle_task(&mut self) {
        if let Ok(Some(status)) = statuses::read(&self.config.statuses, now_s())
            && let Some((level, line)) = status.task.and_then(|named| self.task.take(&named))
        {
            log!(level, "{line}");
        }
        let task = self.task.task;
        if self.rules_said_of != Some(task) {
            let rules = self.config.alert.iter().filter(|rule| !rule.has_number(task));
            rules
                .for_each(|rule| warn!("{} never fires: task {} has no such number", rule.text, task.name()));
            self.rules_said_of = Some(task);
        }
        if task != self.statistics.task {
            (self.logs, self.statistics) =
                (self.config.source(descriptors::quarter(), task), self.statistics.anew(task));
            self.fault_warning.start_over();
            self.alarms.start_over();
            self.changes += 1;
        }
    }

    /// Publishes a new moment if anything changed.
    fn publish(&mut self) {
        let shown = self.live.moment();
        let now_s = now_s();
        let mut moment = Moment {
            state: self.state.clone(),
            picture_trouble: self.picture_trouble.clone(),
            metric: Metric::of(&self.backlog),
            gone_logs: self.logs.gone(),
            ..Moment::clone(&shown)
        };
        if self.published != self.changes {
            moment.summary = Arc::new(Summary::of(&self.statistics));
            moment.last_rows_s = Some(now_s);
            self.published = self.changes;
        }
        let Moment { summary, state, last_rows_s, .. } = &moment;
        let facts = Facts { summary, state, backlog: &self.backlog, last_rows_s: *last_rows_s, now_s };
        let verdict = facts.verdict(Some(&shown.verdict));
        self.alarms.judge(&facts, &verdict).iter().for_each(say_alert);
        if let Some(outbox) = self.outbox {
            self.alarms.queue(|alert| outbox.push(alert));
        }
        (moment.verdict, moment.alerts) = (verdict, self.alarms.shown());
        if moment.shows_the_same(&shown) {
            return;
        }
        if moment.verdict.is_another(&shown.verdict) {
            say(&moment.verdict);
        }
        moment.version += 1;
        self.live.publish(moment);
    }

    /// Logs one line for each change of state.
    fn enter(&mut self, state: State) {
        if state == self.state {
            return;
        }
        let kept = if self.statistics.n() > 0 { "; keeping the rows read before" } else { "" };
        match (&self.state, &state) {
            (_, State::Trouble(reason)) => warn!("not all logs can be read: {reason}{kept}"),
            (_, State::Waiting(name)) => info!("waiting for {name}{kept}"),
            (State::Waiting(name), _) if self.has_followed => info!("{name} is back; reading it"),
            (State::Waiting(name), _) => info!("{name} is there; reading it"),
            (State::Trouble(_), _) if self.has_followed => info!("all logs can be read again"),
            (State::Trouble(_), _) => info!("all logs can be read now"),
            (State::Starting | State::Following, _) => {}
        }
        self.has_followed |= state == State::Following;
        self.state = state;
    }

    /// One line for all rotated logs that are newly gone.
    fn say_gone(&mut self) {
        match self.logs.take_newly_gone().as_slice() {
            [] => {}
            [one] => info!("{one} is gone; its rows count until plot starts again"),
            many @ [.., last] => {
                info!(
                    "{} logs are gone, the last one {last}; their rows count until plot starts again",
                    many.len()
                );
            }
        }
    }

    fn warn_of_faults(&mut self) {
        let faults = self.statistics.faults();
        let total = faults.iter().map(|(_, n)| n).sum();
        if self.fault_warning.is_due(total, Instant::now()) {
            warn!("lines that are not rows: {}", number::faults(&faults));
        }
    }

    /// Also when nothing new has come: the last line logged then is about the last picture.
    fn log_progress(&mut self) {
        if self.last_progress.is_none_or(|at| at.elapsed() >= PROGRESS)
            && let Some(line) = self.progress.take()
        {
            self.last_progress = Some(Instant::now());
            info!("{line}");
        }
    }

    fn draw(&mut self) {
        // What was published last is all that there is to draw.
        let moment = self.live.moment();
        let summary: &Summary = &moment.summary;
        self.last_drawn = Some(Instant::now());
        match self.write_pictures(summary) {
            Ok(()) => {
                if self.picture_trouble.take().is_some() {
                    info!("the picture can be written again");
                }
                self.drawn = self.changes;
                let Numbers { n, mae, rmse, .. } = summary.all;
                let (n, mae, rmse) = (rows(n), short(mae), short(rmse));
                let verdict = moment.verdict.state.name();
                self.progress = Some(format!("{n} drawn, MAE {mae}, RMSE {rmse}; {verdict}"));
            }
            Err(e) => {
                let reason = format!("{e:#}");
                if self.picture_trouble.as_ref() != Some(&reason) {
                    warn!("{reason}; the last picture stays");
                    self.picture_trouble = Some(reason);
                }
            }
        }
    }

    /// Writes both pictures, and publishes each once it is written.
    fn write_pictures(&self, summary: &Summary) -> Result<()> {
        let Config { log_dir, size, .. } = self.config;
        let write = |name: &'static str, bytes: Vec<u8>| -> Result<()> {
            replace::replace(log_dir, name, &bytes)
                .map_err(|e| anyhow!("{}: {}", log_dir.join(name).display(), plain(&e)))?;
            self.live.publish_picture(name, bytes.into());
            Ok(())
        };
        write(PNG_NAME, picture::png(summary, *size)?)?;
        write(SVG_NAME, picture::svg(summary, *size)?.into_bytes())
    }
}
