"""The long rows: what a full store and half an hour cost."""
import functools, json, os, time

import pika

from measure import Bench, peak_memory_mb
from table import Row

FORMS = {  # samples per run; waiting halves; rows in the log before the start; seconds of full speed, and of the parts compared after it
    "full": dict(samples=100_000, waiting=5_000_000, done=19_000_000, run_s=1800, part_s=60),
    "check": dict(samples=300, waiting=2000, done=2000, run_s=2, part_s=1),
}
BATCH = 10_000
HEADER = "id,y_true,y_pred,absolute_error,logged_at\n"
RESTARTS = 5


def rows(bench, rounds, form):
    counts = FORMS[form] | dict(rounds=rounds)
    memory, restarts = [], []
    full = against_fresh(bench, "waiting", functools.partial(fill_waiting, memory=memory, restarts=restarts), **counts)
    cap = against_fresh(bench, "done", fill_done, **counts)
    return [
        Row(f"resident memory of metric while it takes {counts['waiting']:,} halves that wait", " MB", memory, 64, False, "the store's cache, deliveries on their way"),
        Row("its restart with them, until it consumes", " s", restarts, 1, False, "opening the store, the broker's handshake"),
        Row(f"metric, single samples, with {counts['waiting']:,} halves waiting, against none", "", full, 0.8, True, "the store's pages"),
        Row(f"metric, single samples, with {counts['done']:,} ids done, against none", "", cap, 0.8, True, "the store's pages"),
        at_full_speed(bench, **counts),
    ]


def against_fresh(bench, name, fill, rounds, samples, **counts):
    """Rates with a full store against those with an empty one, in turn."""
    full, values = bench.fresh(name), []
    before = fill(bench, full, **counts)
    # A gigabyte that was just written would otherwise go to the disk during the first runs.
    os.sync()
    for round in range(rounds):
        seconds = []
        for directory, rows in ((full, before + samples * (round + 1)), (bench.fresh("metric"), samples)):
            bench.fill(samples)
            seconds.append(bench.drain(bench.metric(directory), directory / "metric_log.csv", rows, check=directory != full).seconds)
        values.append(seconds[1] / seconds[0])
        print(f"{name}: {seconds[0]:.2f} s against {seconds[1]:.2f} s", flush=True)
    bench.fresh(name)
    return values


def fill_waiting(bench, directory, memory, restarts, waiting, **_):
    """True values whose predictions never come; their ids lie before and among those that features makes."""
    channel = bench.connect().channel()
    channel.confirm_delivery()
    now_us = time.time_ns() // 1000
    for first in range(0, waiting, BATCH):
        ids = range(first, min(first + BATCH, waiting))
        body = json.dumps([{"id": f"{(now_us - 1000 * i) / 1e6:.6f}-0", "body": 1.0} for i in ids])
        channel.basic_publish("", bench.prefix + "y_true", body, pika.BasicProperties(delivery_mode=2))
    channel.close()
    # metric does not say when it has stored all; whatever it did not acknowledge is in the queue again once it has ended.
    while bench.depth("y_true"):
        process = bench.start(bench.metric(directory))
        while bench.depth("y_true"):
            time.sleep(0.1)
        time.sleep(2)
        memory.append(peak_memory_mb(process.pid))
        bench.stop(process)
    for _ in range(RESTARTS):
        begun = time.perf_counter()
        process = start_to_consume(bench, directory)
        restarts.append(time.perf_counter() - begun)
        process.kill()
        process.wait()
    return 0


def start_to_consume(bench, directory):
    process = bench.start(bench.metric(directory))
    while "connected to" not in bench.stderr.read_text():
        assert process.poll() is None, bench.stderr.read_text()
        time.sleep(0.01)
    return process


def fill_done(bench, directory, done, **_):
    """A log that metric takes over at its start."""
    log = directory / "metric_log.csv"
    now_us = time.time_ns() // 1000 - done
    with open(log, "w") as file:
        file.write(HEADER)
        for i in range(done):
            time_s = (now_us + i) / 1e6
            file.write(f"{time_s:.6f}-5f3a9c01,1,2,1,{time_s:.3f}\n")
    bench.stop(start_to_consume(bench, directory))
    return done


def at_full_speed(bench, rounds, run_s, part_s, **_):
    """A metric that has run at full speed for long, in turn with new ones, each with queues of its own: the speed of the machine drifts in the meantime."""
    old, new = bench, Bench(bench.binaries, bench.url, bench.directory, "bench_new.")
    log, values = old.fresh("old") / "metric_log.csv", []
    metric = old.start(old.metric(log.parent))
    grown_at_full_speed(old, metric, log, run_s)
    for _ in range(rounds):
        new_log = new.fresh("new") / "metric_log.csv"
        new_metric = new.start(new.metric(new_log.parent))
        of_new = grown_at_full_speed(new, new_metric, new_log, part_s)
        new.stop(new_metric)
        of_old = grown_at_full_speed(old, metric, log, part_s)
        values.append(of_old / of_new)
        print(f"{part_s} s at full speed: {of_old / 1e6:.1f} MB against {of_new / 1e6:.1f} MB", flush=True)
    old.stop(metric)
    return Row(f"rate of metric after {run_s} s at full speed, against the first {part_s} s of a new one", "", values, 0.95, True, "broker")


def grown_at_full_speed(bench, metric, log, seconds):
    """By how many bytes the log grows while features sends as fast as the broker confirms; then metric takes what is left."""
    size = lambda: log.stat().st_size if log.exists() else 0
    unchanged = max(size(), len(HEADER))
    features = bench.start(bench.features("--interval", 0))

    def sleep(seconds):
        time.sleep(seconds)
        assert metric.poll() is None and features.poll() is None, bench.stderr.read_text()

    while size() <= unchanged:
        sleep(0.01)
    begun, before = time.perf_counter(), size()
    while (rest := begun + seconds - time.perf_counter()) > 0:
        sleep(min(rest, 10))
    grown = size() - before
    bench.stop(features)
    last = -1
    while last != size():
        last = size()
        time.sleep(0.5)
    return grown
