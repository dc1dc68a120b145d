//! Draws the histogram of absolute errors with plotters, as PNG and as SVG from one function.
//! Never computes a number and never touches a file.

use crate::number::{count, percent, short};
use crate::summary::{Histogram, Summary};
use anyhow::{Context, Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font, text_anchor};
use text_anchor::{HPos, Pos, VPos};

// Told apart by lightness alone, for print in black and white.
const BAR: RGBColor = RGBColor(158, 197, 228);
const TAIL: RGBColor = RGBColor(196, 196, 196);
const WINDOW: RGBColor = RGBColor(190, 60, 10);
const MARK: RGBColor = RGBColor(20, 20, 20);
const GRID: RGBColor = RGBColor(226, 226, 226);

/// Makes the embedded font known to plotters, under the name that SVG viewers take for any plain font.
pub fn register() -> Result<()> {
    register_font("sans-serif", FontStyle::Normal, ttf_noto_sans::REGULAR)
        .map_err(|_| anyhow!("the embedded font cannot be read"))
}

/// The picture as the bytes of a PNG file. `size` in pixels.
pub fn png(summary: &Summary, size: (u32, u32)) -> Result<Vec<u8>> {
    let (width, height) = size;
    let mut pixels = vec![0; width as usize * height as usize * 3];
    draw(summary, size, BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area())?;
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().context("encoding the picture")?;
    writer.write_image_data(&pixels).context("encoding the picture")?;
    writer.finish().context("encoding the picture")?;
    Ok(bytes)
}

/// The picture as an SVG document.
pub fn svg(summary: &Summary, size: (u32, u32)) -> Result<String> {
    let mut text = String::new();
    draw(summary, size, SVGBackend::with_string(&mut text, size).into_drawing_area())?;
    Ok(text)
}

type Area<B> = DrawingArea<B, Shift>;

fn draw<B: DrawingBackend>(summary: &Summary, size: (u32, u32), area: Area<B>) -> Result<()> {
    let Some(histogram) = &summary.absolute else { return Err(anyhow!("nothing to draw yet")) };
    let drawn = fill(summary, histogram, size, &area).and_then(|()| area.present());
    // A backend's error borrows it; its text does not.
    drawn.map_err(|e| anyhow!("drawing the picture: {e}"))
}

type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

