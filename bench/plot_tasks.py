"""Rows/s of plot's first reading, for each task in turn: bench/plot_tasks.py PLOT_BINARY ROWS RUNS. scripts/bench-plot tasks calls it."""
import json, pathlib, re, statistics, subprocess, sys, time, urllib.request

import numpy as np

from table import spread

program, rows, runs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
directory = pathlib.Path(".run/bench-tasks")
random = np.random.default_rng(1)
STEP = 500_000


def regression(n):
    y = random.integers(25, 346, n)
    p = np.round(y + random.normal(0, 50, n), 8)
    return y.tolist(), p.tolist(), np.abs(p - y).tolist()


def binary(n):
    p = np.round(random.beta(0.5, 0.5, n), 8)
    y = (random.random(n) < p).astype(int)
    return y.tolist(), p.tolist(), np.abs(p - y).tolist()


def classes(names):
    names = np.array(names)

    def rows(n):
        y = random.integers(0, len(names), n)
        p = np.where(random.random(n) < 0.8, y, random.integers(0, len(names), n))
        return names[y].tolist(), names[p].tolist(), (y != p).astype(int).tolist()

    return rows


KINDS = {
    "regression": ("regression", regression),
    "binary": ("binary", binary),
    "3 classes": ("classes", classes(["setosa", "versicolor", "virginica"])),
    "3 classes in quotes": ("classes", classes(['"setosa, blue"', '"versicolor, blue"', '"virginica, blue"'])),
    "1,000 classes": ("classes", classes([f"class-{number:03}" for number in range(1000)])),
}


def write(path, make):
    """Rows as metric writes them, of five groups."""
    with open(path, "w") as file:
        file.write("id,y_true,y_pred,absolute_error,logged_at,label_delay,group\n")
        for first in range(0, rows, STEP):
            n = min(STEP, rows - first)
            times = (1732341600 + np.arange(first, first + n) * 0.01).tolist()
            delays, groups = random.exponential(30, n).tolist(), random.integers(1, 6, n).tolist()
            lines = zip(times, *make(n), delays, groups)
            file.write("".join(f"{t:.6f}-5f3a9c01,{y},{p},{e},{t:.3f},{d:.3f},v{g}\n" for t, y, p, e, d, g in lines))


def first_reading_s(task, path):
    port = subprocess.check_output(["scripts/broker", "port", "0"], text=True).strip()
    command = [program, "--task", task, "--log", path, "--log-dir", directory, "--listen", f"127.0.0.1:{port}"]
    started = time.perf_counter()
    with open(directory / "plot.log", "w") as log:
        process = subprocess.Popen(command, stderr=log, env={})
    try:
        while True:
            assert process.poll() is None and time.perf_counter() < started + 300, "plot did not get there"
            time.sleep(0.005)
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/stats.json", timeout=60) as answer:
                    stats = json.load(answer)
            except OSError:
                continue
            if stats["all"]["n"] == rows:
                assert not any(stats["not_rows"].values()) and len(stats["groups"]) == 5
                peak = re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{process.pid}/status").read_text())
                return time.perf_counter() - started, int(peak[1]) * 1024 / 1e6
    finally:
        process.terminate()
        process.wait()


directory.mkdir(parents=True, exist_ok=True)
paths = {kind: directory / f"{place}.csv" for place, kind in enumerate(KINDS)}
for kind, (_, make) in KINDS.items():
    print(f"writing {rows:,} rows of {kind}", flush=True)
    write(paths[kind], make)
found = {kind: [] for kind in KINDS}
for run in range(runs):
    for kind, (task, _) in KINDS.items():
        # Each is read from memory.
        paths[kind].read_bytes()
        found[kind].append(first_reading_s(task, paths[kind]))
print(f"\nfirst reading of {rows:,} rows with 5 groups, medians of {runs} runs in turn (their intervals)\n")
base = [seconds for seconds, _ in found["regression"]]
for kind, measured in found.items():
    seconds, peaks = zip(*measured)
    rates, ratios = [rows / s for s in seconds], [a / b for a, b in zip(base, seconds)]
    size = paths[kind].stat().st_size / rows
    print(
        f"{kind:20} {statistics.median(rates):12,.0f} rows/s ({spread(rates)})  {statistics.median(ratios):5.2f} of regression ({spread(ratios)})"
        f"  {size:.0f} bytes a row  {max(peaks):.0f} MB"
    )
for path in paths.values():
    path.unlink()
