//! Chooses the range of a histogram: where a long tail is cut, and whether zero is in view.
//! Works on ascending (value, count) pairs; never chooses an edge.

use crate::stats::quantile::{Ascending, lower_quantile};

/// Quantiles where a tail may be cut. The first that is within [`REACH`] is used, else the last.
const CUTS: [f64; 5] = [1.0, 0.999, 0.99, 0.95, 0.9];

/// A tail is cut if it exceeds this multiple of the third quartile of the magnitudes. This cuts an exponential distribution (10 at a
/// million rows), but not a normal one (4.2). For values far from zero, the limit is this multiple of the interquartile range beyond the
/// quartiles.
const REACH: f64 = 6.0;

/// The least and the greatest value that the bins must hold. Zero is left out where it would leave a third of the axis empty, or more.
/// None without values.
pub fn of(values: &Ascending) -> Option<(f64, f64)> {
    let (first, last) = (values.first()?.0, values.last()?.0);
    let is_mostly_negative = lower_quantile(values, 0.75)? < 0.0;
    if is_mostly_negative {
        let (low, high) = upwards(&mirrored(values), -first)?;
        return Some((-high, -low));
    }
    upwards(values, last)
}

/// For values that are not mostly negative, up to `last`.
fn upwards(values: &Ascending, last: f64) -> Option<(f64, f64)> {
    let (lower, upper) = (lower_quantile(values, 0.25)?, lower_quantile(values, 0.75)?);
    let fence = REACH * (upper - lower);
    let around_zero = around_zero(values, last);
    let (low, high) = if lower > fence {
        (-cut(&mirrored(values), fence - lower), cut(values, upper + fence))
    } else {
        around_zero
    };
    if high > low && low > (high - low) / 2.0 {
        return Some((low, high));
    }
    Some((around_zero.0.min(0.0), around_zero.1.max(0.0)))
}

/// The outermost values. Both sides have one limit, so that a few values on one side do not set the scale.
fn around_zero(values: &Ascending, last: f64) -> (f64, f64) {
    let mut magnitudes: Vec<_> = values.iter().map(|(value, count)| (value.abs(), *count)).collect();
    magnitudes.retain(|(magnitude, _)| *magnitude > 0.0);
    magnitudes.sort_by(|a, b| a.0.total_cmp(&b.0));
    let quartile = lower_quantile(&magnitudes, 0.75).unwrap_or(0.0);
    let reach = cut(&magnitudes, REACH * quartile);
    let within = |(value, _): &&(f64, u64)| value.abs() <= reach;
    let low = values.iter().find(within).map_or(0.0, |(value, _)| *value);
    let high = values.iter().rev().find(within).map_or(last, |(value, _)| *value);
    (low, high)
}

/// The first of [`CUTS`]' quantiles within `fence`, else the last.
fn cut(values: &Ascending, fence: f64) -> f64 {
    let quantile = |q: f64| lower_quantile(values, q).unwrap_or(0.0);
    CUTS.into_iter().map(quantile).find(|value| *value <= fence).unwrap_or_else(|| quantile(0.9))
}

fn mirrored(values: &Ascending) -> Vec<(f64, u64)> {
    values.iter().rev().map(|(value, count)| (-value, *count)).collect()
}
