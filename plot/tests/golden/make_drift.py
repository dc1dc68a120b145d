"""Computes drift.json with River and numpy: python make_drift.py (needs river 0.22 or later, and numpy).

"adwin" is what River's ADWIN says of streams, "changes" what the three steps of stats/drift are to make of errors. The streams are
made here and in the tests by the same arithmetic, which IEEE 754 fixes; Python's own random numbers are written down.
"""
import json, math, pathlib, random
import numpy as np
from river.drift import ADWIN

HERE = pathlib.Path(__file__).parent
BASELINE_ROWS, CLIP, LEAST_EFFECT, STANDARD_ERRORS = 1000, 10, 0.05, 3
LOOKBACK, LEAST_BEFORE, LEAST_AFTER, LEAST_ROWS, GIVE_UP, OVER = 8192, 30, 10, 30, 5000, 256


def uniforms(seed, n):
    """splitmix64, as numbers above 0 and below 1."""
    mask = 2**64 - 1
    for _ in range(n):
        seed = (seed + 0x9E3779B97F4A7C15) & mask
        z = seed
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        yield (((z ^ (z >> 31)) >> 11) + 0.5) / 2**53


def stretch(factors, rows):
    return [factor for factor in factors for _ in range(rows)]


def adwin(values):
    detector, indices = ADWIN(), []
    for index, value in enumerate(values):
        detector.update(value)
        if detector.drift_detected:
            indices.append(index)
    # River starts afresh with the value after a detection.
    return {"indices": indices, "width": 0 if detector.drift_detected else int(detector.width)}


def mean(errors):
    """Also of errors whose sum overflows."""
    largest = errors.max()
    return float((errors / largest).mean() * largest) if largest > 0 else 0.0


def locate(x):
    """The split of x at which the means on both sides differ most clearly."""
    n = len(x)
    if n <= LEAST_BEFORE + LEAST_AFTER:
        return None
    sums, k = np.cumsum(x), np.arange(LEAST_BEFORE, n - LEAST_AFTER)
    clarity = np.abs(sums[k - 1] / k - (sums[-1] - sums[k - 1]) / (n - k)) * np.sqrt(k * (n - k) / n)
    return int(k[np.argmax(clarity)])


def changes(errors):
    """What is to be said of absolute errors, one row after the other."""
    errors = np.array(errors)
    if len(errors) < BASELINE_ROWS:
        return {"baseline_mae": None, "changes": []}
    mae = mean(errors[:BASELINE_ROWS])
    x = np.minimum(errors / mae, CLIP) if mae > 0 else np.where(errors > 0, CLIP, 0.0)
    # Up to `start` the rows from `before_start` on are those of before, unless the change there is over.
    detector, found, before_start, start, candidate = ADWIN(), [], None, 0, None
    for i in range(len(x)):
        detector.update(float(x[i]))
        if detector.drift_detected:
            low = max(start, i + 1 - LOOKBACK)
            split = locate(x[low : i + 1])
            candidate = candidate if split is None else low + split
        if candidate is None:
            if before_start is not None and (i + 1 - start) % OVER == 0:
                before, since = x[before_start:start].mean(), x[start : i + 1]
                apart = abs(since.mean() - before) + STANDARD_ERRORS * since.std() / math.sqrt(len(since))
                if apart < LEAST_EFFECT * before:
                    found[-1]["over_row"] = i
                    before_start, start = None, before_start
            continue
        after = x[candidate : i + 1]
        n = len(after)
        if n >= LEAST_ROWS and (n < 200 or n % 16 == 0):
            before = x[start:candidate].mean()
            if abs(after.mean() - before) - LEAST_EFFECT * before > STANDARD_ERRORS * after.std() / math.sqrt(n):
                found.append({
                    "row": candidate,
                    "found_row": i,
                    "direction": "worse" if after.mean() > before else "better",
                    "mae_before": mean(errors[start:candidate]),
                    "mae_after": mean(errors[candidate : i + 1]),
                    "over_row": None,
                })
                before_start, start, candidate = start, candidate, None
        if candidate is not None and n > GIVE_UP:
            candidate = None
    return {"baseline_mae": mae, "changes": found}


numbers = random.Random(12345)
published = numbers.choices([0, 1], k=1000) + numbers.choices(range(4, 8), k=1000)
steps = stretch([1, 1.2, 1, 0.7, 1.4, 0.5, 3, 2.9, 0.1, 0.12], 7000)
heavy = lambda u: min(1 / math.sqrt(u) - 1, 10)
streams = {
    "published": [float(value) for value in published],
    "steps": [u * factor for u, factor in zip(uniforms(1, len(steps)), steps)],
    "heavy": [min(heavy(u) * factor, 10) for u, factor in zip(uniforms(2, len(steps)), steps)],
    "ramp": [u * (1 + i / 20_000) for i, u in enumerate(uniforms(3, 100_000))],
    "stable": [heavy(u) for u in uniforms(4, 1_000_000)],
    "bits": [10.0 if u < share else 0.0 for u, share in zip(uniforms(5, 28_000), stretch([0.5, 0.45, 0.01, 0.02, 0, 1, 0], 4000))],
    "short": [u * factor for u, factor in zip(uniforms(6, 20_000), stretch([0.1, 9], 70) * 143)],
    "constant": [0.1] * 50_000,
}
assert adwin(streams["published"])["indices"] == [1023]
golden = {name: adwin(values) for name, values in streams.items()}
golden["published"]["values"] = "".join(map(str, published))

parts = [(1, 5000), (2, 40), (1, 9000), (2, 9000), (1.2, 60), (2, 9000), (1, 3000)]
bursts = [factor for factor, rows in parts for _ in range(rows)]
course = stretch([1, 1.2, 1.2, 0.8, 2, 2, 100, 1, 0.01, 1.1], 6000)
errors = {
    "light": [(u + v) * 20 * factor for (u, v), factor in zip(zip(uniforms(7, 60_000), uniforms(8, 60_000)), course)],
    "heavy": [(1 / math.sqrt(u) - 1) * 40 * factor for u, factor in zip(uniforms(9, 60_000), course)],
    "perfect": [0.0] * 3000 + [0.5 * u for u in uniforms(10, 3000)] + [0.0] * 3000,
    "huge": [u * 1e308 for u in uniforms(11, 3000)] + [u * 1e307 for u in uniforms(12, 3000)],
    "early": [u * (1 if i < 600 else 4) for i, u in enumerate(uniforms(13, 3000))],
    "bursts": [u * factor for u, factor in zip(uniforms(25, len(bursts)), bursts)],
    "equal": [0.3] * 20_000,
    "few": [0.3] * 999,
}
found = {name: changes(values) for name, values in errors.items()}
(HERE / "drift.json").write_text(json.dumps({"adwin": golden, "changes": found}, indent=1) + "\n")
