//! The past: rows by minute, hour and day, and the numbers of any range of time, in constant time and memory.
//! Never keeps a row and never reads the clock.

use crate::stats::numbers::Numbers;
use std::sync::{Arc, Mutex};

/// Counted by one thread, asked by the one that answers requests.
pub type SharedPast = Arc<Mutex<Past>>;

/// Rows without a time are left out.
#[derive(Default)]
pub struct Past {}

/// Two bounds in Unix seconds; the second one is not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub from_s: i64,
    pub to_s: i64,
}

/// All rows of whole slices.
pub struct Stretch {
    /// Both at bounds of slices.
    pub span: Span,
    /// Without what would need single rows: `calibration` and the confusion matrix are of these rows, `roc_auc` has its bound.
    pub numbers: Numbers,
    /// Limit of the relative error of the quantiles.
    pub quantile_relative_error: f64,
}

/// A point of the charts over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub span: Span,
    pub n: u64,
    /// None without rows, as the next.
    pub mae: Option<f64>,
    /// Mean error.
    pub bias: Option<f64>,
}

/// What a range of time holds, beside the one before it.
pub struct Range {
    pub range: Stretch,
    /// As long as `range` was asked, up to its start; widened too, so the two may share a slice: then `before` ends where `range` begins.
    pub before: Stretch,
    /// In order, of one width but where older slices are wider; at most 240. Those without rows are left out.
    pub points: Vec<Point>,
}

impl Past {
    /// The first row's slice to the last one's. None without a row that has a time.
    pub fn span(&self) -> Option<Span> {
        None
    }

    /// The rows of `asked`, widened to whole slices.
    pub fn range(&self, asked: Span) -> Range {
        let nothing = |span| Stretch {
            span,
            numbers: Numbers::of(&crate::stats::tally::Tally::new(), Default::default()),
            quantile_relative_error: 0.0,
        };
        let before = Span { from_s: 2 * asked.from_s - asked.to_s, to_s: asked.from_s };
        Range { range: nothing(asked), before: nothing(before), points: Vec::new() }
    }
}
