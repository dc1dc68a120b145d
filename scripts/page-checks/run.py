"""Runs features, metric and plot for each task on the broker at TEST_AMQP_URL, recomputes the numbers of each page, and takes screenshots.

    run.py PROGRAMS [SCREENSHOTS]

PROGRAMS: the directory with the three programs. SCREENSHOTS: where pictures of the pages are written; none: they are not.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent
PROGRAMS = Path(sys.argv[1])
SCREENSHOTS = Path(sys.argv[2]) if len(sys.argv) > 2 else None
ROWS = 4000
INTERVAL_S = 0.01
DEADLINE_S = 300
# Of each task: settings, and name and height of its screenshot, in pixels.
TASKS = {
    "regression": ({"FEATURES_SHIFT_AFTER": "2000", "FEATURES_SHIFT": "1"}, "page.png", 1200),
    "binary": ({}, "page_binary.png", 2180),
    "classes": ({}, "page_classes.png", 2000),
}


class Run:
    """The three programs of one task, in a log directory and with queues of their own."""

    def __init__(self, task, directory):
        self.task, (settings, _, _) = task, TASKS[task]
        self.directory = Path(directory) / task
        logs = self.directory / "logs"
        logs.mkdir(parents=True)
        address = "127.0.0.1:" + subprocess.check_output(["scripts/broker", "port", "0"], text=True).strip()
        self.url = f"http://{address}"
        self.variables = settings | {
            "PATH": os.environ["PATH"],
            "AMQP_URL": os.environ["TEST_AMQP_URL"],
            "QUEUE_PREFIX": f"page_{task}_",
            "TASK": task,
            "FEATURES_INTERVAL": str(INTERVAL_S),
            "FEATURES_COUNT": str(ROWS),
            "FEATURES_SEED": "1",
            "PLOT_INTERVAL": "0.5",
            "PLOT_LISTEN": address,
        }
        self.programs = [self.start(name) for name in ("metric", "plot", "features")]

    def start(self, name):
        with open(self.directory / f"{name}.log", "w") as log:
            # The page names the log as a person would.
            return subprocess.Popen([(PROGRAMS / name).resolve()], cwd=self.directory, env=self.variables, stderr=log)

    def fetch(self, path):
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                return answer.read().decode()
        except OSError:
            return ""

    def is_done(self):
        """All rows are read, counted by metric, and drawn."""
        for program in self.programs:
            if program.poll() not in (None, 0):
                logs = "".join(log.read_text() for log in self.directory.glob("*.log"))
                raise SystemExit(f"{self.task}: a program has ended:\n{logs}")
        stats = json.loads(self.fetch("/stats.json") or "null")
        if not stats or stats["all"]["n"] < ROWS or (stats["metric"] or {}).get("rows") != ROWS:
            return False
        return f"n = {ROWS:,} " in self.fetch("/error_distribution.svg")

    def end(self):
        for program in self.programs:
            program.terminate()
        for program in self.programs:
            program.wait()


def screenshot(run, path, height):
    with tempfile.TemporaryDirectory() as profile:
        chromium = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
        chromium += ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]
        chromium += [f"--user-data-dir={profile}", f"--window-size=1000,{height}", f"--screenshot={path.resolve()}", run.url]
        subprocess.run(chromium, check=True, timeout=120, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main():
    with tempfile.TemporaryDirectory() as directory:
        runs = []
        try:
            for task in TASKS:
                runs.append(Run(task, directory))
            deadline = time.monotonic() + DEADLINE_S
            for run in runs:
                while not run.is_done():
                    if time.monotonic() > deadline:
                        raise SystemExit(f"{run.task}: not all rows came within {DEADLINE_S} s")
                    time.sleep(0.2)
                arguments = [run.task, run.directory / "logs", run.url]
                checked = subprocess.run([sys.executable, "-B", HERE / "recompute.py", *arguments])
                if checked.returncode != 0:
                    raise SystemExit(1)
                if SCREENSHOTS:
                    _, name, height = TASKS[run.task]
                    screenshot(run, SCREENSHOTS / name, height)
                    print(f"{run.task}: wrote {SCREENSHOTS / name}")
        finally:
            for run in runs:
                run.end()


main()
