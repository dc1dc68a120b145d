//! The page's histograms, rolling MAE and density as SVG text.
//! Never computes a statistic.

use crate::stats::density::Density;
use crate::stats::drift::Change;
use crate::stats::summary::Histogram;
use crate::view::bars::{Bars, Mark, Tail};
use crate::view::changes;
use crate::view::frame::{Frame, LINE, TOP, WIDTH, numbers};
use crate::view::label::{self, Anchor, Place};
use crate::words::number::{percent, rows, short};
use crate::words::terms::Terms;
use std::fmt::Write;

/// Room for the words of a tail. The names of marks find a place elsewhere.
const TAIL_LINES: f64 = 2.2;

/// Bars for all rows and an outline for the window, as shares.
pub fn histogram(histogram: &Histogram, title: &str, marks: &[Mark]) -> String {
    let bars = Bars::of(histogram, marks, LINE, TAIL_LINES);
    let mut frame = Frame::new(bars.x, (0.0, bars.top));
    frame.end_ticks_at(100.0);
    frame.axes(&format!("{title}{}", bars.off_zero), "share of rows (%)", numbers(bars.edges, false));
    for (class, is_tail) in [("bar", false), ("tail", true)] {
        let bars = bars.bars.iter().filter(|bar| bar.all > 0.0 && bar.is_tail == is_tail);
        frame.bars(class, bars.map(|bar| (bar.x, bar.all)));
    }
    for outline in &bars.outlines {
        frame.line("window", outline.iter().copied());
    }
    for (_, _, x) in &bars.marks {
        frame.line("mark", [(*x, 0.0), (*x, bars.top)]);
    }
    name_tails(&mut frame, &bars);
    for (_, name, x) in &bars.marks {
        let across = frame.across(*x);
        let next_to = |anchor, shift, top| Place { anchor, across: across + shift, top };
        let lines = (0..4).map(|line| TOP + f64::from(line) * label::HEIGHT);
        let places =
            lines.flat_map(|top| [next_to(Anchor::Start, 4.0, top), next_to(Anchor::End, -4.0, top)]);
        frame.name(name, &places.collect::<Vec<_>>());
    }
    frame.finish(&histogram_text(histogram, title))
}

/// Writes the words of each tail, above every bar that they cover.
fn name_tails(frame: &mut Frame, bars: &Bars) {
    for Tail { is_right, words } in &bars.tails {
        let wide = words.iter().map(|text| label::width(text)).fold(0.0, f64::max);
        let (anchor, across, reach) = if *is_right {
            (Anchor::End, WIDTH - 2.0, (WIDTH - 2.0 - wide, WIDTH - 2.0))
        } else {
            let across = frame.across(bars.x.0);
            (Anchor::Start, across, (across, across + wide))
        };
        let is_covered = |(left, right)| frame.across(right) > reach.0 && frame.across(left) < reach.1;
        let bottom = frame.down(bars.highest(is_covered)) - 2.0;
        for (line, text) in words.iter().enumerate() {
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

/// The window's MAE along the log, without points that overflowed, and the rows where the error changed.
pub fn rolling(points: &[(u64, f64)], window_rows: usize, changes: &[Change], terms: &Terms) -> String {
    let points: Vec<(u64, f64)> = points.iter().copied().filter(|(_, mae)| mae.is_finite()).collect();
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return String::new() };
    let highest = points.iter().map(|(_, mae)| *mae).fold(0.0, f64::max);
    let mut frame = Frame::new((first.0 as f64, last.0 as f64), (0.0, (highest * 1.1).min(f64::MAX)));
    let ticks = numbers(frame.x, true);
    frame.axes("row", &format!("{} ({})", terms.mae, terms.unit), ticks);
    match points.as_slice() {
        [(n, mae)] => frame.dot("dot", (*n as f64, *mae)),
        _ => frame.line("line", points.iter().map(|(n, mae)| (*n as f64, *mae))),
    }
    let changes = changes::mark(&mut frame, changes, terms, |change| Some(change.number() as f64));
    let lowest = points.iter().map(|(_, mae)| *mae).fold(f64::INFINITY, f64::min);
    frame.finish(&format!(
        "Rolling {} over {}: now {}, between {} and {}.{changes}",
        terms.mae,
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
    // In cells from the middle of the lower left one, as thick lines: short numbers keep the page small.
    let (left, bottom) = (frame.across(range.0), frame.down(range.0));
    let (width, height) = (frame.across(range.1) - left, frame.down(range.1) - bottom);
    let cells = density.cells as f64;
    let (wide, high) = (width / cells, height / cells);
    let middle = bottom + high / 2.0;
    frame.put(format_args!("<g transform=\"translate({left:.1} {middle:.1}) scale({wide:.4} {high:.4})\">"));
    for level in 0..5 {
        let is_of_level = |n: u64| ((n as f64).ln_1p() / most.ln_1p() * 4.999) as u32 == level;
        let shaded: Vec<_> = density.counts.iter().filter(|(_, _, n)| is_of_level(*n)).collect();
        let mut path = String::new();
        for run in shaded.chunk_by(|left, right| left.1 == right.1 && left.0 + 1 == right.0) {
            if let [(x, y, _), ..] = run {
                let cells = run.len();
                let _ = write!(path, "M{x} {y}h{cells}");
            }
        }
        frame.put(format_args!("<path class=\"cell l{level}\" d=\"{path}\" />"));
    }
    frame.put(format_args!("</g>"));
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
