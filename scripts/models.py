#!/usr/bin/env python3
"""Writes the embedded data sets and models of TASK=binary and TASK=classes, and golden predictions for tests.

    python3 -m venv /tmp/models
    /tmp/models/bin/pip install numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1
    /tmp/models/bin/python scripts/models.py

Writes features/data/{breast_cancer,iris}.csv, metric/model_{binary,classes}.json and contract/model_predictions.json.

Binary: W. N. Street, W. H. Wolberg, O. L. Mangasarian, "Nuclear feature extraction for breast tumor diagnosis", 1993.
0 is malignant, 1 is benign. Classes: R. A. Fisher, "The use of multiple measurements in taxonomic problems", 1936.
"""

import csv
import json
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ROOT = Path(__file__).resolve().parent.parent


def write_data_set(name, feature_names, x, targets):
    with open(ROOT / "features/data" / name, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow([*feature_names, "target"])
        rows.writerows([*row.tolist(), target] for row, target in zip(x, targets))


def write_json(name, value):
    (ROOT / name).write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def fit(x, y):
    """A logistic regression on scaled features. Gives it, and the same intercepts and coefficients for raw features.

    Twelve digits: more of them depend on the machine that fits.
    """
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-10, max_iter=100_000)).fit(x, y)
    scaler, model = pipeline
    coefficients = model.coef_ / scaler.scale_
    intercepts = model.intercept_ - coefficients @ scaler.mean_
    digits = np.vectorize(lambda value: float(f"{value:.12g}"))
    return pipeline, digits(intercepts).tolist(), digits(coefficients).tolist()


def golden(pipeline, x, rows):
    """Some rows: what a message holds, and what the fitted model says of it."""
    sample = x[rows]
    return [
        {"features": features, "predict_proba": probabilities, "predict": predicted}
        for features, probabilities, predicted in zip(
            sample.tolist(), pipeline.predict_proba(sample).tolist(), pipeline.predict(sample).tolist()
        )
    ]


def wrong_and_every(pipeline, x, y, step):
    """Every `step`th row, and the first three of those that the model gets wrong."""
    wrong = np.flatnonzero(pipeline.predict(x) != y)[:3]
    return sorted({*range(0, len(x), step), *wrong.tolist()})


cancer = load_breast_cancer()
write_data_set("breast_cancer.csv", cancer.feature_names, cancer.data, cancer.target)
binary, [intercept], [coefficients] = fit(cancer.data, cancer.target)
write_json(
    "metric/model_binary.json",
    {
        "intercept": intercept,
        "coefficients": coefficients,
        "link": "logit",
        "features": cancer.feature_names.tolist(),
    },
)

iris = load_iris()
species = iris.target_names[iris.target]
write_data_set("iris.csv", iris.feature_names, iris.data, species)
classes, intercepts, coefficients = fit(iris.data, species)
write_json(
    "metric/model_classes.json",
    {
        "intercepts": intercepts,
        "coefficients": coefficients,
        "classes": classes.classes_.tolist(),
        "features": list(iris.feature_names),
    },
)

write_json(
    "contract/model_predictions.json",
    {
        "binary": golden(binary, cancer.data, wrong_and_every(binary, cancer.data, cancer.target, 60)),
        "classes": golden(classes, iris.data, wrong_and_every(classes, iris.data, species, 15)),
    },
)

print(f"accuracy: binary {binary.score(cancer.data, cancer.target):.4f}, classes {classes.score(iris.data, species):.4f}")
