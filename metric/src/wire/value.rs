//! Reads the value of a sample's body, as in CONTRACT.md: a number may be a string, and an array of one value stands for that value. Takes
//! JSON values from `json.rs`; knows no ids and no messages.

use crate::wire::{
    describe,
    json::{self, elements, string},
    labels::{Labels, not_a_class},
    model::Model,
    sample::{Content, Value},
};
use std::borrow::Cow;

/// The value of a body. A class that is new gets a number.
///
/// # Errors
/// Says what the body is, and what is allowed.
pub fn read(body: &str, Content { value, labels, .. }: &Content) -> Result<f64, String> {
    let read: &dyn Fn(&str) -> Result<f64, String> = match value {
        Value::Number => &finite,
        Value::Outcome => &outcome,
        Value::Probability => {
            &|raw| within(raw, |p| (0.0..=1.0).contains(&p), "not a probability from 0 to 1")
        }
        Value::Class => &|raw| class(raw, labels),
        Value::Features(model) => return prediction(body, model, labels),
    };
    if body.starts_with('[')
        && let Ok((elements, 1)) = elements(body, 1)
        && let [element] = elements.as_slice()
    {
        return read(element).map_err(|what| format!("body[0] is {what}"));
    }
    read(body).map_err(|what| format!("the body is {what}"))
}

fn outcome(raw: &str) -> Result<f64, String> {
    match raw {
        "false" => Ok(0.0),
        "true" => Ok(1.0),
        _ => within(raw, |number| number == 0.0 || number == 1.0, "neither 0 nor 1"),
    }
}

fn within(raw: &str, is_allowed: impl Fn(f64) -> bool, otherwise: &str) -> Result<f64, String> {
    let number = finite(raw).ok().filter(|number| is_allowed(*number));
    // The sum makes 0 of -0, whose sign the log would show.
    number.map(|number| number + 0.0).ok_or_else(|| format!("{}, {otherwise}", describe::value(raw)))
}

fn class(raw: &str, labels: &Labels) -> Result<f64, String> {
    let name = json::text(raw).and_then(Result::ok).ok_or_else(not_a_class);
    let number = name.and_then(|name| labels.number(&name));
    number.map_err(|what| format!("{}, {what}", describe::value(raw)))
}

/// The prediction for a body of queue `features`.
fn prediction(body: &str, model: &Model, labels: &Labels) -> Result<f64, String> {
    if let Ok(x) = serde_json::from_str::<Vec<f64>>(body) {
        return model.predict(&x, labels);
    }
    let read = |array| {
        elements(array, model.features())
            .map_err(|_| format!("the body is {}, not an array of numbers", describe::value(body)))
    };
    let ((mut vector, mut count), mut place) = (read(body)?, "body");
    if let ([only], 1) = (vector.as_slice(), count)
        && only.starts_with('[')
    {
        ((vector, count), place) = (read(only)?, "body[0]");
    }
    let x = vector
        .iter()
        .enumerate()
        .map(|(at, element)| finite(element).map_err(|what| format!("{place}[{at}] is {what}")));
    let x = x.collect::<Result<Vec<f64>, String>>()?;
    model.check_len(count)?;
    model.predict(&x, labels)
}

