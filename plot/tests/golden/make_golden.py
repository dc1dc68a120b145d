"""Computes golden.json and diabetes.csv with numpy and scikit-learn: python make_golden.py (needs numpy, pandas, scikit-learn).

The data sets other than the diabetes errors are made here and in tests/it/golden.rs by the same arithmetic, which IEEE 754 fixes.
"""
import json, math, pathlib
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error, mean_squared_error, max_error, r2_score

HERE = pathlib.Path(__file__).parent


def heavy(n=100_000):
    rows = []
    for i in range(n):
        u = ((i * 2654435761) % 2**32 + 0.5) / 2**32
        y = ((i * 7919) % 1000) / 8
        rows.append((y, y + (u / (1 - u)) * (1 if i % 2 == 0 else -1)))
    return rows


def wide(n=2500):
    rows = []
    for i in range(n):
        value = float(f"{(i * 37) % 900 + 100}e{i % 25 - 14}")
        rows.append((0.0, value if i % 3 else -value))
    return rows


def far_truth(n=5000):
    """y_true = 1e9 ± 1, where a mean of 64 bits is off by 1e-7."""
    rows = []
    for i in range(n):
        y = 1e9 + ((i * 7919) % 2001 - 1000) / 1024
        rows.append((y, y + ((i * 104729) % 997 - 498) / 2048))
    return rows


def far_error(n=5000):
    """Errors of 1e6 ± 0.5."""
    return [(0.0, 1e6 + ((i * 7919) % 1025 - 512) / 1024) for i in range(n)]


def diabetes():
    x, y = load_diabetes(return_X_y=True)
    return [(float(a), float(b)) for a, b in zip(y, LinearRegression().fit(x, y).predict(x))]


def resolution(value):
    """Width of the buckets around a value, as 1, 2 or 5 and a power of ten."""
    power = math.floor(math.log10(value))
    digit = value / 10.0**power
    return (1 if digit < 2 else 2 if digit < 5 else 5), power - 3


def edges(a):
    """The documented rule: Freedman-Diaconis as numpy has it, rounded to 1-2-5, 10 to 60 bins, a far tail cut, zero in view or not."""
    cuts = (1, 0.999, 0.99, 0.95, 0.9)
    end = lambda x, fence: next((v for v in (np.quantile(x, q, method="lower") for q in cuts) if v <= fence), np.quantile(x, 0.9, method="lower"))
    value = lambda width: float(f"{width[0]}e{width[1]}")
    positive, low, high = a[a > 0], 0.0, 0.0
    if len(positive):
        low, high = a.min(), end(positive, 6 * np.quantile(positive, 0.75, method="lower"))
    first, third = np.quantile(a, [0.25, 0.75], method="lower")
    if first > 6 * (third - first):
        low, high = -end(-a, 6 * (third - first) - first), end(a, third + 6 * (third - first))
    away = high > low > (high - low) / 2
    low = low if away else 0.0
    spread = high - low or 1.0
    width = 2.0 * np.subtract(*np.percentile(a, [75, 25])) * a.size ** (-1 / 3)
    width = width if width > 0 else spread / (math.log2(a.size) + 1)
    target = min(max(width, spread / 60), spread / 10)
    power = math.floor(math.log10(target))
    widths = [(d, k) for k in range(power - 1, power + 2) for d in (1, 2, 5)]
    fitting = [w for w in widths if 10 <= math.ceil(spread / value(w)) <= 60]
    width = min(fitting, key=lambda w: abs(math.log(value(w) / target)))
    if away:
        width = max(width, resolution(low), resolution(high), key=value)
    last = math.floor(high / value(width)) + 1 if high else 10
    return [float(f"{j * width[0]}e{width[1]}") for j in range(math.floor(low / value(width)), last + 1)]


def r2(y, p):
    """r2_score, whose mean of a constant y may be off by a rounding: there its documented values are taken."""
    return r2_score(y, p) if np.ptp(y) > 0 else float(np.array_equal(y, p))


def golden(rows):
    y, p = np.array(rows).T
    error = p - y
    a = np.abs(error)
    e = edges(a)
    n = len(rows)
    return {
        "n": n,
        "mae": mean_absolute_error(y, p),
        "mae_standard_error": np.std(a, ddof=1) / math.sqrt(n) if n > 1 else None,
        "rmse": math.sqrt(mean_squared_error(y, p)),
        "mean_error": math.fsum(error) / n,
        "r2": r2(y, p) if n > 1 else None,
        "absolute_error_p50": np.quantile(a, 0.5),
        "absolute_error_p95": np.quantile(a, 0.95),
        "absolute_error_p99": np.quantile(a, 0.99),
        "absolute_error_max": max_error(y, p),
        "edges": e,
        "bins": np.histogram(a, e)[0].tolist(),
        "above": int((a >= e[-1]).sum()),
    }


rows = diabetes()
with open(HERE / "diabetes.csv", "w") as file:
    print("id,y_true,y_pred,absolute_error", file=file)
    for i, (y, p) in enumerate(rows):
        print(i, y, p, abs(p - y), sep=",", file=file)
sets = {
    "diabetes": rows,
    "heavy": heavy(),
    "wide": wide(),
    "equal": [(0.1, 0.4)] * 50,
    "zero": [(0.1, 0.1)] * 50,
    "one": [(151.0, 206.11706979)],
    "far_truth": far_truth(),
    "far_error": far_error(),
}
(HERE / "golden.json").write_text(json.dumps({name: golden(rows) for name, rows in sets.items()}, indent=1) + "\n")
