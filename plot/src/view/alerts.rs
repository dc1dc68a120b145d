//! The alerts on the page: what fires, and what has resolved of late.
//! Never decides what fires.

use crate::{
    alert::message::{Alert, Phase},
    view::html::{escape, time},
};

/// Of those that have resolved.
const MOST_RESOLVED: usize = 5;

/// A list; empty without alerts.
pub fn list(alerts: &[Alert]) -> String {
    let firing = alerts.iter().filter(|alert| alert.phase == Phase::Firing);
    let resolved = alerts.iter().filter(|alert| alert.phase == Phase::Resolved).take(MOST_RESOLVED);
    let items: String = firing.chain(resolved).map(item).collect();
    if items.is_empty() { items } else { format!("<ul>{items}</ul>") }
}

fn item(alert: &Alert) -> String {
    let at = time(alert.since_s);
    let (class, what) = match alert.phase {
        Phase::Firing => ("bad", format!("fires since {at}")),
        Phase::Resolved => ("dim", format!("has resolved at {at}")),
    };
    format!("<li class={class}>Alert {} {what}: {}.</li>", escape(&alert.rule), escape(&alert.text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fires_comes_first_and_of_the_others_the_last_ones() {
        let alert = |n: u32, phase| Alert {
            id: format!("5f3a9c01-{n}"),
            rule: "mae>60".to_owned(),
            phase,
            value: None,
            limit: None,
            since_s: 1_732_341_600.0 - f64::from(n),
            text: format!("MAE <{n}>"),
        };
        assert_eq!(list(&[]), "");
        let alerts: Vec<Alert> =
            (0..9).map(|n| alert(n, if n == 0 { Phase::Firing } else { Phase::Resolved })).collect();
        let html = list(&alerts);
        let first = "<ul><li class=bad>Alert mae&gt;60 fires since <time datetime=\"2024-11-23T06:00:00Z\">2024-11-23 06:00:00 UTC</time>: MAE &lt;0&gt;.</li><li class=dim>";
        assert!(html.starts_with(first), "{html}");
        assert!(
            html.contains("05:59:55 UTC</time>: MAE &lt;5&gt;.") && !html.contains("&lt;6&gt;"),
            "{html}"
        );
    }
}
