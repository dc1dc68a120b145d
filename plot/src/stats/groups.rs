//! Errors of each group of rows, and how far they are from those of all other rows.
//! Never keeps a row. Memory does not grow with the number of rows or groups.

use crate::{
    logs::{
        groups::{self, GroupColumn},
        row::Row,
    },
    stats::{
        distinct::Distinct,
        moments::{Errors, Sums},
        spread::Part,
    },
};
use std::{collections::HashMap, sync::Arc};

/// The first groups have a tally each. Rows of later ones share one.
const EXACT: usize = 1000;

/// How many groups are shown.
const SHOWN: usize = 50;

/// Numbers of tallies: of rows without a group, and of all groups behind the first ones. Groups of their own follow.
const NONE: usize = 0;
const LATER: usize = 1;

/// A tally for each group.
#[derive(Default)]
pub struct Groups {
    /// Empty before the first row that has a group.
    tallies: Vec<Errors>,
    /// Of the tallies from the third on.
    names: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, usize>,
    later: Distinct,
    /// Numbers of the tallies that `/metrics` shows.
    exposed: Vec<usize>,
    /// Rows that count as without a group, as theirs can be none.
    dropped: u64,
}

/// Numbers of one group over all rows; None where undefined. Errors are in the unit of y_true.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupNumbers {
    /// None: rows without a group.
    pub group: Option<Arc<str>>,
    pub n: u64,
    pub mae: f64,
    pub mae_standard_error: Option<f64>,
    pub mean_error: Option<f64>,
    /// (MAE − MAE of all other rows) / √(sum of both squared standard errors).
    pub z: Option<f64>,
    /// One of the 50 with the most rows.
    pub is_large: bool,
    /// One of the at most 50 of `/metrics`: these change seldom.
    pub is_exposed: bool,
}

/// All groups at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupSummary {
    /// The worst first: by z, then those without one by their MAE. Rows without a group are one of them. Empty before the first group.
    pub all: Vec<GroupNumbers>,
    /// How many groups are not large, which is an estimate above a thousand.
    pub pooled_groups: u64,
    pub pooled_rows: u64,
    pub dropped_rows: u64,
}

impl Groups {
    /// Adds rows. `before`: the sums of all rows before them.
    pub fn add(&mut self, rows: &[Row], column: &GroupColumn, before: &Sums) {
        if self.tallies.is_empty() {
            if column.fields.texts.is_empty() {
                return;
            }
            self.tallies = vec![Errors::after(before), Errors::default()];
            self.exposed.extend((before.n > 0).then_some(NONE));
        }
        let numbers: Vec<Option<usize>> =
            column.fields.texts.iter().map(|field| self.number(field)).collect();
        let mut places = column.of_rows.iter();
        for row in rows {
            let place = places.next().map_or(0, |place| *place as usize);
            let number =
                place.checked_sub(1).map_or(Some(NONE), |place| numbers.get(place).copied().flatten());
            self.dropped += u64::from(number.is_none());
            let number = number.unwrap_or(NONE);
            let Some(tally) = self.tallies.get_mut(number) else { continue };
            tally.add(row.error());
            if tally.n.is_power_of_two() {
                self.expose(number);
            }
        }
    }

    /// The tally of a field. None where the field can be no group.
    fn number(&mut self, field: &[u8]) -> Option<usize> {
        let name = groups::name(field)?;
        if name.is_empty() {
            return Some(NONE);
        }
        if let Some(number) = self.numbers.get(name) {
            return Some(*number);
        }
        if self.names.len() == EXACT {
            self.later.add(name);
            return Some(LATER);
        }
        let (name, number) = (Arc::<str>::from(name), self.tallies.len());
        self.names.push(Arc::clone(&name));
        self.numbers.insert(name, number);
        self.tallies.push(Errors::default());
        Some(number)
    }

    /// Gives a group whose number of rows has doubled a place in `/metrics`: a free one, or that of the smallest if it has more than twice
    /// as many rows. So no two of about one size take turns, and it depends on the log alone.
    fn expose(&mut self, number: usize) {
        if number == LATER || self.exposed.contains(&number) {
            return;
        }
        let n = |number: usize| self.tallies.get(number).map_or(0, |tally| tally.n);
        if self.exposed.len() < SHOWN {
            self.exposed.push(number);
            return;
        }
        let smallest = self.exposed.iter().enumerate().min_by_key(|(_, shown)| n(**shown));
        let smallest = smallest.filter(|(_, shown)| n(**shown) * 2 < n(number)).map(|(place, _)| place);
        if let Some(place) = smallest.and_then(|place| self.exposed.get_mut(place)) {
            *place = number;
        }
    }

