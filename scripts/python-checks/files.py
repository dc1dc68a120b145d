"""Checks of examples/python/truth.py and read_log.py."""

import csv
import json
import math
import pathlib
import random
import re
import signal
import subprocess
import urllib.request

from data import data_of, is_near, predictions_of
from prediction import start_predict
from scene import BINARIES, ROOT, Scene, signalled

THREE_DAYS_S = 3 * 86400


def write_truth(scene, truth):
    path = scene.directory / "truth.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "y_true"), *truth])
    return path


def check_truth_three_days_later():
    """metric is restarted meanwhile, with a system clock three days ahead."""
    (faketime,) = pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    x, y = (values[:50].tolist() for values in data_of("regression"))
    expected = {f"order-{i}": pair for i, pair in enumerate(zip(y, predictions_of("regression", x)))}
    with Scene("late") as scene:
        scene.start_metric()
        scene.declare("features")
        scene.publish("features", [{"id": id, "body": values} for id, values in zip(expected, x)])
        start_predict(scene)
        scene.wait_for("predictions that wait", lambda: scene.status()["waiting"]["y_pred"] == len(expected))
        assert scene.exit_code("metric", signal.SIGTERM) == 0
        scene.start_metric(LD_PRELOAD=str(faketime), FAKETIME="+3d", FAKETIME_DONT_FAKE_MONOTONIC="1")
        scene.start_example("truth", write_truth(scene, [(id, y_true) for id, (y_true, _) in expected.items()]))
        assert scene.exit_code("truth") == 0, scene.said("truth")
        rows = scene.wait_for_rows(len(expected))
        for id, (y_true, y_pred) in expected.items():
            assert float(rows[id]["y_true"]) == y_true and is_near(float(rows[id]["y_pred"]), y_pred), rows[id]
            assert THREE_DAYS_S <= float(rows[id]["label_delay"]) < THREE_DAYS_S + 3600, rows[id]


def check_truth_of_a_task(task):
    """As each task has it: 0 or 1, or the name of a class, of which a number is one as well."""
    truths, predictions = {
        "regression": (["1.5", "-2"], [2, -2.5]),
        "binary": (["0", "1"], [0.25, 1]),
        "classes": (["setosa", "3"], ["virginica", 3]),
    }[task]
    errors = {"regression": [0.5, 0.5], "binary": [0.25, 0], "classes": [1, 0]}[task]
    with Scene(f"truth-{task}") as scene:
        scene.start_metric(TASK=task)
        scene.wait_for("the queues", lambda: scene.is_drained("y_pred") and scene.is_drained("y_true"))
        scene.publish("y_pred", [{"id": str(i), "body": value} for i, value in enumerate(predictions)])
        scene.start_example("truth", write_truth(scene, enumerate(truths)), "--task", task)
        assert scene.exit_code("truth") == 0, scene.said("truth")
        rows = scene.wait_for_rows(len(truths))
        assert [float(rows[str(i)]["absolute_error"]) for i in range(len(errors))] == errors, rows


def check_truth_that_is_stopped():
    """By a signal at each of its sends in turn, until it has sent a part. What it has sent comes twice, and counts once."""
    count, sends, part = 3000, 0, 0
    with Scene("truth") as scene:
        path = write_truth(scene, [(f"order-{i}", i) for i in range(count)])
        scene.start_example("truth", path)
        scene.wait_for("a program that waits for the queue", lambda: "trying again" in scene.said("truth"))
        assert scene.exit_code("truth", signal.SIGTERM) == 1
        scene.start_metric()
        scene.wait_for("the queue", lambda: scene.is_drained("y_true"))
        while not part:
            sends += 1
            scene.start_example("truth", path, under=signalled(signal.SIGTERM, sends))
            assert scene.exit_code("truth") == 1, f"send {sends}: {scene.said('truth')}"
            part = int(re.findall(f"(\\d+) of {count}", scene.said("truth"))[-1])
        assert part < count
        scene.start_example("truth", path)
        assert scene.exit_code("truth") == 0, scene.said("truth")
        scene.wait_for("all true values", lambda: scene.status()["waiting"]["y_true"] == count)
        scene.wait_for("those that came twice", lambda: scene.status()["duplicates"] >= part)
    return f"stopped at send {sends} with {part} of {count} rows sent"


def report_of(text):
    """The numbers of each line, by what they are of."""
    lines = [line.rsplit(maxsplit=5) for line in text.splitlines()]
    return {name: [float(number) for number in numbers] for name, *numbers in lines if name.startswith(("all", "last", "group"))}


def check_the_log_is_read_as_plot_reads_it():
    count = 3000
    with Scene("log") as scene:
        scene.start_metric()
        scene.wait_for("the queues", lambda: scene.is_drained("y_pred") and scene.is_drained("y_true"))
        samples = [{"id": str(i), "group": "-new" if i % 3 == 0 else "a,b"} for i in range(count)]
        normal = random.Random(1).gauss
        for name in ["y_pred", "y_true"]:
            scene.publish(name, [[{**sample, "body": normal(0, 1)} for sample in samples]])
        scene.wait_for_rows(count)
        assert scene.exit_code("metric", signal.SIGTERM) == 0
        log = scene.directory / "metric_log.csv"
        # A line that is no row, and one that has not ended.
        log.write_bytes(log.read_bytes() + b'"broken,1,2,1,1,0,\nunended,0,9999,9999')
        scene.start_example("read_log", log, "--every", "0.1")
        scene.wait_for("a second report", lambda: scene.said("read_log").count("last 1000") == 2)
        assert scene.exit_code("read_log", signal.SIGTERM) == 0
        report = report_of(scene.said("read_log"))
        port = subprocess.check_output([ROOT / "scripts/broker", "port", "0"], text=True).strip()
        scene.start("plot", BINARIES / "plot", PLOT_LISTEN=f"127.0.0.1:{port}", PLOT_INTERVAL="1")

        def stats():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/stats.json") as answer:
                return json.load(answer)

        shown = scene.wait_for("all rows", lambda: (now := stats())["all"]["n"] == count and now)
        expected = {"all": shown["all"], "last 1000": shown["window"]} | {f"group {group['group']}": group for group in shown["groups"]}
        assert expected.keys() == report.keys(), (expected, report)
        for name, numbers in expected.items():
            rows, mean, standard_error, _, _ = report[name]
            assert rows == numbers["n"] and math.isclose(mean, numbers["mae"], rel_tol=1e-5), (name, numbers, report)
            assert math.isclose(standard_error, numbers["mae_standard_error"], rel_tol=1e-5), (name, numbers, report)
