//! What is in the picture: the histogram of absolute errors, drawn with plotters.
//! Never computes a number and never knows whether it becomes PNG or SVG.

use crate::number::{count, cut, lone_tick_name, short};
use crate::summary::{Bar, Histogram, Summary};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

// Told apart by lightness alone, for print in black and white.
const BAR: RGBColor = RGBColor(158, 197, 228);
const TAIL: RGBColor = RGBColor(196, 196, 196);
const WINDOW: RGBColor = RGBColor(190, 60, 10);
const MARK: RGBColor = RGBColor(20, 20, 20);
const GRID: RGBColor = RGBColor(226, 226, 226);

type Area<B> = DrawingArea<B, Shift>;
type Chart<'a, B> = ChartContext<'a, B, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// Where the bars are and how large the letters.
struct Layout {
    /// In pixels.
    letter: f64,
    line: u32,
    margin: i32,
    /// The outermost edges of the bins, and of the chart with the cut tails' bars, which stand apart behind a gap.
    first: f64,
    last: f64,
    start: f64,
    end: f64,
    gap: f64,
    /// Height of the chart, and of one line of words in it, in percent of rows.
    top: f64,
    words: f64,
    small: TextStyle<'static>,
}

impl Layout {
    fn of(histogram: &Histogram, bars: &[Bar], (width, height): (u32, u32)) -> Self {
        // Letters grow slower than the picture, so that they can be read in a small one.
        let letter = even(14.0 * (f64::from(width) / 800.0).min(f64::from(height) / 600.0).sqrt()).max(12.0);
        let edges = histogram.bins.edges();
        let (first, last) = (edges.first().copied().unwrap_or(0.0), edges.last().copied().unwrap_or(1.0));
        let gap = (last - first) * 0.02;
        let tail = gap + histogram.bins.width.value().min((last - first) * 0.1).max((last - first) * 0.04);
        let share = |bar: &Bar| bar.all.max(bar.window) * 100.0;
        let highest = bars.iter().map(share).fold(0.0, f64::max);
        let tails = bars.iter().filter(|bar| is_tail(bar)).map(share).fold(0.0, f64::max);
        // Above the highest bar the names of two marks; above a tail's two lines, and the marks' above these.
        let lines = |n: f64| 1.0 - n * letter * 1.4 / (f64::from(height) - letter * 9.2);
        let top = (highest / lines(2.2)).max(tails / lines(4.4));
        Layout {
            letter,
            line: (letter / 14.0).round().max(1.0) as u32,
            margin: letter as i32,
            first,
            last,
            start: if histogram.all.left > 0 { first - tail } else { first },
            end: if histogram.all.right > 0 { last + tail } else { last },
            gap,
            top,
            words: top * (1.0 - lines(1.0)),
            small: ("sans-serif", letter).into_font().color(&BLACK),
        }
    }

    fn span(&self, bar: &Bar) -> (f64, f64) {
        match (bar.from, bar.to) {
            (Some(from), Some(to)) => (from, to),
            (None, _) => (self.start, self.first - self.gap),
            (_, None) => (self.last + self.gap, self.end),
        }
    }
}

fn is_tail(bar: &Bar) -> bool {
    bar.from.is_none() || bar.to.is_none()
}

/// plotters puts the letters of an odd size on two lines: the points of numbers would float.
fn even(size: f64) -> f64 {
    (size / 2.0).round() * 2.0
}

