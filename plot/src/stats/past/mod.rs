//! The past: rows by minute, hour and day, and the numbers of any range of time, in constant time and memory.
//! Never keeps a row and never reads the clock.

mod class_counts;
mod magnitudes;
mod slice;
mod tiers;
mod varint;

use crate::{
    logs::{row::Row, task::Task},
    stats::{binary::Outcomes, class_numbers::Pair, moments::Sums, numbers::Numbers},
};
use slice::{Counting, Slice};
use std::{
    ops,
    sync::{Arc, Mutex},
};
use tiers::{Tiers, floor};

/// Counted by one thread, asked by the one that answers requests.
pub type SharedPast = Arc<Mutex<Past>>;

/// Width of the finest slices.
const MINUTE_S: i64 = 60;

/// Limit of the points of a chart.
const MOST_POINTS: i64 = 240;

/// Widths of the points of a chart, in seconds.
const WIDTHS_S: [i64; 15] = [
    60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400, 172_800, 864_000,
    2_592_000,
];

pub struct Past {
    task: Task,
    /// Of [`Task::Binary`].
    threshold: f64,
    /// Unix seconds of the minute that is being counted; none for rows without a time.
    open_s: Option<ops::Range<f64>>,
    open: Counting,
    /// Puts slices together; else empty.
    counting: Counting,
    /// Of all rows before those of `open`.
    sums: Sums,
    outcomes: Option<Outcomes>,
    tiers: Tiers,
    /// Of the classes, by their numbers.
    names: Vec<Arc<str>>,
}

/// Two bounds in Unix seconds; the second one is not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub from_s: i64,
    pub to_s: i64,
}

impl Span {
    pub fn length_s(self) -> i64 {
        self.to_s - self.from_s
    }
}

/// All rows of whole slices.
pub struct Stretch {
    /// Both at bounds of slices.
    pub span: Span,
    /// Without a confusion matrix of classes. If a slice has more than 256 classes, without numbers of classes but the accuracy.
    pub numbers: Numbers,
    /// Limit of the relative error of the quantiles.
    pub quantile_relative_error: f64,
}

/// A point of the charts over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub span: Span,
    /// 1 at least.
    pub n: u64,
    pub mae: f64,
    /// Mean error.
    pub bias: f64,
}

/// What a range of time holds, beside the one before it.
pub struct Range {
    pub range: Stretch,
    /// About as long as `range`, up to its start.
    pub before: Stretch,
    /// In order, of one width but where older slices are wider; at most about 240. Those without rows are left out.
    pub points: Vec<Point>,
    /// Of the whole log: they are in no range.
    pub rows_without_time: u64,
}

impl Default for Past {
    fn default() -> Self {
        Past::new(Task::default(), 0.5)
    }
}

impl Past {
    /// `threshold`: y_pred at or above it predicts 1, of [`Task::Binary`].
    pub fn new(task: Task, threshold: f64) -> Self {
        Past {
            task,
            threshold,
            open_s: None,
            open: Counting::new(task, threshold),
            counting: Counting::new(task, threshold),
            sums: Sums::default(),
            outcomes: None,
            tiers: Tiers::new(),
            names: Vec::new(),
        }
    }

    /// Adds rows. `pairs`: their classes as numbers, and `names` the names of all so far, of [`Task::Classes`].
    pub fn add(&mut self, rows: &[Row], pairs: &[Pair], names: &[Arc<str>]) {
        self.names.extend(names.iter().skip(self.names.len()).cloned());
        let mut pairs = pairs.iter();
        for row in rows {
            let is_open = match (row.time_s(), &self.open_s) {
                (Some(time_s), Some(open_s)) => open_s.contains(&time_s),
                (time_s, open_s) => time_s.is_none() && open_s.is_none(),
            };
            if !is_open {
                self.close();
                self.open_s = row.time_s().map(|time_s| {
                    let start_s = floor(time_s as i64, MINUTE_S);
                    start_s as f64..(start_s + MINUTE_S) as f64
                });
            }
            self.open.add(row, pairs.next().copied().unwrap_or_default());
        }
    }

    /// Adds what is being counted to the slices.
    #[cold]
    fn close(&mut self) {
        let sums = self.open.sums();
        if sums.n == 0 {
            return;
        }
        self.sums = self.sums.with(&sums);
        self.outcomes = self.outcomes();
        let slice = self.open.take();
        if let Some(open_s) = &self.open_s {
            self.tiers.add(open_s.start as i64, slice, &mut self.counting);
        }
    }

    /// Of all rows.
    pub fn sums(&self) -> Sums {
        self.sums.with(&self.open.sums())
    }

    /// Of all rows, of [`Task::Binary`].
    pub fn outcomes(&self) -> Option<Outcomes> {
        let mut open = self.open.outcomes().cloned()?;
        self.outcomes.iter().for_each(|before| open.add_all(before));
        Some(open)
    }

    /// The first row's slice to the last one's. None without a row that has a time.
    pub fn span(&mut self) -> Option<Span> {
        self.close();
        self.tiers.span()
    }

    /// A span up to the bounds of the slices that its ends are in.
    pub fn widened(&self, span: Span) -> Span {
        self.tiers.widened(span)
    }

    /// The rows of `asked`, widened to whole slices.
    pub fn range(&mut self, asked: Span) -> Range {
        self.close();
        let span = self.widened(asked);
        let earlier = Span { from_s: span.from_s - span.length_s(), to_s: span.from_s };
        let before = Span { from_s: self.widened(earlier).from_s, ..earlier };
        let sums = self.sums();
        Range {
            range: self.stretch(span),
            before: self.stretch(before),
            points: self.points(span),
            rows_without_time: sums.n - sums.timed,
        }
    }

    fn stretch(&self, span: Span) -> Stretch {
        let mut counting = Counting::new(self.task, self.threshold);
        self.tiers.within(span).for_each(|(_, slice)| counting.add_slice(slice));
        let (numbers, quantile_relative_error) = counting.numbers(&self.names);
        Stretch { span, numbers, quantile_relative_error }
    }

    fn points(&self, span: Span) -> Vec<Point> {
        let most_s = span.length_s() / MOST_POINTS;
        let width_s = WIDTHS_S.into_iter().find(|width_s| *width_s >= most_s).unwrap_or(most_s);
        let mut points: Vec<(Span, Sums)> = Vec::new();
        for (slice, Slice { sums, .. }) in self.tiers.within(span) {
            let from_s = floor(slice.from_s, width_s).max(span.from_s);
            let to_s = (floor(slice.from_s, width_s) + width_s).max(slice.to_s).min(span.to_s);
            match points.last_mut().filter(|(last, _)| slice.from_s < last.to_s) {
                Some((_, before)) => *before = before.with(sums),
                None => points.push((Span { from_s, to_s }, *sums)),
            }
        }
        let point = |(span, sums): (Span, Sums)| {
            Some(Point { span, n: sums.n, mae: sums.mae()?, bias: sums.bias()? })
        };
        points.into_iter().filter_map(point).collect()
    }
}

#[cfg(test)]
mod tests;
