//! The page's charts as SVG text.
//! Draws what it is given; never computes a statistic.

use crate::density::Density;
use crate::frame::{Frame, WIDTH, ticks};
use crate::number::{clock, count, percent, short};
use crate::slices::Slices;
use crate::summary::{Bar, Histogram, Over};
use std::fmt::Write;

/// Bars for all rows and an outline for the window, as shares; cut tails stand apart.
pub fn histogram(histogram: &Histogram, title: &str, marks: &[(&str, Option<f64>)]) -> String {
    let edges = histogram.bins.edges();
    let (Some(&first), Some(&last)) = (edges.first(), edges.last()) else { return String::new() };
    let (gap, tail) = ((last - first) * 0.02, (last - first) * 0.045);
    let start = if histogram.all.left > 0 { first - gap - tail } else { first };
    let end = if histogram.all.right > 0 { last + gap + tail } else { last };
    let shares = histogram.shares();
    let highest = shares.iter().flat_map(|bar| [bar.all, bar.window]).fold(0.0, f64::max) * 100.0;
    let mut frame = Frame::new((start, end), (0.0, highest * 1.12));
    let ticks_x = ticks((first, last), 6.0);
    frame.axes(title, "share of rows (%)", |x| short(Some(x)), &ticks_x);
    let span = |bar: &Bar| match (bar.from, bar.to) {
        (Some(from), Some(to)) => (from, to),
        (None, _) => (start, first - gap),
        (_, None) => (last + gap, end),
    };
    for bar in shares.iter().filter(|bar| bar.all > 0.0) {
        let class = if bar.from.is_some() && bar.to.is_some() { "bar" } else { "tail" };
        frame.rectangle(class, span(bar), (0.0, bar.all * 100.0));
    }
    let mut outline = Vec::new();
    for bar in &shares {
        let (left, right) = span(bar);
        let share = bar.window * 100.0;
        if bar.from.is_none() || bar.to.is_none() {
            frame.line("window", [(left, 0.0), (left, share), (right, share), (right, 0.0)]);
        } else {
            outline.extend([(left, share), (right, share)]);
        }
    }
    let ends = [(first, 0.0), (last, 0.0)];
    frame.line("window", ends.into_iter().take(1).chain(outline).chain(ends.into_iter().skip(1)));
    put_marks(&mut frame, marks, highest, last);
    put_tail_counts(&mut frame, histogram, highest);
    frame.finish(&histogram_text(histogram, title))
}

/// Lines at values that lie within the edges, with their names.
fn put_marks(frame: &mut Frame, marks: &[(&str, Option<f64>)], highest: f64, last: f64) {
    let start = frame.x.0;
    for (name, value) in marks {
        let Some(x) = value.filter(|x| (start..=last).contains(x)) else { continue };
        frame.line("mark", [(x, 0.0), (x, highest * 1.12)]);
        let (across, down) = (frame.across(x), frame.down(highest * 1.07));
        let (class, shift) = if across > WIDTH * 0.75 { ("end", -4.0) } else { ("start", 4.0) };
        // The second label stands lower, so that two near ones can both be read.
        let lower = if *name == "p95" { 14.0 } else { 0.0 };
        frame.put(format_args!(
            "<text x={:.1} y={:.1} class={class}>{name}</text>",
            across + shift,
            down + lower
        ));
    }
}

/// How many rows the cut tails hold.
fn put_tail_counts(frame: &mut Frame, histogram: &Histogram, highest: f64) {
    let edges = histogram.bins.edges();
    let first = format!("&lt; {}", short(edges.first().copied()));
    let last = format!("≥ {}", short(edges.last().copied()));
    let (start, end) = frame.x;
    for (n, x, class, edge) in
        [(histogram.all.right, end, "end", last), (histogram.all.left, start, "start", first)]
    {
        if n > 0 {
            let (across, down) = (frame.across(x), frame.down(highest * 0.16));
            frame.put(format_args!(
                "<text x={across:.1} y={down:.1} class={class}>{edge}: {}</text>",
                count(n)
            ));
        }
    }
}

fn histogram_text(histogram: &Histogram, title: &str) -> String {
    let (edges, shares) = (histogram.bins.edges(), histogram.shares());
    let peak = shares.iter().max_by(|a, b| a.all.total_cmp(&b.all));
    let peak = peak.map_or(String::new(), |bar| {
        format!("; most, {}, from {} to {}", percent(bar.all), short(bar.from), short(bar.to))
    });
    format!(
        "Histogram of {title}: {} rows in {} bins from {} to {}{peak}. {} rows above, {} below.",
        count(histogram.all.total()),
        histogram.all.bins.len(),
        short(edges.first().copied()),
        short(edges.last().copied()),
        count(histogram.all.right),
        count(histogram.all.left)
    )
}

