"""The long rows: what a full store and half an hour cost."""
import functools, json, os, time

import pika

from measure import peak_memory_mb, wait_for_rows
from table import Row

FORMS = {  # rounds; samples per run; waiting halves; rows in the log before the start; seconds of full speed, and of its first part
    "full": dict(rounds=5, samples=100_000, waiting=5_000_000, done=19_000_000, run_s=1800, part_s=60),
    "check": dict(rounds=1, samples=300, waiting=2000, done=2000, run_s=2, part_s=1),
}
BATCH = 10_000
RESTARTS = 5


def rows(bench, form):
    counts = FORMS[form]
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
            bench.run(bench.features("--interval", 0, "--count", samples))
            seconds.append(bench.drain(bench.metric(directory), directory / "metric_log.csv", rows, check=directory != full).seconds)
        values.append(seconds[1] / seconds[0])
        print(f"{name}: {seconds[0]:.2f} s against {seconds[1]:.2f} s", flush=True)
    bench.fresh(name)
    return values


def fill_waiting(bench, directory, memory, restarts, waiting, **_):
    """True values whose predictions never come; their ids lie before and among those that features makes."""
    bench.depth("y_true")
    channel = bench.connection.channel()
    channel.confirm_delivery()
    now_us = time.time_ns() // 1000
    for first in range(0, waiting, BATCH):
        ids = range(first, min(first + BATCH, waiting))
        body = json.dumps([{"id": f"{(now_us - 1000 * i) / 1e6:.6f}-0", "body": 1.0} for i in ids])
        channel.basic_publish("", bench.prefix + "y_true", body, pika.BasicProperties(delivery_mode=2))
    channel.close()
    # metric does not say when it has stored all; whatever it did not acknowledge is in the queue again once it has ended.
    while bench.depth("y_true"):
        begun = time.perf_counter()
        process = bench.start(bench.metric(directory))
        while bench.depth("y_true"):
            time.sleep(0.1)
        time.sleep(2)
        memory.append(peak_memory_mb(process.pid))
        process.terminate()
        bench.end(process, begun)
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
        file.write("id,y_true,y_pred,absolute_error,logged_at\n")
        for i in range(done):
            time_s = (now_us + i) / 1e6
            file.write(f"{time_s:.6f}-5f3a9c01,1,2,1,{time_s:.3f}\n")
    process = start_to_consume(bench, directory)
    process.terminate()
    bench.end(process, 0)
    return done


def at_full_speed(bench, run_s, part_s, **_):
    """features as fast as the broker confirms, metric beside it: rows of the last part of the time against those of the first."""
    directory = bench.fresh("long")
    log = directory / "metric_log.csv"
    metric, features = bench.start(bench.metric(directory)), bench.start(bench.features("--interval", 0))
    wait_for_rows(log, 1, metric)
    begun, sizes = time.perf_counter(), [log.stat().st_size]
    while time.perf_counter() - begun < run_s:
        time.sleep(part_s)
        sizes.append(log.stat().st_size)
        assert metric.poll() is None and features.poll() is None, bench.stderr.read_text()
    for process in (features, metric):
        process.terminate()
        bench.end(process, begun)
    bench.purge()
    parts = [after - before for before, after in zip(sizes, sizes[1:])]
    bench.fresh("long")
    return Row(f"rate of each {part_s} s of {run_s} s at full speed against the first {part_s} s", "", [part / parts[0] for part in parts[1:]], 0.95, True, "broker")
