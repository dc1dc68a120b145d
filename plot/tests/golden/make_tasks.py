"""Computes tasks.json with scikit-learn: what plot is to say of binary classifiers and of classes.

    python3 -m venv /tmp/tasks
    /tmp/tasks/bin/pip install numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1
    /tmp/tasks/bin/python plot/tests/golden/make_tasks.py

The rows are made here and in tests/it/golden_tasks.rs by the same arithmetic, which IEEE 754 fixes. Those named "docs" are the examples of
scikit-learn's documentation.
"""
import json, pathlib
import numpy as np
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    accuracy_score, brier_score_loss, confusion_matrix, log_loss, precision_recall_fscore_support, roc_auc_score,
)
from sklearn.utils.multiclass import unique_labels

HERE = pathlib.Path(__file__).parent
SHOWN = 20


def uniforms(seed, n):
    """splitmix64, as numbers above 0 and below 1."""
    state = np.uint64(seed) + np.uint64(0x9E3779B97F4A7C15) * np.arange(1, n + 1, dtype=np.uint64)
    z = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(float) / 2**53 + 0.5 / 2**53


def drawn(p, seed):
    """y_true with the probability 0.1 + 0.8 p of 1."""
    return (uniforms(seed, len(p)) < 0.1 + 0.8 * p).astype(int)


def with_drawn(p, seed):
    return drawn(p, seed), p


def binary_sets():
    i = np.arange(3000)
    return {
        "docs_log_loss": ([1, 0, 0, 1], [0.9, 0.1, 0.2, 0.65], 0.5),
        "docs_auc": ([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], 0.5),
        "only_ones": ([1, 1, 1], [0.25, 0.5, 1], 0.5),
        "only_zeros": ([0, 0], [0.75, 0], 0.5),
        "one_row": ([1], [0.3], 0.5),
        # Every pair a tie, and few different probabilities.
        "all_tied": (i % 2, np.full(3000, 0.5), 0.5),
        "ties": (*with_drawn(np.floor(uniforms(1, 3000) * 11) / 10, 2), 0.5),
        "no_positive_predicted": (*with_drawn(uniforms(3, 3000) * 0.49, 4), 0.5),
        "every_positive_predicted": (*with_drawn(0.5 + uniforms(5, 3000) * 0.5, 6), 0.5),
        "certain": (i % 2, np.where(i % 7 == 0, 1 - i % 2, i % 2), 0.5),
        # All in one bucket of plot's, or in few: the order within one is not known there.
        "close": (*with_drawn(0.5 - uniforms(7, 3000) * 1e-5, 8), 0.4999951),
        "around_half": (*with_drawn(0.49 + uniforms(9, 3000) * 0.02, 10), 0.5),
        "near_0_and_1": (
            i % 2,
            np.where(i % 3 == 0, 10.0 ** -(i % 40).astype(float), 1 - 2.0 ** -(i % 60).astype(float)),
            0.5,
        ),
        "another_threshold": (*with_drawn(uniforms(11, 3000), 12), 0.3),
        "a_million": (*with_drawn(uniforms(13, 1_000_000), 14), 0.5),
    }


def binary(y, p, threshold):
    y, p = np.asarray(y), np.asarray(p, dtype=float)
    predicted = (p >= threshold).astype(int)
    (tn, fp), (fn, tp) = confusion_matrix(y, predicted, labels=[0, 1])
    precision, recall, f1, _ = precision_recall_fscore_support(y, predicted, labels=[0, 1], zero_division=0)
    both = len(set(y.tolist())) == 2
    filled = np.bincount(np.searchsorted(np.linspace(0, 1, 11)[1:-1], p), minlength=10)
    shares, means = (iter(values) for values in calibration_curve(y, p, n_bins=10, pos_label=1))
    calibration = [
        {"n": int(n), "mean_probability": next(means) if n else None, "share": next(shares) if n else None} for n in filled
    ]
    return {
        "n": len(y),
        "threshold": threshold,
        "accuracy": accuracy_score(y, predicted),
        "precision": precision[1],
        "recall": recall[1],
        "f1": f1[1],
        "specificity": recall[0],
        "log_loss": log_loss(y, y_proba=p, labels=[0, 1]),
        "brier": brier_score_loss(y, p, labels=[0, 1], pos_label=1),
        "roc_auc": roc_auc_score(y, p) if both else None,
        "confusion": {
            "true_positives": int(tp), "false_positives": int(fp), "true_negatives": int(tn), "false_negatives": int(fn),
        },
        "calibration": calibration,
    }


def of_many(n, classes, seed):
    """Classes that become rarer, and are right in half of the rows, at least."""
    place = lambda u: np.floor(classes * u * u).astype(int)
    y, other = place(uniforms(seed, n)), place(uniforms(seed + 1, n))
    names = np.array([f"class {number}" for number in range(classes)])
    return names[y], names[np.where(uniforms(seed + 2, n) < 0.5, y, other)]


def class_sets():
    return {
        "docs_scores": ([0, 1, 2, 0, 1, 2], [0, 2, 1, 0, 0, 1]),
        "docs_matrix": (["cat", "ant", "cat", "cat", "ant", "bird"], ["ant", "ant", "cat", "cat", "ant", "cat"]),
        "docs_report": (["class 0", "class 1", "class 2", "class 2", "class 2"], ["class 0", "class 0", "class 2", "class 2", "class 1"]),
        "one_class": (["a"] * 3, ["a"] * 3),
        "none_right": (["a", "b"], ["b", "c"]),
        "many": of_many(3000, 60, 20),
        "a_million": of_many(1_000_000, 12, 30),
    }


def classes(y, p):
    y, p = np.asarray(y).astype(str), np.asarray(p).astype(str)
    labels = unique_labels(y, p)
    of_each = zip(*precision_recall_fscore_support(y, p, labels=labels, zero_division=0))
    of = {name: dict(zip(("precision", "recall", "f1", "support"), values)) for name, values in zip(labels.tolist(), of_each)}
    mean = lambda average: precision_recall_fscore_support(y, p, average=average, zero_division=0)
    predicted = {name: int((p == name).sum()) for name in of}
    first = {name: place for place, name in reversed(list(enumerate(np.stack([y, p], axis=1).ravel().tolist())))}
    order = sorted(of, key=lambda name: (-of[name]["support"], -predicted[name], first[name]))
    shown, rest = order[:SHOWN], "\0"
    pooled = lambda values: np.where(np.isin(values, shown), values, rest)
    return {
        "n": len(y),
        "accuracy": accuracy_score(y, p),
        "macro_precision": mean("macro")[0],
        "macro_recall": mean("macro")[1],
        "macro_f1": mean("macro")[2],
        "weighted_f1": mean("weighted")[2],
        "classes": [{"name": name, **of[name], "support": int(of[name]["support"]), "predicted": predicted[name]} for name in order],
        "confusion_matrix": {"names": shown, "counts": confusion_matrix(pooled(y), pooled(p), labels=[*shown, rest]).tolist()},
    }


golden = {
    "binary": {name: binary(*rows) for name, rows in binary_sets().items()},
    "classes": {name: classes(*rows) for name, rows in class_sets().items()},
}
(HERE / "tasks.json").write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")
