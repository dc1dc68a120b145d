//! The geometry of the error over time, or over rows, for picture and page alike: the axes, and a line for each stretch without a gap.
//! In units of the axes: milliseconds or rows, and errors. Never draws, and never knows a pixel.

use crate::stats::slices::Slice;
use crate::stats::summary::Over;

/// The line breaks at a gap longer than this multiple of the median distance between slices.
const GAP: i64 = 4;

/// Shortest time axis: on a shorter one, ticks would have equal labels.
const LEAST_SPAN_MS: f64 = 1_000.0;

/// Room beyond the highest and the lowest value, as a share of the highest and the lowest.
const ROOM: f64 = 0.06;

/// A slice: the middle of its span, its mean, and the ends of one standard deviation to each side of that.
pub struct Point {
    pub x: f64,
    pub mean: f64,
    pub band: (f64, f64),
}

pub struct Stretches {
    /// Else rows.
    pub is_time: bool,
    /// Ends of both axes.
    pub x: (f64, f64),
    pub y: (f64, f64),
    /// Never empty, nor any of them.
    pub lines: Vec<Vec<Point>>,
    /// The last slice.
    pub last: Slice,
}

impl Stretches {
    /// None without rows. `has_band`: the y axis has room for the bands.
    pub fn of(over: &Over, has_band: bool) -> Option<Stretches> {
        let (Over::Time(slices) | Over::Rows(slices)) = over;
        let is_time = matches!(over, Over::Time(_));
        let settled = slices.settled();
        let ((first, _), (_, last)) = (settled.first()?, settled.last()?);
        let (end, _) = slices.filled().last()?;
        // A slice of one row begins and ends at that row. A slice of time ends where the next begins.
        let width = if is_time { slices.width } else { slices.width - 1 };
        let mut x = (*first as f64, (end + width) as f64);
        let missing = LEAST_SPAN_MS - (x.1 - x.0);
        if is_time && missing > 0.0 {
            x = (x.0 - missing / 2.0, x.1 + missing / 2.0);
        }
        let point = |(start, slice): &(i64, Slice)| Point {
            x: *start as f64 + width as f64 / 2.0,
            mean: slice.mean,
            band: if has_band { (band(slice, -1.0), band(slice, 1.0)) } else { (slice.mean, slice.mean) },
        };
        let lines: Vec<Vec<Point>> =
            split(&settled, slices.width).into_iter().map(|line| line.iter().map(point).collect()).collect();
        let ends = lines.iter().flatten().flat_map(|point| [point.band.0, point.band.1]);
        let (low, high) = ends.fold((0.0, 0.0), |(low, high): (f64, f64), end| (low.min(end), high.max(end)));
        let room = high * ROOM - low * ROOM;
        let y = ((low - room).max(f64::MIN), (high + room).min(f64::MAX));
        // Without bands nothing is below zero.
        let y = if low < 0.0 || has_band { y } else { (0.0, y.1) };
        Some(Stretches { is_time, x, y, lines, last: *last })
    }
}

/// The mean plus `sign` standard deviations; the mean itself if that overflows.
fn band(slice: &Slice, sign: f64) -> f64 {
    let end = slice.mean + sign * slice.deviation();
    if end.is_finite() { end } else { slice.mean }
}

/// Splits the slices at gaps.
fn split(points: &[(i64, Slice)], width: i64) -> Vec<&[(i64, Slice)]> {
    let mut steps: Vec<i64> = points.iter().zip(points.iter().skip(1)).map(|(a, b)| b.0 - a.0).collect();
    steps.sort_unstable();
    let usual = steps.get(steps.len().saturating_sub(1) / 2).copied().unwrap_or(width);
    points.chunk_by(|a, b| b.0 - a.0 <= usual.saturating_mul(GAP)).collect()
}
