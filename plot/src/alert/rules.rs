//! The rules of `--alert`: which there are, and how they are written.
//! Pure. Never judges anything.

use crate::logs::task::Task;

/// Limit of rules.
const MOST_RULES: usize = 50;

/// What a rule watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Drift,
    Silence,
    Blind,
    Mae,
    Rmse,
    Bias,
    P95,
    GroupZ,
    DelayP95,
    Accuracy,
    Auc,
    LogLoss,
    Coverage,
    Rejected,
}

/// How a rule on a subject is written.
struct Form {
    /// With its spaces, which may be left out.
    name: &'static str,
    subject: Subject,
    /// None: the subject takes no limit.
    operator: Option<char>,
    /// The subject alone is a rule.
    is_word: bool,
    /// What a limit may be.
    allowed: &'static str,
    /// The limit in the subject's unit.
    limit: fn(&str) -> Option<f64>,
}

const NUMBER: &str = "a number of 0 or more, in the unit of y_true";
const Z: &str = "a number of 0 or more, in standard errors";
const DURATION: &str = "a time from 1s to 365d, such as 90s, 15m, 2h or 3d";

const NATS: &str = "a number of 0 or more, in nats";
const SHARE: &str = "a share above 0, to 1 or 100%, such as 0.9 or 90%";

const FORMS: [Form; 14] = [
    word("drift", Subject::Drift),
    Form { is_word: true, ..form("silence", Subject::Silence, '>', DURATION, seconds) },
    word("blind", Subject::Blind),
    form("mae", Subject::Mae, '>', NUMBER, number),
    form("rmse", Subject::Rmse, '>', NUMBER, number),
    form("bias", Subject::Bias, '>', NUMBER, number),
    form("p95", Subject::P95, '>', NUMBER, number),
    form("group z", Subject::GroupZ, '>', Z, number),
    form("delay_p95", Subject::DelayP95, '>', DURATION, seconds),
    form("accuracy", Subject::Accuracy, '<', SHARE, share_above_0),
    form("auc", Subject::Auc, '<', SHARE, share_above_0),
    form("logloss", Subject::LogLoss, '>', NATS, number),
    form("coverage", Subject::Coverage, '<', SHARE, share_above_0),
    form("rejected", Subject::Rejected, '>', "a share from 0, below 1 or 100%, such as 0.01 or 1%", |text| {
        share(text).filter(|share| *share < 1.0)
    }),
];

const fn word(name: &'static str, subject: Subject) -> Form {
    Form { name, subject, operator: None, is_word: true, allowed: "", limit: |_| None }
}

const fn form(
    name: &'static str,
    subject: Subject,
    operator: char,
    allowed: &'static str,
    limit: fn(&str) -> Option<f64>,
) -> Form {
    Form { name, subject, operator: Some(operator), is_word: false, allowed, limit }
}

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// As it was given, with no space but those of its name.
    pub text: String,
    pub subject: Subject,
    /// None for a rule without one. In the unit of y_true, in seconds, or a share from 0 to 1.
    pub limit: Option<f64>,
}

impl Rule {
    /// Whether there is such a number with the task.
    pub fn has_number(&self, task: Task) -> bool {
        match self.subject {
            Subject::Accuracy => task != Task::Regression,
            Subject::Auc | Subject::LogLoss => task == Task::Binary,
            _ => true,
        }
    }

    /// The limit as it was given: `1%`.
    pub fn limit_text(&self) -> &str {
        self.text.split_once(['<', '>']).map_or("", |(_, limit)| limit)
    }
}

/// Reads rules with commas between them; none of an empty text or `none`.
///
/// # Errors
/// What is allowed in place of the rule at fault.
pub fn parse(text: &str) -> Result<Vec<Rule>, String> {
    let text: String = text.split_whitespace().collect();
    if text.is_empty() || text == "none" {
        return Ok(Vec::new());
    }
    let mut rules: Vec<Rule> = Vec::new();
    for text in text.split(',') {
        let rule = rule(text)?;
        if rules.iter().any(|other| (other.subject, other.limit) == (rule.subject, rule.limit)) {
            return Err(format!("each rule once; {text:?} is there twice"));
        }
        rules.push(rule);
        if rules.len() > MOST_RULES {
            return Err(format!("at most {MOST_RULES} rules"));
        }
    }
    Ok(rules)
}

