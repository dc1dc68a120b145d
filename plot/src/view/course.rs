//! The page's chart of the error over time, or over rows, as SVG text.
//! Never computes a statistic.

use crate::stats::drift::Change;
use crate::stats::slices::Slice;
use crate::stats::summary::Over;
use crate::view::changes;
use crate::view::frame::{Frame, numbers};
use crate::words::clock;
use crate::words::number::{rows, short};

/// The line breaks at a gap longer than this multiple of the median distance between slices.
const GAP: i64 = 4;

/// Shortest time axis: on a shorter one, ticks would have equal labels.
const LEAST_SPAN_MS: f64 = 1_000.0;

/// Mean error and a band of one standard deviation to each side, with a zero line, and where the error changed.
pub fn over(over: &Over, changes: &[Change]) -> String {
    let (Over::Time(slices) | Over::Rows(slices)) = over;
    let is_time = matches!(over, Over::Time(_));
    let points = slices.settled();
    let (Some((first, _)), Some((end, _))) = (points.first(), slices.filled().last()) else {
        return String::new();
    };
    let ends = points.iter().flat_map(|(_, slice)| [-1.0, 1.0].map(|sign| band(slice, sign)));
    let (low, high) = ends.fold((0.0, 0.0), |(low, high): (f64, f64), end| (low.min(end), high.max(end)));
    let room = high * 0.06 - low * 0.06;
    // A slice of one row begins and ends at that row. A slice of time ends where the next begins.
    let width = if is_time { slices.width } else { slices.width - 1 };
    let mut x = (*first as f64, (end + width) as f64);
    let missing = LEAST_SPAN_MS - (x.1 - x.0);
    if is_time && missing > 0.0 {
        x = (x.0 - missing / 2.0, x.1 + missing / 2.0);
    }
    let mut frame = Frame::new(x, ((low - room).max(f64::MIN), (high + room).min(f64::MAX)));
    let x = frame.x;
    if is_time {
        frame.axes(&format!("time (UTC), {}", clock::days(x)), "error (unit of y_true)", clock::ticks(x));
    } else {
        frame.axes("row", "error (unit of y_true)", numbers(x, true));
    }
    let middle = |start: i64| start as f64 + width as f64 / 2.0;
    let stretches = stretches(&points, slices.width);
    for stretch in &stretches {
        let edge = |sign: f64| {
            let at = move |(start, slice): &(i64, Slice)| (middle(*start), band(slice, sign));
            stretch.iter().map(at).collect::<Vec<_>>()
        };
        let class = if stretch.len() > 1 { "band" } else { "whisker" };
        frame.line(class, edge(1.0).into_iter().chain(edge(-1.0).into_iter().rev()));
    }
    frame.line("mark", [(x.0, 0.0), (x.1, 0.0)]);
    for stretch in &stretches {
        match stretch {
            [(start, slice)] => frame.dot((middle(*start), slice.mean)),
            _ => frame.line("line", stretch.iter().map(|(start, slice)| (middle(*start), slice.mean))),
        }
    }
    let changes = changes::mark(&mut frame, changes, |change| match is_time {
        true => change.time_s.map(|time_s| time_s * 1000.0),
        false => Some(change.number() as f64),
    });
    let last = points.last().map(|(_, slice)| *slice).unwrap_or_default();
    frame.finish(&format!(
        "Error over {}: {} slices; in the last one mean {}, standard deviation {}, {}.{changes}",
        if is_time { "time" } else { "rows" },
        points.len(),
        short(Some(last.mean)),
        short(Some(last.deviation())),
        rows(last.n)
    ))
}

/// The mean plus `sign` standard deviations; the mean itself if that overflows.
fn band(slice: &Slice, sign: f64) -> f64 {
    let end = slice.mean + sign * slice.deviation();
    if end.is_finite() { end } else { slice.mean }
}

/// Splits the slices at gaps.
fn stretches(points: &[(i64, Slice)], width: i64) -> Vec<&[(i64, Slice)]> {
    let mut steps: Vec<i64> = points.iter().zip(points.iter().skip(1)).map(|(a, b)| b.0 - a.0).collect();
    steps.sort_unstable();
    let usual = steps.get(steps.len().saturating_sub(1) / 2).copied().unwrap_or(width);
    points.chunk_by(|a, b| b.0 - a.0 <= usual.saturating_mul(GAP)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::slices::{ROWS, Slices, TIME_MS};

    fn count(svg: &str, what: &str) -> usize {
        svg.matches(what).count()
    }

    fn over_time(times_s: impl IntoIterator<Item = i64>) -> String {
        let mut slices = Slices::new(TIME_MS);
        times_s
            .into_iter()
            .for_each(|time_s| slices.add((1_732_341_600 + time_s) * 1000, (time_s % 7) as f64));
        over(&Over::Time(slices), &[])
    }

    #[test]
    fn one_row_is_a_dot() {
        let svg = over_time([0]);
        assert_eq!((count(&svg, "<circle"), count(&svg, "class=line")), (1, 0), "{svg}");
        assert!(svg.contains("time (UTC), 2024-11-23<") && svg.contains(">06:00:00.0<"), "{svg}");
        let mut slices = Slices::new(ROWS);
        slices.add(1, 300.0);
        let svg = over(&Over::Rows(slices), &[]);
        assert!(svg.contains("<circle") && svg.contains(">1<") && !svg.contains(">1.5<"), "{svg}");
    }

    #[test]
    fn a_gap_breaks_line_and_band() {
        let svg = over_time((0..10_000).filter(|time_s| !(3_000..5_000).contains(time_s)));
        assert_eq!((count(&svg, "class=line"), count(&svg, "class=band")), (2, 2), "{svg}");
        // Rows that come seldom, but as usual, are one line.
        let svg = over_time((0..100).map(|n| n * 600 + n % 3 * 100));
        assert_eq!((count(&svg, "class=line"), count(&svg, "<circle")), (1, 0), "{svg}");
        let svg = over_time((0..100).map(|n| n * 60).chain([50_000]));
        assert_eq!((count(&svg, "class=line"), count(&svg, "<circle")), (1, 1), "{svg}");
    }
}
