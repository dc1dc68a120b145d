//! What the page of a range of time says beside its charts: the range in words, the links to others, and what is in no range.
//! Never counts a row, and never reads the clock.

use crate::{
    stats::past::{Past, Range, Span},
    view::{
        asked::{Asked, DAY_S, HOUR_S, LASTS, Last, address, length, wider},
        html::minute,
    },
    words::{
        clock,
        number::{count, rows},
        terms::capital,
    },
};

/// A range as it is now.
pub struct RangeView {
    pub asked: Asked,
    pub range: Range,
    /// In seconds, of the slices to whose bounds its ends were moved.
    widened_to_s: Vec<i64>,
    /// Of all rows that have a time; None if no row has one.
    of_log: Option<Span>,
    /// Rows dated later than today.
    ahead: u64,
}

impl RangeView {
    /// None if all rows are asked for. `now_s`: Unix seconds.
    pub fn of(past: &mut Past, asked: Asked, now_s: i64) -> Option<RangeView> {
        let of_log = past.span();
        let span = asked.span(now_s, of_log.map(|of_log| of_log.from_s))?;
        let range = past.range(span);
        let widened = range.range.span;
        // Of the slice that a time is in.
        let slice_s = |time_s| past.widened(Span { from_s: time_s, to_s: time_s + 1 }).length_s();
        let mut widened_to_s = Vec::new();
        widened_to_s.extend((widened.from_s < span.from_s).then(|| slice_s(span.from_s)));
        widened_to_s.extend((widened.to_s > span.to_s).then(|| slice_s(span.to_s - 1)));
        widened_to_s.sort_unstable();
        widened_to_s.dedup();
        let tomorrow_s = (now_s.div_euclid(DAY_S) + 1) * DAY_S;
        let ahead = of_log
            .filter(|of_log| of_log.to_s > tomorrow_s)
            .map_or(0, |of_log| past.range(Span { from_s: tomorrow_s, to_s: of_log.to_s }).range.numbers.n);
        Some(RangeView { asked, range, widened_to_s, of_log, ahead })
    }

    /// What the range before is called, behind a number of it.
    pub fn before_in_words(&self) -> String {
        let length_s = match self.asked {
            // Widened to whole slices it is a little longer.
            Asked::Last(last) => last.length_s,
            _ => self.range.before.span.length_s(),
        };
        format!("the {} before", length(length_s))
    }

    /// Whether the range before has the same length, up to 1 %: wider slices may make it a little longer.
    pub fn is_as_long(&self) -> bool {
        let [before_s, range_s] = [&self.range.before, &self.range.range].map(|part| part.span.length_s());
        before_s.abs_diff(range_s) * 100 <= range_s as u64
    }

    pub fn words(&self) -> String {
        let Range { range, before, .. } = &self.range;
        let heading = match self.asked {
            Asked::Last(last) => format!("Last {}", last.words),
            _ => format!("{} UTC", clock::span(range.span.from_s, range.span.to_s)),
        };
        let earlier = match before.span.length_s() {
            0 => String::new(),
            _ => format!(
                " <a href=\"{}\">{}</a>, {}, has {}.",
                address(before.span),
                capital(&self.before_in_words()),
                bounds(before.span),
                if before.numbers.n == 0 { "no rows".to_owned() } else { rows(before.numbers.n) }
            ),
        };
        let (wider, name) = self.wider();
        format!(
            "<h2>{heading}</h2><p>{}{}: {}.{earlier} <a href=\"{wider}\">Wider: {name}</a></p>{}",
            capital(&bounds(range.span)),
            widened(&self.widened_to_s),
            rows(range.numbers.n),
            self.notes()
        )
    }

    /// The address of a range around this one, and what it is called.
    fn wider(&self) -> (String, String) {
        let all = || ("/".to_owned(), "all rows".to_owned());
        if let Asked::Last(last) = self.asked {
            let longer = LASTS.iter().find(|longer| longer.length_s > last.length_s);
            return longer.map_or_else(all, |Last { name, words, .. }| {
                (format!("/?range={name}"), format!("last {words}"))
            });
        }
        let is_all = |span: &Span| {
            self.of_log.is_none_or(|of_log| span.from_s <= of_log.from_s && span.to_s >= of_log.to_s)
        };
        match wider(self.range.range.span).filter(|span| !is_all(span)) {
            Some(span) => (address(span), clock::span(span.from_s, span.to_s)),
            None => all(),
        }
    }

    /// What a reader would miss.
    fn notes(&self) -> String {
        let mut notes = Vec::new();
        match self.of_log {
            Some(of_log) if self.range.range.numbers.n == 0 => notes.push(format!(
                "No rows here. Rows that have a time are {}: <a href=\"{}\">see them</a>.",
                bounds(of_log),
                address(of_log)
            )),
            _ => {}
        }
        match self.range.rows_without_time {
            0 => {}
            1 => notes.push("1 row has no time (logged_at) and is in no range.".to_owned()),
            n => notes.push(format!("{} rows have no time (logged_at) and are in no range.", count(n))),
        }
        if let (Some(of_log), 1..) = (self.of_log, self.ahead) {
            let later = format!("{} dated later than today, up to", rows(self.ahead));
            notes.push(format!(
                "{later} {}: the clock that dated them is wrong, or this one is.",
                minute(of_log.to_s)
            ));
        }
        if notes.is_empty() { String::new() } else { format!("<p class=note>{}</p>", notes.join(" ")) }
    }
}

/// Links to the ranges that end now, and to all rows; the one of the page is marked.
pub fn links(asked: Asked) -> String {
    let link = |address: &str, words: &str, is_here: bool| {
        let here = if is_here { " aria-current=\"page\"" } else { "" };
        format!("<a href=\"/{address}\"{here}>{words}</a>")
    };
    let lasts = LASTS.into_iter().map(|last| {
        let words = if last.length_s == HOUR_S { "last hour" } else { last.words };
        link(&Asked::Last(last).query(), words, asked == Asked::Last(last))
    });
    lasts.chain([link("", "all", asked == Asked::All)]).collect::<Vec<_>>().join(" ")
}

fn bounds(Span { from_s, to_s }: Span) -> String {
    format!("from {} to {}", minute(from_s), minute(to_s))
}

/// `slices_s`: lengths of slices, in ascending order.
fn widened(slices_s: &[i64]) -> String {
    let name = |length_s: &i64| match *length_s {
        60 => "minutes".to_owned(),
        HOUR_S => "hours".to_owned(),
        DAY_S => "days".to_owned(),
        length_s => format!("slices of {}", clock::duration(length_s as f64)),
    };
    let names: Vec<String> = slices_s.iter().map(name).collect();
    if names.is_empty() { String::new() } else { format!(", widened to whole {}", names.join(" and ")) }
}
