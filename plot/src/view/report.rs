//! A report: the page and its numbers as a file that needs nothing else, of logs that were read to their end.
//! Never says anything that is true of a service only.

use crate::{
    alert::judge::Finding,
    view::{html::escape, json, moment::Moment, page},
    words::number::rows,
};
use serde_json::{Value, json};

/// Keys of `/stats.json` that are those of a service.
const LIVE_KEYS: [&str; 7] =
    ["alerts", "state", "reason", "picture_trouble", "last_rows_at", "gone_logs", "metric"];

/// A rule of `--fail-on`, and what it finds; none where there is no such number.
pub type Judged = (String, Option<Finding>);

/// The whole page: no script, no link, nothing from outside.
pub fn document(moment: &Moment, logs: &str, rules: &[Judged]) -> String {
    let parts = page::parts(moment, logs, false).into_iter().map(|(id, html)| match id {
        "state" => (id, format!("<span class=\"good\">Read to the end: {}.</span>", escape(logs))),
        "news" => (id, format!("{}.", rows(moment.summary.all.n))),
        "alerts" => (id, list(rules)),
        "no-metric" => (id, String::new()),
        _ => (id, html),
    });
    page::of_all_rows(&page::without(&page::DOCUMENT, page::LIVE), moment, parts.collect())
}

/// The rules and what became of them; empty without rules.
fn list(rules: &[Judged]) -> String {
    let item = |(rule, finding): &Judged| {
        let (class, what) = match finding {
            Some(Finding { is_bad: true, text, .. }) => ("bad", format!("holds: {text}")),
            Some(Finding { text, .. }) => ("good", format!("does not hold: {text}")),
            None => ("wait", "was not judged: the rows have no such number".to_owned()),
        };
        format!("<li class={class}>Rule {} {}.</li>", escape(rule), escape(&what))
    };
    let items: String = rules.iter().map(item).collect();
    if items.is_empty() { items } else { format!("<ul>{items}</ul>") }
}

/// All numbers, with the keys of `/stats.json` but those of a service, and `rules` and `logs`.
pub fn numbers(moment: &Moment, logs: &[String], rules: &[Judged]) -> Value {
    let mut value = json::stats(moment);
    let rule = |(rule, finding): &Judged| {
        let finding = finding.as_ref();
        json!({
            "rule": rule,
            "holds": finding.map(|finding| finding.is_bad),
            "value": finding.and_then(|finding| finding.value),
            "limit": finding.and_then(|finding| finding.limit),
            "text": finding.map(|finding| &finding.text),
        })
    };
    if let Value::Object(keys) = &mut value {
        keys.retain(|key, _| !LIVE_KEYS.contains(&key.as_str()));
        keys.insert("logs".to_owned(), json!(logs));
        keys.insert("rules".to_owned(), rules.iter().map(rule).collect());
    }
    value
}