    pub fn summary(&self) -> GroupSummary {
        if self.names.is_empty() {
            return GroupSummary { dropped_rows: self.dropped, ..GroupSummary::default() };
        }
        let parts: Vec<Part> = self.tallies.iter().map(Errors::absolute).collect();
        let rests = rests(&parts);
        let names = [None, None].into_iter().chain(self.names.iter().map(|name| Some(Arc::clone(name))));
        let tallies = names.zip(&self.tallies).zip(parts.iter().zip(rests)).enumerate();
        let tallies = tallies.filter(|(number, ((_, tally), _))| *number != LATER && tally.n > 0);
        let mut all: Vec<GroupNumbers> = tallies
            .map(|(number, ((group, tally), (part, rest)))| GroupNumbers {
                group,
                n: tally.n,
                mae: part.mean,
                mae_standard_error: part.standard_error(),
                mean_error: tally.mean(),
                z: z(part, &rest),
                is_large: false,
                is_exposed: self.exposed.contains(&number),
            })
            .collect();
        // Of equal ones the first comes first, here and below.
        all.sort_by_key(|group| std::cmp::Reverse(group.n));
        all.iter_mut().take(SHOWN).for_each(|group| group.is_large = true);
        let small = all.get(SHOWN..).unwrap_or_default();
        let pooled_groups = small.len() as u64 + self.later.count();
        let later_rows = self.tallies.get(LATER).map_or(0, |tally| tally.n);
        let pooled_rows = small.iter().map(|group| group.n).sum::<u64>() + later_rows;
        all.sort_by(|a, b| {
            let key = |group: &GroupNumbers| (group.z.unwrap_or(f64::NEG_INFINITY), group.mae);
            let ((a_z, a_mae), (b_z, b_mae)) = (key(a), key(b));
            b_z.total_cmp(&a_z).then(b_mae.total_cmp(&a_mae))
        });
        GroupSummary { all, pooled_groups, pooled_rows, dropped_rows: self.dropped }
    }
}

impl GroupSummary {
    /// The 50 with the most rows, the worst first.
    pub fn large(&self) -> impl Iterator<Item = &GroupNumbers> {
        self.all.iter().filter(|group| group.is_large)
    }
}

/// For each part all others together. Added up from both ends: taking a part off the whole would cancel digits.
fn rests(parts: &[Part]) -> Vec<Part> {
    let before = |parts: &mut dyn Iterator<Item = &Part>| -> Vec<Part> {
        let sums = parts.scan(Part::default(), |sum, part| {
            let before = *sum;
            *sum = sum.with(*part);
            Some(before)
        });
        sums.collect()
    };
    let (left, right) = (before(&mut parts.iter()), before(&mut parts.iter().rev()));
    left.into_iter().zip(right.into_iter().rev()).map(|(left, right)| left.with(right)).collect()
}

