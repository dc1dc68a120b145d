//! Draws the picture of classes with plotters: the error rate over time beside a bar for each class.
//! Never computes a number and never knows whether it becomes PNG or SVG.

use crate::stats::class_numbers::ClassesNumbers;
use crate::stats::summary::Summary;
use crate::view::canvas::{Area, BAR, Drawn, GRID, HEAD, Letters, MARK, WINDOW, head};
use crate::view::class_bars::ClassBars;
use crate::view::frame::numbers;
use crate::view::stretches::Stretches;
use crate::words::clock;
use crate::words::number::{count, short};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const LINE: RGBColor = RGBColor(11, 92, 173);

/// Bars at most, besides that of all other classes.
const MOST_CLASSES: usize = 20;

/// Height of a bar with its gap, in letters.
const BAR_LETTERS: f64 = 1.25;

/// Below the charts, for ticks and names of axes, in letters.
const FOOT: f64 = 3.8;

/// Where a chart is, in pixels, and the ends of its axes.
struct Panel<'a> {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: (f64, f64),
    y: (f64, f64),
    letters: &'a Letters,
}

impl Panel<'_> {
    fn across(&self, x: f64) -> i32 {
        (self.left + (x - self.x.0) / (self.x.1 - self.x.0) * (self.right - self.left)).round() as i32
    }

    fn down(&self, y: f64) -> i32 {
        (self.bottom - (y - self.y.0) / (self.y.1 - self.y.0) * (self.bottom - self.top)).round() as i32
    }

    fn style(&self, across: HPos, down: VPos) -> TextStyle<'static> {
        self.letters.small.clone().pos(Pos::new(across, down))
    }

    /// Both axes, the ticks of the x axis, as many as have room, and its name.
    fn x_axis<B: DrawingBackend>(
        &self,
        area: &Area<B>,
        title: &str,
        choices: impl IntoIterator<Item = Vec<(f64, String)>>,
    ) -> Drawn<B> {
        let gap = self.letters.size;
        let mut ticks = Vec::new();
        for choice in choices {
            ticks = choice;
            let widths = ticks.iter().map(|(_, name)| area.estimate_text_size(name, &self.letters.small));
            let widest = widths.filter_map(Result::ok).map(|(width, _)| f64::from(width)).fold(0.0, f64::max);
            if ticks.len() as f64 * (widest + gap) < self.right - self.left {
                break;
            }
        }
        let bottom = self.bottom as i32;
        let below = |lines: f64| (self.bottom + self.letters.size * lines) as i32;
        for (x, name) in ticks {
            let x = self.across(x);
            area.draw(&PathElement::new([(x, bottom), (x, bottom + 4)], MARK))?;
            area.draw(&Text::new(name, (x, below(0.5)), self.style(HPos::Center, VPos::Top)))?;
        }
        let middle = ((self.left + self.right) / 2.0) as i32;
        area.draw(&Text::new(title, (middle, below(2.1)), self.style(HPos::Center, VPos::Top)))?;
        let (left, right) = (self.left as i32, self.right as i32);
        area.draw(&PathElement::new([(left, self.top as i32), (left, bottom), (right, bottom)], MARK))
    }
}

