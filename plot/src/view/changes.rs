//! Changes of the error on the charts along time and rows: marks, and the same in words.
//! Never computes a number.

use crate::{
    stats::drift::{Change, Direction},
    view::{
        frame::{Frame, TOP},
        html::table,
        label::{Anchor, Place},
    },
    words::{
        clock,
        number::{count, short},
        terms::Terms,
    },
};

/// Changes in the table, the last ones: the page stays small. `/stats.json` has more.
const MOST_ROWS: usize = 10;

/// Marks the changes that `place` has a value of the x axis for, and returns them in words. Those outside of the axis are left out.
pub fn mark(
    frame: &mut Frame,
    changes: &[Change],
    terms: &Terms,
    place: impl Fn(&Change) -> Option<f64>,
) -> String {
    let (first, last) = frame.x;
    let marked = |change| Some((place(change).filter(|x| (first..=last).contains(x))?, change));
    let marked: Vec<(f64, &Change)> = changes.iter().filter_map(marked).collect();
    for direction in Direction::ALL {
        let of_direction = marked.iter().filter(|(_, change)| change.direction == direction);
        let places: Vec<f64> = of_direction.map(|(x, _)| *x).collect();
        frame.flags(direction.name(), &places, direction == Direction::Worse);
    }
    // One line of names, the last change's first: it is the one of the verdict.
    for (x, change) in marked.iter().rev() {
        let across = frame.across(*x);
        let after = Place { anchor: Anchor::Start, across: across + 4.0, top: TOP };
        let before = Place { anchor: Anchor::End, across: across - 4.0, top: TOP };
        frame.name(change.direction.name(), &[after, before]);
    }
    match marked.as_slice() {
        [] => String::new(),
        [.., (_, last)] => {
            let began = match last.time_s {
                Some(time_s) => format!("{} UTC", clock::stamp_s(time_s)),
                None => format!("row {}", row(last)),
            };
            let (before, after) = (short(Some(last.mae_before)), short(Some(last.mae_after)));
            let changes = if marked.len() == 1 { "change" } else { "changes" };
            format!(
                " {} {changes} of the error marked; the last one: {} since {began}, {} {before}, then {after}{}.",
                count(marked.len() as u64),
                last.direction.name(),
                terms.mae,
                if last.over_row.is_some() { ", and as before by now" } else { "" }
            )
        }
    }
}

/// The last changes, the last one first. Empty if there is none.
pub fn changes_table(changes: &[Change], terms: &Terms) -> String {
    if changes.is_empty() {
        return String::new();
    }
    let rows = changes.iter().rev().take(MOST_ROWS).map(|change| {
        let began = change.time_s.map_or("–".to_owned(), clock::stamp_s);
        let [before, after] = [change.mae_before, change.mae_after].map(|mae| short(Some(mae)));
        let over = if change.over_row.is_some() { ", over" } else { "" };
        [began, row(change), format!("{}{over}", change.direction.name()), before, after]
    });
    let Terms { mae, in_unit, .. } = terms;
    let caption = format!(
        "The last changes, 10 at most: times in UTC; {mae} {in_unit}, of all rows between two changes, and of those in which the change was found; over: all rows since have the {mae} of before"
    );
    table(&caption, ["began", "row", "", &format!("{mae} before"), &format!("{mae} then")], rows)
}

fn row(change: &Change) -> String {
    count(change.number())
}