/// Draws the whole picture of that many pixels.
///
/// # Errors
/// The backend's.
pub fn draw<B: DrawingBackend>(
    summary: &Summary,
    histogram: &Histogram,
    (width, height): (u32, u32),
    area: &Area<B>,
) -> Drawn<B> {
    let bars = histogram.shares();
    let layout = Layout::of(histogram, &bars, (width, height));
    let (letter, margin) = (layout.letter, layout.margin);
    area.fill(&WHITE)?;
    head(summary, histogram, area, &layout)?;
    let mut chart = ChartBuilder::on(area)
        .margin_top((letter * 5.2) as i32)
        .margin_right(margin + 4)
        .margin_left(margin / 2)
        .margin_bottom(margin / 2)
        .x_label_area_size((letter * 3.0) as i32)
        .y_label_area_size((letter * 3.9) as i32)
        .build_cartesian_2d(layout.start..layout.end, 0.0..layout.top)?;
    let (first, last) = (layout.first, layout.last);
    let off_zero = if histogram.bins.zero_is_out_of_view() { " (zero is out of view)" } else { "" };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(MARK)
        .label_style(layout.small.clone())
        .axis_desc_style(layout.small.clone())
        .x_labels((f64::from(width) / letter / 7.0) as usize)
        .y_labels((f64::from(height) / letter / 4.0) as usize)
        .x_label_formatter(&|x| {
            let is_within = (first..=last).contains(x);
            if is_within { lone_tick_name(*x, (first, last)) } else { String::new() }
        })
        .y_label_formatter(&|y| if *y <= 100.0 { short(Some(*y)) } else { String::new() })
        // Bars for the absolute value would stand askew: plotters leaves out the room to the left of a letter.
        .x_desc(format!("absolute error = abs(y_pred − y_true){off_zero}"))
        .y_desc("share of rows (%)")
        .draw()?;
    draw_bars(&mut chart, &bars, &layout)?;
    draw_marks(&mut chart, summary, &bars, &layout)
}

/// Title, numbers, and a line that says what bars and outline are, and what is cut.
fn head<B: DrawingBackend>(
    summary: &Summary,
    histogram: &Histogram,
    area: &Area<B>,
    layout: &Layout,
) -> Drawn<B> {
    let Layout { letter, margin, small, .. } = layout;
    let (letter, margin) = (*letter, *margin);
    let title = ("sans-serif", even(letter * 1.35)).into_font().color(&BLACK);
    area.draw(&Text::new("Distribution of the absolute error", (margin, margin / 2), title))?;
    let numbers = &summary.all;
    let subtitle =
        format!("n = {} · MAE = {} · RMSE = {}", count(numbers.n), short(numbers.mae), short(numbers.rmse));
    area.draw(&Text::new(subtitle, (margin, margin / 2 + (letter * 1.8) as i32), small.clone()))?;
    let (top, box_size) = (margin / 2 + (letter * 3.3) as i32, (letter * 0.8) as i32);
    let mut x = margin;
    let texts = [
        (BAR.filled(), "all rows".to_owned()),
        (WINDOW.stroke_width(2), format!("last {}", count(summary.window.n))),
    ];
    for (colour, text) in texts {
        let corner = (x + box_size, top - 1 + box_size);
        area.draw(&Rectangle::new([(x, top - 1), corner], colour))?;
        area.draw(&Text::new(text.clone(), (x + box_size + 5, top), small.clone()))?;
        let (text_width, _) = area.estimate_text_size(&text, small)?;
        x += box_size + 5 + text_width as i32 + margin * 2;
    }
    let all = &histogram.all;
    if let Some(place) = cut(all.left, all.right, all.total()) {
        area.draw(&Text::new(format!("axis cut at the {place}"), (x, top), small.clone()))?;
    }
    Ok(())
}

/// A bar for all rows of each bin, and one outline for the window's over the bins and over each tail.
fn draw_bars<B: DrawingBackend>(chart: &mut Chart<B>, bars: &[Bar], layout: &Layout) -> Drawn<B> {
    for bar in bars.iter().filter(|bar| bar.all > 0.0) {
        let (start, stop) = layout.span(bar);
        let corners = [(start, 0.0), (stop, bar.all * 100.0)];
        let colour = if is_tail(bar) { TAIL } else { BAR };
        chart.draw_series([
            Rectangle::new(corners, colour.filled()),
            Rectangle::new(corners, WHITE.stroke_width(1)),
        ])?;
    }
    let stroke = WINDOW.stroke_width(layout.line + 1);
    let mut outline = vec![(layout.first, 0.0)];
    for bar in bars {
        let ((start, stop), share) = (layout.span(bar), bar.window * 100.0);
        if is_tail(bar) {
            let corners = vec![(start, 0.0), (start, share), (stop, share), (stop, 0.0)];
            chart.draw_series([PathElement::new(corners, stroke)])?;
        } else {
            outline.extend([(start, share), (stop, share)]);
        }
    }
    outline.push((layout.last, 0.0));
    chart.draw_series([PathElement::new(outline, stroke)])?;
    Ok(())
}

