//! The groups on the page: a table, the worst first, and what is not in it.
//! Never computes a number.

use crate::{
    logs::task::Task,
    stats::{
        groups::{GroupNumbers, GroupSummary},
        summary::Summary,
    },
    view::html::{escape, table},
    words::{
        number::{count, rows, short},
        terms::{Terms, capital, terms},
    },
};

/// Beyond this a difference is marked.
const NOTABLE: f64 = 3.0;

/// Empty while no row has a group.
pub fn part(summary: &Summary) -> String {
    let GroupSummary { all, dropped_rows, .. } = &summary.groups;
    if all.is_empty() && *dropped_rows == 0 {
        return String::new();
    }
    let large = summary.groups.large().map(line);
    let Terms { mae, mean_error, in_unit, .. } = terms(summary.task);
    let mae_and_error = format!("{mae} ± standard error");
    let numbers = match summary.task {
        _ if all.is_empty() => String::new(),
        Task::Classes => table(
            &format!("All rows. {} {in_unit}, z in standard errors", capital(mae)),
            ["group", "rows", &mae_and_error, "z"],
            large.map(|[group, n, mae, _, z]| [group, n, mae, z]),
        ),
        _ => table(
            &format!("All rows. {} and {mean_error} {in_unit}, z in standard errors", capital(mae)),
            ["group", "rows", &mae_and_error, mean_error, "z"],
            large,
        ),
    };
    format!("<h2>Groups</h2><p class=note>{}</p>{numbers}", note(&summary.groups, mae))
}

fn note(groups: &GroupSummary, mae: &str) -> String {
    let GroupSummary { pooled_groups, pooled_rows, dropped_rows, .. } = groups;
    let mut notes = vec![format!(
        "Worst first: z is how far the {mae} is above that of all other rows. Marked beyond 3: ▲ worse, ▼ better."
    )];
    if *pooled_groups > 0 {
        let (more, in_them) = (count(*pooled_groups), rows(*pooled_rows));
        notes.push(format!("The groups with the most rows; {more} more have {in_them}."));
    }
    if *dropped_rows > 0 {
        let dropped = rows(*dropped_rows);
        notes.push(format!(
            "{dropped} count as without a group: theirs is longer than 64 bytes, or no plain text."
        ));
    }
    notes.join(" ")
}

fn line(numbers: &GroupNumbers) -> [String; 5] {
    let GroupNumbers { group, n, mae, mae_standard_error, mean_error, z, .. } = numbers;
    // A name in a script from right to left must not turn the numbers around.
    let name = match group {
        Some(group) => format!("<bdi>{}</bdi>", escape(group)),
        None => "<i>no group</i>".to_owned(),
    };
    let error = mae_standard_error.map_or(String::new(), |error| format!(" ± {}", short(Some(error))));
    let mark = match z {
        Some(z) if *z > NOTABLE => " <b class=worse>▲ worse</b>",
        Some(z) if *z < -NOTABLE => " <b class=better>▼ better</b>",
        _ => "",
    };
    [name, count(*n), short(Some(*mae)) + &error, short(*mean_error), short(*z) + mark]
}
