//! The geometry of a histogram, for picture and page alike: bars, tails, the window's outline, marks, and the words at a tail.
//! In units of the axes: errors, and percent of rows. Never draws, and never knows a pixel.

use crate::stats::summary::{Bar, Histogram};
use crate::words::number::{count, short};

/// Between the bins and a tail, as a share of the bins' range.
const GAP: f64 = 0.02;

/// A tail is as wide as a bin, within these shares of the bins' range.
const TAIL_LEAST: f64 = 0.04;
const TAIL_MOST: f64 = 0.1;

/// Room for the names of two marks above the highest bar.
const MARK_LINES: f64 = 2.2;

/// A value to mark, and its name.
pub struct Mark {
    pub name: &'static str,
    pub value: Option<f64>,
}

/// Where everything is.
pub struct Bars {
    /// From left to right.
    pub bars: Vec<Placed>,
    /// Ends of the x axis. Tails are apart from the bins, behind a gap.
    pub x: (f64, f64),
    /// The outermost edges of the bins.
    pub edges: (f64, f64),
    /// Upper end of the y axis.
    pub top: f64,
    /// Lines around the window's bars: one for each tail, one for all bins.
    pub outlines: Vec<Vec<(f64, f64)>>,
    /// The marks between the outermost edges: place in the list of marks, name, value.
    pub marks: Vec<(usize, &'static str, f64)>,
    pub tails: Vec<Tail>,
    /// Appended to the title of the x axis; empty if zero is in view.
    pub off_zero: &'static str,
}

pub struct Placed {
    pub x: (f64, f64),
    /// Heights, for all rows and for the window's.
    pub all: f64,
    pub window: f64,
    pub is_tail: bool,
}

pub struct Tail {
    pub is_right: bool,
    /// Its count, and each mark in it.
    pub words: Vec<String>,
}

impl Bars {
    /// `line`: height of a line of words, as a share of the chart's height; `tail_lines`: how many lines have room above a tail.
    pub fn of(histogram: &Histogram, marks: &[Mark], line: f64, tail_lines: f64) -> Bars {
        let edges = histogram.bins.edges();
        let (first, last) = (edges.first().copied().unwrap_or(0.0), edges.last().copied().unwrap_or(1.0));
        let range = last - first;
        let gap = range * GAP;
        let tail = gap + histogram.bins.width.value().min(range * TAIL_MOST).max(range * TAIL_LEAST);
        let (left, right) = (histogram.all.left > 0, histogram.all.right > 0);
        let x = (if left { first - tail } else { first }, if right { last + tail } else { last });
        let shares = histogram.shares();
        let place = |bar: &Bar| Placed {
            x: match (bar.from, bar.to) {
                (Some(from), Some(to)) => (from, to),
                (None, _) => (x.0, first - gap),
                (_, None) => (last + gap, x.1),
            },
            all: bar.all * 100.0,
            window: bar.window * 100.0,
            is_tail: bar.from.is_none() || bar.to.is_none(),
        };
        let bars: Vec<Placed> = shares.iter().map(place).collect();
        let tails = bars.iter().filter(|bar| bar.is_tail);
        let room = |lines: f64| 1.0 - lines * line;
        let is_within = |value: &f64| (first..=last).contains(value);
        let marked = marks
            .iter()
            .enumerate()
            .filter_map(|(number, mark)| Some((number, mark.name, mark.value.filter(is_within)?)));
        Bars {
            x,
            edges: (first, last),
            top: (highest(&bars) / room(MARK_LINES)).max(highest(tails) / room(tail_lines)),
            outlines: outlines(&bars, (first, last)),
            marks: marked.collect(),
            tails: shares.iter().filter_map(|bar| Tail::of(bar, marks)).collect(),
            off_zero: if histogram.bins.zero_is_out_of_view() { " (zero is out of view)" } else { "" },
            bars,
        }
    }

    /// Height of the highest bar whose ends are `covered`, by words for example.
    pub fn highest(&self, covered: impl Fn((f64, f64)) -> bool) -> f64 {
        highest(self.bars.iter().filter(|bar| covered(bar.x)))
    }
}

fn highest<'a>(bars: impl IntoIterator<Item = &'a Placed>) -> f64 {
    bars.into_iter().map(|bar| bar.all.max(bar.window)).fold(0.0, f64::max)
}

