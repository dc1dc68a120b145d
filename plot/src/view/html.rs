//! What the parts of the page share: tables, times, and text that cannot become markup.
//! Never knows what a text means.

use crate::words::clock;

/// Makes text from outside harmless in an element or a quoted attribute.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A time in UTC, of Unix seconds. The page's script adds that of the viewer's zone.
pub fn time(time_s: f64) -> String {
    let stamp = clock::stamp_s(time_s);
    format!("<time datetime=\"{}Z\">{stamp} UTC</time>", stamp.replace(' ', "T"))
}

/// The same without its seconds.
pub fn minute(time_s: i64) -> String {
    minute_as(&clock::minute(time_s).replace('T', " "), time_s)
}

/// The same where a text already says the time in UTC.
pub fn minute_as(text: &str, time_s: i64) -> String {
    format!("<time datetime=\"{}Z\">{text} UTC</time>", clock::minute(time_s))
}

/// `caption`: the units of its columns.
pub fn table<const N: usize>(
    caption: &str,
    head: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let head = head.join("<th>");
    let row = |cells: [String; N]| format!("<tr><td>{}", cells.join("<td>"));
    let rows: String = rows.into_iter().map(row).collect();
    format!("<table><caption>{caption}</caption><thead><tr><th>{head}</thead><tbody>{rows}</tbody></table>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_its_own_element() {
        let start = "<time datetime=\"2024-11-23T06:00";
        assert_eq!(time(1_732_341_600.7), format!("{start}:00Z\">2024-11-23 06:00:00 UTC</time>"));
        assert_eq!(minute(1_732_341_600), format!("{start}Z\">2024-11-23 06:00 UTC</time>"));
    }

    #[test]
    fn text_from_outside_cannot_become_markup() {
        assert_eq!(escape("<b a=\"&\">"), "&lt;b a=&quot;&amp;&quot;&gt;");
    }
}
