"""How fast plot reads a year of rows, and answers for ranges of it: bench/plot_ranges.py PLOT_BINARY ROWS. Called by scripts/bench-plot ranges."""
import json, pathlib, random, re, statistics, subprocess, sys, time, urllib.request

binary, rows = sys.argv[1], int(sys.argv[2])
# An answer takes no longer, whatever the log's size.
BAR_MS = 50
DAY_S = 86_400
directory = pathlib.Path(".run/bench-plot-ranges")
directory.mkdir(parents=True, exist_ok=True)
log = directory / "metric_log.csv"
random.seed(1)


def write():
    """Rows as metric writes them, evenly over the last year."""
    end_s = time.time()
    pairs = [(random.randint(25, 346), random.gauss(0, 50)) for _ in range(9_973)]
    numbers = [f"{y},{y + e:.8f},{abs(round(y + e, 8) - y)}" for y, e in pairs]
    step_s = 365 * DAY_S / rows
    with open(log, "w") as file:
        file.write("id,y_true,y_pred,absolute_error,logged_at\n")
        for first in range(0, rows, 500_000):
            times = (end_s - (rows - n) * step_s for n in range(first, min(first + 500_000, rows)))
            lines = (f"{t:.6f}-5f3a9c01,{numbers[n % 9_973]},{t:.3f}\n" for n, t in enumerate(times, first))
            file.write("".join(lines))
    return end_s


def ask(path):
    """The answer, and the milliseconds that it took."""
    started = time.perf_counter()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
        body = answer.read()
    return body, (time.perf_counter() - started) * 1000


def counted():
    try:
        return json.loads(ask("/stats.json")[0])["all"]["n"]
    except OSError:
        return 0


print(f"writing {rows:,} rows over a year to {log}", flush=True)
end_s = write()
with open(log, "rb") as file:
    while file.read(1 << 20):
        pass
port = subprocess.check_output(["scripts/broker", "port", "0"], text=True).strip()
started = time.perf_counter()
command = [binary, "--log-dir", directory, "--listen", f"127.0.0.1:{port}"]
plot = subprocess.Popen(command, stderr=subprocess.DEVNULL)
try:
    while (n := counted()) < rows:
        assert plot.poll() is None and n <= rows and time.perf_counter() - started < 3_600, f"plot has {n} of {rows} rows"
        time.sleep(0.02)
    read_s = time.perf_counter() - started

    def between():
        start, end = sorted(end_s - random.random() * 365 * DAY_S for _ in range(2))
        return f"?from={start:.0f}&to={end + 60:.0f}"

    year = f"?from={end_s - 366 * DAY_S:.0f}&to={end_s:.0f}"
    ranges = [(name, [f"?range={name}"] * 20) for name in ("1h", "24h", "7d", "30d", "all")]
    ranges += [("a year", [year] * 20), ("random from-to", [between() for _ in range(60)])]
    print(f"first reading: {read_s:.1f} s, {rows / read_s / 1e6:.2f} million rows/s, {log.stat().st_size / 1e9:.2f} GB\n")
    print(f"{'answer in ms, median and slowest':34}{'page':>9}{'':>9}{'stats.json':>13}")
    slowest = 0
    for name, queries in ranges:
        line = f"{name:34}"
        for path in ("/", "/stats.json"):
            taken = [ask(path + query)[1] for query in queries]
            slowest = max(slowest, statistics.median(taken))
            line += f"{statistics.median(taken):>9.2f}{max(taken):>9.2f}"
        print(line)
    found = json.loads(ask(f"/stats.json{year}")[0])["range"]
    assert abs(found["n"] - rows) <= rows * 2 * 60 / (365 * DAY_S) + 1, f"a year has {found['n']} of {rows} rows"
    peak = re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{plot.pid}/status").read_text())[1]
    print(f"\npeak resident memory: {int(peak) * 1024 / 1e6:.1f} MB")
finally:
    plot.terminate()
    plot.wait()
    log.unlink()
if slowest > BAR_MS:
    sys.exit(f"an answer takes {slowest:.1f} ms; at most {BAR_MS} ms are allowed")
