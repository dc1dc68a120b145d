"""The commands of docs/elsewhere.md, on logs of the real metric: elsewhere.py DIRECTORY_OF_THE_BINARIES, by way of scripts/test-elsewhere.

Each block is run as it stands. What it prints and writes is compared with an account of the log by Python's csv and math alone."""

import csv
import datetime
import math
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys

import pyarrow.parquet

from scene import ROOT, WORK, Scene, check_pinned

DAY_S = 86400
ZEROS = b"\0" * 40
GROUPS = [None, "v2", "a,b", 'say "hi"', "-5", "NA", "1.0", "'q"]
# Of classes: what was true, and what was predicted. 3 and "3.0" are two of them.
PAIRS = [("a, b", "a, b"), ('say "hi"', "a, b"), (3, "3.0"), (3, 3), ("-1", "NA"), ("NA", "NA"), ("'q", "-1")]
OLD_LOG = "id,y_true,y_pred,absolute_error,logged_at\nold-1,1,2,1,1732341600.500\nold-2,1.5,2,0.5,1732341600.625\n"
BY_HAND = "by-hand,2,1,1,1732341600.750,,\n"
TOOLS = ["DuckDB", "pandas", "polars", "SQLite"]
BLOCKS = {"": ["sh"], "DuckDB": ["sh"], "pandas": ["python"], "polars": ["python"], "SQLite": ["sh", "python"]}
BLOCKS |= {"Classes": ["sh", "python", "python", "sh"], "Lines that are no rows": ["sh"]}


def blocks():
    """Of each section its blocks, each a language and a text."""
    found, section = {}, ""
    for match in re.finditer(r"(?ms)^## (.+?)$|^```(\w+)\n(.*?)^```$", (ROOT / "docs/elsewhere.md").read_text()):
        if match[1]:
            section = match[1]
        else:
            found.setdefault(section, []).append((match[2], match[3]))
    languages = {section: [language for language, _ in blocks] for section, blocks in found.items()}
    assert languages == BLOCKS, f"docs/elsewhere.md has the blocks {languages}, checked are {BLOCKS}"
    return found


