"""plot against pandas on one log: bench/plot.py PLOT_BINARY ROWS RUNS. Called by scripts/bench-plot, which says more."""
import json, os, pathlib, re, socket, statistics, subprocess, sys, time, urllib.request

import alerts
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

binary, rows, runs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
directory = pathlib.Path(".run/bench-plot")
directory.mkdir(parents=True, exist_ok=True)
log, plot_log = directory / "metric_log.csv", directory / "plot.log"
random = np.random.default_rng(1)


def append(file, first, n):
    """Rows as metric writes them."""
    y_true = random.integers(25, 346, n)
    y_pred = np.round(y_true + random.normal(0, 50, n), 8)
    error = np.abs(y_pred - y_true)
    time_s = 1732341600 + np.arange(first, first + n) * 0.01
    columns = zip(time_s.tolist(), y_true.tolist(), y_pred.tolist(), error.tolist())
    file.write("".join(f"{t:.6f}-5f3a9c01,{y},{p},{e},{t:.3f}\n" for t, y, p, e in columns))


def pandas_loop_body():
    """Seconds of read_csv, and of the whole."""
    started = time.perf_counter()
    frame = pd.read_csv(log)
    read = time.perf_counter()
    frame["absolute_error"].hist(bins=50)
    plt.savefig(directory / "pandas.png")
    plt.close()
    return read - started, time.perf_counter() - started


class Plot:
    def __init__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [binary, "--log-dir", directory, "--interval", "0.1", "--listen", f"127.0.0.1:{self.port}"]
        environment = {"PATH": os.environ["PATH"], "RUST_LOG": "debug"}
        self.process = subprocess.Popen(command, stderr=open(plot_log, "w"), env=environment)

    def counted(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/stats.json", timeout=60) as answer:
                return json.load(answer)["all"]["n"]
        except OSError:
            return 0

    def wait_for(self, condition):
        end = time.monotonic() + 300
        while not condition():
            assert self.process.poll() is None and time.monotonic() < end, "plot did not get there"
            time.sleep(0.005)

    def peak_mb(self):
        return peak_mb(self.process.pid)

    def end(self):
        self.process.terminate()
        self.process.wait()


def drawn_s():
    """What plot says of each update: looking, reading, counting, and both pictures synced to the disk."""
    return [float(ms) / 1000 for ms in re.findall(r"drawn in ([0-9.]+) ms", plot_log.read_text())]


def peak_mb(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024 / 1e6


print(f"writing {rows:,} rows to {log}", flush=True)
with open(log, "w") as file:
    file.write("id,y_true,y_pred,absolute_error,logged_at\n")
    for first in range(0, rows, 500_000):
        append(file, first, min(500_000, rows - first))
size_mb = log.stat().st_size / 1e6
# Both read the file from memory.
with open(log, "rb") as file:
    while file.read(1 << 20):
        pass

plot_first, plot_update, plot_waited, plot_peak, pandas_read, pandas_body = [], [], [], [], [], []
for run in range(runs):
    started = time.perf_counter()
    service = Plot()
    try:
        service.wait_for(lambda: service.counted() == rows)
        plot_first.append(time.perf_counter() - started)
        service.wait_for(lambda: len(drawn_s()) == 1)
        with open(log, "a") as file:
            append(file, rows, 1000)
        started = time.perf_counter()
        service.wait_for(lambda: len(drawn_s()) == 2)
        plot_waited.append(time.perf_counter() - started)
        plot_update.append(drawn_s()[1])
        plot_peak.append(service.peak_mb())
    finally:
        service.end()
    rows += 1000
    read_s, body_s = pandas_loop_body()
    pandas_read.append(read_s)
    pandas_body.append(body_s)
    print(f"run {run + 1}: first reading {plot_first[-1]:.2f} s against {read_s:.2f} s", flush=True)

print(f"\n{rows:,} rows, {size_mb:.0f} MB, {os.cpu_count()} cores, pandas {pd.__version__}, medians of {runs} alternate runs\n")
print(f"{'':46}{'plot':>12}{'pandas':>12}{'ratio':>9}")
for name, unit, ours, theirs in [
    ("first reading (pandas: read_csv)", "s", plot_first, pandas_read),
    ("update after 1,000 new rows with the pictures", "s", plot_update, pandas_body),
    ("the same from outside: it looks every 0.1 s", "s", plot_waited, pandas_body),
    ("peak resident memory", "MB", plot_peak, [peak_mb("self")]),
]:
    ours, theirs = statistics.median(ours), statistics.median(theirs)
    print(f"{name:46}{ours:>9.3f} {unit:2}{theirs:>9.3f} {unit:2}{theirs / ours:>8.1f}x")

seconds = alerts.seconds(binary, directory / "alerts", 2 * runs)
print(f"\nan alert from a durable row to its receiver: p50 {statistics.median(seconds):.2f} s, most {max(seconds):.2f} s of {len(seconds)}; at most 1.5 s")
