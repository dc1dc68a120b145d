//! The loop: follow the logs, publish the numbers, draw when it is time, until told to stop.
//! Never decides what the numbers are.

use crate::config::Config;
use crate::descriptors;
use crate::faults_told::FaultsTold;
use crate::files;
use crate::health;
use crate::intake;
use crate::live::{Live, Moment, Pictures, State, now_s};
use crate::logs::{Event, Logs, plain};
use crate::number::{count, rows, short};
use crate::picture;
use crate::row::Fault;
use crate::server;
use crate::statistics::Statistics;
use crate::summary::{Numbers, Summary};
use anyhow::{Context, Result, bail};
use log::{debug, info, warn};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const PNG_NAME: &str = "error_distribution.png";
const SVG_NAME: &str = "error_distribution.svg";

/// How often the logs are looked at. The page promises new rows within 2 s.
const LOOK: Duration = Duration::from_millis(500);

/// At most one line of progress in this time.
const PROGRESS: Duration = Duration::from_secs(10);

/// Runs until `stop` delivers.
///
/// # Errors
/// Only what keeps the service from starting.
pub fn run(config: Config, stop: &Receiver<()>) -> Result<()> {
    picture::register()?;
    info!("{}", config.line);
    for name in [PNG_NAME, SVG_NAME, health::FILE] {
        files::remove_temporary(&config.log_dir, name);
    }
    let statistics = Statistics::new(config.window);
    let live = Arc::new(Live::new(config, Summary::of(&statistics)));
    let server = server::start(&live)?;
    let stopping = Cell::new(false);
    let told_to_stop = || {
        live.beat(now_s());
        stopping.set(stopping.get() || !matches!(stop.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty)));
        stopping.get()
    };
    let mut service = Service::new(&live, statistics);
    while !told_to_stop() {
        service.look(&told_to_stop);
        if stopping.get() {
            break;
        }
        match stop.recv_timeout(LOOK.min(live.config.interval)) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
        }
        if server.as_ref().is_some_and(JoinHandle::is_finished) {
            bail!("the thread of the live page has ended");
        }
    }
    info!("stopped");
    Ok(())
}

struct Service<'a> {
    live: &'a Live,
    config: &'a Config,
    logs: Logs,
    statistics: Statistics,
    /// How it is with the logs, as last said.
    state: State,
    /// All logs have been read once: what comes now comes back.
    has_followed: bool,
    version: u64,
    /// Changes, state and trouble with the picture as last published.
    published: (u64, State, Option<String>),
    last_rows_s: Option<f64>,
    health_written: Option<Instant>,
    /// Events so far; differs from `drawn` when there is something new to draw.
    changes: u64,
    drawn: u64,
    last_drawn: Option<Instant>,
    picture_trouble: Option<String>,
    /// What was drawn last, until a line of progress says it.
    untold: Option<String>,
    progress: Option<Instant>,
    faults_told: FaultsTold,
}

impl<'a> Service<'a> {
    fn new(live: &'a Live, statistics: Statistics) -> Self {
        let config = &live.config;
        Service {
            live,
            config,
            logs: Logs::new(config.logs.clone(), descriptors::for_logs()),
            statistics,
            state: State::Starting,
            has_followed: false,
            version: 0,
            published: (0, State::Starting, None),
            last_rows_s: None,
            health_written: None,
            changes: 0,
            drawn: 0,
            last_drawn: None,
            picture_trouble: None,
            untold: None,
            progress: None,
            faults_told: FaultsTold::default(),
        }
    }

    fn look(&mut self, stop: &impl Fn() -> bool) {
        let started = Instant::now();
        let Service { logs, statistics, changes, faults_told, .. } = self;
        let state = intake::take(statistics, |tell| {
            logs.follow(stop, |event| {
                if matches!(event, Event::StartOver) {
                    warn!("a log was replaced, truncated or removed: starting over");
                    faults_told.start_over();
                }
                *changes += 1;
                tell(event);
            })
        });
        if stop() {
            return;
        }
        self.tell_state(state);
        self.tell_faults();
        self.publish();
        if self.config.listen.is_none()
            && self.health_written.is_none_or(|at| at.elapsed() >= health::WRITE_EVERY)
        {
            self.health_written = Some(Instant::now());
            health::write(self.live);
        }
        let due = self.last_drawn.is_none_or(|at| at.elapsed() >= self.config.interval);
        if due && self.changes != self.drawn && self.statistics.n() > 0 {
            self.draw();
            debug!("read, counted and drawn in {:.1} ms", started.elapsed().as_secs_f64() * 1000.0);
        }
        self.tell_progress();
    }