/// Lines at median and p95 with their values; above each tail its count, and p95 in words where it lies in the tail.
fn draw_marks<B: DrawingBackend>(
    chart: &mut Chart<B>,
    summary: &Summary,
    bars: &[Bar],
    layout: &Layout,
) -> Drawn<B> {
    let Layout { first, last, start, end, top, words, .. } = *layout;
    let marks = [("median", summary.all.p50), ("p95", summary.all.p95)];
    let within = marks.into_iter().enumerate().filter_map(|(number, (name, value))| {
        let x = value.filter(|value| (first..=last).contains(value))?;
        Some((x, top - words * number as f64, format!("{name} {}", short(value))))
    });
    for (x, level, _) in within.clone() {
        chart.draw_series([PathElement::new([(x, 0.0), (x, level)], MARK.stroke_width(layout.line))])?;
    }
    for (x, level, text) in within {
        let is_right = x > first + (last - first) * 0.6;
        let shift = (end - start) * 0.006;
        let (side, x) = if is_right { (HPos::Right, x - shift) } else { (HPos::Left, x + shift) };
        write(chart, text, (x, level - words), side, layout)?;
    }
    for bar in bars.iter().filter(|bar| is_tail(bar)) {
        let is_right = bar.to.is_none();
        let (side, x) = if is_right { (HPos::Right, end) } else { (HPos::Left, start) };
        let beyond = |value: f64| if is_right { value > last } else { value < first };
        let mut lines = vec![if is_right {
            format!("≥ {}: {}", short(bar.from), count(bar.n))
        } else {
            format!("< {}: {}", short(bar.to), count(bar.n))
        }];
        for (name, value) in marks.into_iter().filter(|(_, value)| value.is_some_and(beyond)) {
            let value = short(value);
            lines.push(if is_right { format!("{name} {value} →") } else { format!("← {name} {value}") });
        }
        // Above every bar that the words cover.
        let mut level: f64 = 0.0;
        for text in &lines {
            let (left, right) = spread(chart, text, x, side, layout)?;
            let covered = bars.iter().filter(|bar| layout.span(bar).1 > left && layout.span(bar).0 < right);
            level = covered.map(|bar| bar.all.max(bar.window) * 100.0).fold(level, f64::max);
        }
        for (number, text) in lines.into_iter().enumerate() {
            write(chart, text, (x, level + words * (number as f64 + 0.15)), side, layout)?;
        }
    }
    Ok(())
}

/// From where to where a text reaches that begins or ends at `x`.
fn spread<B: DrawingBackend>(
    chart: &Chart<B>,
    text: &str,
    x: f64,
    side: HPos,
    layout: &Layout,
) -> Result<(f64, f64), DrawingAreaErrorKind<B::ErrorType>> {
    let area = chart.plotting_area();
    let (pixels, _) = area.dim_in_pixel();
    let (width, _) = area.strip_coord_spec().estimate_text_size(text, &layout.small)?;
    let wide = (f64::from(width) + 3.0) / f64::from(pixels) * (layout.end - layout.start);
    Ok(if matches!(side, HPos::Right) { (x - wide, x) } else { (x, x + wide) })
}

/// Words with white behind them, for a line may cross.
fn write<B: DrawingBackend>(
    chart: &mut Chart<B>,
    text: String,
    (x, level): (f64, f64),
    side: HPos,
    layout: &Layout,
) -> Drawn<B> {
    let (left, right) = spread(chart, &text, x, side, layout)?;
    let corners = [(left, level), (right, level + layout.words * 0.85)];
    chart.draw_series([Rectangle::new(corners, WHITE.filled())])?;
    let style = layout.small.clone().pos(Pos::new(side, VPos::Bottom));
    chart.draw_series([Text::new(text, (x, level), style)])?;
    Ok(())
}
