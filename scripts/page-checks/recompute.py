"""Recomputes with numpy and scikit-learn each number on the page of a running plot, from the log that it reads.

    recompute.py TASK LOG_DIR URL

Fails where a number differs, and where the page has a tile, a table or a text that this script does not know.
"""

import csv
import json
import math
import re
import sys
import urllib.request
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from sklearn import metrics as sk

TASK, LOG_DIR, URL = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
THRESHOLD = 0.5
MOST_CLASSES = 20
# Quantiles come from buckets of this relative width.
QUANTILE = 5e-4
NUMBER = r"−?\d+(?:,\d{3})*(?:\.\d+)?(?:e-?\d+)?"


def fetch(path):
    with urllib.request.urlopen(URL + path, timeout=10) as answer:
        return answer.read().decode()


# ---- the log


def unguarded(text):
    """A name as it was sent: CONTRACT.md, "Guarded text"."""
    return text[1:] if re.match(r"'['=+\-@\t\r]", text) else text


def read_log():
    with open(LOG_DIR / "metric_log.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    as_value = (lambda text: unguarded(text)) if TASK == "classes" else float
    values = [np.array([as_value(row[key]) for row in rows]) for key in ("y_true", "y_pred")]
    optional = lambda key: np.array([float(row[key] or "nan") for row in rows])
    return Rows(*values, optional("logged_at"), optional("label_delay"))


class Rows:
    def __init__(self, y_true, y_pred, at_s, delay_s):
        self.y_true, self.y_pred, self.at_s, self.delay_s = y_true, y_pred, at_s, delay_s
        self.n = len(y_true)
        self.error = (y_true != y_pred).astype(float) if TASK == "classes" else y_pred - y_true
        self.absolute = np.abs(self.error)

    def part(self, where):
        return Rows(self.y_true[where], self.y_pred[where], self.at_s[where], self.delay_s[where])


# ---- the numbers of a set of rows, by the keys of /stats.json


def numbers(rows):
    y, p, e, a = rows.y_true, rows.y_pred, rows.error, rows.absolute
    p50, p95, p99 = np.quantile(a, [0.5, 0.95, 0.99])
    found = {
        "n": rows.n,
        "rows_per_minute": (rows.n - 1) / (rows.at_s.max() - rows.at_s.min()) * 60,
        "mae": a.mean(),
        "mae_standard_error": a.std(ddof=1) / math.sqrt(rows.n),
        "rmse": math.sqrt((a**2).mean()),
        "absolute_error_p50": p50,
        "absolute_error_p95": p95,
        "absolute_error_p99": p99,
        "absolute_error_max": a.max(),
    }
    if TASK != "classes":
        found["mean_error"] = math.fsum(e) / rows.n
        found["r2"] = sk.r2_score(y, p)
    if TASK == "binary":
        said = (p >= THRESHOLD).astype(int)
        found |= {
            "accuracy": sk.accuracy_score(y, said),
            "precision": sk.precision_score(y, said, zero_division=0),
            "recall": sk.recall_score(y, said, zero_division=0),
            "f1": sk.f1_score(y, said, zero_division=0),
            "specificity": sk.recall_score(y, said, pos_label=0, zero_division=0),
            "log_loss": sk.log_loss(y, p),
            "brier": sk.brier_score_loss(y, p),
            "roc_auc": sk.roc_auc_score(y, p),
        }
    if TASK == "classes":
        mean = lambda kind, score: score(y, p, average=kind, zero_division=0)
        found |= {
            "accuracy": sk.accuracy_score(y, p),
            "macro_precision": mean("macro", sk.precision_score),
            "macro_recall": mean("macro", sk.recall_score),
            "macro_f1": mean("macro", sk.f1_score),
            "weighted_f1": mean("weighted", sk.f1_score),
        }
    return found


def class_scores(rows):
    names = np.unique(np.concatenate([rows.y_true, rows.y_pred]))
    scores = sk.precision_recall_fscore_support(rows.y_true, rows.y_pred, labels=names, zero_division=0)
    return {str(name): tuple(map(float, of)) for name, *of in zip(names, *scores)}


# ---- comparing


def fail(what):
    raise SystemExit(f"{TASK}: {what}")


def same(what, found, expected, relative=1e-9, absolute=1e-12):
    if found is None or not abs(found - expected) <= absolute + relative * abs(expected):
        fail(f"{what} is {found}; recomputed: {expected}")


def parse(text):
    """A number as the page writes it, and half a unit of its last digit."""
    found = re.fullmatch(r"(−?)([\d,]+(?:\.\d+)?)(e-?\d+)?", text)
    if not found:
        fail(f"{text!r} is no number")
    sign, digits, power = found.groups()
    decimals = len(digits.partition(".")[2])
    scale = float("1" + (power or ""))
    value = float(digits.replace(",", "")) * scale
    # Four digits: what has more of them before the point is rounded to tens or more.
    digits_before = len(digits.replace(",", "").partition(".")[0])
    unit = max(0.5 * 10.0**-decimals, 0.5 * 10.0 ** (digits_before - 4) if digits_before > 4 else 0)
    return (-value if sign else value), unit * scale


def shown(what, text, expected, relative=1e-9, absolute=0.0):
    """The page's text is the number, rounded to its digits."""
    if expected is None or math.isnan(expected):
        if text != "–":
            fail(f"{what}: the page says {text}, and there is no such number")
        return
    value, unit = parse(text)
    if "," in text or (isinstance(expected, int) and unit == 0.5):
        unit = 0  # a count
    if not abs(value - expected) <= unit * (1 + 1e-6) + relative * abs(expected) + absolute + 1e-12:
        fail(f"{what}: the page says {text}; recomputed: {expected}")


def shown_percent(what, text, share):
    percent = share * 100
    if text.startswith("< "):
        return 0 < percent < 0.01 or fail(f"{what}: {text}, and it is {percent}")
    if text.startswith("> "):
        return 99.9 < percent < 100 or fail(f"{what}: {text}, and it is {percent}")
    shown(what, text.removesuffix(" %"), percent)


def shown_duration(what, text, seconds):
    if seconds >= 59.5:
        units = {"s": 1, "min": 60, "h": 3600, "d": 86400}
        parts = re.findall(r"(\d+) (s|min|h|d)", text)
        return same(what, sum(int(n) * units[unit] for n, unit in parts), seconds, 0, units[parts[-1][1]])
    shown(what, text.removesuffix(" s"), seconds, QUANTILE)


# ---- the page


class Part(HTMLParser):
    """The tables, tiles and words of a part of the page. Words in drawings are apart."""

    def __init__(self, html):
        super().__init__()
        self.tables, self.tiles, self.words, self.drawn, self.labels = [], {}, "", "", []
        self.place, self.depth = None, 0
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "svg":
            self.depth += 1
            self.labels.append(attributes.get("aria-label", ""))
        elif tag == "table":
            self.tables.append({"caption": "", "rows": []})
            self.place = None
        elif tag == "caption":
            self.place = "caption"
        elif tag == "tr":
            self.tables[-1]["rows"].append([])
        elif tag in ("td", "th"):
            self.tables[-1]["rows"][-1].append("")
            self.place = "cell"
        elif tag == "dt":
            self.place, self.name = "dt", ""
        elif tag == "dd":
            self.place = "dd"
            self.tiles.setdefault(self.name, []).append(["", ""])
        elif tag == "span" and self.place == "dd":
            self.place = "of"

    def handle_endtag(self, tag):
        if tag == "svg":
            self.depth -= 1
        elif tag in ("table", "dt", "dd", "caption"):
            self.place = None
        elif tag == "span" and self.place == "of":
            self.place = "dd"

    def handle_data(self, data):
        if self.depth:
            self.drawn += data + "\n"
        elif self.place == "caption":
            self.tables[-1]["caption"] += data
        elif self.place == "cell":
            self.tables[-1]["rows"][-1][-1] += data
        elif self.place == "dt":
            self.name += data
        elif self.place in ("dd", "of"):
            self.tiles[self.name][-1][self.place == "of"] += data
        else:
            self.words += data


def body(part, head):
    """The rows of a part's last table, whose head must be this."""
    rows = part.tables[-1]["rows"]
    if rows[0] != head:
        fail(f"a table begins with {rows[0]}, not with {head}")
    return rows[1:]


rows = read_log()
page = fetch("/")
stats = json.loads(fetch("/stats.json"))
parts = {name: Part(html) for name, html in json.loads(fetch("/parts.json")).items()}
status = json.loads((LOG_DIR / "metric_status.json").read_text())
window = rows.part(slice(-stats["window_rows"], None))
LAST = f"last {window.n:,} rows"
expected = {"all": numbers(rows), "window": numbers(window)}

# ---- /stats.json

if stats["task"] != TASK:
    fail(f"task is {stats['task']}")
for part, values in expected.items():
    for key, value in values.items():
        if key == "roc_auc" and part == "all":
            same("roc_auc_error", stats[part]["roc_auc_error"], 0, 0, 0.01)
            same(f"{part} {key}", stats[part][key], value, 0, stats[part]["roc_auc_error"] + 1e-12)
        else:
            same(f"{part} {key}", stats[part][key], value, QUANTILE if "_p" in key else 1e-9)
if TASK == "classes":
    for part, of in (("all", rows), ("window", window)):
        scores = class_scores(of)
        listed = {one["name"]: one for one in stats[part]["classes"]}
        # Of the window, classes that only other rows have are listed as well, without support.
        if not scores.keys() <= listed.keys():
            fail(f"{part} has the classes {sorted(listed)}, not {sorted(scores)}")
        for name, one in listed.items():
            for key, value in zip(("precision", "recall", "f1", "support"), scores.get(name, (0, 0, 0, 0))):
                same(f"{part} {name} {key}", one[key], value)

# ---- the tiles

MAE = {"regression": "MAE", "binary": "mean |p − y|", "classes": "error rate"}[TASK]
TILES = {
    "rows": "n",
    "rows per minute": "rows_per_minute",
    f"{MAE} ± standard error": "mae",
}
TILES |= {
    "regression": {
        "RMSE": "rmse",
        "mean error (bias)": "mean_error",
        "R²": "r2",
        "p50 of |error|": "absolute_error_p50",
        "p95 of |error|": "absolute_error_p95",
        "p99 of |error|": "absolute_error_p99",
        "max of |error|": "absolute_error_max",
    },
    "binary": {
        "accuracy": "accuracy",
        "precision": "precision",
        "recall": "recall",
        "F1": "f1",
        "specificity": "specificity",
        "log loss (nats)": "log_loss",
        "Brier score": "brier",
        "ROC AUC ± bound": "roc_auc",
        "mean p − y (bias)": "mean_error",
    },
    "classes": {
        "accuracy": "accuracy",
        "macro precision": "macro_precision",
        "macro recall": "macro_recall",
        "macro F1": "macro_f1",
        "weighted F1": "weighted_f1",
    },
}[TASK]


def check_tiles(part):
    if part.tiles.keys() != TILES.keys():
        fail(f"the tiles are {sorted(part.tiles)}, not {sorted(TILES)}")
    for name, values in part.tiles.items():
        for (text, of), (key, its_rows) in zip(values, (("all", "all rows"), ("window", LAST)), strict=name != "rows"):
            if of != its_rows:
                fail(f"{name} is of {of}, not of {its_rows}")
            value, _, bound = text.strip().partition(" ± ")
            stat, of_rows = TILES[name], expected[key]
            by = stats[key]["roc_auc_error"] if stat == "roc_auc" else 0.0
            shown(f"{name}, {of}", value, of_rows[stat], QUANTILE if "_p" in stat else 1e-9, by)
            if stat == "mae":
                shown(f"{name}, {of}: ±", bound, of_rows["mae_standard_error"])
            elif stat == "roc_auc" and key == "all":
                shown(f"{name}, {of}: ±", bound, by)
            elif bound:
                fail(f"{name} has a bound: {text}")


def check_messages(part):
    tiles = {name: [text.strip() for text, _ in values] for name, values in part.tiles.items()}
    for q in (0.5, 0.95):
        for text, of in zip(tiles.pop(f"p{q * 100:.0f} of label delay"), (rows, window), strict=True):
            shown_duration("label delay", text, np.quantile(of.delay_s[of.delay_s >= 0], q))
    waiting = status["waiting"]
    predictions = status["rows"] + status["unmatched"]["y_pred"] + waiting["y_pred"]
    shown_percent("coverage", tiles.pop("coverage")[0], rows.n / predictions)
    shown("predictions that wait", tiles.pop("predictions that wait")[0], waiting["y_pred"])
    shown("truths that wait", tiles.pop("truths that wait")[0], waiting["y_true"])
    shown("duplicates", tiles.pop("duplicate halves")[0], status["duplicates"])
    shown("conflicts", tiles.pop("conflicting halves")[0], status["conflicts"])
    rejected, share = tiles.pop("rejected messages")
    shown("rejected", rejected, status["rejected"])
    shown_percent("share of rejected messages", share, 0.0)
    if tiles or status["rejected"] or status["rows"] != rows.n:
        fail(f"tiles that are not known, or other counts than the log's: {tiles}, {status}")


# ---- the figures


def check_changes(part):
    """The table of changes before another one; none where nothing changed."""
    changes = stats["drift"]["changes"]
    if len(part.tables) == 1:
        return [] if not changes else fail("changes are not in a table")
    ends = [0] + [change["row"] for change in changes] + [rows.n]
    for number, (change, line) in enumerate(zip(reversed(changes), part.tables[0]["rows"][1:], strict=True)):
        began = len(changes) - number
        at, row, direction, before, after = line
        shown("row of a change", row, change["row"] + 1)
        if at != stamp(rows.at_s[change["row"]]) or direction != change["direction"]:
            fail(f"a change is {line}, not {change}")
        shown("before a change", before, rows.absolute[ends[began - 1] : ends[began]].mean())
        shown("after a change", after, rows.absolute[change["row"] : change["found_row"] + 1].mean())
    return changes


def stamp(time_s):
    return np.datetime64(int(time_s * 1000), "ms").astype("datetime64[s]").item().strftime("%Y-%m-%d %H:%M:%S")


def check_over(part):
    check_changes(part)
    name = "error rate" if TASK == "classes" else "mean p − y" if TASK == "binary" else "mean error"
    head = ["from", "rows", name] + ([] if TASK == "classes" else ["standard deviation"])
    table = body(part, head)
    width_ms = round(stats["error_over_time"]["width"] * 1000)
    slot = (rows.at_s * 1000 + 0.5).astype(np.int64) // width_ms
    slots = np.unique(slot)
    if len(slots) != len(table):
        fail(f"the error over time has {len(table)} slices, not {len(slots)}")
    day = ""
    for number, (at, n, mean, *deviation) in zip(slots, table, strict=True):
        errors = rows.error[slot == number]
        begins = stamp(number * width_ms / 1000)
        # The day is not said again.
        if at != (begins.split()[1] if begins.split()[0] == day else begins):
            fail(f"a slice begins at {at}, not {begins}")
        day = begins.split()[0]
        shown("rows of a slice", n, len(errors))
        shown("mean of a slice", mean, errors.mean(), absolute=1e-11)
        for text in deviation:
            shown("deviation of a slice", text, errors.std(), absolute=1e-6)


def check_rolling(part):
    check_changes(part)
    for row, mae in body(part, ["row", MAE]):
        end = int(row.replace(",", ""))
        shown(f"{MAE} up to row {row}", mae, rows.absolute[max(0, end - window.n) : end].mean())


def histogram_of(key):
    return stats["label_delay"]["histogram"] if key == "label_delay" else stats[key]


def check_histogram(key, of):
    def check(part):
        histogram = histogram_of(key)
        edges = histogram["edges"]
        all_values, window_values = of(rows), of(window)
        table = body(part, ["from", "below", "rows", "share of all rows", f"share of the last {len(window_values):,} rows"])
        bounds = [(None, edges[0])] * (histogram["all"]["below"] > 0)
        bounds += zip(edges, edges[1:])
        bounds += [(edges[-1], None)] * (histogram["all"]["above"] > 0)
        inside = lambda values, low, high: int(((values >= (-np.inf if low is None else low)) & (values < (np.inf if high is None else high))).sum())
        for (low, high), (start, end, n, share, share_of_window) in zip(bounds, table, strict=True):
            shown("an edge", start, math.nan if low is None else low)
            shown("an edge", end, math.nan if high is None else high)
            shown(f"rows from {start} to {end}", n, inside(all_values, low, high))
            shown_percent("share", share, inside(all_values, low, high) / len(all_values))
            shown_percent("share of the window", share_of_window, inside(window_values, low, high) / len(window_values))

    return check


def check_density(part):
    edges = np.array(stats["density"]["edges"])
    if rows.n > 10_000:
        fail("density is of a sample")
    counts, _, _ = np.histogram2d(rows.y_true, rows.y_pred, (edges, edges))
    middles = (edges[:-1] + edges[1:]) / 2
    filled = [column for column in range(len(middles)) if counts[column].sum() > 0]
    for column, (start, n, mean) in zip(filled, body(part, ["y_true from", "rows of the sample", "mean y_pred, about"]), strict=True):
        shown("y_true from", start, edges[column])
        shown("rows of a column", n, int(counts[column].sum()))
        shown("mean of a column", mean, counts[column] @ middles / counts[column].sum())


def check_confusion(part):
    head = ["y_true", "predicted 1, all rows", "predicted 0, all rows", f"predicted 1, {LAST}", f"predicted 0, {LAST}"]
    matrices = [sk.confusion_matrix(of.y_true, of.y_pred >= THRESHOLD, labels=[1, 0]) for of in (rows, window)]
    for true, line in zip((0, 1), body(part, head), strict=True):
        cells = [int(cell) for matrix in matrices for cell in matrix[true]]
        for text, cell in zip(line, [1 - true, *cells], strict=True):
            shown("confusion", text, cell)


def check_calibration(part):
    head = ["p above", "up to", "rows", "mean p", "share of y_true = 1", f"rows, {LAST}", f"mean p, {LAST}", f"share of y_true = 1, {LAST}"]
    for number, line in enumerate(body(part, head)):
        shown("p above", line[0], number / 10)
        shown("p up to", line[1], (number + 1) / 10)
        for of, (n, mean, share) in ((rows, line[2:5]), (window, line[5:])):
            # As scikit-learn's calibration_curve has it.
            inside = np.searchsorted(np.linspace(0, 1, 11)[1:-1], of.y_pred) == number
            shown("rows of a bin", n, int(inside.sum()))
            shown("mean p of a bin", mean, of.y_pred[inside].mean() if inside.any() else math.nan)
            shown("share of a bin", share, of.y_true[inside].mean() if inside.any() else math.nan)


def largest():
    """Names of all classes, the largest first. Of equal ones that one which plot has first."""
    listed = [one["name"] for one in stats["all"]["classes"]]
    scores = class_scores(rows)
    supports = [scores[name][3] for name in listed]
    if supports != sorted(supports, reverse=True) or len(listed) > MOST_CLASSES:
        fail(f"the classes are not in the order of their rows, or too many for this script: {listed}")
    return listed


def check_classes(part):
    head = ["class", "rows", "precision", "recall", "F1"]
    table = body(part, head + [f"{name}, {LAST}" for name in head[1:]])
    scores = [class_scores(of) for of in (rows, window)]
    recalls = []
    for line in table:
        number, _, name = line[0].partition(" ")
        if largest()[int(number) - 1] != name:
            fail(f"{name} is not the class number {number} of {largest()}")
        recalls.append((scores[0][name][1], scores[0][name][2]))
        for of, (n, *texts) in zip(scores, (line[1:5], line[5:]), strict=True):
            *values, support = of.get(name, (math.nan, math.nan, math.nan, 0))
            shown(f"rows of {name}", n, int(support))
            for text, value in zip(texts, values, strict=True):
                shown(f"a score of {name}", text, value)
    if recalls != sorted(recalls) or len(table) != len(scores[0]):
        fail(f"the classes are not in the order of their recall, or not all: {recalls}")


def check_matrix(part):
    names = largest()
    matrix = sk.confusion_matrix(rows.y_true, rows.y_pred, labels=names)
    table = part.tables[-1]["rows"]
    for name, cells, counts in zip(names, table[1:], matrix, strict=True):
        if cells[0].partition(" ")[2] != name:
            fail(f"a row of the confusion matrix is {cells[0]}, not {name}")
        for text, n in zip(cells[1:], counts, strict=True):
            shown(f"confusion of {name}", text, int(n))


def check_bars(part):
    scores = [class_scores(of) for of in (rows, window)]
    for line, name in zip(body(part, ["class", "error rate, all rows", f"error rate, {LAST}"]), largest(), strict=True):
        if line[0] != name:
            fail(f"a bar is of {line[0]}, not of {name}")
        for text, of in zip(line[1:], scores, strict=True):
            shown(f"error rate of {name}", text, 1 - of[name][1] if of.get(name, (0, 0, 0, 0))[3] else math.nan)


# ---- the words

# A verdict's moment: with the day, where it is another one than today.
SINCE = r"(?:\d{4}-\d\d-\d\d )?\d\d:\d\d"


def check_verdict(part):
    words = part.words.strip().rstrip(".").replace("\u00a0", " ")
    name = re.escape(MAE)
    steady = re.fullmatch(f"Steady: {name} (\\S+) over the {LAST}; baseline (\\S+)", words)
    turned = re.fullmatch(f"(?:Worse|Better) since ({SINCE}) UTC: {name} (\\S+) → (\\S+) \\(([+−])(\\d+) %\\)", words)
    if steady:
        now, baseline = steady.groups()
        shown("verdict", now, window.absolute.mean())
        shown("baseline", baseline, rows.absolute[:1000].mean())
    elif turned:
        at, before, now, sign, percent = turned.groups()
        *_, change = stats["drift"]["changes"]
        begins = max([0] + [other["row"] for other in stats["drift"]["changes"][:-1]])
        means = rows.absolute[begins : change["row"]].mean(), rows.absolute[change["row"] :].mean()
        shown("verdict", before, means[0])
        shown("verdict", now, means[1])
        same("verdict in percent", float(percent) * (1 if sign == "+" else -1), (means[1] / means[0] - 1) * 100, 0, 0.51)
        if at not in stamp(rows.at_s[change["row"]]):
            fail(f"{words}, and the change began at {stamp(rows.at_s[change['row']])}")
    else:
        fail(f"the verdict is {words!r}")


def check_alerts(part):
    """The one of drift: what the verdict was at a row since the change was found."""
    if not part.words:
        return
    pattern = f"Alert drift fires since (.*?) UTC: (?:Worse|Better) since {SINCE} UTC: {re.escape(MAE)} (\\S+) → (\\S+) \\([+−]\\d+ %\\)\\."
    at, before, after = re.fullmatch(pattern, part.words).groups()
    *_, change = stats["drift"]["changes"]
    begins = max([0] + [other["row"] for other in stats["drift"]["changes"][:-1]])
    shown("alert", before, rows.absolute[begins : change["row"]].mean())
    since = rows.absolute[change["row"] :]
    means = np.cumsum(since) / np.arange(1, len(since) + 1)
    value, unit = parse(after)
    if at != stamp(rows.at_s[change["row"]]) or not (np.abs(means[change["found_row"] - change["row"] :] - value) <= unit * (1 + 1e-6)).any():
        fail(f"the alert is {part.words!r}")


def check_news(part):
    n, _ = re.fullmatch(r"([\d,]+) rows, the last ones read at ([\d: -]+) UTC\.", part.words).groups()
    shown("news", n, rows.n)


def check_note(part):
    """Of notes, what they say of rows: all, and the last ones; of slices, how wide they are."""
    with_delay = [len(delays(of)) for of in (rows, window)]
    truths_first = int((rows.delay_s < 0).sum())
    counts = {f"{n:,}" for n in (rows.n, window.n, *with_delay, truths_first)}
    known = re.sub(r"\b1 \D|[\d.]+ (?:s|min)\b|[\d.]+ % (?:quantile|and)", "", part.words)
    for number in re.findall(r"[\d,.]*\d", known):
        if number not in counts:
            fail(f"{number} in {part.words!r} is not known")


def without_numbers(part):
    if re.search(r"\d", part.words) or part.tables or part.tiles:
        fail(f"numbers that are not known: {part.words!r}")


def short(value):
    """A number as the page writes it."""
    rounded = float(f"{value:.3e}")
    size = abs(rounded)
    text = repr(size).removesuffix(".0") if size == 0 or 1e-4 <= size < 1e6 else re.sub(r"e([+-])0*", r"e\1", f"{size:e}").replace("e+", "e")
    return "−" + text if rounded < 0 else text


def words_of(part):
    return " ".join([part.words] + [" ".join(sum(table["rows"], [])) for table in part.tables] + [str(part.tiles)])


def check_drawing(name, more=lambda: []):
    """What a screen reader says of a drawing has no number that is not elsewhere in its figure, or among `more`."""

    def check(part):
        others = [words_of(other) for id, other in parts.items() if id.startswith(f"{name}-") or id == "tiles"]
        known = set(re.findall(NUMBER, " ".join(others))) | {text for value in more() for text in (short(value), f"{value:,}")}
        for number in re.findall(NUMBER, part.labels[0]):
            if number not in known:
                fail(f"{number} in {part.labels[0]!r} is not known")

    return check


def last_slice():
    """Of the error over time; one that has only begun is merged with the one before."""
    width_ms = round(stats["error_over_time"]["width"] * 1000)
    slot = (rows.at_s * 1000 + 0.5).astype(np.int64) // width_ms
    last, before = slot == slot.max(), slot == slot.max() - 1
    if last.sum() * 2 < before.sum():
        last |= before
    slices = len(np.unique(slot))
    return [slices, slices - 1, int(last.sum()), rows.error[last].mean(), rows.error[last].std()]


def changes():
    """Of the marks on charts along the log."""
    found = stats["drift"]["changes"]
    return [len(found)] + [change[key] for change in found for key in ("mae_before", "mae_after")]


def rolling():
    points = [mae for _, mae in stats["rolling_mae"]]
    for row, mae in stats["rolling_mae"]:
        same(f"rolling {MAE} up to row {row}", mae, rows.absolute[max(0, row - window.n) : row].mean())
    return [points[-1], min(points), max(points)] + changes()


def histogram(key):
    """Its edges, and how many bins there may be."""
    return lambda: [0, *histogram_of(key)["edges"], *range(10, 61)]


def density():
    edges = stats["density"]["edges"]
    inside = np.histogram2d(rows.y_true, rows.y_pred, (edges, edges))[0]
    return [rows.n, int(inside.max()), rows.n - int(inside.sum()), *edges]


def check_picture():
    svg = Part(fetch("/error_distribution.svg"))
    (line,) = re.findall(r"n = .*", svg.drawn)
    keys = {"n": "n", "MAE": "mae", "RMSE": "rmse", "accuracy": "accuracy", "log loss": "log_loss", "Brier score": "brier"}
    keys |= {"error rate": "mae", "macro F1": "macro_f1"}
    for name, text in re.findall(r"([A-Za-z][A-Za-z1 ]*) = (\S+)", line):
        shown(f"the picture's {name}", text, expected["all"][keys[name]])


delays = lambda of: of.delay_s[of.delay_s >= 0]
CHECKS = {
    "verdict": check_verdict,
    "alerts": check_alerts,
    "tiles": check_tiles,
    "messages": check_messages,
    "news": check_news,
    "over": check_drawing("over", lambda: last_slice() + changes()),
    "over-note": check_note,
    "over-numbers": check_over,
    "rolling": check_drawing("rolling", rolling),
    "rolling-note": check_note,
    "rolling-numbers": check_rolling,
    "absolute": check_drawing("absolute", histogram("absolute_error_histogram")),
    "absolute-note": check_note,
    "absolute-numbers": check_histogram("absolute_error_histogram", lambda of: of.absolute),
    "signed": check_drawing("signed", histogram("error_histogram")),
    "signed-note": check_note,
    "signed-numbers": check_histogram("error_histogram", lambda of: of.error),
    "density": check_drawing("density", density),
    "density-numbers": check_density,
    "delay": check_drawing("delay", histogram("label_delay")),
    "delay-note": check_note,
    "delay-numbers": check_histogram("label_delay", delays),
    "confusion": check_confusion,
    "calibration": check_drawing("calibration", lambda: [1, *range(11)]),
    "calibration-note": check_note,
    "calibration-numbers": check_calibration,
    "classes": check_classes,
    "classes-note": check_note,
    "matrix": check_matrix,
    "matrix-note": check_note,
    "bars": check_drawing("bars", lambda: [len(class_scores(rows))]),
    "bars-note": check_note,
    "bars-numbers": check_bars,
}
WITHOUT = {"icon"}

for name, part in parts.items():
    if name not in WITHOUT:
        CHECKS.get(name, without_numbers)(part)
for name, html in json.loads(fetch("/parts.json")).items():
    if html not in page:
        fail(f"the page and its part {name} differ")
check_picture()
if TASK == "binary" and f"From p = {THRESHOLD} on (--threshold), 1 is predicted" not in page:
    fail("the threshold is not said")
print(f"{TASK}: each number of {len(parts)} parts of the page is as recomputed from {rows.n:,} rows")
