//! All numbers and histograms at one moment, for picture, page and `/stats.json`.
//! Plain values; never formats or draws them.

use crate::{
    logs::{row::Fault, task::Task},
    stats::{
        delay::DelayNumbers,
        density::Density,
        drift::{Change, Direction},
        groups::GroupSummary,
        histogram::{Bins, Counts},
        numbers::Numbers,
        quantile::Ascending,
        slices::Slices,
        statistics::Statistics,
        tally::Tally,
        task::TaskNumbers,
    },
};

/// All rows and those of the window, counted into the same bins.
#[derive(Clone, Debug)]
pub struct Histogram {
    pub bins: Bins,
    pub all: Counts,
    pub window: Counts,
}

impl Histogram {
    fn of(all: &[(f64, u64)], window: &[(f64, u64)]) -> Option<Self> {
        let bins = Bins::choose(all)?;
        let (all, window) = (bins.count(all), bins.count(window));
        Some(Histogram { bins, all, window })
    }
}

/// A bar: its share of all rows, and of the window's.
pub struct Bar {
    /// None: everything below `to`.
    pub from: Option<f64>,
    /// None: everything at or above `from`.
    pub to: Option<f64>,
    pub n: u64,
    pub all: f64,
    pub window: f64,
}

impl Histogram {
    /// All bars from left to right. Tails only if they hold rows.
    pub fn shares(&self) -> Vec<Bar> {
        let edges = self.bins.edges();
        let (all, window) = (&self.all, &self.window);
        let bar = |from, to, n: u64, in_window: u64| Bar {
            from,
            to,
            n,
            all: n as f64 / all.total().max(1) as f64,
            window: in_window as f64 / window.total().max(1) as f64,
        };
        let spans = edges.iter().zip(edges.iter().skip(1));
        let bins = spans.zip(all.bins.iter().zip(&window.bins));
        let left = (all.left > 0).then(|| bar(None, edges.first().copied(), all.left, window.left));
        let right = (all.right > 0).then(|| bar(edges.last().copied(), None, all.right, window.right));
        let bins = bins.map(|((from, to), (n, in_window))| bar(Some(*from), Some(*to), *n, *in_window));
        left.into_iter().chain(bins).chain(right).collect()
    }
}

/// Slices, and their unit.
#[derive(Clone)]
pub enum Over {
    /// Milliseconds since 1970.
    Time(Slices),
    /// Row numbers from 1.
    Rows(Slices),
}

/// All numbers at one moment.
pub struct Summary {
    pub task: Task,
    /// y_pred at or above it predicts 1, for [`Task::Binary`].
    pub threshold: f64,
    pub all: Numbers,
    pub window: Numbers,
    /// How many rows the window holds at most.
    pub window_rows: usize,
    /// None before the first row.
    pub absolute: Option<Histogram>,
    pub signed: Option<Histogram>,
    /// Of all rows: fixed limits, and how many absolute errors are at most each.
    pub absolute_cumulative: Vec<(f64, u64)>,
    /// By time; by rows if no row has a time.
    pub over: Over,
    /// (number of the last row, MAE of the rows of the window that ends with it).
    pub rolling: Vec<(u64, f64)>,
    /// None for [`Task::Classes`] too.
    pub density: Option<Density>,
    /// In the unit of y_true; None before the baseline has its rows.
    pub baseline_mae: Option<f64>,
    /// The last ones, from old to new.
    pub changes: Vec<Change>,
    /// How many there were, with those that are not kept.
    pub changes_found: [(Direction, u64); Direction::ALL.len()],
    /// The last one that is not over.
    pub change: Option<Change>,
    /// Of all rows since that one.
    pub mae_since_change: Option<f64>,
    /// Rows that the baseline has, and how many it needs.
    pub baseline_rows_read: u64,
    pub baseline_rows: u64,
    /// Of all rows, and of the window's.
    pub delay: DelayNumbers,
    pub window_delay: DelayNumbers,
    /// Seconds. None before the first row that has one and whose truth came later.
    pub delays: Option<Histogram>,
    /// Seconds: fixed limits, and how many delays are at most each.
    pub delay_cumulative: Vec<(f64, u64)>,
    /// Unix seconds of the last row that has a time.
    pub last_row_s: Option<f64>,
    /// The longest gap between rows of the last 7 days, in seconds; 0 without two rows.
    pub longest_gap_s: f64,
    pub groups: GroupSummary,
    pub faults: [(Fault, u64); Fault::ALL.len()],
}

fn numbers(tally: &Tally, absolute: &Ascending, of_task: TaskNumbers) -> Numbers {
    Numbers::of(&tally.sums, tally.quantiles_of(absolute, [0.5, 0.95, 0.99]), of_task)
}

impl Summary {
    pub fn of(statistics: &Statistics) -> Self {
        let (window, window_delays) = (statistics.window(), statistics.window_delays());
        let [all_of_task, window_of_task] = statistics.task_numbers(&window);
        let (absolute, window_absolute) = (statistics.all.absolute(), window.absolute());
        Summary {
            task: statistics.task,
            threshold: statistics.threshold,
            all: numbers(&statistics.all, &absolute, all_of_task),
            window: numbers(&window, &window_absolute, window_of_task),
            window_rows: statistics.window_rows,
            absolute: Histogram::of(&absolute, &window_absolute),
            signed: Histogram::of(&statistics.all.signed(), &window.signed()),
            absolute_cumulative: statistics.all.absolute_cumulative(),
            over: match statistics.by_time.filled().next() {
                Some(_) => Over::Time(statistics.by_time.clone()),
                None => Over::Rows(statistics.by_row.clone()),
            },
            rolling: {
                let now = window.sums.mae().map(|mae| (statistics.n(), mae));
                let points = statistics.rolling.points.iter().copied();
                points.filter(|(n, _)| *n < statistics.n()).chain(now).collect()
            },
            density: statistics.sample.density().filter(|_| statistics.task != Task::Classes),
            baseline_mae: statistics.drift.baseline_mae(),
            changes: statistics.drift.changes.iter().copied().collect(),
            changes_found: statistics.drift.changes_found(),
            change: statistics.drift.change().copied(),
            mae_since_change: statistics.drift.mae_since_change(),
            baseline_rows_read: statistics.drift.baseline_rows(),
            baseline_rows: statistics.drift.baseline.rows as u64,
            delay: statistics.delays.numbers(),
            window_delay: window_delays.numbers(),
            delays: Histogram::of(&statistics.delays.ascending(), &window_delays.ascending()),
            delay_cumulative: statistics.delays.cumulative(),
            last_row_s: statistics.gaps.last_s,
            longest_gap_s: statistics.gaps.longest_s(),
            groups: statistics.groups.summary(),
            faults: statistics.faults(),
        }
    }
}
