//! Renders the picture as PNG and as SVG.
//! Never touches a file.

use crate::stats::summary::Summary;
use crate::view::{class_drawing, drawing};
use anyhow::{Context, Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

/// Names of the pictures' files.
pub const PNG_NAME: &str = "error_distribution.png";
pub const SVG_NAME: &str = "error_distribution.svg";

/// Registers the embedded font with plotters, under the name that SVG viewers use for any sans-serif font.
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
    // The default compression takes longer than the drawing, for half the bytes.
    encoder.set_compression(png::Compression::Fast);
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

fn draw<B: DrawingBackend>(summary: &Summary, size: (u32, u32), area: DrawingArea<B, Shift>) -> Result<()> {
    let classes = summary.all.of_task.classes().zip(summary.window.of_task.classes());
    let drawn = match (classes, &summary.absolute) {
        (_, None) => return Err(anyhow!("nothing to draw yet")),
        (Some(classes), Some(_)) => class_drawing::draw(summary, classes, size, &area),
        (None, Some(histogram)) => drawing::draw(summary, histogram, size, &area),
    };
    let drawn = drawn.and_then(|()| area.present());
    // As text: the error borrows the backend.
    drawn.map_err(|e| anyhow!("drawing the picture: {e}"))
}
