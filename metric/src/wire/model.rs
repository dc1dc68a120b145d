//! The linear model that turns a feature vector into `y_pred`. Never changes while `metric` runs.

use crate::wire::{
    json,
    labels::{self, Labels, Task},
};
use anyhow::{Context, Result, bail};
use glue::number::counted;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{fs, path::Path};

/// Scores, each an intercept + Σ coefficientsᵢ · xᵢ, as scikit-learn's linear models have them, and what is made of them.
#[derive(Debug)]
pub struct Model {
    /// The intercept and the coefficients of each score; there is at least one, and all have as many coefficients.
    scores: Vec<(f64, Vec<f64>)>,
    output: Output,
    features: usize,
}

#[derive(Debug)]
enum Output {
    /// The score itself.
    Value,
    /// The logistic function of the score.
    Probability,
    /// The name of the largest score's class; of equal scores the first.
    Class(Vec<String>),
}

/// A model file, as docs/model.md describes it.
#[derive(Deserialize)]
struct File<'f> {
    intercept: Option<f64>,
    intercepts: Option<Vec<f64>>,
    /// Numbers, or a list of them for each class.
    #[serde(borrow)]
    coefficients: &'f RawValue,
    link: Option<String>,
    #[serde(borrow)]
    classes: Option<Vec<&'f RawValue>>,
    /// Names of the features, for people, in the order of the coefficients.
    features: Option<Vec<String>>,
}

impl Model {
    /// Least squares or logistic regression, fitted to the whole data set that `features` embeds for the task.
    ///
    /// # Errors
    /// Never; a test reads each.
    pub fn embedded(task: Task) -> Result<Model> {
        let text = match task {
            Task::Regression => include_str!("../../model.json"),
            Task::Binary => include_str!("../../model_binary.json"),
            Task::Classes => include_str!("../../model_classes.json"),
        };
        Model::parse(text, task).context("the embedded model")
    }

    /// # Errors
    /// Names the file and what is wrong with it, such as that it is the model of another task.
    pub fn load(path: &Path, task: Task) -> Result<Model> {
        let named = || format!("model {}", path.display());
        let text = fs::read_to_string(path).with_context(named)?;
        Model::parse(&text, task).with_context(named)
    }

    fn parse(text: &str, task: Task) -> Result<Model> {
        let File { intercept, intercepts, coefficients, link, classes, features } =
            serde_json::from_str(text)?;
        let output = match (task, link.as_deref(), &classes) {
            (_, Some(link), _) if link != "logit" => {
                bail!("the link is {link:?}; allowed: \"logit\", or no link")
            }
            (Task::Regression, None, None) => Output::Value,
            (Task::Binary, Some(_), None) => Output::Probability,
            (Task::Classes, None, Some(classes)) => Output::Class(class_names(classes)?),
            (Task::Regression, ..) => bail!(
                "task regression takes a model without \"link\" and \"classes\"; is --task binary or classes meant?"
            ),
            (Task::Binary, ..) => {
                bail!("task binary takes a model with \"link\": \"logit\" and without \"classes\"")
            }
            (Task::Classes, ..) => bail!("task classes takes a model with \"classes\" and without \"link\""),
        };
        let (intercepts, coefficients) = match &output {
            Output::Class(names) => {
                let intercepts = intercepts.context("no intercepts")?;
                let coefficients: Vec<Vec<f64>> =
                    serde_json::from_str(coefficients.get()).context("coefficients")?;
                let lengths = [names.len(), intercepts.len(), coefficients.len()];
                let [classes, of_intercepts, rows] = lengths;
                if lengths != [classes; 3] {
                    bail!(
                        "classes, intercepts and coefficients differ in length: {classes}, {of_intercepts} and {rows}"
                    );
                }
                (intercepts, coefficients)
            }
            Output::Value | Output::Probability => {
                let coefficients = serde_json::from_str(coefficients.get()).context("coefficients")?;
                (vec![intercept.context("no intercept")?], vec![coefficients])
            }
        };
        let count = coefficients.first().map_or(0, Vec::len);
        if count == 0 {
            bail!("no coefficients");
        }
        if let Some(other) = coefficients.iter().find(|row| row.len() != count) {
            bail!("rows of coefficients differ in length: {count} and {}", other.len());
        }
        if let Some(names) = features.filter(|names| names.len() != count) {
            bail!("features and coefficients differ in length: {} and {count}", names.len());
        }
        let scores = intercepts.into_iter().zip(coefficients).collect();
        Ok(Model { scores, output, features: count })
    }

