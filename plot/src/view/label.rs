//! Places the words of a chart: none outside of it, and no two over each other.
//! Never knows what a word means.

use crate::view::html::escape;

/// Largest font size in page.html, that of phones. Smaller ones leave more room.
const LETTER: f64 = 16.0;

/// Height of a line of words.
pub const HEIGHT: f64 = LETTER * 1.4;

/// Least distance between two labels of an axis.
const GAP: f64 = 8.0;

/// Two lines overlap only by more than this: their places have rounding errors.
const ROUNDING: f64 = 0.01;

/// Estimated width of a text. Rather too large, as fonts differ.
pub fn width(text: &str) -> f64 {
    let letters: f64 = text
        .chars()
        .map(|letter| match letter {
            '.' | ',' | ':' | ' ' | 'i' | 'l' | 't' | '|' => 0.36,
            'm' | 'w' | 'M' | 'W' | '%' | '&' | '@' => 1.0,
            '→' | '≥' | '−' | '–' | 'A'..='Z' => 0.85,
            ' '..='~' => 0.64,
            // Names of classes may be of any script.
            _ => 1.0,
        })
        .sum();
    letters * LETTER
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    /// Its class in page.html, and the share of the text's width to the left of it.
    fn class_and_share(self) -> (&'static str, f64) {
        match self {
            Anchor::Start => ("start", 0.0),
            Anchor::Middle => ("middle", 0.5),
            Anchor::End => ("end", 1.0),
        }
    }
}

/// A possible place of a text.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub anchor: Anchor,
    pub across: f64,
    pub top: f64,
}

/// The texts placed so far in a chart.
pub struct Labels {
    width: f64,
    height: f64,
    taken: Vec<Rectangle>,
}

#[derive(Clone, Copy)]
struct Rectangle {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Rectangle {
    fn overlaps(&self, other: &Rectangle) -> bool {
        let across = self.left < other.right && other.left < self.right;
        across && self.top + ROUNDING < other.bottom && other.top + ROUNDING < self.bottom
    }
}

impl Labels {
    pub fn new(width: f64, height: f64) -> Self {
        Labels { width, height, taken: Vec::new() }
    }

    /// The text as SVG at the first of `places` that is free and inside the chart. None if none is.
    pub fn put(&mut self, text: &str, places: &[Place], class: &str) -> Option<String> {
        let &place = places.iter().find(|place| {
            let wanted = rectangle(text, place);
            let is_inside = wanted.left >= 0.0
                && wanted.right <= self.width
                && wanted.top >= 0.0
                && wanted.bottom <= self.height;
            is_inside && !self.taken.iter().any(|taken| taken.overlaps(&wanted))
        })?;
        self.taken.push(rectangle(text, &place));
        // From the top of a letter to the base line.
        Some(svg(text, place, "1.07em", class))
    }

    /// The text as SVG to the left of a place and at half its height.
    pub fn put_left_of(&mut self, text: &str, across: f64, middle: f64) -> String {
        let place = Place { anchor: Anchor::End, across, top: middle - HEIGHT / 2.0 };
        self.taken.push(rectangle(text, &place));
        svg(text, Place { top: middle, ..place }, "0.36em", "")
    }
}

fn rectangle(text: &str, place: &Place) -> Rectangle {
    let width = width(text);
    let (_, share) = place.anchor.class_and_share();
    let left = place.across - width * share;
    Rectangle { left, right: left + width, top: place.top, bottom: place.top + HEIGHT }
}

fn svg(text: &str, place: Place, dy: &str, class: &str) -> String {
    let Place { anchor, across, top } = place;
    let (anchor, _) = anchor.class_and_share();
    let text = escape(text);
    let class = if class.is_empty() { anchor.to_owned() } else { format!("\"{anchor} {class}\"") };
    format!("<text x={across:.1} y={top:.1} dy={dy} class={class}>{text}</text>")
}

/// Whether labels (middle and width, from left to right) are closer to each other than [`GAP`].
pub fn touch(labels: &[(f64, f64)]) -> bool {
    let mut pairs = labels.iter().zip(labels.iter().skip(1));
    pairs.any(|(left, right)| right.0 - left.0 < (left.1 + right.1) / 2.0 + GAP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_takes_the_first_place_that_is_free_and_inside() {
        let mut labels = Labels::new(200.0, 100.0);
        let place = |across, top| Place { anchor: Anchor::Middle, across, top };
        let places = [place(5.0, 0.0), place(100.0, 90.0), place(100.0, 30.0), place(110.0, 60.0)];
        assert!(labels.put("median", &places, "").unwrap().contains("x=100.0 y=30.0"));
        assert!(labels.put("a < b", &places, "").unwrap().contains("y=60.0 dy=1.07em class=middle>a &lt; b"));
        assert_eq!(labels.put("p95", &places, ""), None);
    }

    #[test]
    fn lines_stand_one_above_the_other_wherever_they_begin() {
        for tenth in 1_000..3_000 {
            let mut labels = Labels::new(500.0, 500.0);
            let bottom = f64::from(tenth) / 10.0 - 1e-14;
            for line in 1..=4 {
                let top = bottom - f64::from(line) * HEIGHT;
                let place = Place { anchor: Anchor::Start, across: 10.0, top };
                assert!(labels.put("p95", &[place], "").is_some(), "line {line} above {bottom}");
            }
        }
    }

    #[test]
    fn labels_touch_when_there_is_no_gap() {
        assert!(!touch(&[(0.0, 10.0), (20.0, 10.0), (40.0, 10.0)]));
        assert!(touch(&[(0.0, 10.0), (17.0, 10.0)]));
    }
}
