//! The axes of a chart of the page: maps values to places, and collects the drawing as SVG text.
//! Colours come from the page's style sheet, which has a light and a dark theme.

use crate::stats::histogram::Width;
use crate::view::label::{self, Anchor, Labels, Place, touch, width};
use crate::words::number::tick_names;
use std::fmt::{Arguments, Write};

pub const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 320.0;
const RIGHT: f64 = 22.0;
/// Room for the name of the y axis, and for half of the uppermost tick's label.
pub const TOP: f64 = 36.0;
/// Room for the labels of the x axis, below half of the lowest label of the y axis, and for its name.
const BOTTOM: f64 = 58.0;
/// Below a chart whose x axis is that of the next one: half of the lowest label of the y axis.
const BETWEEN: f64 = 12.0;
/// Above lines that have names.
const TOP_OF_LINES: f64 = 6.0;
/// Height of a line of words, as a share of the chart's height.
pub const LINE: f64 = label::HEIGHT / (HEIGHT - TOP - BOTTOM);

/// A narrower axis shows a single value: its parts would be subnormal.
const LEAST_RANGE: f64 = 1e-290;

/// Values and ranges may be any finite numbers.
pub struct Frame {
    pub x: (f64, f64),
    y: (f64, f64),
    /// Ticks of the y axis and their labels. The widest label sets the left margin.
    ticks_y: Vec<(f64, String)>,
    left: f64,
    top: f64,
    height: f64,
    /// Room below the axes.
    below: f64,
    text: String,
    labels: Labels,
}

impl Frame {
    /// With a line of its own for each of `names`, from the top down, along which its value lies. `x`: ends of the axis below.
    pub fn of_lines(names: Vec<String>, x: (f64, f64)) -> Self {
        let n = names.len() as f64;
        let mut frame = Frame::new(x, (0.0, n));
        frame.height = TOP_OF_LINES + n * label::HEIGHT + BOTTOM;
        frame.top = TOP_OF_LINES;
        frame.labels = Labels::new(WIDTH, frame.height);
        frame.left = names.iter().map(|name| width(name)).fold(0.0, f64::max) + 10.0;
        for (line, name) in names.iter().enumerate() {
            let middle = frame.down(n - line as f64 - 0.5);
            let svg = frame.labels.put_left_of(name, frame.left - 6.0, middle);
            frame.text.push_str(&svg);
        }
        frame
    }

    /// A bar from zero to a value along each of some lines, as one path.
    pub fn lying_bars(&mut self, class: &str, bars: &[(usize, f64)]) {
        let left = self.across(self.x.0);
        let bar = |(line, value): &(usize, f64)| {
            let top = self.top + (*line as f64 + 0.15) * label::HEIGHT;
            format!("M{left:.1} {top:.1}H{:.1}v{:.1}H{left:.1}z", self.across(*value), label::HEIGHT * 0.7)
        };
        let path: String = bars.iter().map(bar).collect();
        self.put(format_args!("<path class={class} d=\"{path}\" />"));
    }

    pub fn new(x: (f64, f64), y: (f64, f64)) -> Self {
        let (x, y) = (widen(x), widen(y));
        let ticks_y = named(ticks(y, 5.0));
        let widest = ticks_y.iter().map(|(_, name)| width(name)).fold(0.0, f64::max);
        let labels = Labels::new(WIDTH, HEIGHT);
        let (left, text) = (widest + 10.0, String::new());
        Frame { x, y, ticks_y, left, top: TOP, height: HEIGHT, below: BOTTOM, text, labels }
    }

    /// One of several charts above each other, with one x axis below the last one. `height`: of the space between the axes.
    pub fn low(x: (f64, f64), y: (f64, f64), height: f64, is_last: bool) -> Self {
        let mut frame = Frame::new(x, y);
        frame.below = if is_last { BOTTOM } else { BETWEEN };
        frame.height = TOP + height + frame.below;
        frame.labels = Labels::new(WIDTH, frame.height);
        // As many as have room.
        frame.ticks_y = named(ticks(frame.y, height / label::HEIGHT * 0.6));
        frame
    }

    /// Aligns charts above each other, and returns where the x axis begins and ends.
    pub fn align(frames: &mut [Frame]) -> (f64, f64) {
        let left = frames.iter().map(|frame| frame.left).fold(0.0, f64::max);
        frames.iter_mut().for_each(|frame| frame.left = left);
        (left, WIDTH - RIGHT)
    }

