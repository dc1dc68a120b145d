//! The numbers and histograms of one moment: what picture, page and `/stats.json` all show.
//! Plain values; never formats or draws them.

use crate::histogram::{Bins, Counts};
use crate::row::Fault;
use crate::statistics::Statistics;
use crate::tally::Tally;

/// Numbers of a set of rows; what a set has none of is None. Errors are in the unit of y_true.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers {
    pub n: u64,
    pub rows_per_minute: Option<f64>,
    pub mae: Option<f64>,
    pub mae_standard_error: Option<f64>,
    pub rmse: Option<f64>,
    pub bias: Option<f64>,
    pub r2: Option<f64>,
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
    pub max: Option<f64>,
}

impl Numbers {
    fn of(tally: &Tally) -> Self {
        let moments = &tally.moments;
        let [p50, p95, p99] = tally.absolute_quantiles([0.5, 0.95, 0.99]);
        Numbers {
            n: moments.n,
            rows_per_minute: moments.rows_per_minute(),
            mae: moments.mae(),
            mae_standard_error: moments.mae_standard_error(),
            rmse: moments.rmse(),
            bias: moments.bias(),
            r2: moments.r2(),
            p50,
            p95,
            p99,
            max: (moments.n > 0).then_some(moments.absolute_error_most),
        }
    }
}

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

/// Everything that is shown of one moment.
pub struct Summary {
    pub all: Numbers,
    pub window: Numbers,
    /// None before the first row.
    pub absolute: Option<Histogram>,
    pub signed: Option<Histogram>,
    pub faults: [(Fault, u64); Fault::ALL.len()],
}

impl Summary {
    pub fn of(statistics: &Statistics) -> Self {
        let window = statistics.window();
        Summary {
            all: Numbers::of(&statistics.all),
            window: Numbers::of(&window),
            absolute: Histogram::of(&statistics.all.absolute(), &window.absolute()),
            signed: Histogram::of(&statistics.all.signed(), &window.signed()),
            faults: statistics.faults(),
        }
    }
}