fn rule(text: &str) -> Result<Rule, String> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let Some(form) = FORMS.iter().find(|form| form.name.replace(' ', "") == name) else {
        return Err(format!("{}, with commas between them, or none; {text:?} is none of them", every_form()));
    };
    let limit = form.operator.and_then(|operator| (form.limit)(rest.strip_prefix(operator)?));
    if limit.is_none() && !(form.is_word && rest.is_empty()) {
        return Err(match form.operator {
            None => format!("{} without a limit; {text:?} is not", form.name),
            Some(operator) => format!("{}{operator} with {}; {text:?} is not", form.name, form.allowed),
        });
    }
    Ok(Rule { text: form.name.to_owned() + rest, subject: form.subject, limit })
}

/// `drift, silence, silence>…, blind, mae>…`
fn every_form() -> String {
    let written = |form: &Form| {
        let alone = form.is_word.then(|| form.name.to_owned());
        let with_limit = form.operator.map(|operator| format!("{}{operator}…", form.name));
        alone.into_iter().chain(with_limit).collect::<Vec<_>>()
    };
    FORMS.iter().flat_map(written).collect::<Vec<_>>().join(", ")
}

/// A finite number of 0 or more in decimal.
fn number(text: &str) -> Option<f64> {
    // Not "inf", "nan" or "+1", which Rust reads.
    let is_decimal = text.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    text.parse().ok().filter(|number: &f64| is_decimal && number.is_finite())
}

/// `15m` in seconds.
fn seconds(text: &str) -> Option<f64> {
    let unit = text.chars().last()?;
    let unit_s = match unit {
        's' => 1.0,
        'm' => 60.0,
        'h' => 3_600.0,
        'd' => 86_400.0,
        _ => return None,
    };
    let seconds = number(text.strip_suffix(unit)?)? * unit_s;
    (1.0..=365.0 * 86_400.0).contains(&seconds).then_some(seconds)
}

/// `1%` or `0.01`, from 0 to 1.
fn share(text: &str) -> Option<f64> {
    let share = match text.strip_suffix('%') {
        Some(percent) => number(percent)? / 100.0,
        None => number(text)?,
    };
    (0.0..=1.0).contains(&share).then_some(share)
}