/// Reads a number, or a string with a number and white space around it. The standard library parses all JSON numbers, and like Python's
/// float() also a plus sign and a point with digits on one side only.
fn finite(raw: &str) -> Result<f64, String> {
    let text = if raw.starts_with('"') { string(raw).unwrap_or_default() } else { Cow::Borrowed(raw) };
    match text.trim_ascii().parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        // Infinity and NaN parse too, but hold no digits.
        Ok(_) if text.contains(|c: char| c.is_ascii_digit()) => {
            Err(format!("{}, beyond the largest 64-bit float", describe::value(raw)))
        }
        _ => Err(format!("{}, not a finite number", describe::value(raw))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::labels::Task;

    fn content<'a>(task: Task, model: Option<&'a Model>) -> [Content<'a>; 2] {
        Content::of_queues(&Labels::new(task), model, None)
    }

    fn number(body: &str) -> Result<f64, String> {
        let [y_true, y_pred] = content(Task::Regression, None);
        let value = read(body, &y_true);
        assert_eq!(read(body, &y_pred), value);
        value
    }

    #[test]
    fn numbers_are_read_however_they_are_wrapped() {
        for text in [
            "3.25",
            r#""3.25""#,
            "[3.25]",
            r#"["3.25"]"#,
            r#"" +3.25\n""#,
            r#""\u0033.250""#,
            r#"[ "325e-2" ]"#,
        ] {
            assert_eq!(number(text), Ok(3.25), "{text}");
        }
        for (text, value) in [(r#""5.""#, 5.0), (r#"".5""#, 0.5), (r#""-0""#, 0.0), (r#""5e-324""#, 5e-324)] {
            assert_eq!(number(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_is_no_finite_number_is_said() {
        for (text, reason) in [
            ("NaN", "the body is NaN, not a finite number"),
            (r#""nan""#, r#"the body is the string "nan", not a finite number"#),
            (r#""-inf""#, r#"the body is the string "-inf", not a finite number"#),
            (r#""3,2""#, r#"the body is the string "3,2", not a finite number"#),
            (r#""1_000""#, r#"the body is the string "1_000", not a finite number"#),
            (r#""0x10""#, r#"the body is the string "0x10", not a finite number"#),
            (r#""3 2""#, r#"the body is the string "3 2", not a finite number"#),
            (r#""""#, "the body is an empty string, not a finite number"),
            (r#""1e999""#, r#"the body is the string "1e999", beyond the largest 64-bit float"#),
            ("-1e999", "the body is the number -1e999, beyond the largest 64-bit float"),
            ("[Infinity]", "body[0] is Infinity, not a finite number"),
            ("[[1]]", "body[0] is an array of one value, not a finite number"),
            ("[]", "the body is an empty array, not a finite number"),
            ("[1, NaN]", "the body is an array of 2 values, not a finite number"),
        ] {
            assert_eq!(number(text), Err(reason.to_owned()), "{text}");
        }
    }

    #[test]
    fn vectors_are_read_however_they_are_wrapped() {
        let model = Model::embedded(Task::Regression).unwrap();
        let [_, content] = content(Task::Regression, Some(&model));
        let expected = model.predict(&[0.5, -0.25, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], &content.labels);
        for text in [
            "[0.5, -0.25, 0, 1, 2, 3, 4, 5, 6, 7]",
            "[[0.5, -0.25, 0, 1, 2, 3, 4, 5, 6, 7]]",
            r#"["0.5", "-0.25", 0, "1", 2, 3, 4, 5, 6, 7]"#,
            r#"[ [".5", "-.25", 0, "1", 2, 3, 4, 5, 6, " 7 "] ]"#,
        ] {
            assert_eq!(read(text, &content), expected, "{text}");
        }
        for (text, reason) in [
            ("[0, 1, NaN]", "body[2] is NaN, not a finite number"),
            (r#"[["1", null]]"#, "body[0][1] is null, not a finite number"),
            ("[[0],[1]]", "body[0] is an array of one value, not a finite number"),
            ("[[[0]]]", "body[0][0] is an array of one value, not a finite number"),
            (r#"["1", 2]"#, "the body has 2 features, the model has 10 coefficients"),
            (r#"[1,2,3,4,5,6,7,8,9,10,11,"12"]"#, "the body has 12 features, the model has 10 coefficients"),
            (r#"{"x1": 1}"#, "the body is an object with x1, not an array of numbers"),
            (r#""[1, 2]""#, "the body is JSON inside a string, encoded twice, not an array of numbers"),
        ] {
            assert_eq!(read(text, &content), Err(reason.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_truth_is_0_or_1_and_a_probability_between_them() {
        let [y_true, y_pred] = content(Task::Binary, None);
        for (text, value) in [
            ("0", 0.0),
            ("1", 1.0),
            ("1.0", 1.0),
            ("10e-1", 1.0),
            ("-0.0", 0.0),
            (r#"" 1 ""#, 1.0),
            ("[0]", 0.0),
            (r#"["1"]"#, 1.0),
        ] {
            for content in [&y_true, &y_pred] {
                assert_eq!(read(text, content).map(f64::to_bits), Ok(f64::to_bits(value)), "{text}");
            }
        }
        for (text, value) in [("false", 0.0), ("true", 1.0), ("[true]", 1.0)] {
            assert_eq!(read(text, &y_true), Ok(value), "{text}");
        }
        for (text, value) in [("0.25", 0.25), ("5e-324", 5e-324), (r#"[".5"]"#, 0.5), ("[1e-3]", 0.001)] {
            assert_eq!(read(text, &y_pred), Ok(value), "{text}");
        }
        for (text, reason) in [
            ("2", "the body is the number 2, neither 0 nor 1"),
            ("0.5", "the body is the number 0.5, neither 0 nor 1"),
            (r#""true""#, r#"the body is the string "true", neither 0 nor 1"#),
            (r#""benign""#, r#"the body is the string "benign", neither 0 nor 1"#),
            ("[null]", "body[0] is null, neither 0 nor 1"),
            ("[0, 1]", "the body is an array of 2 values, neither 0 nor 1"),
        ] {
            assert_eq!(read(text, &y_true), Err(reason.to_owned()), "{text}");
        }
        for (text, reason) in [
            ("1.5", "the body is the number 1.5, not a probability from 0 to 1"),
            ("-1e-9", "the body is the number -1e-9, not a probability from 0 to 1"),
            ("true", "the body is true, not a probability from 0 to 1"),
            ("NaN", "the body is NaN, not a probability from 0 to 1"),
            (r#"["50 %"]"#, r#"body[0] is the string "50 %", not a probability from 0 to 1"#),
        ] {
            assert_eq!(read(text, &y_pred), Err(reason.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_class_is_a_short_text_or_a_number_as_it_is_written() {
        let [y_true, y_pred] = content(Task::Classes, None);
        for (text, name) in [
            (r#""cat""#, "cat"),
            (r#"["cat"]"#, "cat"),
            (r#"" ""#, " "),
            (r#""\u0063\"\u00e9""#, "c\"é"),
            ("3", "3"),
            (r#""3""#, "3"),
            ("3.0", "3.0"),
            ("[-1e999]", "-1e999"),
            (r#""NaN""#, "NaN"),
        ] {
            for content in [&y_true, &y_pred] {
                let number = read(text, content).unwrap();
                assert_eq!(y_true.labels.class(number).as_deref(), Some(name), "{text}");
            }
        }
        assert_eq!(y_true.labels.count(), 7);
        for (text, what) in [
            ("null", "the body is null"),
            ("true", "the body is true"),
            ("NaN", "the body is NaN"),
            ("[-Infinity]", "body[0] is -Infinity"),
            (r#""""#, "the body is an empty string"),
            (r#""a\nb""#, r#"the body is the string "a\nb""#),
            (r#""\ud800""#, r#"the body is the string "\ud800""#),
            ("{}", "the body is an empty object"),
            ("[[1]]", "body[0] is an array of one value"),
            (&"1".repeat(65), "the body is the number 1111111111111111111111111111111111111111…"),
        ] {
            let reason = read(text, &y_pred).unwrap_err();
            assert_eq!(reason, format!("{what}, {}", not_a_class()), "{text}");
        }
    }
}