    /// Removes the ticks of the y axis above `y`, where no value can be.
    pub fn end_ticks_at(&mut self, y: f64) {
        self.ticks_y.retain(|(tick, _)| *tick <= y);
    }

    pub fn across(&self, x: f64) -> f64 {
        self.left + share(x, self.x) * (WIDTH - self.left - RIGHT)
    }

    pub fn down(&self, y: f64) -> f64 {
        self.bottom() - share(y, self.y) * (self.bottom() - self.top)
    }

    fn bottom(&self) -> f64 {
        self.height - self.below
    }

    pub fn put(&mut self, part: Arguments) {
        // Writing to a String cannot fail.
        let _ = self.text.write_fmt(part);
    }

    /// Rectangles of one class, from zero up: left, right and height of each. One path keeps the page small.
    pub fn bars(&mut self, class: &str, bars: impl IntoIterator<Item = ((f64, f64), f64)>) {
        let bottom = self.down(0.0);
        let bar = |((left, right), height): ((f64, f64), f64)| {
            let (left, right, top) = (self.across(left), self.across(right), self.down(height));
            format!("M{left:.1} {bottom:.1}V{top:.1}H{right:.1}V{bottom:.1}z")
        };
        let path: String = bars.into_iter().map(bar).collect();
        self.put(format_args!("<path class={class} d=\"{path}\" />"));
    }

    /// Runs of steps, each with its left, right and height: a line, or with `is_filled` an area from zero up. One path keeps the page small.
    pub fn steps<'a>(
        &mut self,
        class: &str,
        is_filled: bool,
        runs: impl IntoIterator<Item = &'a [((f64, f64), f64)]>,
    ) {
        let (mut path, bottom) = (String::new(), self.down(0.0));
        for run in runs {
            for (number, ((left, right), height)) in run.iter().enumerate() {
                let (left, right, down) = (self.across(*left), self.across(*right), self.down(*height));
                // Writing to a String cannot fail.
                let _ = match (number, is_filled) {
                    (0, true) => write!(path, "M{left:.1} {bottom:.1}V{down:.1}H{right:.1}"),
                    (0, false) => write!(path, "M{left:.1} {down:.1}H{right:.1}"),
                    _ => write!(path, "V{down:.1}H{right:.1}"),
                };
            }
            if is_filled {
                let _ = write!(path, "V{bottom:.1}z");
            }
        }
        self.put(format_args!("<path class={class} d=\"{path}\" />"));
    }

    pub fn line(&mut self, class: &str, points: impl IntoIterator<Item = (f64, f64)>) {
        let points: String =
            points.into_iter().map(|(x, y)| format!("{:.1},{:.1} ", self.across(x), self.down(y))).collect();
        self.put(format_args!("<polyline class={class} points=\"{}\" />", points.trim_end()));
    }

    pub fn dot(&mut self, class: &str, (x, y): (f64, f64)) {
        let (across, down) = (self.across(x), self.down(y));
        self.put(format_args!("<circle class={class} cx={across:.1} cy={down:.1} r=3 />"));
    }

    /// A line over the whole height at each of `places`, with a triangle on top that points up or down. Two paths keep the page small.
    pub fn flags(&mut self, class: &str, places: &[f64], is_up: bool) {
        if places.is_empty() {
            return;
        }
        let (tip, height) = if is_up { (TOP - 11.0, 10) } else { (TOP - 1.0, -10) };
        let (mut lines, mut triangles) = (String::new(), String::new());
        for across in places.iter().map(|x| self.across(*x)) {
            // Writing to a String cannot fail.
            let _ = write!(lines, "M{across:.1} {TOP}V{:.1}", self.bottom());
            let _ = write!(triangles, "M{across:.1} {tip:.1}l6 {height}h-12z");
        }
        self.put(format_args!("<path class=\"flag {class}\" d=\"{lines}\" />"));
        self.put(format_args!("<path class=\"sign {class}\" d=\"{triangles}\" />"));
    }

    /// Writes `name` at the first of `places` that is free. Leaves it out if none is.
    pub fn name(&mut self, name: &str, places: &[Place]) {
        if let Some(svg) = self.labels.put(name, places, "halo") {
            self.text.push_str(&svg);
        }
    }

    /// Draws grid lines, ticks and the axes' names. `choices`: ticks of the x axis with their labels, from many to few. The first whose
    /// labels do not touch is used.
    pub fn axes(
        &mut self,
        x_title: &str,
        y_title: &str,
        choices: impl IntoIterator<Item = Vec<(f64, String)>>,
    ) {
        self.y_axis(y_title);
        self.axis_below(x_title, choices);
    }

    /// Draws grid lines, ticks and the name of the y axis.
    pub fn y_axis(&mut self, title: &str) {
        let (left, right) = (self.left, WIDTH - RIGHT);
        self.write(title, Anchor::Start, 0.0, 0.0);
        for (y, name) in std::mem::take(&mut self.ticks_y) {
            let down = self.down(y);
            self.put(format_args!("<path class=grid d=\"M{left:.1} {down:.1}H{right}\" />"));
            let svg = self.labels.put_left_of(&name, left - 6.0, down);
            self.text.push_str(&svg);
        }
    }

    /// Draws the lines of both axes, and ticks and name of the x axis; `choices` as for [`Frame::axes`].
    pub fn axis_below(&mut self, title: &str, choices: impl IntoIterator<Item = Vec<(f64, String)>>) {
        let (left, right, top, bottom) = (self.left, WIDTH - RIGHT, self.top, self.bottom());
        let mut fitting = Vec::new();
        for choice in choices {
            fitting = choice;
            let labels: Vec<_> = fitting.iter().map(|(x, name)| (self.across(*x), width(name))).collect();
            if !touch(&labels) {
                break;
            }
        }
        for (x, name) in fitting {
            let across = self.across(x);
            self.put(format_args!("<path class=axis d=\"M{across:.1} {bottom:.1}v4\" />"));
            self.write(&name, Anchor::Middle, across, bottom + 12.0);
        }
        self.write(title, Anchor::Middle, WIDTH / 2.0, bottom + 35.0);
        self.put(format_args!("<path class=axis d=\"M{left:.1} {top}V{bottom:.1}H{right}\" />"));
    }

    /// Leaves the text out where it has no room.
    fn write(&mut self, text: &str, anchor: Anchor, across: f64, top: f64) {
        if text.is_empty() {
            return;
        }
        let svg = self.labels.put(text, &[Place { anchor, across, top }], "");
        self.text.push_str(&svg.unwrap_or_default());
    }

    /// A part of a drawing, `down` below its top, and its height; `label` as for [`Frame::finish`].
    pub fn finish_low(self, label: &str, down: f64) -> (String, f64) {
        let Frame { text, height, .. } = self;
        let part =
            format!("<g transform=\"translate(0 {down})\" role=\"img\" aria-label=\"{label}\">{text}</g>");
        (part, height)
    }

    /// `label` is what a screen reader says; it must not hold quotes.
    pub fn finish(self, label: &str) -> String {
        format!(
            "<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"{label}\">{}</svg>",
            self.height, self.text
        )
    }
}

