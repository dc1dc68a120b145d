//! An alert: that a rule fires, or that it has resolved; and its forms for a receiver, `/stats.json` and the file that remembers it.
//! Plain values. Never sends anything.

use serde_json::{Value, json};

/// Limit of characters of a text. Reasons of the broker or the disk may be long.
const MOST_CHARACTERS: usize = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Firing,
    Resolved,
}

/// One change of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// No other alert has it: a receiver can tell that one comes again.
    pub id: String,
    /// As `--alert` has it.
    pub rule: String,
    pub phase: Phase,
    /// What the rule looked at, as it was then; in the unit of `limit`. None where it has none.
    pub value: Option<f64>,
    pub limit: Option<f64>,
    /// Unix seconds since which it is so.
    pub since_s: f64,
    /// A sentence, without its full stop.
    pub text: String,
}

impl Alert {
    /// Cuts a text that is too long.
    pub fn cut(text: &str) -> String {
        text.chars().take(MOST_CHARACTERS).collect()
    }

    /// As `/stats.json`, receivers of the format `json` and the file have it.
    pub fn json(&self) -> Value {
        json!({
            "id": self.id,
            "rule": self.rule,
            "state": match self.phase { Phase::Firing => "firing", Phase::Resolved => "resolved" },
            "value": self.value,
            "limit": self.limit,
            "since": self.since_s,
            "text": self.text,
        })
    }

    /// The inverse of [`Alert::json`]; None where a key is missing or of another type.
    pub fn from_json(value: &Value) -> Option<Alert> {
        let text = |key: &str| value.get(key)?.as_str().map(ToOwned::to_owned);
        let number = |key: &str| match value.get(key)? {
            Value::Null => Some(None),
            number => number.as_f64().map(Some),
        };
        Some(Alert {
            id: text("id")?,
            rule: text("rule")?,
            phase: match text("state")?.as_str() {
                "firing" => Phase::Firing,
                "resolved" => Phase::Resolved,
                _ => return None,
            },
            value: number("value")?,
            limit: number("limit")?,
            since_s: number("since")??,
            text: Alert::cut(&text("text")?),
        })
    }
}

/// How a receiver wants its alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One text: Slack's incoming webhooks, and what is made after them.
    Slack,
    /// Every key.
    Json,
}

impl Format {
    /// By the names of `--alert-format`.
    pub const NAMES: &[(&str, Format)] = &[("slack", Format::Slack), ("json", Format::Json)];

    /// The body of a request.
    pub fn body(self, alert: &Alert) -> String {
        match self {
            Format::Json => alert.json(),
            Format::Slack => {
                let word = match alert.phase {
                    Phase::Firing => "Alert",
                    Phase::Resolved => "Resolved",
                };
                json!({ "text": format!("{word}: {}", escape(&alert.text)) })
            }
        }
        .to_string()
    }
}

/// Slack's three characters of control, and what follows an `@` apart from it: a reason, which may quote a message, must not call a whole
/// channel by `<!channel>`, or by `@everyone` where the receiver is Mattermost or Discord.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('@', "@\u{200b}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(phase: Phase) -> Alert {
        Alert {
            id: "5f3a9c01-17".to_owned(),
            rule: "mae>60".to_owned(),
            phase,
            value: Some(61.5),
            limit: Some(60.0),
            since_s: 1_732_341_600.25,
            text: "MAE 61.5 of <!channel> & \"@all\"".to_owned(),
        }
    }

    #[test]
    fn slack_gets_one_text_that_calls_nobody() {
        let body = Format::Slack.body(&alert(Phase::Firing));
        assert_eq!(body, "{\"text\":\"Alert: MAE 61.5 of &lt;!channel&gt; &amp; \\\"@\u{200b}all\\\"\"}");
        assert!(Format::Slack.body(&alert(Phase::Resolved)).contains("Resolved: MAE"));
    }

    #[test]
    fn json_has_every_key_and_reads_back() {
        for phase in [Phase::Firing, Phase::Resolved] {
            let alert = Alert { value: None, ..alert(phase) };
            let body: Value = serde_json::from_str(&Format::Json.body(&alert)).unwrap();
            assert_eq!(Alert::from_json(&body), Some(alert));
            for key in ["id", "rule", "state", "value", "limit", "since", "text"] {
                let mut less = body.clone();
                less.as_object_mut().unwrap().remove(key).unwrap();
                assert_eq!(Alert::from_json(&less), None, "without {key}");
                less[key] = json!([1]);
                assert_eq!(Alert::from_json(&less), None, "another {key}");
            }
        }
        assert_eq!(Alert::from_json(&json!([])), None);
        assert_eq!(Alert::cut(&"ä".repeat(600)), "ä".repeat(500));
    }
}
