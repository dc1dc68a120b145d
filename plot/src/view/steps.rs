//! The charts over time of a range as SVG text: error, bias and rows of each slice, above each other, and a link into each slice.
//! Never computes a statistic.

use crate::{
    logs::task::Task,
    stats::{
        drift::Change,
        past::{Point, Span},
    },
    view::{
        asked::{DAY_S, address, length},
        changes,
        frame::Frame,
    },
    words::{
        clock,
        number::{count, rows, short},
        terms::{Terms, terms},
    },
};
use std::fmt::Write;

/// Height of each chart, between its axes.
const HEIGHT: f64 = 96.0;

/// Above the highest value, as a share of it; and below the lowest one.
const ROOM: f64 = 0.08;

/// A slice that is narrower, with none next to it, has a dot as well.
const LEAST_WIDTH: f64 = 4.0;

/// None without rows. `span`: of the time axis.
pub fn charts(points: &[Point], span: Span, changes: &[Change], task: Task) -> Option<String> {
    let (narrowest_s, _) = widths_s(points)?;
    let terms = terms(task);
    let x = (span.from_s as f64 * 1000.0, span.to_s as f64 * 1000.0);
    // Rows by the narrowest slice, as otherwise a wider one would have more only by its width.
    let volume = |point: &Point| point.n as f64 * narrowest_s as f64 / point.span.length_s() as f64;
    let mae: Vec<_> = places(points, |point| point.mae);
    let bias: Vec<_> = places(points, |point| point.bias);
    let volume: Vec<_> = places(points, volume);
    let frame = |steps: &[Step], is_last| Frame::low(x, ends(steps), HEIGHT, is_last);
    let mut frames = vec![frame(&mae, false)];
    // An error rate has no sign: its mean is the error rate.
    if task != Task::Classes {
        frames.push(frame(&bias, false));
    }
    frames.push(frame(&volume, true));
    let (left, right) = Frame::align(&mut frames);
    let (mut parts, mut down) = (String::new(), 0.0);
    for (number, mut frame) in frames.into_iter().enumerate() {
        let label = match (number, task) {
            (0, _) => error(&mut frame, &mae, changes, &terms),
            (1, Task::Regression | Task::Binary) => signed(&mut frame, &bias, &terms),
            _ => volumes(&mut frame, &volume, narrowest_s),
        };
        let (part, height) = frame.finish_low(&label, down);
        parts += &part;
        down += height;
    }
    let links = links(points, span, task);
    // In minutes across, and of the whole height.
    let scale = (right - left) * 60.0 / span.length_s() as f64;
    Some(format!(
        "<svg viewBox=\"0 0 520 {down}\" role=\"group\" aria-label=\"Charts over time: {} slices with rows, each a link to its rows\">\
         {parts}<g class=zoom transform=\"translate({left:.1} 0) scale({scale:.6} {down})\">{links}</g></svg>",
        count(points.len() as u64)
    ))
}

/// Of the narrowest slice and of the widest one. The first and the last may be cut off where the range begins and ends.
fn widths_s(points: &[Point]) -> Option<(i64, i64)> {
    let whole = if let [_, inner @ .., _] = points
        && !inner.is_empty()
    {
        inner
    } else {
        points
    };
    let widths = || whole.iter().map(|point| point.span.length_s());
    widths().min().zip(widths().max())
}

/// A slice: its ends on the time axis, in milliseconds, and its value.
type Step = ((f64, f64), f64);

/// Values that overflowed are left out.
fn places(points: &[Point], value: impl Fn(&Point) -> f64) -> Vec<Step> {
    let place = |point: &Point| {
        let x = (point.span.from_s as f64 * 1000.0, point.span.to_s as f64 * 1000.0);
        Some((x, Some(value(point)).filter(|value| value.is_finite())?))
    };
    points.iter().filter_map(place).collect()
}

/// Of the y axis. Zero is in view.
fn ends(steps: &[Step]) -> (f64, f64) {
    let values = steps.iter().map(|(_, value)| *value);
    let (low, high) =
        values.fold((0.0, 0.0), |(low, high): (f64, f64), value| (low.min(value), high.max(value)));
    let room = high * ROOM - low * ROOM;
    (if low < 0.0 { (low - room).max(f64::MIN) } else { 0.0 }, (high + room).min(f64::MAX))
}

