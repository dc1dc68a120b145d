"""plot against DuckDB, polars and pandas on one log: bench/plot.py PLOT_BINARY ROWS RUNS [write]. Called by scripts/bench-plot, which says more.
In each round all four read the same bytes, from memory, and must find the same; a ratio is one of two runs of a round."""
import importlib.metadata, json, math, os, pathlib, re, statistics, subprocess, sys, time, urllib.request

import numpy as np

from table import Row, machine, text, write

binary, rows, runs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
PEERS = ["DuckDB", "polars", "pandas"]
NEW_ROWS = 1000
DEADLINE_S = 300
directory = pathlib.Path(".run/bench-plot")
log, plot_log = directory / "metric_log.csv", directory / "plot.log"
random = np.random.default_rng(1)


def append(first, n):
    """Rows as metric writes them."""
    y_true = random.integers(25, 346, n)
    y_pred = np.round(y_true + random.normal(0, 50, n), 8)
    error = np.abs(y_pred - y_true)
    time_s = 1732341600 + np.arange(first, first + n) * 0.01
    columns = zip(time_s.tolist(), y_true.tolist(), y_pred.tolist(), error.tolist())
    with open(log, "a") as file:
        file.write("".join(f"{t:.6f}-5f3a9c01,{y},{p},{e},{t:.3f}\n" for t, y, p, e in columns))


def write_log():
    print(f"writing {rows:,} rows to {log}", flush=True)
    directory.mkdir(parents=True, exist_ok=True)
    log.write_text("id,y_true,y_pred,absolute_error,logged_at\n")
    for first in range(0, rows, 500_000):
        append(first, min(500_000, rows - first))


def run_plot():
    """Seconds from its start to its first numbers, and its answers; what an update takes, by what it says itself; peak of its memory."""
    address = "127.0.0.1:" + subprocess.check_output(["scripts/broker", "port", "0"], text=True).strip()
    command = [binary, "--log-dir", directory, "--interval", "0.1", "--listen", address]
    size = log.stat().st_size
    with open(plot_log, "w") as stderr:
        started = time.perf_counter()
        process = subprocess.Popen(command, stderr=stderr, env={"PATH": os.environ["PATH"], "RUST_LOG": "debug"})
    try:
        wait_for(process, lambda: len(said("published")) == 1)
        first_s = time.perf_counter() - started
        wait_for(process, lambda: len(said("drawn")) == 1)
        with urllib.request.urlopen(f"http://{address}/stats.json", timeout=DEADLINE_S) as answer:
            stats = json.load(answer)
        append(rows, NEW_ROWS)
        wait_for(process, lambda: len(said("drawn")) == 2)
        peak_mb = int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{process.pid}/status").read_text())[1]) * 1024 / 1e6
        return {"seconds": first_s, "update_ms": said("published")[1], "drawn_ms": said("drawn")[1], "peak_mb": peak_mb, "stats": stats}
    finally:
        process.terminate()
        process.wait()
        os.truncate(log, size)


def said(what):
    return [float(ms) for ms in re.findall(rf"{what} in ([0-9.]+) ms", plot_log.read_text())]


def wait_for(process, condition):
    # A look takes some microseconds of the processor time that plot would have.
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert process.poll() is None and time.monotonic() < end, f"plot did not get there:\n{plot_log.read_text()}"
        time.sleep(0.002)


def run_peer(name, edges):
    command = [sys.executable, pathlib.Path(__file__).parent / "plot_peers.py", name, log, json.dumps(edges)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def check(name, answers, stats):
    """Sums may differ in their last digits, and plot's quantiles by the error that it admits: 0.1 %."""
    n, mean, rmse, bias, quantiles, maximum, counts = answers
    of_all, histogram = stats["all"], stats["absolute_error_histogram"]["all"]
    near = lambda a, b, tolerance=1e-9: math.isclose(a, b, rel_tol=tolerance, abs_tol=1e-9)
    assert n == of_all["n"] and maximum == of_all["absolute_error_max"], f"{name}: {answers}, plot: {of_all}"
    assert near(mean, of_all["mae"]) and near(rmse, of_all["rmse"]) and near(bias, of_all["mean_error"], 1e-6), f"{name}: {answers}, plot: {of_all}"
    for name_of, value in zip(["p50", "p95", "p99"], quantiles):
        assert near(value, of_all[f"absolute_error_{name_of}"], 1e-3), f"{name}: {name_of} {value}, plot: {of_all}"
    assert counts == histogram["bins"], f"{name}: {counts}, plot: {histogram}"


write_log()
found = {name: [] for name in ["plot", *PEERS]}
order, edges = list(found), None
for round in range(runs):
    for name in order:
        # From memory.
        with open(log, "rb") as file:
            while file.read(1 << 20):
                pass
        found[name].append(run_plot() if name == "plot" else run_peer(name, edges))
        edges = edges or found["plot"][0]["stats"]["absolute_error_histogram"]["edges"]
    for name in PEERS:
        check(name, found[name][-1]["answers"], found["plot"][-1]["stats"])
    print(f"round {round + 1} of {runs}: " + ", ".join(f"{name} {found[name][-1]['seconds']:.2f} s" for name in found), flush=True)
    order.append(order.pop(0))


def values(name, key):
    return [run[key] for run in found[name]]


def ratios(name):
    return [theirs / ours for theirs, ours in zip(values(name, "seconds"), values("plot", "seconds"))]


faster, slower = sorted(["DuckDB", "polars"], key=lambda name: statistics.median(values(name, "seconds")))
table = [
    Row(f"plot, first reading, against the faster of DuckDB and polars: {faster}", "", ratios(faster), 1.5, True, "both cores: parsing 41 %, counting 34 % (drift a third of it), copying from the page cache 15 %"),
    Row("the same, as a share of the 2 that parsing would allow", " %", [50 * ratio for ratio in ratios(faster)], None, True, ""),
    Row(f"plot, first reading, against {slower}", "", ratios(slower), None, True, ""),
    Row("plot, first reading, against pandas", "", ratios("pandas"), None, True, ""),
    *(Row(f"{name}, first reading", " s", values(name, "seconds"), None, False, "") for name in found),
    Row(f"plot, update after {NEW_ROWS:,} new rows, without the pictures", " ms", values("plot", "update_ms"), 5, False, "summing up all that was counted"),
    Row("the same with both pictures", " ms", values("plot", "drawn_ms"), None, False, "encoding, two syncs of the disk"),
    *(Row(f"{name}, peak of resident memory", " MB", values(name, "peak_mb"), None, False, "") for name in found),
]
size_mb = log.stat().st_size / 1e6
where = machine(binary, **{name: importlib.metadata.version(name.lower()) for name in PEERS})
print(f"\n{rows:,} rows, {size_mb:.0f} MB, {where}\n\n{text(table)}")
if sys.argv[4:] == ["write"]:
    write("## make bench-plot", f"BENCH_RUNS={runs}", f"{rows:,} rows of {size_mb:.0f} MB, from memory, {where}", table)