fn fill<B: DrawingBackend>(
    summary: &Summary,
    histogram: &Histogram,
    (width, height): (u32, u32),
    area: &Area<B>,
) -> Drawn<B> {
    // Letters grow slower than the picture, so that they can be read in a small one.
    let letter = even(14.0 * (f64::from(width) / 800.0).min(f64::from(height) / 600.0).sqrt()).max(12.0);
    let line = (letter / 14.0).round().max(1.0) as u32;
    let numbers = &summary.all;
    area.fill(&WHITE)?;
    let margin = letter as i32;
    let title = ("sans-serif", even(letter * 1.35)).into_font().color(&BLACK);
    area.draw(&Text::new("Distribution of the absolute error", (margin, margin / 2), title))?;
    let subtitle =
        format!("n = {}   MAE = {}   RMSE = {}", count(numbers.n), short(numbers.mae), short(numbers.rmse));
    let small = ("sans-serif", letter).into_font().color(&BLACK);
    area.draw(&Text::new(subtitle, (margin, margin / 2 + (letter * 1.8) as i32), small.clone()))?;
    legend(summary, histogram, area, margin, letter)?;

    let edges = histogram.bins.edges();
    let bin = histogram.bins.width.value();
    let (first, last) = (edges.first().copied().unwrap_or(0.0), edges.last().copied().unwrap_or(1.0));
    let has_tail = histogram.all.right > 0;
    // The tail's bar stands apart, one bin wide (or wide enough to be seen), behind a gap.
    let (gap, tail_width) = ((last - first) * 0.02, bin.max((last - first) * 0.04));
    let end = if has_tail { last + gap + tail_width } else { last };
    let shares = |counts: &crate::histogram::Counts| -> Vec<f64> {
        let total = counts.total().max(1) as f64;
        counts.bins.iter().chain([&counts.right]).map(|&n| n as f64 / total * 100.0).collect()
    };
    let (all, window) = (shares(&histogram.all), shares(&histogram.window));
    let highest = all.iter().chain(&window).copied().fold(0.0, f64::max);

    let mut chart = ChartBuilder::on(area)
        .margin_top((letter * 5.2) as i32)
        .margin_right(margin + 4)
        .margin_left(margin / 2)
        .margin_bottom(margin / 2)
        .x_label_area_size((letter * 3.0) as i32)
        .y_label_area_size((letter * 3.9) as i32)
        .build_cartesian_2d(first..end, 0.0..highest * 1.12)?;
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
        .x_label_formatter(&|x| if *x > last { String::new() } else { short(Some(*x)) })
        .y_label_formatter(&|y| short(Some(*y)))
        .x_desc("absolute error = |y_pred − y_true|")
        .y_desc("share of rows (%)")
        .draw()?;

    let starts = edges.iter().copied().take(histogram.all.bins.len());
    let spans = starts.map(|start| (start, start + bin)).chain([(last + gap, end)]);
    let spans: Vec<(f64, f64)> = spans.collect();
    let is_tail = |start: f64| start > last;
    for (&(start, stop), &share) in spans.iter().zip(&all) {
        if share > 0.0 {
            let colour = if is_tail(start) { TAIL } else { BAR };
            chart.draw_series([
                Rectangle::new([(start, 0.0), (stop, share)], colour.filled()),
                Rectangle::new([(start, 0.0), (stop, share)], WHITE.stroke_width(1)),
            ])?;
        }
    }
    // One outline over the bins, and one over the tail's bar.
    let mut outline = vec![(first, 0.0)];
    for (&(start, stop), &share) in spans.iter().zip(&window).filter(|((start, _), _)| !is_tail(*start)) {
        outline.extend([(start, share), (stop, share)]);
    }
    outline.push((last, 0.0));
    chart.draw_series([PathElement::new(outline, WINDOW.stroke_width(line + 1))])?;
    if has_tail {
        let share = window.last().copied().unwrap_or(0.0);
        let outline = vec![(last + gap, 0.0), (last + gap, share), (end, share), (end, 0.0)];
        chart.draw_series([PathElement::new(outline, WINDOW.stroke_width(line + 1))])?;
        let tail = all.last().copied().unwrap_or(0.0);
        let text = format!("≥ {}: {}", short(Some(last)), count(histogram.all.right));
        let style = small.clone().pos(Pos::new(HPos::Right, VPos::Bottom));
        chart.draw_series([Text::new(text, (end, tail.max(share) + highest * 0.015), style)])?;
    }
    for (name, value, level) in [("median", numbers.p50, 1.11), ("p95", numbers.p95, 1.05)] {
        let Some(x) = value.filter(|value| *value <= last) else { continue };
        chart.draw_series([PathElement::new([(x, 0.0), (x, highest * level)], MARK.stroke_width(line))])?;
        let (side, text) = if x > last * 0.75 {
            (HPos::Right, format!("{name} {}\u{a0}", short(value)))
        } else {
            (HPos::Left, format!("\u{a0}{name} {}", short(value)))
        };
        let style = small.clone().pos(Pos::new(side, VPos::Top));
        chart.draw_series([Text::new(text, (x, highest * level), style)])?;
    }
    Ok(())
}

/// plotters puts the letters of an odd size on two lines: the points of numbers would float.
fn even(size: f64) -> f64 {
    (size / 2.0).round() * 2.0
}

/// A line that says what bars and outline are, and what is cut.
fn legend<B: DrawingBackend>(
    summary: &Summary,
    histogram: &Histogram,
    area: &Area<B>,
    margin: i32,
    letter: f64,
) -> Drawn<B> {
    let style = ("sans-serif", letter).into_font().color(&BLACK);
    let (top, box_size) = (margin / 2 + (letter * 3.3) as i32, (letter * 0.8) as i32);
    let mut x = margin;
    let texts = [
        (BAR.filled(), "all rows".to_owned()),
        (WINDOW.stroke_width(2), format!("last {}", count(summary.window.n))),
    ];
    for (colour, text) in texts {
        let corner = (x + box_size, top - 1 + box_size);
        area.draw(&Rectangle::new([(x, top - 1), corner], colour))?;
        area.draw(&Text::new(text.clone(), (x + box_size + 5, top), style.clone()))?;
        let (text_width, _) = area.estimate_text_size(&text, &style)?;
        x += box_size + 5 + text_width as i32 + margin * 2;
    }
    if histogram.all.right > 0 {
        let kept = percent(1.0 - histogram.all.right as f64 / histogram.all.total() as f64);
        let text = format!("axis cut at the {kept} quantile");
        area.draw(&Text::new(text, (x, top), style))?;
    }
    Ok(())
}
