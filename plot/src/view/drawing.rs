//! Draws the picture with plotters: the histogram of absolute errors.
//! Never computes a number and never knows whether it becomes PNG or SVG.

use crate::logs::task::Task;
use crate::stats::summary::{Histogram, Summary};
use crate::view::bars::{Bars, Mark, Tail};
use crate::view::canvas::{Area, BAR, Drawn, GRID, HEAD, Letters, MARK, WINDOW, head};
use crate::words::number::{count, cut, lone_tick_name, short};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const TAIL: RGBColor = RGBColor(196, 196, 196);

type Chart<'a, B> = ChartContext<'a, B, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Room above a tail for its two lines of words, and for the marks' names above these.
const TAIL_LINES: f64 = 4.4;

struct Layout {
    letters: Letters,
    /// Height of a line of words, in percent of rows.
    line: f64,
}

/// Draws the whole picture, `width` × `height` pixels.
pub fn draw<B: DrawingBackend>(
    summary: &Summary,
    histogram: &Histogram,
    (width, height): (u32, u32),
    area: &Area<B>,
) -> Drawn<B> {
    let letters = Letters::of((width, height));
    let (letter, margin, small) = (letters.size, letters.margin, letters.small.clone());
    let marks = [("median", summary.all.p50), ("p95", summary.all.p95)];
    let marks = marks.map(|(name, value)| Mark { name, value });
    let line = letter * 1.4 / (f64::from(height) - letter * 9.2);
    let bars = Bars::of(histogram, &marks, line, TAIL_LINES);
    let layout = Layout { letters, line: bars.top * line };
    area.fill(&WHITE)?;
    let [title, x_title] = titles(summary.task);
    let (numbers, counts) = (subtitle(summary), &histogram.all);
    let cut = cut(counts.left, counts.right, counts.total());
    let note = cut.map_or(String::new(), |place| format!("axis cut at the {place}"));
    head(area, [title, &numbers, &note], summary.window.n, &layout.letters)?;
    let mut chart = ChartBuilder::on(area)
        .margin_top((letter * HEAD) as i32)
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
        .label_style(small.clone())
        .axis_desc_style(small.clone())
        .x_labels((f64::from(width) / letter / 7.0) as usize)
        .y_labels((f64::from(height) / letter / 4.0) as usize)
        .x_label_formatter(&|x| {
            let is_within = (first..=last).contains(x);
            if is_within { lone_tick_name(*x, (first, last)) } else { String::new() }
        })
        .y_label_formatter(&|y| if *y <= 100.0 { short(Some(*y)) } else { String::new() })
        .x_desc(format!("{x_title}{}", bars.off_zero))
        .y_desc("share of rows (%)")
        .draw()?;
    draw_bars(&mut chart, &bars, &layout)?;
    draw_marks(&mut chart, &bars, &layout)?;
    draw_tail_words(&mut chart, &bars, &layout)
}

/// Of the picture, and of its x axis. Not |…|: plotters ignores the space to the left of a letter, and the bars would be askew.
fn titles(task: Task) -> [&'static str; 2] {
    match task {
        Task::Binary => ["Distribution of abs(p − y)", "abs(p − y), from 0 to 1"],
        _ => ["Distribution of the absolute error", "absolute error = abs(y_pred − y_true)"],
    }
}

fn subtitle(summary: &Summary) -> String {
    let numbers = &summary.all;
    let n = count(numbers.n);
    match numbers.of_task.binary() {
        Some(binary) => {
            let [accuracy, log_loss, brier] = [binary.accuracy, binary.log_loss, binary.brier].map(short);
            format!("n = {n} · accuracy = {accuracy} · log loss = {log_loss} · Brier score = {brier}")
        }
        None => format!("n = {n} · MAE = {} · RMSE = {}", short(numbers.mae), short(numbers.rmse)),
    }
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
    let stroke = WINDOW.stroke_width(layout.letters.stroke + 1);
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
        chart.draw_series([PathElement::new(ends, MARK.stroke_width(layout.letters.stroke))])?;
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
    let (width, _) = area.strip_coord_spec().estimate_text_size(text, &layout.letters.small)?;
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
    let style = layout.letters.small.clone().pos(Pos::new(side, VPos::Bottom));
    chart.draw_series([Text::new(text, (x, level), style)])?;
    Ok(())
}
