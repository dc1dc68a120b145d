//! Draws the picture with plotters: the histogram of absolute errors.
//! Never computes a number and never knows whether it becomes PNG or SVG.

use crate::stats::summary::{Histogram, Summary};
use crate::view::bars::{Bars, Mark, Tail};
use crate::words::number::{count, cut, lone_tick_name, short};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

// Different in lightness, for print in black and white.
const BAR: RGBColor = RGBColor(158, 197, 228);
const TAIL: RGBColor = RGBColor(196, 196, 196);
const WINDOW: RGBColor = RGBColor(190, 60, 10);
const MARK: RGBColor = RGBColor(20, 20, 20);
const GRID: RGBColor = RGBColor(226, 226, 226);

type Area<B> = DrawingArea<B, Shift>;
type Chart<'a, B> = ChartContext<'a, B, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// Room above a tail for its two lines of words, and for the marks' names above these.
const TAIL_LINES: f64 = 4.4;

/// Sizes of letters and lines.
struct Layout {
    /// In pixels, like `stroke` and `margin`.
    letter: f64,
    stroke: u32,
    margin: i32,
    /// Of a line of words, in percent of rows.
    line: f64,
    small: TextStyle<'static>,
}

/// plotters misplaces letters of an odd size: decimal points would float above the line.
fn even(size: f64) -> f64 {
    (size / 2.0).round() * 2.0
}

/// Draws the whole picture, `width` × `height` pixels.
pub fn draw<B: DrawingBackend>(
    summary: &Summary,
    histogram: &Histogram,
    (width, height): (u32, u32),
    area: &Area<B>,
) -> Drawn<B> {
    // Letters grow slower than the picture, so that they can be read in a small one.
    let letter = even(14.0 * (f64::from(width) / 800.0).min(f64::from(height) / 600.0).sqrt()).max(12.0);
    let marks = [("median", summary.all.p50), ("p95", summary.all.p95)];
    let marks = marks.map(|(name, value)| Mark { name, value });
    let line = letter * 1.4 / (f64::from(height) - letter * 9.2);
    let bars = Bars::of(histogram, &marks, line, TAIL_LINES);
    let layout = Layout {
        letter,
        stroke: (letter / 14.0).round().max(1.0) as u32,
        margin: letter as i32,
        line: bars.top * line,
        small: ("sans-serif", letter).into_font().color(&BLACK),
    };
    let margin = layout.margin;
    area.fill(&WHITE)?;
    head(summary, histogram, area, &layout)?;
    let mut chart = ChartBuilder::on(area)
        .margin_top((letter * 5.2) as i32)
        .margin_right(margin + 4)
        .margin_left(margin / 2)
        .margin_bottom(margin / 2)
        .x_label_area_size((letter * 3.0) as i32)
        .y_label_area_size((letter * 3.9) as i32)
        .build_cartesian_2d(bars.x.0..bars.x.1, 0.0..bars.top)?;
    let (first, last) = bars.edges;
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
        // Not |…|: plotters ignores the space to the left of a letter, and the bars would be askew.
        .x_desc(format!("absolute error = abs(y_pred − y_true){}", bars.off_zero))
        .y_desc("share of rows (%)")
        .draw()?;
    draw_bars(&mut chart, &bars, &layout)?;
    draw_marks(&mut chart, &bars, &layout)?;
    draw_tail_words(&mut chart, &bars, &layout)
}

/// Title, numbers, legend, and where the axis is cut.
fn head<B: DrawingBackend>(
    summary: &Summary,
    histogram: &Histogram,
    area: &Area<B>,
    layout: &Layout,
) -> Drawn<B> {
    let &Layout { letter, margin, ref small, .. } = layout;
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

/// A bar for all rows of each bin and tail, and the outlines of the window's.
fn draw_bars<B: DrawingBackend>(chart: &mut Chart<B>, bars: &Bars, layout: &Layout) -> Drawn<B> {
    for bar in bars.bars.iter().filter(|bar| bar.all > 0.0) {
        let corners = [(bar.x.0, 0.0), (bar.x.1, bar.all)];
        let colour = if bar.is_tail { TAIL } else { BAR };
        chart.draw_series([
            Rectangle::new(corners, colour.filled()),
            Rectangle::new(corners, WHITE.stroke_width(1)),
        ])?;
    }
    let stroke = WINDOW.stroke_width(layout.stroke + 1);
    for outline in &bars.outlines {
        chart.draw_series([PathElement::new(outline.as_slice(), stroke)])?;
    }
    Ok(())
}

/// A line at each mark, and its name with its value, each mark's lower than the one before it.
fn draw_marks<B: DrawingBackend>(chart: &mut Chart<B>, bars: &Bars, layout: &Layout) -> Drawn<B> {
    let level = |number: usize| bars.top - layout.line * number as f64;
    for (number, _, x) in &bars.marks {
        let ends = [(*x, 0.0), (*x, level(*number))];
        chart.draw_series([PathElement::new(ends, MARK.stroke_width(layout.stroke))])?;
    }
    let (first, last) = bars.edges;
    for (number, name, x) in &bars.marks {
        let is_right = *x > first + (last - first) * 0.6;
        let shift = (bars.x.1 - bars.x.0) * 0.006;
        let (side, at) = if is_right { (HPos::Right, x - shift) } else { (HPos::Left, x + shift) };
        let text = format!("{name} {}", short(Some(*x)));
        write(chart, text, (at, level(number + 1)), side, layout)?;
    }
    Ok(())
}

/// The words of each tail, above every bar that they cover.
fn draw_tail_words<B: DrawingBackend>(chart: &mut Chart<B>, bars: &Bars, layout: &Layout) -> Drawn<B> {
    for Tail { is_right, words } in &bars.tails {
        let (side, x) = if *is_right { (HPos::Right, bars.x.1) } else { (HPos::Left, bars.x.0) };
        let mut level: f64 = 0.0;
        for text in words {
            let (left, right) = spread(chart, text, x, side, layout)?;
            level = level.max(bars.highest(|(start, end)| end > left && start < right));
        }
        for (number, text) in words.iter().enumerate() {
            let at = (x, level + layout.line * (number as f64 + 0.15));
            write(chart, text.clone(), at, side, layout)?;
        }
    }
    Ok(())
}

/// Left and right end of a text that begins or ends at `x`.
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
    let wide = (f64::from(width) + 3.0) / f64::from(pixels) * (chart.x_range().end - chart.x_range().start);
    Ok(if matches!(side, HPos::Right) { (x - wide, x) } else { (x, x + wide) })
}

/// Writes words on a white background, as a line may cross them.
fn write<B: DrawingBackend>(
    chart: &mut Chart<B>,
    text: String,
    (x, level): (f64, f64),
    side: HPos,
    layout: &Layout,
) -> Drawn<B> {
    let (left, right) = spread(chart, &text, x, side, layout)?;
    let corners = [(left, level), (right, level + layout.line * 0.85)];
    chart.draw_series([Rectangle::new(corners, WHITE.filled())])?;
    let style = layout.small.clone().pos(Pos::new(side, VPos::Bottom));
    chart.draw_series([Text::new(text, (x, level), style)])?;
    Ok(())
}
