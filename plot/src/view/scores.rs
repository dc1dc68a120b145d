//! The page's charts of classifiers as SVG text: the calibration, and a bar for each class.
//! Never computes a statistic.

use crate::stats::binary::{BinaryNumbers, CalibrationBin};
use crate::view::class_bars::ClassBars;
use crate::view::frame::{Frame, numbers};
use crate::words::number::{rows, short};

/// For each tenth of p: how often 1 came, over the mean of p.
pub fn calibration(all: &BinaryNumbers, window: &BinaryNumbers) -> String {
    let mut frame = Frame::new((0.0, 1.0), (0.0, 1.0));
    frame.axes("mean p", "share of y_true = 1", numbers((0.0, 1.0), false));
    frame.line("mark", [(0.0, 0.0), (1.0, 1.0)]);
    let points = |numbers: &BinaryNumbers| -> Vec<(f64, f64)> {
        numbers.calibration.iter().filter_map(|bin| bin.mean_p.zip(bin.share)).collect()
    };
    let (all_points, window_points) = (points(all), points(window));
    frame.line("line", all_points.iter().copied());
    frame.line("window", window_points.iter().copied());
    all_points.iter().for_each(|point| frame.dot("dot", *point));
    window_points.iter().for_each(|point| frame.dot("ring", *point));
    frame.finish(&calibration_text(all))
}

fn calibration_text(all: &BinaryNumbers) -> String {
    let off = |bin: &CalibrationBin| bin.mean_p.zip(bin.share).map(|(mean_p, share)| (share - mean_p).abs());
    let farthest = all.calibration.iter().filter(|bin| bin.n > 0);
    let farthest = farthest.max_by(|a, b| off(a).unwrap_or(0.0).total_cmp(&off(b).unwrap_or(0.0)));
    let farthest = farthest.map_or(String::new(), |bin| {
        let (mean_p, share) = (short(bin.mean_p), short(bin.share));
        format!(" Farthest from the line y = x: mean p {mean_p}, share of 1 {share}, {}.", rows(bin.n))
    });
    let filled = all.calibration.iter().filter(|bin| bin.n > 0).count();
    format!("Calibration: how often 1 came, over the mean of p, for {filled} of ten bins of p.{farthest}")
}

/// A bar for all rows of each class, and an outline for the window's.
pub fn class_bars(bars: &ClassBars) -> String {
    let names = bars.bars.iter().map(|bar| bar.short_name()).collect();
    let mut frame = Frame::of_lines(names, (0.0, bars.top));
    frame.axis_below("error rate (share of the class's rows)", numbers((0.0, bars.top), false));
    let of = |rates: &dyn Fn(usize) -> Option<f64>| -> Vec<(usize, f64)> {
        (0..bars.bars.len()).filter_map(|line| Some((line, rates(line)?))).collect()
    };
    frame.lying_bars("bar", &of(&|line| bars.bars.get(line)?.all));
    frame.lying_bars("window", &of(&|line| bars.bars.get(line)?.window));
    frame.finish(&class_bars_text(bars))
}

fn class_bars_text(bars: &ClassBars) -> String {
    let rates = bars.bars.iter().filter_map(|bar| bar.all);
    let (least, most) = rates.fold((1.0, 0.0), |(least, most), rate: f64| (rate.min(least), rate.max(most)));
    format!(
        "Error rate of each class, the largest class first: {} bars, from {} to {} over all rows.",
        bars.bars.len(),
        short(Some(least)),
        short(Some(most))
    )
}
