//! The numbers of the page's charts as tables, for screen readers and for whoever wants to read them.
//! Never computes a statistic.

use crate::{
    logs::task::Task,
    stats::summary::{Histogram, Over, Summary},
    view::html::table,
    words::{
        clock,
        number::{count, percent, rows, short},
        terms::{Terms, capital, terms},
    },
};

/// `in_unit`: of the edges.
pub fn histogram(histogram: &Histogram, in_unit: &str) -> String {
    let bars = histogram.shares().into_iter();
    let bars =
        bars.map(|bar| [short(bar.from), short(bar.to), count(bar.n), percent(bar.all), percent(bar.window)]);
    let last = format!("share of the last {}", rows(histogram.window.total()));
    table(&format!("Bins {in_unit}"), ["from", "below", "rows", "share of all rows", &last], bars)
}

pub fn over(over: &Over, task: Task) -> String {
    let (Over::Time(slices) | Over::Rows(slices)) = over;
    let is_time = matches!(over, Over::Time(_));
    let mut day = String::new();
    let rows = slices.filled().map(|(start, slice)| {
        // The day where it is another one than above: the page stays small.
        let stamp = clock::stamp(start);
        let start = match stamp.split_once(' ') {
            Some((of_slice, time)) if is_time && of_slice == day => time.to_owned(),
            Some((of_slice, _)) if is_time => {
                day = of_slice.to_owned();
                stamp
            }
            _ => count(start.max(1) as u64),
        };
        [start, count(slice.n), short(Some(slice.mean)), short(Some(slice.deviation()))]
    });
    let Terms { error, mean_error, in_unit, .. } = terms(task);
    let places = if is_time { "Times in UTC" } else { "Numbers of rows" };
    let caption = format!("{places}, {error} {in_unit}");
    match task {
        Task::Classes => {
            let rows = rows.map(|[start, n, mean, _]| [start, n, mean]);
            table(&caption, ["from", "rows", mean_error], rows)
        }
        _ => table(&caption, ["from", "rows", mean_error, "standard deviation"], rows),
    }
}

/// Every eighth point; `/stats.json` has them all.
pub fn rolling(points: &[(u64, f64)], Terms { mae, in_unit, .. }: &Terms) -> String {
    let points = points.iter().rev().step_by(8).map(|(n, mae)| [count(*n), short(Some(*mae))]);
    let caption = format!("{} {in_unit}, of the window that ends with the row", capital(mae));
    table(&caption, ["row", mae], points)
}

pub fn density(summary: &Summary) -> String {
    let Some(density) = &summary.density else { return String::new() };
    let columns = (0..density.cells).filter_map(|column| {
        let cells: Vec<_> = density.counts.iter().filter(|(x, _, _)| *x == column).collect();
        let n: u64 = cells.iter().map(|(_, _, n)| n).sum();
        let sum: f64 =
            cells.iter().map(|(_, y, n)| (density.edge(*y) + density.edge(y + 1)) / 2.0 * *n as f64).sum();
        let row = || [short(Some(density.edge(column))), count(n), short(Some(sum / n as f64))];
        (n > 0).then(row)
    });
    let caption = "y_true and y_pred in their own unit";
    table(caption, ["y_true from", "rows of the sample", "mean y_pred, about"], columns)
}