fn error(frame: &mut Frame, steps: &[Step], all: &[Change], terms: &Terms) -> String {
    frame.y_axis(&format!("{} ({})", terms.mae, terms.unit));
    frame.axis_below("", []);
    draw(frame, steps);
    let changes = changes::mark(frame, all, terms, |change| change.time_s.map(|time_s| time_s * 1000.0));
    format!("{} of each slice: {}.{changes}", terms.mae, between(steps))
}

fn signed(frame: &mut Frame, steps: &[Step], terms: &Terms) -> String {
    frame.y_axis(&format!("{}, bias ({})", terms.mean_error, terms.unit));
    frame.axis_below("", []);
    let (first, last) = frame.x;
    frame.line("mark", [(first, 0.0), (last, 0.0)]);
    draw(frame, steps);
    format!("{} of each slice: {}.", terms.mean_error, between(steps))
}

fn volumes(frame: &mut Frame, steps: &[Step], narrowest_s: i64) -> String {
    let per = length(narrowest_s);
    let x = frame.x;
    frame.y_axis(&format!("rows per {per}"));
    frame.axis_below(&format!("time (UTC), {}", clock::days((x.0, x.1 - 1.0))), clock::ticks(x));
    frame.steps("bar", true, runs(steps));
    format!("Rows per {per}: {}.", between(steps))
}

/// A line for each run of slices without a gap, with a step from each to the next.
fn draw(frame: &mut Frame, steps: &[Step]) {
    frame.steps("line", false, runs(steps));
    for run in runs(steps) {
        if let [((from, to), value)] = run
            && frame.across(*to) - frame.across(*from) < LEAST_WIDTH
        {
            frame.dot("dot", (from / 2.0 + to / 2.0, *value));
        }
    }
}

fn runs(steps: &[Step]) -> impl Iterator<Item = &[Step]> {
    steps.chunk_by(|((_, end), _), ((start, _), _)| end >= start)
}

fn between(steps: &[Step]) -> String {
    let values = || steps.iter().map(|(_, value)| *value);
    let (least, most) = (values().reduce(f64::min), values().reduce(f64::max));
    format!("from {} to {}, in the last one {}", short(least), short(most), short(values().next_back()))
}

/// A rectangle over each slice, as high as the style sheet says, in minutes since the start of the axis. What it says is the number that the charts show there.
fn links(points: &[Point], span: Span, task: Task) -> String {
    let mut links = String::new();
    for Point { span: slice, n, mae, bias } in points {
        let words = match task {
            Task::Regression => format!("MAE {}, bias {}", short(Some(*mae)), short(Some(*bias))),
            Task::Binary => format!("|p − y| {}, bias {}", short(Some(*mae)), short(Some(*bias))),
            Task::Classes => format!("error rate {}", short(Some(*mae))),
        };
        let title = format!("{}: {words}, {}", clock::span(slice.from_s, slice.to_s), rows(*n));
        let (from, wide) = ((slice.from_s - span.from_s) / 60, slice.length_s() / 60);
        let shape = format!("<title>{title}</title><rect x={from} width={wide} />");
        // Where a slice is all of the range, its link would lead here.
        let link = match *slice == span {
            true => format!("<g>{shape}</g>"),
            false => format!("<a href=\"{}\">{shape}</a>", address(*slice)),
        };
        // Writing to a String cannot fail.
        let _ = write!(links, "{link}");
    }
    links
}

/// What a slice is, and where a day begins.
pub fn note(points: &[Point], span: Span) -> String {
    let Some((least_s, most_s)) = widths_s(points) else { return String::new() };
    let [least, most] = [least_s, most_s].map(|width_s| clock::duration(width_s as f64));
    let mut note = match points {
        [Point { span: slice, .. }] if *slice == span => {
            format!("One slice of {least}: rows of this time are kept no finer. ")
        }
        _ if least_s == most_s => format!("Each slice is {least} wide: open one to zoom in. "),
        _ => format!("Slices are {least} to {most} wide, older ones wider: open one to zoom in. "),
    };
    if most_s >= DAY_S {
        note += "Days are those of UTC, each of 24 hours, also where summer time begins or ends. ";
    }
    note + "Where the error changed: ▲ worse, ▼ better since."
}
