//! The axes of one of the page's charts: maps values to the drawing, and collects it as SVG text.
//! Colours come from the page's style sheet, so that they follow light and dark.

use crate::histogram::Width;
use crate::number::short;
use std::fmt::{Arguments, Write};

pub const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 22.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 42.0;

/// Maps values to the drawing, and collects it.
pub struct Frame {
    pub x: (f64, f64),
    y: (f64, f64),
    text: String,
}

impl Frame {
    pub fn new(x: (f64, f64), y: (f64, f64)) -> Self {
        let widen = |(low, high): (f64, f64)| if high > low { (low, high) } else { (low - 0.5, low + 0.5) };
        Frame { x: widen(x), y: widen(y), text: String::new() }
    }

    pub fn across(&self, x: f64) -> f64 {
        LEFT + (x - self.x.0) / (self.x.1 - self.x.0) * (WIDTH - LEFT - RIGHT)
    }

    pub fn down(&self, y: f64) -> f64 {
        HEIGHT - BOTTOM - (y - self.y.0) / (self.y.1 - self.y.0) * (HEIGHT - TOP - BOTTOM)
    }

    pub fn put(&mut self, part: Arguments) {
        // Writing to a String cannot fail.
        let _ = self.text.write_fmt(part);
    }

    pub fn rectangle(&mut self, class: &str, (left, right): (f64, f64), (low, high): (f64, f64)) {
        let (x, y) = (self.across(left), self.down(high));
        let (width, height) = (self.across(right) - x, self.down(low) - y);
        self.put(format_args!(
            "<rect class={class} x={x:.1} y={y:.1} width={width:.1} height={height:.1} />"
        ));
    }

    pub fn line(&mut self, class: &str, points: impl IntoIterator<Item = (f64, f64)>) {
        let points: String =
            points.into_iter().map(|(x, y)| format!("{:.1},{:.1} ", self.across(x), self.down(y))).collect();
        self.put(format_args!("<polyline class={class} points=\"{}\" />", points.trim_end()));
    }

    /// Grid lines, tick labels and the axes' names. `name_x` writes a tick of the x axis.
    pub fn axes(&mut self, x_title: &str, y_title: &str, name_x: impl Fn(f64) -> String, ticks_x: &[f64]) {
        for y in ticks(self.y, 5.0) {
            let down = self.down(y);
            self.put(format_args!(
                "<path class=grid d=\"M{LEFT} {down:.1}H{}\" /><text x={} y={:.1} class=end>{}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                down + 4.0,
                short(Some(y))
            ));
        }
        for &x in ticks_x {
            let across = self.across(x);
            let bottom = HEIGHT - BOTTOM;
            self.put(format_args!(
                "<path class=axis d=\"M{across:.1} {bottom}v4\" /><text x={across:.1} y={} class=middle>{}</text>",
                bottom + 17.0,
                name_x(x)
            ));
        }
        let middle = (LEFT + WIDTH - RIGHT) / 2.0;
        let half = (TOP + HEIGHT - BOTTOM) / 2.0;
        self.put(format_args!(
            "<path class=axis d=\"M{LEFT} {TOP}V{}H{}\" /><text x={middle} y={} class=middle>{x_title}</text>\
             <text x=0 y=0 class=middle transform=\"translate(13 {half}) rotate(-90)\">{y_title}</text>",
            HEIGHT - BOTTOM,
            WIDTH - RIGHT,
            HEIGHT - 6.0
        ));
    }

    /// `label` is what a screen reader says; it must not hold quotes.
    pub fn finish(self, label: &str) -> String {
        format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{label}\">{}</svg>",
            self.text
        )
    }
}

/// Round numbers within a range, about `wanted` of them.
pub fn ticks((low, high): (f64, f64), wanted: f64) -> Vec<f64> {
    let range = high - low;
    if !(range.is_finite() && range > 0.0) {
        return Vec::new();
    }
    let step = Width::nearest(range / wanted);
    let first = (low / step.value()).ceil();
    let last = (high / step.value()).floor();
    if !(first.abs() < 1e15 && last.abs() < 1e15) {
        return Vec::new();
    }
    (first as i64..=last as i64).take(20).map(|count| step.multiple(count)).collect()
}