    /// Hands what changed to the page.
    fn publish(&mut self) {
        let now = (self.changes, self.state.clone(), self.picture_trouble.clone());
        if self.published == now {
            return;
        }
        if self.published.0 != self.changes {
            self.last_rows_s = Some(now_s());
        }
        self.published = now;
        self.version += 1;
        self.live.publish(Moment {
            version: self.version,
            summary: Summary::of(&self.statistics),
            state: self.state.clone(),
            last_rows_s: self.last_rows_s,
            picture_trouble: self.picture_trouble.clone(),
        });
    }

    /// One line for each change of state.
    fn tell_state(&mut self, state: State) {
        if state == self.state {
            return;
        }
        let kept = if self.statistics.n() > 0 { "; keeping what was read" } else { "" };
        match &state {
            State::Trouble(reason) => warn!("cannot read all there is: {reason}{kept}"),
            State::Waiting(name) => info!("waiting for {name}{kept}"),
            State::Following => match &self.state {
                State::Waiting(name) if self.has_followed => info!("{name} is back; reading it"),
                State::Waiting(name) => info!("{name} is there; reading it"),
                State::Trouble(_) if self.has_followed => info!("all logs can be read again"),
                State::Trouble(_) => info!("all logs can be read now"),
                State::Following | State::Starting => {}
            },
            State::Starting => {}
        }
        self.has_followed |= state == State::Following;
        self.state = state;
    }

    fn tell_faults(&mut self) {
        let faults = self.statistics.faults();
        let total = faults.iter().map(|(_, n)| n).sum();
        if self.faults_told.is_due(total, Instant::now()) {
            let kinds = faults.iter().filter(|(_, n)| *n > 0);
            let kinds: Vec<String> =
                kinds.map(|(fault, n)| format!("{} {}", count(*n), Fault::name(*fault))).collect();
            warn!("lines that are not rows: {}", kinds.join(", "));
        }
    }

    /// Also when nothing new came since, so that the last line holds until something does.
    fn tell_progress(&mut self) {
        if self.progress.is_none_or(|at| at.elapsed() >= PROGRESS)
            && let Some(line) = self.untold.take()
        {
            self.progress = Some(Instant::now());
            info!("{line}");
        }
    }

    fn draw(&mut self) {
        let summary = Summary::of(&self.statistics);
        self.last_drawn = Some(Instant::now());
        match write_pictures(self.live, &summary) {
            Ok(()) => {
                if self.picture_trouble.take().is_some() {
                    info!("the picture can be written again");
                }
                self.drawn = self.changes;
                let Numbers { n, mae, rmse, .. } = summary.all;
                self.untold = Some(format!("{} drawn, MAE {}, RMSE {}", rows(n), short(mae), short(rmse)));
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
}

/// Writes both pictures, and hands to the page what was written.
fn write_pictures(live: &Live, summary: &Summary) -> Result<()> {
    let config = &live.config;
    let write = |name: &str, bytes: Vec<u8>| -> Result<Arc<[u8]>> {
        files::replace(&config.log_dir, name, &bytes)
            .map_err(|e| anyhow::anyhow!("{}", plain(&e)))
            .with_context(|| config.log_dir.join(name).display().to_string())?;
        Ok(bytes.into())
    };
    let png = Some(write(PNG_NAME, picture::png(summary, config.size)?)?);
    live.publish_pictures(Pictures { png, ..live.pictures() });
    let svg = Some(write(SVG_NAME, picture::svg(summary, config.size)?.into_bytes())?);
    live.publish_pictures(Pictures { svg, ..live.pictures() });
    Ok(())
}