    /// How many numbers a feature vector has.
    pub fn features(&self) -> usize {
        self.features
    }

    /// The prediction for one sample: a number, a probability, or the number of a class.
    ///
    /// # Errors
    /// Those of [`Model::check_len`]; a score is not finite; the class cannot have a number.
    pub fn predict(&self, x: &[f64], labels: &Labels) -> Result<f64, String> {
        self.check_len(x.len())?;
        let (mut largest, mut at_largest) = (f64::NEG_INFINITY, 0);
        for (at, (intercept, coefficients)) in self.scores.iter().enumerate() {
            let score = coefficients.iter().zip(x).fold(*intercept, |sum, (w, x)| sum + w * x);
            if !score.is_finite() {
                return Err("the prediction overflows".to_owned());
            }
            if score > largest {
                (largest, at_largest) = (score, at);
            }
        }
        match &self.output {
            Output::Value => Ok(largest),
            Output::Probability => Ok(1.0 / (1.0 + (-largest).exp())),
            Output::Class(names) => {
                let name = names.get(at_largest).map_or("", String::as_str);
                labels.number(name).map_err(|what| format!("the prediction is {name:?}, {what}"))
            }
        }
    }

    /// # Errors
    /// Names the number of features and of coefficients, if they differ.
    pub fn check_len(&self, features: usize) -> Result<(), String> {
        let expected = self.features;
        if features == expected {
            return Ok(());
        }
        let features = counted(features as u64, "feature", "features");
        let expected = counted(expected as u64, "coefficient", "coefficients");
        Err(format!("the body has {features}, the model has {expected}"))
    }
}