fn share_above_0(text: &str) -> Option<f64> {
    share(text).filter(|share| *share > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_with_their_limits_in_one_unit() {
        use Subject::*;
        let cases: [(&str, Subject, Option<f64>); 23] = [
            ("drift", Drift, None),
            ("silence", Silence, None),
            ("silence>15m", Silence, Some(900.0)),
            ("silence>90s", Silence, Some(90.0)),
            ("silence>1.5d", Silence, Some(129_600.0)),
            ("blind", Blind, None),
            ("mae>60", Mae, Some(60.0)),
            ("mae>0", Mae, Some(0.0)),
            ("rmse>.5", Rmse, Some(0.5)),
            ("bias>1e3", Bias, Some(1000.0)),
            ("p95>120.5", P95, Some(120.5)),
            ("group z>5", GroupZ, Some(5.0)),
            ("delay_p95>2h", DelayP95, Some(7200.0)),
            ("accuracy<0.9", Accuracy, Some(0.9)),
            ("accuracy<90%", Accuracy, Some(0.9)),
            ("auc<0.8", Auc, Some(0.8)),
            ("logloss>0.5", LogLoss, Some(0.5)),
            ("coverage<0.9", Coverage, Some(0.9)),
            ("coverage<90%", Coverage, Some(0.9)),
            ("coverage<1", Coverage, Some(1.0)),
            ("rejected>1%", Rejected, Some(0.01)),
            ("rejected>0.01", Rejected, Some(0.01)),
            ("rejected>0", Rejected, Some(0.0)),
        ];
        for (text, subject, limit) in cases {
            assert_eq!(parse(text), Ok(vec![Rule { text: text.to_owned(), subject, limit }]));
        }
        let rules = parse(" drift, mae > 60 ,silence,silence>15m,mae>70, group  z >5,groupz>6").unwrap();
        let texts: Vec<&str> = rules.iter().map(|rule| rule.text.as_str()).collect();
        assert_eq!(texts, ["drift", "mae>60", "silence", "silence>15m", "mae>70", "group z>5", "group z>6"]);
        assert_eq!((rules[1].limit_text(), rules[0].limit_text()), ("60", ""));
        for nothing in ["", "none", " "] {
            assert_eq!(parse(nothing), Ok(Vec::new()), "{nothing:?}");
        }
    }

    #[test]
    fn a_bad_rule_is_named_with_what_is_allowed() {
        for (text, at_fault, allowed) in [
            ("drift,mea>60", "mea>60", "drift, silence, silence>…, blind, mae>…, rmse>…"),
            ("drift,,blind", "", "or none"),
            ("drift,none", "none", "is none of them"),
            ("Drift", "Drift", "drift, "),
            ("drift>5", "drift>5", "drift without a limit"),
            ("blind>5m", "blind>5m", "blind without a limit"),
            ("mae", "mae", "mae> with a number of 0 or more"),
            ("mae<60", "mae<60", "mae> with"),
            ("mae>=60", "mae>=60", "mae> with"),
            ("mae>", "mae>", "mae> with"),
            ("mae>-1", "mae>-1", "mae> with"),
            ("mae>inf", "mae>inf", "mae> with"),
            ("mae>NaN", "mae>NaN", "mae> with"),
            ("mae>1e999", "mae>1e999", "mae> with"),
            ("mae>60%", "mae>60%", "mae> with"),
            ("bias>−3", "bias>−3", "bias> with"),
            ("silence>15", "silence>15", "such as 90s, 15m, 2h or 3d"),
            ("silence>0s", "silence>0s", "from 1s to 365d"),
            ("silence>366d", "silence>366d", "from 1s to 365d"),
            ("delay_p95>m", "delay_p95>m", "delay_p95> with"),
            ("delay_p95", "delay_p95", "delay_p95> with"),
            ("accuracy>0.9", "accuracy>0.9", "accuracy< with a share above 0"),
            ("accuracy<90", "accuracy<90", "such as 0.9 or 90%"),
            ("auc<0", "auc<0", "auc< with"),
            ("auc", "auc", "auc< with"),
            ("logloss<0.5", "logloss<0.5", "logloss> with a number of 0 or more, in nats"),
            ("coverage>0.9", "coverage>0.9", "coverage< with a share above 0"),
            ("coverage<0", "coverage<0", "coverage< with"),
            ("coverage<90", "coverage<90", "such as 0.9 or 90%"),
            ("rejected>1", "rejected>1", "below 1 or 100%"),
            ("rejected>100%", "rejected>100%", "below 1 or 100%"),
            ("rejected<1%", "rejected<1%", "rejected> with"),
            ("group z", "groupz", "group z> with a number of 0 or more, in standard errors"),
            ("group z>-1", "groupz>-1", "group z> with"),
            ("group>5", "group>5", "group z>…"),
            ("group z>5,group z>5.0", "groupz>5.0", "once"),
            ("drift,drift", "drift", "once"),
            ("mae>60,mae>60.0", "mae>60.0", "once"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(&format!("{at_fault:?}")) && error.contains(allowed), "{text}: {error}");
        }
        let many = |n: u32| (0..n).map(|n| format!("mae>{n}")).collect::<Vec<_>>().join(",");
        assert_eq!(parse(&many(50)).map(|rules| rules.len()), Ok(50));
        assert_eq!(parse(&many(51)), Err("at most 50 rules".to_owned()));
    }
}
