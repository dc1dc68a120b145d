"""A history of a log that a seed chooses, against DuckDB: history.py DIRECTORY_OF_THE_BINARIES, by way of scripts/test-elsewhere.

Rows are appended, the log is renamed as metric does it and by hand, plot is ended and started again. After each step plot counts what
DuckDB counts over the files that are there then. TEST_SEED repeats a history."""

import json
import os
import random
import signal
import subprocess
import urllib.request

import duckdb

from scene import BINARIES, Scene

STEPS = 60
HEADER = "id,y_true,y_pred,absolute_error,logged_at,label_delay,group\n"
COUNTED = "count(*), avg(absolute_error), max(absolute_error), sqrt(avg(absolute_error ** 2)), avg(y_pred - y_true)"
KEYS = ["n", "mae", "absolute_error_max", "rmse", "mean_error"]

seed = int(os.environ.get("TEST_SEED") or random.SystemRandom().randrange(1 << 32))
print(f"a history of {STEPS} steps: TEST_SEED={seed}", flush=True)
chosen = random.Random(seed)


def rows(first, n):
    """Lines as metric writes them."""
    for number in range(first, first + n):
        y, p = chosen.randint(25, 346), round(chosen.gauss(150, 60), 8)
        yield f"id-{number},{y},{p},{abs(p - y)},{1732341600 + number * 7}.250,0.5,v{number % 3}\n"


def shown():
    """What plot says of all rows."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/stats.json", timeout=60) as answer:
        return json.load(answer)["all"]


def start(scene):
    scene.start("plot", BINARIES / "plot", "--listen", f"127.0.0.1:{port}", "--interval", "86400")
    # A signal before that would end it by its default.
    scene.wait_for("plot answers", shown)


def agree(scene):
    """Whether plot shows what DuckDB finds in the files."""
    stats = shown()
    query = f"select {COUNTED} from read_csv('{scene.directory}/metric_log*.csv', union_by_name = true)"
    exact = dict(zip(KEYS, duckdb.sql(query).fetchall()[0]))
    if stats["n"] != exact["n"]:
        raise ValueError(f"plot has {stats['n']} rows, DuckDB {exact['n']}")
    for key in KEYS:
        apart = abs((stats[key] or 0) - (exact[key] or 0))
        assert apart <= 1e-9, f"{key} is {stats[key]}, of DuckDB {exact[key]}"
    return True


with Scene("history") as scene:
    port = subprocess.check_output(["scripts/broker", "port", "0"], text=True).strip()
    log, written, number, by_hand, told = scene.directory / "metric_log.csv", 0, 0, 0, {}
    log.write_text(HEADER)
    start(scene)
    for step in range(STEPS):
        event = chosen.choices(["rows", "many rows", "number", "by hand", "restart"], [5, 1, 3, 2, 2])[0]
        told[event] = told.get(event, 0) + 1
        if event in ["rows", "many rows"]:
            n = chosen.randint(1, 50 if event == "rows" else 20_000)
            with open(log, "a") as file:
                file.writelines(rows(written, n))
            written += n
        elif event == "restart":
            assert scene.exit_code("plot", signal.SIGTERM) == 0, scene.said("plot")
            start(scene)
        else:
            number, by_hand = number + (event == "number"), by_hand + (event == "by hand")
            name = f"metric_log.{number:06}.csv" if event == "number" else f"metric_log-2024{by_hand:04}.csv"
            log.rename(scene.directory / name)
            log.write_text(HEADER)
        # Sometimes several things happen before plot looks.
        if written and chosen.random() < 0.6 or step + 1 == STEPS:
            scene.wait_for(f"plot and DuckDB agree after step {step}, {event}", lambda: agree(scene))
    said = scene.said("plot")
    assert "reading all logs again" not in said, said
print(f"history.py: {written:,} rows in {number + by_hand + 1} logs are those of DuckDB: {told}")