/// Mean error and one standard deviation to both sides for each slice, with a zero line.
pub fn over(over: &Over) -> String {
    let (slices, title) = match over {
        Over::Time(slices) => (slices, "time (UTC)"),
        Over::Rows(slices) => (slices, "row"),
    };
    let Some((x, y)) = slice_ranges(slices) else { return String::new() };
    let mut frame = Frame::new(x, y);
    let is_time = matches!(over, Over::Time(_));
    let name = |x: f64| if is_time { clock(x, frame_span(slices)) } else { short(Some(x)) };
    let quarter = (frame.x.1 - frame.x.0) / 4.0;
    let places: Vec<f64> = match over {
        Over::Time(_) => (0..4).map(|n| frame.x.0 + quarter * (f64::from(n) + 0.5)).collect(),
        Over::Rows(_) => ticks(frame.x, 6.0),
    };
    frame.axes(title, "error", name, &places);
    let middle = |start: i64| start as f64 + slices.width as f64 / 2.0;
    let upper = slices.filled().map(|(start, slice)| (middle(start), slice.mean + slice.deviation()));
    let lower: Vec<_> =
        slices.filled().map(|(start, slice)| (middle(start), slice.mean - slice.deviation())).collect();
    frame.line("band", upper.chain(lower.into_iter().rev()));
    let (left, right) = frame.x;
    frame.line("mark", [(left, 0.0), (right, 0.0)]);
    frame.line("line", slices.filled().map(|(start, slice)| (middle(start), slice.mean)));
    let last = slices.filled().last().map(|(_, slice)| *slice).unwrap_or_default();
    frame.finish(&format!(
        "Error over {}: {} slices; in the last one mean {}, standard deviation {}, {} rows.",
        if is_time { "time" } else { "rows" },
        slices.filled().count(),
        short(Some(last.mean)),
        short(Some(last.deviation())),
        count(last.n)
    ))
}

/// Milliseconds or rows from the first to the last slice.
fn frame_span(slices: &Slices) -> f64 {
    let first = slices.filled().next().map_or(0, |(start, _)| start);
    slices.filled().last().map_or(0.0, |(start, _)| (start + slices.width - first) as f64)
}

type Range = (f64, f64);

fn slice_ranges(slices: &Slices) -> Option<(Range, Range)> {
    let first = slices.filled().next()?.0 as f64;
    let x = (first, first + frame_span(slices));
    let ends = slices.filled().flat_map(|(_, slice)| {
        let deviation = slice.deviation();
        [slice.mean - deviation, slice.mean + deviation]
    });
    let (low, high) = ends.fold((0.0, 0.0), |(low, high): Range, end| (low.min(end), high.max(end)));
    let room = (high - low) * 0.06;
    Some((x, (low - room, high + room)))
}

/// The window's MAE along the log.
pub fn rolling(points: &[(u64, f64)], window_rows: usize) -> String {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return String::new() };
    let highest = points.iter().map(|(_, mae)| *mae).fold(0.0, f64::max);
    let mut frame = Frame::new((first.0 as f64, last.0 as f64), (0.0, highest * 1.1));
    let ticks_x = ticks(frame.x, 6.0);
    frame.axes("row", "MAE", |x| short(Some(x)), &ticks_x);
    frame.line("line", points.iter().map(|(n, mae)| (*n as f64, *mae)));
    let lowest = points.iter().map(|(_, mae)| *mae).fold(f64::INFINITY, f64::min);
    frame.finish(&format!(
        "Rolling MAE over {} rows: now {}, between {} and {}.",
        count(window_rows as u64),
        short(Some(last.1)),
        short(Some(lowest)),
        short(Some(highest))
    ))
}

/// Cells shaded by the logarithm of their count, and the line y = x.
pub fn density(density: &Density) -> String {
    let range = (density.edge(0), density.edge(density.cells));
    let mut frame = Frame::new(range, range);
    let ticks_x = ticks(range, 6.0);
    frame.axes("y_true", "y_pred", |x| short(Some(x)), &ticks_x);
    let most = density.counts.iter().map(|(_, _, n)| *n).max().unwrap_or(1) as f64;
    for level in 0..5 {
        let mut path = String::new();
        for &(x, y, n) in &density.counts {
            if ((n as f64).ln_1p() / most.ln_1p() * 4.999) as u32 == level {
                let (left, right) = (frame.across(density.edge(x)), frame.across(density.edge(x + 1)));
                let (top, bottom) = (frame.down(density.edge(y + 1)), frame.down(density.edge(y)));
                let (width, height) = (right - left, bottom - top);
                let _ = write!(path, "M{left:.1} {top:.1}h{width:.1}v{height:.1}h-{width:.1}z");
            }
        }
        frame.put(format_args!("<path class=\"cell l{level}\" d=\"{path}\" />"));
    }
    frame.line("mark", [(range.0, range.0), (range.1, range.1)]);
    let densest = density.counts.iter().max_by_key(|(_, _, n)| *n).copied().unwrap_or_default();
    frame.finish(&format!(
        "Predicted against true for {} rows, with the line y = x. The densest cell, {} rows, begins at y_true {} and y_pred {}. \
         {} rows lie outside.",
        count(density.sampled as u64),
        count(densest.2),
        short(Some(density.edge(densest.0))),
        short(Some(density.edge(densest.1))),
        count(density.outside)
    ))
}
