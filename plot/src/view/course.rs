//! The page's chart of the error over time, or over rows, as SVG text.
//! Never computes a statistic.

use crate::logs::task::Task;
use crate::stats::drift::Change;
use crate::stats::summary::Over;
use crate::view::changes;
use crate::view::frame::{Frame, numbers};
use crate::view::stretches::{Point, Stretches};
use crate::words::clock;
use crate::words::number::{rows, short};
use crate::words::terms::{capital, terms};

/// Mean error and a band of one standard deviation to each side, with a zero line, and where the error changed. An error rate has neither
/// band nor zero line. None without rows.
pub fn over(over: &Over, changes: &[Change], task: Task) -> Option<String> {
    let has_band = task != Task::Classes;
    let stretches = Stretches::of(over, has_band)?;
    let is_time = stretches.is_time;
    let mut frame = Frame::new(stretches.x, stretches.y);
    let (x, terms) = (frame.x, terms(task));
    let title = format!("{} ({})", terms.error, terms.unit);
    if is_time {
        frame.axes(&format!("time (UTC), {}", clock::days(x)), &title, clock::ticks(x));
    } else {
        frame.axes("row", &title, numbers(x, true));
    }
    if has_band {
        for line in &stretches.lines {
            let class = if line.len() > 1 { "band" } else { "whisker" };
            let upper = line.iter().map(|point| (point.x, point.band.1));
            frame.line(class, upper.chain(line.iter().rev().map(|point| (point.x, point.band.0))));
        }
        frame.line("mark", [(x.0, 0.0), (x.1, 0.0)]);
    }
    for line in &stretches.lines {
        match line.as_slice() {
            [Point { x, mean, .. }] => frame.dot("dot", (*x, *mean)),
            _ => frame.line("line", line.iter().map(|point| (point.x, point.mean))),
        }
    }
    let changes = changes::mark(&mut frame, changes, &terms, |change| match is_time {
        true => change.time_s.map(|time_s| time_s * 1000.0),
        false => Some(change.number() as f64),
    });
    let last = stretches.last;
    let deviation = if has_band {
        format!(", standard deviation {}", short(Some(last.deviation())))
    } else {
        String::new()
    };
    Some(frame.finish(&format!(
        "{} over {}: {} slices; in the last one {} {}{deviation}, {}.{changes}",
        capital(terms.error),
        if is_time { "time" } else { "rows" },
        stretches.lines.iter().map(Vec::len).sum::<usize>(),
        terms.mean_error,
        short(Some(last.mean)),
        rows(last.n)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::slices::{ROWS, Slices, TIME_MS};

    fn count(svg: &str, what: &str) -> usize {
        svg.matches(what).count()
    }

    fn over_time(times_s: impl IntoIterator<Item = i64>) -> String {
        let mut slices = Slices::new(TIME_MS);
        times_s
            .into_iter()
            .for_each(|time_s| slices.add((1_732_341_600 + time_s) * 1000, (time_s % 7) as f64));
        over(&Over::Time(slices), &[], Task::Regression).unwrap()
    }

    #[test]
    fn one_row_is_a_dot() {
        let svg = over_time([0]);
        assert_eq!((count(&svg, "<circle"), count(&svg, "class=line")), (1, 0), "{svg}");
        assert!(svg.contains("time (UTC), 2024-11-23<") && svg.contains(">06:00:00.0<"), "{svg}");
        let mut slices = Slices::new(ROWS);
        slices.add(1, 300.0);
        let svg = over(&Over::Rows(slices), &[], Task::Regression).unwrap();
        assert!(svg.contains("<circle") && svg.contains(">1<") && !svg.contains(">1.5<"), "{svg}");
    }

    #[test]
    fn a_gap_breaks_line_and_band() {
        let svg = over_time((0..10_000).filter(|time_s| !(3_000..5_000).contains(time_s)));
        assert_eq!((count(&svg, "class=line"), count(&svg, "class=band")), (2, 2), "{svg}");
        // Rows that come seldom, but as usual, are one line.
        let svg = over_time((0..100).map(|n| n * 600 + n % 3 * 100));
        assert_eq!((count(&svg, "class=line"), count(&svg, "<circle")), (1, 0), "{svg}");
        let svg = over_time((0..100).map(|n| n * 60).chain([50_000]));
        assert_eq!((count(&svg, "class=line"), count(&svg, "<circle")), (1, 1), "{svg}");
    }
}