/// Strings, or numbers as they are written, each another one.
fn class_names(classes: &[&RawValue]) -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::with_capacity(classes.len());
    for raw in classes {
        let name = json::text(raw.get()).and_then(Result::ok).unwrap_or_default();
        if let Err(what) = labels::check(&name) {
            bail!("one of the classes is {raw}, {what}");
        }
        if names.iter().any(|known| *known == name) {
            bail!("{name:?} is there twice among the classes");
        }
        names.push(name.into_owned());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Least squares leaves residuals that are orthogonal to every feature and to 1 (the normal equations).
    #[test]
    fn embedded_model_is_ordinary_least_squares_on_the_embedded_data() {
        let model = Model::embedded(Task::Regression).unwrap();
        let mut reader =
            csv::Reader::from_reader(include_bytes!("../../../features/data/diabetes.csv").as_slice());
        let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
        let file: Value = serde_json::from_str(include_str!("../../model.json")).unwrap();
        assert_eq!(file["features"], serde_json::json!(header[..10]));
        let labels = Labels::new(Task::Regression);
        let rows: Vec<Vec<f64>> = reader.deserialize().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 442);
        let residuals: Vec<f64> =
            rows.iter().map(|row| row[10] - model.predict(&row[..10], &labels).unwrap()).collect();
        let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
        for j in 0..=10 {
            let column: Vec<f64> = rows.iter().map(|row| if j < 10 { row[j] } else { 1.0 }).collect();
            let dot: f64 = column.iter().zip(&residuals).map(|(x, r)| x * r).sum();
            assert!(dot.abs() <= 1e-6 * norm(&column) * norm(&residuals), "column {j}: {dot}");
        }
    }

    /// `contract/model_predictions.json` is what scikit-learn says of rows of the data sets.
    #[test]
    fn embedded_classifiers_predict_as_scikit_learn_does() {
        let golden: Value =
            serde_json::from_str(include_str!("../../../contract/model_predictions.json")).unwrap();
        for task in [Task::Binary, Task::Classes] {
            let (model, labels) = (Model::embedded(task).unwrap(), Labels::new(task));
            let cases = golden[task.name()].as_array().unwrap();
            assert!(cases.len() >= 10);
            for case in cases {
                let x: Vec<f64> = serde_json::from_value(case["features"].clone()).unwrap();
                let value = model.predict(&x, &labels).unwrap();
                if task == Task::Classes {
                    assert_eq!(labels.class(value).as_deref(), case["predict"].as_str());
                } else {
                    let of_1 = case["predict_proba"][1].as_f64().unwrap();
                    assert!((value - of_1).abs() <= 1e-9, "{value}, scikit-learn {of_1}");
                    assert_eq!(u64::from(value > 0.5), case["predict"].as_u64().unwrap());
                }
            }
        }
    }

    #[test]
    fn the_largest_score_has_the_class_and_a_probability_reaches_0_and_1() {
        let labels = Labels::new(Task::Classes);
        let text =
            r#"{"intercepts": [0, 1, 1], "coefficients": [[1], [0], [0]], "classes": ["a\u0062", 3, "3.0"]}"#;
        let model = Model::parse(text, Task::Classes).unwrap();
        for (x, name) in [(2.0, "ab"), (1.0, "ab"), (0.5, "3")] {
            let class = model.predict(&[x], &labels).unwrap();
            assert_eq!(labels.class(class).as_deref(), Some(name));
        }
        // Only what was predicted has a number.
        assert_eq!(labels.count(), 2);
        assert_eq!(model.predict(&[f64::MAX * 2.0], &labels), Err("the prediction overflows".to_owned()));
        let text = r#"{"intercept": 0, "coefficients": [1], "link": "logit"}"#;
        let (model, labels) = (Model::parse(text, Task::Binary).unwrap(), Labels::new(Task::Binary));
        let predicted = [-800.0, 0.0, 800.0].map(|x| model.predict(&[x], &labels).unwrap());
        assert_eq!(predicted, [0.0, 0.5, 1.0]);
    }

    #[test]
    fn bad_models_are_named() {
        let regression = r#"{"intercept": 1, "coefficients": [1]}"#;
        let binary = r#"{"intercept": 1, "coefficients": [1], "link": "logit"}"#;
        let classes = r#"{"intercepts": [1, 2], "coefficients": [[1], [2]], "classes": ["a", "b"]}"#;
        for (task, text) in Task::ALL.map(|(_, task)| task).into_iter().zip([regression, binary, classes]) {
            assert!(Model::parse(text, task).is_ok());
        }
        for (task, text, reason) in [
            (Task::Regression, "{}", "missing field `coefficients`"),
            (Task::Regression, r#"{"coefficients": [1]}"#, "no intercept"),
            (Task::Regression, r#"{"intercept": 1, "coefficients": []}"#, "no coefficients"),
            (
                Task::Regression,
                r#"{"intercept": 1, "coefficients": [1, 2], "features": ["a"]}"#,
                "differ in length: 1 and 2",
            ),
            (Task::Regression, r#"{"intercept": 1e999, "coefficients": [1]}"#, "out of range"),
            (Task::Regression, r#"{"intercept": 1, "coefficients": [null]}"#, "null"),
            (Task::Regression, binary, "task regression takes a model without \"link\""),
            (Task::Regression, classes, "without \"link\" and \"classes\""),
            (Task::Binary, regression, "task binary takes a model with \"link\": \"logit\""),
            (Task::Binary, classes, "and without \"classes\""),
            (
                Task::Binary,
                r#"{"intercept": 1, "coefficients": [1], "link": "probit"}"#,
                "the link is \"probit\"; allowed: \"logit\"",
            ),
            (Task::Classes, regression, "task classes takes a model with \"classes\""),
            (Task::Classes, binary, "and without \"link\""),
            (Task::Classes, r#"{"coefficients": [[1]], "classes": ["a"]}"#, "no intercepts"),
            (
                Task::Classes,
                r#"{"intercepts": [1], "coefficients": [[1], [2]], "classes": ["a", "b"]}"#,
                "classes, intercepts and coefficients differ in length: 2, 1 and 2",
            ),
            (
                Task::Classes,
                r#"{"intercepts": [1, 2], "coefficients": [[1], [2, 3]], "classes": ["a", "b"]}"#,
                "rows of coefficients differ in length: 1 and 2",
            ),
            (
                Task::Classes,
                r#"{"intercepts": [1, 2], "coefficients": [1, 2], "classes": ["a", "b"]}"#,
                "coefficients: invalid type",
            ),
            (Task::Classes, r#"{"intercepts": [], "coefficients": [], "classes": []}"#, "no coefficients"),
            (Task::Classes, &classes.replace("\"b\"", "\"a\""), "\"a\" is there twice"),
            (Task::Classes, &classes.replace("\"b\"", "true"), "one of the classes is true, not a class"),
            (Task::Classes, &classes.replace("\"b\"", "\"\""), "one of the classes is \"\", not a class"),
        ] {
            let error = format!("{:#}", Model::parse(text, task).unwrap_err());
            assert!(error.contains(reason), "{error}, not {reason}");
        }
    }
}