def run(block, directory):
    """As a person pastes it, in a directory that holds logs/."""
    language, text = block
    command = ["sh", "-eu", "-c", text] if language == "sh" else [sys.executable, "-c", text]
    path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    # What the first block installs is there; nothing is fetched.
    environment = os.environ | {"PATH": path, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return subprocess.run(command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace")


def output(block, directory):
    done = run(block, directory)
    assert done.returncode == 0, f"{block[1]}\nended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


# ---- the logs


def write_logs(task, values):
    """A directory whose logs/ holds rotated logs of four days: each renamed while metric runs, which then takes a later day for today."""
    (faketime,) = pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    with Scene(f"elsewhere-{task}") as scene:
        log, logs = scene.directory / "metric_log.csv", scene.directory / "logs"
        if task == "regression":
            log.write_text(OLD_LOG)
        for day in range(4):
            scene.start_metric(TASK=task, LD_PRELOAD=str(faketime), FAKETIME=f"+{day}d", FAKETIME_DONT_FAKE_MONOTONIC="1")
            scene.wait_for("the queues", lambda: scene.is_drained("y_pred") and scene.is_drained("y_true"))
            before = len(scene.rows()) if log.exists() else 0
            halves = [halves_of(number, *values()) for number in range(40 * day, 40 * (day + 1))]
            for queue, samples in zip(["y_pred", "y_true"], zip(*halves)):
                scene.publish(queue, [list(samples)])
            scene.wait_for_rows(before + len(halves))
            if day < 3:
                log.rename(scene.directory / f"metric_log.{day + 1:06}.csv")
            assert scene.exit_code("metric", signal.SIGTERM) == 0
        if task == "regression":
            log.write_text(log.read_text() + BY_HAND)
        logs.mkdir()
        for path in scene.directory.glob("metric_log*.csv"):
            path.rename(logs / path.name)
    return scene.directory


def halves_of(number, y_pred, y_true):
    """Ids as people write them, and groups, which some lack. On one day all of them look like numbers."""
    id = [f"order-{number}", f"a,b{number}", f'say "hi" {number}', f"=SUM(A1:A9){number}", f"'quoted{number}", f"héllo ✓{number}", f"{number}.00"]
    sample = {"id": id[number % len(id)], "group": GROUPS[number % len(GROUPS)]} if number // 40 != 2 else {"id": id[-1], "group": "1.0"}
    return sample | {"body": y_pred}, sample | {"body": y_true}


# ---- what is in them


def rows_of(directory, number=float):
    """As CONTRACT.md has them, from the oldest log to the newest; a value of y_true and y_pred is a number, or the name of a class."""
    for path in sorted((directory / "logs").glob("metric_log*.csv")):
        header, *lines = path.read_bytes().split(b"\n")[:-1]
        for line in lines:
            if b"\0" in line or line.count(b'"') % 2:
                continue
            row = dict(zip(header.decode().split(","), *csv.reader([line.decode()])))
            yield {
                **{key: unguarded(row.get(key)) for key in ["id", "group"]},
                **{key: number(row[key]) for key in ["y_true", "y_pred"]},
                **{key: float(row[key]) if row.get(key) else None for key in ["absolute_error", "logged_at", "label_delay"]},
            }


def unguarded(text):
    return text and text.removeprefix("'") or None


def expected(rows):
    """What each tool prints: of all rows n, MAE, RMSE, bias and p95; of each day and of each group n and MAE."""
    errors = sorted(row["absolute_error"] for row in rows)
    place = 0.95 * (len(errors) - 1)
    low, high = errors[math.floor(place)], errors[math.ceil(place)]
    of_all = [
        len(rows),
        mean(errors),
        math.sqrt(mean([error**2 for error in errors])),
        mean([row["y_pred"] - row["y_true"] for row in rows]),
        low + (high - low) * (place - math.floor(place)),
    ]
    keys = {}
    for row in rows:
        day = datetime.datetime.fromtimestamp(row["logged_at"], datetime.UTC).date().isoformat()
        for key in [day, row["group"]]:
            keys.setdefault(key, []).append(row["absolute_error"])
    return of_all, {key: (len(errors), mean(errors)) for key, errors in keys.items()}


def mean(values):
    return math.fsum(values) / len(values)


# ---- what the tools print


def printed(text, columns):
    """The last `columns` cells of each row of the tables that have as many."""
    for line in text.splitlines():
        cells = re.split(r"\s*[│┆|]\s*|\s{2,}|\s(?=-\d)", line)
        cells = cells[1:-1] if line.startswith("│") else cells
        if len(cells) >= columns:
            yield cells[-columns:]


def is_near(a, b):
    """Some print seven digits."""
    return math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-6)


def numbers(cells):
    try:
        return [float(cell) for cell in cells]
    except ValueError:
        return None


def check_printed(tool, text, rows):
    of_all, of_key = expected(rows)
    (shown,) = [values for cells in printed(text, 5) if (values := numbers(cells))]
    assert all(map(is_near, shown, of_all)), f"{tool}: {shown}, not {of_all}"
    found, order = {}, []
    for key, *cells in printed(text, 3):
        if (values := numbers(cells)) and key in {*of_key, "", "NULL", "null"}:
            key = key if key in of_key else None
            assert key not in found, f"{tool}: {key} twice in\n{text}"
            found[key] = values
            order.append(values[1])
    assert found.keys() == of_key.keys(), f"{tool}: {found.keys()}, not {of_key.keys()}\n{text}"
    for key, (n, mae) in of_key.items():
        assert found[key][0] == n and is_near(found[key][1], mae), f"{tool}: {key}: {found[key]}, not {n, mae}"
    groups = order[-len({row["group"] for row in rows}) :]
    assert groups == sorted(groups, reverse=True), f"{tool}: the worst group is not the first: {groups}"


def check_parquet(tool, path, rows):
    """Every value, to the last bit."""
    table = pyarrow.parquet.read_table(path)
    assert table.column_names == OLD_LOG.split("\n")[0].split(",") + ["label_delay", "group"], f"{tool}: {table.schema}"
    found = [row | {"group": row["group"] or None} for row in table.to_pylist()]
    for shown, row in zip(found, rows, strict=True):
        assert shown == row, f"{tool}: {shown}, not {row}"


def check_tool(tool, sections, directory):
    rows = list(rows_of(directory))
    (directory / "metric_log.parquet").unlink(missing_ok=True)
    text = "".join(output(block, directory) for block in sections[tool])
    check_printed(tool, text, rows)
    check_parquet(tool, directory / "metric_log.parquet", rows)


def check_classes(block, directory):
    rows = list(rows_of(directory, number=unguarded))
    pairs = [(row["y_true"], row["y_pred"]) for row in rows]
    text = output(block, directory)
    shown = [values for cells in printed(text, 2) if (values := numbers(cells)) and values[0] == len(rows)]
    assert len(shown) == 1 and is_near(shown[0][1], mean([row["absolute_error"] for row in rows])), text
    found = {(y_true, y_pred): int(n) for y_true, y_pred, n in printed(text, 3) if n.isdigit()}
    assert found == {pair: pairs.count(pair) for pair in pairs}, f"{found} in\n{text}"


# ---- lines that are no rows

FAULTS = {  # a line, and what becomes of it: "stops", "counts" (as a row more), "merges" (with others); then what is said
    "zeros inside a number": (
        b"x,1,2,1" + ZEROS + b",1732341600.201,0.077,v2\n",
        {"DuckDB": "stops", "pandas": "stops: could not convert string to float", "polars": "stops: could not parse", "SQLite": "counts"},
    ),
    "zeros inside a number and beyond": (
        b"x,1,2,1" + ZEROS + b"077,v2\n",
        {
            "DuckDB": "stops: not possible to automatically detect the CSV parsing dialect",
            "pandas": "stops: could not convert string to float",
            "polars": "stops: could not parse",
            "SQLite": "counts",
        },
    ),
    "zeros where a quoted id had its second quote": (
        b'"a,torn' + ZEROS + b",1,2,1,1732341600.201,0.077,v2\n",
        {
            "DuckDB": "stops: not possible to automatically detect the CSV parsing dialect",
            "pandas": "merges",
            "polars": "stops: could not parse",
            "SQLite": 'merges: unescaped " character',
        },
    ),
    "zeros inside an id": (b"x" + ZEROS + b"y,1,2,1,1732341600.201,0.077,v2\n", dict.fromkeys(TOOLS, "counts")),
    "a last line without its last fields": (
        b"x,1,2,1,17323",
        {
            "DuckDB": "stops: not possible to automatically detect the CSV parsing dialect",
            "pandas": "counts",
            "polars": "counts",
            "SQLite": "counts: expected 7 columns but found 5",
        },
    ),
    "a last line without its error": (
        b"x,1,2",
        {
            "DuckDB": "stops: not possible to automatically detect the CSV parsing dialect",
            "pandas": "stops: could not convert string to float",
            "polars": "counts",
            "SQLite": "counts: expected 7 columns but found 3",
        },
    ),
}


def with_fault(directory, line):
    """A copy, whose newest log has the line: at its end if it has not ended, else before a row whose id is in quotes and holds some."""
    copy = directory / "faulty"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(directory / "logs", copy / "logs")
    log = copy / "logs/metric_log.csv"
    lines = log.read_bytes().splitlines(keepends=True)
    quoted = next(place for place, row in enumerate(lines) if row.startswith(b'"say'))
    lines.insert(quoted if line.endswith(b"\n") else len(lines), line)
    log.write_bytes(b"".join(lines))
    return copy


def check_fault(sections, directory, name):
    """The table of the document is true, and the copy of the whole rows is as good as a log without faults."""
    line, becomes = FAULTS[name]
    rows, copy = list(rows_of(directory)), with_fault(directory, line)
    for tool, says in becomes.items():
        what, _, said = says.partition(": ")
        done = run(sections[tool][0], copy)
        assert said in done.stderr, f"{tool}: {said!r} is not in\n{done.stderr}"
        assert (done.returncode != 0) == (what == "stops"), f"{tool} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        if what != "stops":
            (shown,) = [values for cells in printed(done.stdout, 5) if (values := numbers(cells))]
            assert shown[0] == len(rows) + 1 if what == "counts" else shown[0] <= len(rows), f"{tool}: {shown}, {len(rows)} rows"
    output(*sections["Lines that are no rows"], copy)
    assert list(rows_of(copy / "whole")) == list(rows_of(copy)) == rows
    for tool in TOOLS:
        check_tool(tool, sections, copy / "whole")


def main():
    check_pinned(ROOT / "bench/requirements.txt")
    sections = blocks()
    random.seed(1)
    directory = write_logs("regression", lambda: (random.gauss(100, 50), round(random.gauss(110, 60), 1)))
    output(*sections[""], directory)
    for tool in TOOLS:
        check_tool(tool, sections, directory)
        print(f"ok: {tool}", flush=True)
    # Where nothing else says that an id is text, and a group.
    alone = directory / "alone"
    (alone / "logs").mkdir(parents=True)
    shutil.copy(directory / "logs/metric_log.000003.csv", alone / "logs/metric_log.csv")
    for tool in TOOLS:
        check_tool(tool, sections, alone)
    print("ok: a log whose ids and groups look like numbers", flush=True)
    for name in FAULTS:
        check_fault(sections, directory, name)
        print(f"ok: {name}", flush=True)
    directory = write_logs("classes", lambda: random.choice(PAIRS)[::-1])
    for tool, block in zip(["DuckDB", "pandas", "polars", "SQLite"], sections["Classes"]):
        check_classes(block, directory)
        print(f"ok: classes, {tool}", flush=True)


main()
