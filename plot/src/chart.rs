//! The page's histograms, rolling MAE and density as SVG text.
//! Draws what it is given; never computes a statistic.

use crate::density::Density;
use crate::frame::{Frame, TOP, WIDTH, numbers};
use crate::label::{self, Anchor, Place};
use crate::number::{count, percent, rows, short};
use crate::summary::{Bar, Histogram};
use std::fmt::Write;

/// A value marked in a histogram.
pub struct Mark {
    pub name: &'static str,
    pub value: Option<f64>,
}

/// Bars for all rows and an outline for the window, as shares; cut tails stand apart.
pub fn histogram(histogram: &Histogram, title: &str, marks: &[Mark]) -> String {
    let edges = histogram.bins.edges();
    let (Some(&first), Some(&last)) = (edges.first(), edges.last()) else { return String::new() };
    let (gap, tail) = ((last - first) * 0.02, (last - first) * 0.045);
    let start = if histogram.all.left > 0 { first - gap - tail } else { first };
    let end = if histogram.all.right > 0 { last + gap + tail } else { last };
    let shares = histogram.shares();
    let highest = shares.iter().flat_map(|bar| [bar.all, bar.window]).fold(0.0, f64::max) * 100.0;
    // Room for two lines of words above the highest bar.
    let top = highest * 1.26;
    let mut frame = Frame::new((start, end), (0.0, top));
    frame.end_ticks_at(100.0);
    let off_zero = if histogram.bins.zero_is_out_of_view() { " (zero is out of view)" } else { "" };
    frame.axes(&format!("{title}{off_zero}"), "share of rows (%)", numbers((first, last), false));
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
    let is_within = |x: f64| (first..=last).contains(&x);
    let within: Vec<_> =
        marks.iter().filter_map(|mark| Some((mark, mark.value.filter(|x| is_within(*x))?))).collect();
    for (_, x) in &within {
        frame.line("mark", [(*x, 0.0), (*x, top)]);
    }
    put_tails(&mut frame, histogram, span, marks);
    for (mark, x) in within {
        let across = frame.across(x);
        let beside = |anchor, shift, top| Place { anchor, across: across + shift, top };
        let lines = (0..4).map(|line| TOP + f64::from(line) * label::HEIGHT);
        let places: Vec<Place> =
            lines.flat_map(|top| [beside(Anchor::Start, 4.0, top), beside(Anchor::End, -4.0, top)]).collect();
        frame.name(mark.name, &places);
    }
    frame.finish(&histogram_text(histogram, title))
}

/// Above each cut tail: how many rows it holds, and which marks lie in it.
fn put_tails(frame: &mut Frame, histogram: &Histogram, span: impl Fn(&Bar) -> (f64, f64), marks: &[Mark]) {
    let bars = histogram.shares();
    for bar in &bars {
        let mut lines = Vec::new();
        let (across, anchor) = match (bar.from, bar.to) {
            (None, Some(first)) => {
                lines.push(format!("< {}: {}", short(bar.to), count(bar.n)));
                let beyond = marks.iter().filter(|mark| mark.value.is_some_and(|value| value < first));
                lines.extend(beyond.map(|mark| format!("← {} {}", mark.name, short(mark.value))));
                (frame.across(frame.x.0), Anchor::Start)
            }
            (Some(last), None) => {
                lines.push(format!("≥ {}: {}", short(bar.from), count(bar.n)));
                let beyond = marks.iter().filter(|mark| mark.value.is_some_and(|value| value > last));
                lines.extend(beyond.map(|mark| format!("{} {} →", mark.name, short(mark.value))));
                (WIDTH - 2.0, Anchor::End)
            }
            _ => continue,
        };
        // Above every bar that the words cover.
        let wide = lines.iter().map(|text| label::width(text)).fold(0.0, f64::max);
        let reach = if anchor == Anchor::End { (across - wide, across) } else { (across, across + wide) };
        let is_covered = |bar: &&Bar| {
            let (left, right) = span(bar);
            frame.across(right) > reach.0 && frame.across(left) < reach.1
        };
        let highest = bars.iter().filter(is_covered).map(|bar| bar.all.max(bar.window)).fold(0.0, f64::max);
        let bottom = frame.down(highest * 100.0) - 2.0;
        for (line, text) in lines.iter().enumerate() {
            let top = bottom - (line + 1) as f64 * label::HEIGHT;
            frame.name(text, &[Place { anchor, across, top }]);
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
        "Histogram of {title}: {} in {} bins from {} to {}{peak}. {} above, {} below.",
        rows(histogram.all.total()),
        histogram.all.bins.len(),
        short(edges.first().copied()),
        short(edges.last().copied()),
        rows(histogram.all.right),
        rows(histogram.all.left)
    )
}

/// The window's MAE along the log, where it did not overflow.
pub fn rolling(points: &[(u64, f64)], window_rows: usize) -> String {
    let points: Vec<(u64, f64)> = points.iter().copied().filter(|(_, mae)| mae.is_finite()).collect();
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return String::new() };
    let highest = points.iter().map(|(_, mae)| *mae).fold(0.0, f64::max);
    let mut frame = Frame::new((first.0 as f64, last.0 as f64), (0.0, (highest * 1.1).min(f64::MAX)));
    let ticks = numbers(frame.x, true);
    frame.axes("row", "MAE", ticks);
    match points.as_slice() {
        [(n, mae)] => frame.dot((*n as f64, *mae)),
        _ => frame.line("line", points.iter().map(|(n, mae)| (*n as f64, *mae))),
    }
    let lowest = points.iter().map(|(_, mae)| *mae).fold(f64::INFINITY, f64::min);
    frame.finish(&format!(
        "Rolling MAE over {}: now {}, between {} and {}.",
        rows(window_rows as u64),
        short(Some(last.1)),
        short(Some(lowest)),
        short(Some(highest))
    ))
}

/// Cells shaded by the logarithm of their count, and the line y = x.
pub fn density(density: &Density) -> String {
    let range = (density.edge(0), density.edge(density.cells));
    let mut frame = Frame::new(range, range);
    frame.axes("y_true", "y_pred", numbers(range, false));
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
        "Predicted against true for {}, with the line y = x. The densest cell, {}, begins at y_true {} and y_pred {}. \
         Outside: {}.",
        rows(density.sampled as u64),
        rows(densest.2),
        short(Some(density.edge(densest.0))),
        short(Some(density.edge(densest.1))),
        rows(density.outside)
    ))
}
