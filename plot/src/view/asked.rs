//! Which rows a page is asked for: all, those of the last hours or days, or those from one time to another.
//! Never reads the clock, and never parses an address.

use crate::{
    logs::row::VALID_S,
    stats::past::Span,
    words::clock::{self, duration},
};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Asked {
    All,
    Last(Last),
    /// In Unix seconds. None: from the first row, and up to now.
    Between {
        from_s: Option<i64>,
        to_s: Option<i64>,
    },
}

/// A range that ends now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Last {
    /// In the address.
    pub name: &'static str,
    /// Behind "last".
    pub words: &'static str,
    pub length_s: i64,
}

pub const LASTS: [Last; 4] = [
    Last { name: "1h", words: "hour", length_s: HOUR_S },
    Last { name: "24h", words: "24 hours", length_s: DAY_S },
    Last { name: "7d", words: "7 days", length_s: 7 * DAY_S },
    Last { name: "30d", words: "30 days", length_s: 30 * DAY_S },
];

pub const HOUR_S: i64 = 3_600;
pub const DAY_S: i64 = 24 * HOUR_S;

impl Asked {
    /// In Unix seconds; None for all rows. `first_s`: of the first row that has a time.
    pub fn span(self, now_s: i64, first_s: Option<i64>) -> Option<Span> {
        // A row of this second is one of the last hour.
        let now_s = now_s + 1;
        match self {
            Asked::All => None,
            Asked::Last(last) => Some(Span { from_s: now_s - last.length_s, to_s: now_s }),
            Asked::Between { from_s, to_s } => {
                let to_s = to_s.unwrap_or(now_s);
                // Before the first row there is nothing; a minute of it is a range as well.
                let first_s = first_s.unwrap_or(VALID_S.start as i64).min(to_s - 60);
                Some(Span { from_s: from_s.unwrap_or(first_s), to_s })
            }
        }
    }

    /// The address behind the path, as it stands in an attribute.
    pub fn query(self) -> String {
        match self {
            Asked::All => String::new(),
            Asked::Last(last) => format!("?range={}", last.name),
            Asked::Between { from_s, to_s } => {
                let parts = [("from", from_s), ("to", to_s)]
                    .map(|(name, time_s)| time_s.map(|time_s| format!("{name}={}", second(time_s))));
                let parts: Vec<String> = parts.into_iter().flatten().collect();
                format!("?{}", parts.join("&amp;"))
            }
        }
    }
}

/// The address of the page of a span, as it stands in an attribute. `&to` needs no escape there, and the page has hundreds.
pub fn address(span: Span) -> String {
    format!("/?from={}&to={}", clock::minute(span.from_s), clock::minute(span.to_s))
}

/// What a length of time is called behind "the": `hour`, `3 h 20 min`.
pub fn length(length_s: i64) -> String {
    match length_s {
        60 => "minute".to_owned(),
        HOUR_S => "hour".to_owned(),
        DAY_S => "day".to_owned(),
        _ => duration(length_s as f64),
    }
}

/// A longer span around another one, at round bounds; None if all times that a row may have are in it.
pub fn wider(Span { from_s, to_s }: Span) -> Option<Span> {
    let (least_s, most_s) = (VALID_S.start as i64, VALID_S.end as i64);
    let length_s = [HOUR_S, DAY_S, 7 * DAY_S, 30 * DAY_S, 365 * DAY_S, 3650 * DAY_S]
        .into_iter()
        .find(|length_s| *length_s > to_s - from_s)?;
    let round_s = length_s.min(DAY_S);
    // Where it fits, the hour or the day that the span is in.
    let start_s = if length_s > DAY_S { (from_s + to_s - length_s) / 2 } else { from_s };
    let start_s = start_s.div_euclid(round_s) * round_s;
    let end_s = (start_s + length_s).max(to_s);
    Some(Span { from_s: start_s.max(least_s), to_s: end_s.min(most_s) })
}

/// [`clock::minute`], or with seconds where there are any.
fn second(time_s: i64) -> String {
    match time_s.rem_euclid(60) {
        0 => clock::minute(time_s),
        seconds => format!("{}:{seconds:02}", clock::minute(time_s)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-11-23 06:00:00.
    const START_S: i64 = 1_732_341_600;

    fn around(from_s: i64, to_s: i64) -> String {
        wider(Span { from_s, to_s }).map_or(String::new(), |span| clock::span(span.from_s, span.to_s))
    }

    #[test]
    fn a_range_ends_now_or_where_it_is_said() {
        let between = |from_s, to_s| Asked::Between { from_s, to_s };
        let span =
            |asked: Asked| asked.span(START_S, Some(START_S - 9_000)).map(|span| (span.from_s, span.to_s));
        assert_eq!(span(Asked::All), None);
        assert_eq!(span(Asked::Last(LASTS[0])), Some((START_S - 3_599, START_S + 1)));
        assert_eq!(span(between(Some(5), None)), Some((5, START_S + 1)));
        assert_eq!(span(between(None, Some(START_S))), Some((START_S - 9_000, START_S)));
        // Before the first row there is a minute without rows.
        let early_s = START_S - 90_000;
        assert_eq!(span(between(None, Some(early_s))), Some((early_s - 60, early_s)));
        assert_eq!(
            between(Some(START_S), Some(START_S + 61)).query(),
            "?from=2024-11-23T06:00&amp;to=2024-11-23T06:01:01"
        );
    }

    #[test]
    fn a_wider_range_is_around_the_narrow_one_and_round() {
        assert_eq!(around(START_S + 60, START_S + 120), "2024-11-23 06:00 to 07:00");
        assert_eq!(around(START_S + 3_000, START_S + 4_200), "2024-11-23 06:00 to 07:10");
        assert_eq!(around(START_S, START_S + HOUR_S), "2024-11-23");
        assert_eq!(around(START_S - 6 * HOUR_S, START_S + 18 * HOUR_S), "2024-11-20 to 2024-11-27");
        assert_eq!(around(START_S, START_S + 8 * DAY_S), "2024-11-12 to 2024-12-12");
        assert_eq!(around(START_S, START_S + 4_000 * DAY_S), "");
        let (first_s, last_s) = (VALID_S.start as i64, VALID_S.end as i64);
        assert_eq!(around(first_s, first_s + DAY_S), "2000-01-01 to 2000-01-05");
        assert_eq!(around(last_s - 60, last_s), "2099-12-31 23:00 to 2100-01-01 00:00");
        let spans = (0..2_000).map(|n| (first_s + n * 1_577_846, 60 + n * n * n % 30_000_000));
        for (from_s, length_s) in spans {
            let to_s = (from_s + length_s).min(last_s);
            let Some(wider) = wider(Span { from_s, to_s }) else { continue };
            assert!(wider.from_s <= from_s && to_s <= wider.to_s && wider.to_s <= last_s, "{from_s} {to_s}");
        }
    }
}
