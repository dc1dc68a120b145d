//! What the parts of the page share: tables, and text that cannot become markup.
//! Never knows what a text means.

/// Makes text from outside harmless in an element or a quoted attribute.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
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
    fn text_from_outside_cannot_become_markup() {
        assert_eq!(escape("<b a=\"&\">"), "&lt;b a=&quot;&amp;&quot;&gt;");
    }
}