/// Draws the whole picture, `width` × `height` pixels.
pub fn draw<B: DrawingBackend>(
    summary: &Summary,
    (all, window): (&ClassesNumbers, &ClassesNumbers),
    (width, height): (u32, u32),
    area: &Area<B>,
) -> Drawn<B> {
    let letters = Letters::of((width, height));
    area.fill(&WHITE)?;
    let text = format!(
        "n = {} · error rate = {} · macro F1 = {}",
        count(summary.all.n),
        short(summary.all.mae),
        short(all.macro_f1)
    );
    head(area, ["Error rate, over time and of each class", &text, ""], summary.window.n, &letters)?;
    let size = letters.size;
    let (top, bottom) = (size * (HEAD + 1.2), f64::from(height) - size * FOOT);
    let (middle, right) = (f64::from(width) * 0.52, f64::from(width) - size);
    // At most as many bars as have room.
    let room = ((bottom - top) / (size * BAR_LETTERS)) as usize;
    let bars = ClassBars::of(all, window, MOST_CLASSES.min(room.saturating_sub(1)));
    let names: Vec<String> = bars.bars.iter().map(|bar| bar.short_name()).collect();
    let widths = names.iter().filter_map(|name| area.estimate_text_size(name, &letters.small).ok());
    let names_width = widths.map(|(width, _)| f64::from(width)).fold(0.0, f64::max);
    if let Some(stretches) = Stretches::of(&summary.over, false) {
        let (x, y) = (stretches.x, (0.0, stretches.y.1.max(1e-3)));
        let panel = Panel { left: size * 4.2, right: middle - size, top, bottom, x, y, letters: &letters };
        draw_stretches(area, &panel, &stretches)?;
    }
    let left = middle + size + names_width;
    let y = (0.0, bars.bars.len() as f64);
    let panel = Panel { left, right, top, bottom, x: (0.0, bars.top), y, letters: &letters };
    draw_bars(area, &panel, &bars, &names)
}

fn draw_stretches<B: DrawingBackend>(area: &Area<B>, panel: &Panel, stretches: &Stretches) -> Drawn<B> {
    let ticks = numbers(panel.y, false).nth(1).unwrap_or_default();
    for (y, name) in ticks {
        let ends = [panel.left, panel.right].map(|x| (x as i32, panel.down(y)));
        area.draw(&PathElement::new(ends, GRID))?;
        let at = (panel.left as i32 - 6, panel.down(y));
        area.draw(&Text::new(name, at, panel.style(HPos::Right, VPos::Center)))?;
    }
    for line in &stretches.lines {
        let points: Vec<_> =
            line.iter().map(|point| (panel.across(point.x), panel.down(point.mean))).collect();
        match points.as_slice() {
            [point] => area.draw(&Circle::new(*point, 3, LINE.filled()))?,
            // A thicker line has spikes where it turns.
            _ => area.draw(&PathElement::new(points, LINE))?,
        }
    }
    let at = (panel.letters.margin, (panel.top - panel.letters.size * 0.6) as i32);
    area.draw(&Text::new("error rate, 0 to 1", at, panel.style(HPos::Left, VPos::Bottom)))?;
    match stretches.is_time {
        true => panel.x_axis(area, &format!("time (UTC), {}", clock::days(panel.x)), clock::ticks(panel.x)),
        false => panel.x_axis(area, "row", numbers(panel.x, true)),
    }
}

fn draw_bars<B: DrawingBackend>(
    area: &Area<B>,
    panel: &Panel,
    bars: &ClassBars,
    names: &[String],
) -> Drawn<B> {
    let n = bars.bars.len() as f64;
    // A few classes have no thicker bars than many.
    let half = (0.42_f64).min(panel.letters.size * 2.5 / (panel.bottom - panel.top) * n);
    for (line, (bar, name)) in bars.bars.iter().zip(names).enumerate() {
        let middle = n - line as f64 - 0.5;
        let corners = |rate: f64| {
            [(panel.across(0.0), panel.down(middle + half)), (panel.across(rate), panel.down(middle - half))]
        };
        if let Some(rate) = bar.all {
            area.draw(&Rectangle::new(corners(rate), BAR.filled()))?;
        }
        if let Some(rate) = bar.window {
            area.draw(&Rectangle::new(corners(rate), WINDOW.stroke_width(panel.letters.stroke + 1)))?;
        }
        let at = (panel.left as i32 - 6, panel.down(middle));
        area.draw(&Text::new(name.as_str(), at, panel.style(HPos::Right, VPos::Center)))?;
    }
    panel.x_axis(area, "error rate, 0 to 1", numbers(panel.x, false))
}