/// None where one of both has no standard error, neither has a spread, or one overflows.
fn z(group: &Part, rest: &Part) -> Option<f64> {
    let deviation = group.standard_error()?.hypot(rest.standard_error()?);
    let z = (group.mean - rest.mean) / deviation;
    (deviation.is_finite() && z.is_finite()).then_some(z)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::moments::Moments;

    /// All rows at once; `(group, error)`.
    fn groups(rows: &[(&str, f64)]) -> Groups {
        let mut groups = Groups::default();
        add(&mut groups, rows, &mut Moments::new());
        groups
    }

    fn add(groups: &mut Groups, rows: &[(&str, f64)], all: &mut Moments) {
        let mut column = GroupColumn::default();
        rows.iter().enumerate().for_each(|(row, (group, _))| column.add(row, group.as_bytes()));
        let before = all.sums();
        let rows: Vec<Row> = rows.iter().map(|(_, error)| Row::new(0.0, *error, None)).collect();
        rows.iter().for_each(|row| all.add(row));
        groups.add(&rows, &column, &before);
    }

    #[test]
    fn a_huge_group_takes_no_digits_from_the_rest() {
        let part = |errors: &[f64]| {
            let mut sums = Errors::default();
            errors.iter().for_each(|error| sums.add(*error));
            sums.absolute()
        };
        let (huge, small) = (part(&[1e150, 3e150]), part(&[1.0, 1.5, 0.25]));
        let rest = rests(&[Part::default(), huge, small])[1];
        assert_eq!((rest.n, rest.mean, rest.standard_error()), (3.0, small.mean, small.standard_error()));
        // Its square overflows.
        let huge = part(&[1e200; 2]);
        let rest = rests(&[Part::default(), huge, small])[2];
        assert_eq!((rest.n, rest.mean, rest.standard_error()), (2.0, 1e200, Some(0.0)));
    }

    #[test]
    fn without_a_spread_or_others_there_is_no_z() {
        for rows in [
            &[("a", 1.0)][..],
            &[("a", 1.0), ("b", 2.0)],
            &[("a", 1.0), ("a", 2.0), ("b", 2.0)],
            &[("a", 1.0), ("a", 1.0), ("b", 2.0), ("b", 2.0)],
            &[("a", 1.0), ("a", 2.0), ("a", 3.0)],
            &[("a", 1e300), ("a", -1e308), ("b", 1e308), ("b", 2.0)],
        ] {
            assert!(groups(rows).summary().all.iter().all(|group| group.z.is_none()), "{rows:?}");
        }
        // One of both is enough.
        let one = groups(&[("a", 1.0), ("a", 1.0), ("b", 2.0), ("b", 4.0)]).summary();
        assert_eq!(one.all.iter().map(|group| group.z).collect::<Vec<_>>(), [Some(2.0), Some(-2.0)]);
        // By their MAE.
        let none = groups(&[("a", 1.0), ("b", 3.0), ("c", -2.0)]).summary();
        let order: Vec<_> = none.all.iter().map(|group| group.group.as_deref()).collect();
        assert_eq!(order, [Some("b"), Some("c"), Some("a")]);
    }

    #[test]
    fn rows_before_the_first_group_count_as_without_one() {
        let (mut groups, mut all) = (Groups::default(), Moments::new());
        add(&mut groups, &[("", 1.0), ("", 2.0)], &mut all);
        assert_eq!(groups.summary(), GroupSummary::default());
        add(&mut groups, &[("", 3.0), ("a", 9.0), ("", 4.0)], &mut all);
        add(&mut groups, &[("", 5.0)], &mut all);
        let found: Vec<_> =
            groups.summary().all.into_iter().map(|group| (group.group, group.n, group.mae)).collect();
        assert_eq!(found, [(Some("a".into()), 1, 9.0), (None, 5, 3.0)]);
    }

    #[test]
    fn what_can_be_no_group_is_counted_and_its_row_has_none() {
        let (at_most, too_long) = ("x".repeat(64), "x".repeat(65));
        let rows =
            [("a\tb", 1.0), (&*too_long, 2.0), (&*at_most, 3.0), ("'", 4.0), ("''a", 5.0), ("'a", 7.0)];
        let summary = groups(&rows).summary();
        let found: Vec<_> =
            summary.all.iter().map(|group| (group.group.as_deref().unwrap_or(""), group.n)).collect();
        assert_eq!(found, [("", 3), ("a", 1), ("'a", 1), (&*at_most, 1)]);
        assert_eq!(summary.dropped_rows, 2);
        let none = groups(&rows[..2]).summary();
        assert_eq!((none.all.len(), none.dropped_rows), (0, 2));
    }

    #[test]
    fn a_million_groups_take_the_room_of_a_thousand() {
        let (mut groups, mut all) = (Groups::default(), Moments::new());
        for chunk in 0..100 {
            let names: Vec<String> = (0..10_000).map(|n| format!("{:064}", chunk * 10_000 + n)).collect();
            let rows: Vec<(&str, f64)> = names.iter().map(|name| (&**name, 1.0)).collect();
            add(&mut groups, &rows, &mut all);
            add(&mut groups, &rows[..2], &mut all);
        }
        let kept = (groups.names.len(), groups.numbers.len(), groups.tallies.len(), groups.exposed.len());
        assert_eq!(kept, (1000, 1000, 1002, 50));
        let summary = groups.summary();
        assert_eq!(
            (summary.all.len(), summary.all.iter().filter(|group| group.is_large).count()),
            (1000, 50)
        );
        let rows: u64 = summary.all.iter().filter(|group| group.is_large).map(|group| group.n).sum();
        assert_eq!((rows, summary.pooled_rows), (52, 1_000_200 - 52));
        assert!((summary.pooled_groups as f64 / 999_950.0 - 1.0).abs() < 0.1, "{}", summary.pooled_groups);
    }

    #[test]
    fn places_in_metrics_change_only_for_twice_as_many_rows() {
        let (mut groups, mut all) = (Groups::default(), Moments::new());
        let names: Vec<String> = (0..60).map(|n| format!("v{n}")).collect();
        let exposed = |groups: &Groups| -> Vec<String> {
            let all = groups.summary().all.into_iter().filter(|group| group.is_exposed);
            all.filter_map(|group| group.group.map(|group| group.to_string())).collect()
        };
        // All grow alike: those that came first stay.
        for round in 0..100 {
            let rows: Vec<(&str, f64)> = names.iter().map(|name| (&**name, f64::from(round))).collect();
            add(&mut groups, &rows, &mut all);
            let now = exposed(&groups);
            assert!(now.len() == 50 && names[..50].iter().all(|name| now.contains(name)), "{now:?}");
        }
        // The largest ones are shown all the same.
        add(&mut groups, &[("v59", 1.0); 155], &mut all);
        assert!(!exposed(&groups).contains(&"v59".to_owned()));
        assert!(
            groups.summary().all.iter().any(|group| group.group.as_deref() == Some("v59") && group.is_large)
        );
        add(&mut groups, &[("v59", 1.0)], &mut all);
        let now = exposed(&groups);
        assert!(
            now.len() == 50 && now.contains(&"v59".to_owned()) && !now.contains(&"v0".to_owned()),
            "{now:?}"
        );
    }
}
