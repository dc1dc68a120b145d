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
    },
};

/// Marks the changes that `place` has a value of the x axis for, and returns them in words. Those outside of the axis are left out.
pub fn mark(frame: &mut Frame, changes: &[Change], place: impl Fn(&Change) -> Option<f64>) -> String {
    let (first, last) = frame.x;
    let marked = |change| Some((place(change).filter(|x| (first..=last).contains(x))?, change));
    let marked: Vec<(f64, &Change)> = changes.iter().filter_map(marked).collect();
    for (x, change) in &marked {
        frame.flag(word(change), *x, change.direction == Direction::Worse);
    }
    // One line of names, the last change's first: it is the one of the verdict.
    for (x, change) in marked.iter().rev() {
        let across = frame.across(*x);
        let after = Place { anchor: Anchor::Start, across: across + 4.0, top: TOP };
        let before = Place { anchor: Anchor::End, across: across - 4.0, top: TOP };
        frame.name(word(change), &[after, before]);
    }
    match marked.as_slice() {
        [] => String::new(),
        [.., (_, last)] => {
            let began = match last.time_s {
                Some(time_s) => format!("{} UTC", stamp(time_s)),
                None => format!("row {}", row(last)),
            };
            let (before, after) = (short(Some(last.mae_before)), short(Some(last.mae_after)));
            let changes = if marked.len() == 1 { "change" } else { "changes" };
            format!(
                " {} {changes} of the error marked; the last one: {} since {began}, MAE {before}, then {after}.",
                count(marked.len() as u64),
                word(last)
            )
        }
    }
}

/// All changes, the last one first. Empty if there is none.
pub fn changes_table(changes: &[Change]) -> String {
    if changes.is_empty() {
        return String::new();
    }
    let rows = changes.iter().rev().map(|change| {
        let began = change.time_s.map_or("–".to_owned(), stamp);
        let [before, after] = [change.mae_before, change.mae_after].map(|mae| short(Some(mae)));
        [began, row(change), word(change).to_owned(), before, after]
    });
    table(
        "Changes: times in UTC; MAE in the unit of y_true, of all rows between two changes, and of those in which the change was found",
        ["began", "row", "", "MAE before", "MAE then"],
        rows,
    )
}

fn word(change: &Change) -> &'static str {
    match change.direction {
        Direction::Worse => "worse",
        Direction::Better => "better",
    }
}

fn stamp(time_s: f64) -> String {
    clock::stamp((time_s * 1000.0) as i64)
}

/// The page counts rows from 1.
pub fn number(change: &Change) -> u64 {
    change.row + 1
}

fn row(change: &Change) -> String {
    count(number(change))
}