/// An axis must have some length.
fn widen((low, high): (f64, f64)) -> (f64, f64) {
    if high - low > LEAST_RANGE {
        return (low, high);
    }
    let by = (low.abs() * 1e-12).max(0.5);
    ((low - by).max(f64::MIN), (high + by).min(f64::MAX))
}

/// Place of a value along an axis, from 0 to 1. Computed from halves: the difference of two numbers may overflow.
fn share(value: f64, (low, high): (f64, f64)) -> f64 {
    (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0)
}

/// Choices of ticks with their labels, from many to few. `whole`: only whole numbers.
pub fn numbers(range: (f64, f64), whole: bool) -> impl Iterator<Item = Vec<(f64, String)>> {
    [7.0, 5.0, 4.0, 3.0, 2.0, 1.0].into_iter().map(move |wanted| {
        let mut ticks = ticks(range, wanted);
        ticks.retain(|tick| !whole || tick.fract() == 0.0);
        named(ticks)
    })
}

fn named(ticks: Vec<f64>) -> Vec<(f64, String)> {
    let names = tick_names(&ticks);
    ticks.into_iter().zip(names).collect()
}

/// Round numbers within a range, about `wanted` of them.
fn ticks((low, high): (f64, f64), wanted: f64) -> Vec<f64> {
    let target = high / wanted - low / wanted;
    if !(target.is_finite() && target > 0.0) {
        return Vec::new();
    }
    let step = Width::nearest(target);
    let first = (low / step.value()).ceil();
    let last = (high / step.value()).floor();
    if !(first.abs() < 1e15 && last.abs() < 1e15) {
        return Vec::new();
    }
    (first as i64..=last as i64).take(20).map(|count| step.multiple(count)).collect()
}
