//! The linear model that turns a feature vector into `y_pred`. Never changes while `metric` runs.

use anyhow::{Context, Result, bail};
use glue::number::counted;
use serde::Deserialize;
use std::{fs, path::Path};

/// `y_pred` = `intercept` + Σ `coefficients`ᵢ · xᵢ, as scikit-learn's linear models predict.
#[derive(Debug, Deserialize)]
pub struct Model {
    intercept: f64,
    pub coefficients: Vec<f64>,
    /// Names of the features, for people, in the order of the coefficients.
    #[serde(default)]
    features: Option<Vec<String>>,
}

impl Model {
    /// Ordinary least squares on the whole data set that `features` embeds.
    ///
    /// # Errors
    /// Never; a test reads it.
    pub fn embedded() -> Result<Model> {
        Model::parse(include_str!("../../model.json")).context("the embedded model")
    }

    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn load(path: &Path) -> Result<Model> {
        let named = || format!("model {}", path.display());
        let text = fs::read_to_string(path).with_context(named)?;
        Model::parse(&text).with_context(named)
    }

    fn parse(text: &str) -> Result<Model> {
        let model: Model = serde_json::from_str(text)?;
        if model.coefficients.is_empty() {
            bail!("no coefficients");
        }
        if let Some(names) = model.features.as_ref().filter(|names| names.len() != model.coefficients.len()) {
            let [names, coefficients] = [names.len(), model.coefficients.len()];
            bail!("features and coefficients differ in length: {names} and {coefficients}");
        }
        Ok(model)
    }

    /// The prediction for one sample. `x` must be as long as the coefficients.
    ///
    /// # Errors
    /// Those of [`Model::check_len`], or the result is not finite.
    pub fn predict(&self, x: &[f64]) -> Result<f64, String> {
        self.check_len(x.len())?;
        let y_pred = self.coefficients.iter().zip(x).fold(self.intercept, |sum, (w, x)| sum + w * x);
        if y_pred.is_finite() { Ok(y_pred) } else { Err("the prediction overflows".to_owned()) }
    }

    /// # Errors
    /// Names the number of features and of coefficients, if they differ.
    pub fn check_len(&self, features: usize) -> Result<(), String> {
        let expected = self.coefficients.len();
        if features == expected {
            return Ok(());
        }
        let features = counted(features as u64, "feature", "features");
        let expected = counted(expected as u64, "coefficient", "coefficients");
        Err(format!("the body has {features}, the model has {expected}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Least squares leaves residuals that are orthogonal to every feature and to 1 (the normal equations).
    #[test]
    fn embedded_model_is_ordinary_least_squares_on_the_embedded_data() {
        let model = Model::embedded().unwrap();
        let mut reader =
            csv::Reader::from_reader(include_bytes!("../../../features/data/diabetes.csv").as_slice());
        let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
        assert_eq!(model.features.as_deref().unwrap(), &header[..10]);
        let rows: Vec<Vec<f64>> = reader.deserialize().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 442);
        let residuals: Vec<f64> =
            rows.iter().map(|row| row[10] - model.predict(&row[..10]).unwrap()).collect();
        let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
        for j in 0..=10 {
            let column: Vec<f64> = rows.iter().map(|row| if j < 10 { row[j] } else { 1.0 }).collect();
            let dot: f64 = column.iter().zip(&residuals).map(|(x, r)| x * r).sum();
            assert!(dot.abs() <= 1e-6 * norm(&column) * norm(&residuals), "column {j}: {dot}");
        }
    }

    #[test]
    fn bad_models_are_named() {
        for (text, reason) in [
            ("{}", "intercept"),
            (r#"{"intercept": 1, "coefficients": []}"#, "no coefficients"),
            (r#"{"intercept": 1, "coefficients": [1, 2], "features": ["a"]}"#, "differ in length: 1 and 2"),
            (r#"{"intercept": 1e999, "coefficients": [1]}"#, "out of range"),
            (r#"{"intercept": 1, "coefficients": [null]}"#, "null"),
        ] {
            let error = Model::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