fn outlines(bars: &[Placed], (first, last): (f64, f64)) -> Vec<Vec<(f64, f64)>> {
    let roof = |bar: &Placed| [(bar.x.0, bar.window), (bar.x.1, bar.window)];
    let around = |(start, end): (f64, f64), roofs: Vec<(f64, f64)>| {
        [vec![(start, 0.0)], roofs, vec![(end, 0.0)]].concat()
    };
    let tails = bars.iter().filter(|bar| bar.is_tail).map(|bar| around(bar.x, roof(bar).to_vec()));
    let bins = bars.iter().filter(|bar| !bar.is_tail).flat_map(roof).collect();
    tails.chain([around((first, last), bins)]).collect()
}

impl Tail {
    /// None for a bar of a bin.
    fn of(bar: &Bar, marks: &[Mark]) -> Option<Tail> {
        let (is_right, edge) = match (bar.from, bar.to) {
            (Some(last), None) => (true, last),
            (None, Some(first)) => (false, first),
            _ => return None,
        };
        let sign = if is_right { '≥' } else { '<' };
        let mut words = vec![format!("{sign} {}: {}", short(Some(edge)), count(bar.n))];
        let is_beyond = |value: f64| if is_right { value > edge } else { value < edge };
        for Mark { name, value } in marks.iter().filter(|mark| mark.value.is_some_and(is_beyond)) {
            let value = short(*value);
            words.push(if is_right { format!("{name} {value} →") } else { format!("← {name} {value}") });
        }
        Some(Tail { is_right, words })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::lines::{Event, Lines};
    use crate::logs::row::Row;
    use crate::stats::statistics::Statistics;
    use crate::stats::summary::Summary;

    fn bars(errors: impl IntoIterator<Item = f64>) -> Bars {
        let mut statistics = Statistics::new(10);
        let rows = errors.into_iter().map(|error| Row::new(0.0, error, None)).collect();
        statistics.apply(&Event::Lines(Lines { rows, ..Lines::default() }));
        let summary = Summary::of(&statistics);
        let marks =
            [Mark { name: "mean", value: summary.all.bias }, Mark { name: "most", value: summary.all.max }];
        Bars::of(&summary.signed.unwrap(), &marks, 0.1, 4.4)
    }

    #[test]
    fn without_tails_the_bins_fill_the_axis() {
        let bars = bars((0..100).map(f64::from));
        assert_eq!((bars.x, bars.edges), ((0.0, 100.0), (0.0, 100.0)));
        assert!(bars.tails.is_empty() && bars.bars.iter().all(|bar| !bar.is_tail));
        let outline = &bars.outlines[0];
        assert_eq!((bars.outlines.len(), outline.len()), (1, 2 * bars.bars.len() + 2));
        assert_eq!((outline[0], outline[outline.len() - 1]), ((0.0, 0.0), (100.0, 0.0)));
        assert_eq!(bars.marks, [(0, "mean", 49.5), (1, "most", 99.0)]);
        // The window's ten rows are in one bin.
        assert_eq!(bars.top, 100.0 / 0.78);
    }

    #[test]
    fn tails_are_apart_from_the_bins_and_named() {
        let bars = bars((-49..50).map(f64::from).chain([-18000.0, 9000.0, 9000.0]));
        let ((first, last), (start, end)) = (bars.edges, bars.x);
        let [left, .., right] = bars.bars.as_slice() else { panic!("{}", bars.bars.len()) };
        assert!(left.is_tail && right.is_tail && left.x.0 == start && right.x.1 == end);
        let gap = (last - first) * GAP;
        assert_eq!((left.x.1, right.x.0), (first - gap, last + gap));
        let [below, above] = bars.tails.as_slice() else { panic!("{}", bars.tails.len()) };
        assert_eq!((below.is_right, &below.words), (false, &vec![format!("< {}: 1", short(Some(first)))]));
        let words = vec![format!("≥ {}: 2", short(Some(last))), "most 18000 →".to_owned()];
        assert_eq!((above.is_right, &above.words), (true, &words));
        assert_eq!(bars.marks.len(), 1);
        assert_eq!(bars.outlines.len(), 3);
        assert_eq!(bars.outlines[1][1..3], [(right.x.0, 20.0), (end, 20.0)]);
        assert_eq!(bars.highest(|(left, _)| left > last), 20.0);
    }
}
