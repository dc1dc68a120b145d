//! Reads the numbers of a sample's body, as in CONTRACT.md: a number may be a string, and an array of one value stands for that value. Takes
//! JSON values from `json.rs`; knows no ids and no messages.

use crate::wire::{
    describe,
    json::{elements, string},
    model::Model,
};
use std::borrow::Cow;

/// The value of a half in `y_true` or `y_pred`.
///
/// # Errors
/// Says what the body is.
pub fn number(body: &str) -> Result<f64, String> {
    if body.starts_with('[')
        && let Ok((elements, 1)) = elements(body, 1)
        && let [element] = elements.as_slice()
    {
        return finite(element).map_err(|what| format!("body[0] is {what}"));
    }
    finite(body).map_err(|what| format!("the body is {what}"))
}

/// The prediction for a body of queue `features`.
///
/// # Errors
/// Says what the body is, or which of its elements is not a number.
pub fn prediction(body: &str, model: &Model) -> Result<f64, String> {
    if let Ok(x) = serde_json::from_str::<Vec<f64>>(body) {
        return model.predict(&x);
    }
    let read = |array| {
        elements(array, model.coefficients.len())
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
    model.predict(&x)
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
        let model = Model::embedded().unwrap();
        let expected = model.predict(&[0.5, -0.25, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        for text in [
            "[0.5, -0.25, 0, 1, 2, 3, 4, 5, 6, 7]",
            "[[0.5, -0.25, 0, 1, 2, 3, 4, 5, 6, 7]]",
            r#"["0.5", "-0.25", 0, "1", 2, 3, 4, 5, 6, 7]"#,
            r#"[ [".5", "-.25", 0, "1", 2, 3, 4, 5, 6, " 7 "] ]"#,
        ] {
            assert_eq!(prediction(text, &model), expected, "{text}");
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
            assert_eq!(prediction(text, &model), Err(reason.to_owned()), "{text}");
        }
    }
}
