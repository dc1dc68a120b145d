//! What the pictures of all tasks share: colours, sizes of letters and lines, and the words above the charts.
//! Never computes a number and never knows whether it becomes PNG or SVG.

use crate::words::number::count;
use plotters::coord::Shift;
use plotters::prelude::*;

// Different in lightness, for print in black and white.
pub const BAR: RGBColor = RGBColor(158, 197, 228);
pub const WINDOW: RGBColor = RGBColor(190, 60, 10);
pub const MARK: RGBColor = RGBColor(20, 20, 20);
pub const GRID: RGBColor = RGBColor(226, 226, 226);

pub type Area<B> = DrawingArea<B, Shift>;
pub type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// Height of what [`head`] draws, in letters.
pub const HEAD: f64 = 5.2;

/// Sizes of letters and lines, in pixels.
pub struct Letters {
    pub size: f64,
    pub stroke: u32,
    pub margin: i32,
    pub small: TextStyle<'static>,
}

/// plotters misplaces letters of an odd size: decimal points would float above the line.
fn even(size: f64) -> f64 {
    (size / 2.0).round() * 2.0
}

impl Letters {
    /// Of a picture of `width` × `height` pixels. They grow slower than the picture, so that they can be read in a small one.
    pub fn of((width, height): (u32, u32)) -> Letters {
        let size = even(14.0 * (f64::from(width) / 800.0).min(f64::from(height) / 600.0).sqrt()).max(12.0);
        Letters {
            size,
            stroke: (size / 14.0).round().max(1.0) as u32,
            margin: size as i32,
            small: ("sans-serif", size).into_font().color(&BLACK),
        }
    }
}

/// Title, numbers, legend (`window`: rows of it), and a note behind that.
pub fn head<B: DrawingBackend>(
    area: &Area<B>,
    [title, numbers, note]: [&str; 3],
    window: u64,
    letters: &Letters,
) -> Drawn<B> {
    let &Letters { size, margin, ref small, .. } = letters;
    let large = ("sans-serif", even(size * 1.35)).into_font().color(&BLACK);
    area.draw(&Text::new(title, (margin, margin / 2), large))?;
    area.draw(&Text::new(numbers, (margin, margin / 2 + (size * 1.8) as i32), small.clone()))?;
    let (top, box_size) = (margin / 2 + (size * 3.3) as i32, (size * 0.8) as i32);
    let mut x = margin;
    let texts =
        [(BAR.filled(), "all rows".to_owned()), (WINDOW.stroke_width(2), format!("last {}", count(window)))];
    for (colour, text) in texts {
        let corner = (x + box_size, top - 1 + box_size);
        area.draw(&Rectangle::new([(x, top - 1), corner], colour))?;
        area.draw(&Text::new(text.clone(), (x + box_size + 5, top), small.clone()))?;
        let (text_width, _) = area.estimate_text_size(&text, small)?;
        x += box_size + 5 + text_width as i32 + margin * 2;
    }
    area.draw(&Text::new(note, (x, top), small.clone()))
}
