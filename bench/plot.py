"""plot against pandas on one log: bench/plot.py PLOT_BINARY ROWS. Called by scripts/bench-plot, which says more."""
import json, os, pathlib, re, socket, subprocess, sys, time, urllib.request

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

binary, rows = sys.argv[1], int(sys.argv[2])
directory = pathlib.Path(".run/bench-plot")
directory.mkdir(parents=True, exist_ok=True)
log = directory / "metric_log.csv"
random = np.random.default_rng(1)


def lines(first, n):
    """Rows as metric writes them: whole targets, predictions with a few decimals."""
    y_true = random.integers(25, 346, n)
    y_pred = np.round(y_true + random.normal(0, 50, n), 4)
    time_s = 1732341600 + np.arange(first, first + n) * 0.01
    error = np.abs(y_pred - y_true)
    return "".join(
        f"{t:.6f}-5f3a9c01,{y},{p},{e},{t:.3f}\n" for t, y, p, e in zip(time_s, y_true.tolist(), y_pred.tolist(), error.tolist())
    )


def pandas_loop_body():
    frame = pd.read_csv(log)
    read = time.perf_counter()
    frame["absolute_error"].hist(bins=50)
    plt.savefig(directory / "pandas.png")
    plt.close()
    return read


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
        return json.load(answer)


def wait_for(condition, limit_s=300):
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "plot did not get there"
        time.sleep(0.005)


print(f"writing {rows:,} rows to {log}", flush=True)
with open(log, "w") as file:
    file.write("id,y_true,y_pred,absolute_error,logged_at\n")
    for first in range(0, rows, 500_000):
        file.write(lines(first, min(500_000, rows - first)))
size_mb = log.stat().st_size / 1e6

# Both read the file from the page cache, as it is warm after this.
with open(log, "rb") as file:
    while file.read(1 << 20):
        pass

started = time.perf_counter()
pandas_read_s = pandas_loop_body() - started

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
errors = open(directory / "plot.log", "w")
environment = {**os.environ, "RUST_LOG": "debug"}
command = [binary, "--log-dir", directory, "--interval", "0.1", "--listen", f"127.0.0.1:{port}"]
started = time.perf_counter()
process = subprocess.Popen(command, stderr=errors, env=environment)


def counted():
    try:
        return get(port, "/stats.json")["all"]["n"]
    except OSError:
        return 0


def drawn_ms():
    return re.findall(r"drawn in ([0-9.]+) ms", (directory / "plot.log").read_text())


try:
    wait_for(lambda: counted() == rows)
    plot_read_s = time.perf_counter() - started
    wait_for(lambda: len(drawn_ms()) == 1)

    def append():
        with open(log, "a") as file:
            file.write(lines(rows + 1000 * len(updates), 1000))

    updates, walls = [], []
    for _ in range(5):
        # Written before the clock starts: the rows exist when a loop body begins.
        before, started = len(drawn_ms()), time.perf_counter()
        append()
        wait_for(lambda: len(drawn_ms()) > before)
        walls.append(time.perf_counter() - started)
        updates.append(float(drawn_ms()[-1]) / 1000)
    plot_update_s, plot_wall_s = sorted(updates)[2], sorted(walls)[2]
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    plot_peak_mb = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024 / 1e6
    ticks = lambda: sum(map(int, pathlib.Path(f"/proc/{process.pid}/stat").read_text().split()[13:15]))
    before = ticks()
    time.sleep(10)
    idle_percent = (ticks() - before) / os.sysconf("SC_CLK_TCK") / 10 * 100
finally:
    process.terminate()
    process.wait()

started = time.perf_counter()
pandas_loop_body()
pandas_update_s = time.perf_counter() - started
status = pathlib.Path("/proc/self/status").read_text()
pandas_peak_mb = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024 / 1e6

print(f"\n{rows:,} rows, {size_mb:.0f} MB, {os.cpu_count()} cores, pandas {pd.__version__}\n")
print(f"{'':44}{'plot':>12}{'pandas':>12}{'ratio':>9}")
for name, unit, ours, theirs in [
    ("first reading (pandas: read_csv)", "s", plot_read_s, pandas_read_s),
    ("update after 1,000 new rows with the picture", "s", plot_update_s, pandas_update_s),
    ("the same with plot's wait for its turn", "s", plot_wall_s, pandas_update_s),
    ("peak resident memory", "MB", plot_peak_mb, pandas_peak_mb),
]:
    print(f"{name:44}{ours:>9.3f} {unit:2}{theirs:>9.3f} {unit:2}{theirs / ours:>8.1f}x")
print(f"\nplot writes a PNG and an SVG, both synced, and takes {idle_percent:.2f} % of a core when nothing comes (interval 0.1 s; with the default it looks a fifth as often).")
