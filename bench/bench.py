"""The bench: bench/bench.py quick|full|check ROUNDS BINARIES AMQP_URL DIRECTORY. Called by scripts/bench, which says more.
What is compared runs in turns or one after the other, in rounds; a ratio is one of the two runs of a round."""
import re, signal, subprocess, sys, time

import alerts, long, pika
from measure import Bench, cpu_s
from relay import Relay
from table import Row, machine, text, write, written

FORMS = {  # samples: singles, batches, peer; latency; seconds of an idle window; times an alert fires and resolves
    "quick": dict(singles=200_000, batches=1_000_000, peer=30_000, latency=600, idle_s=12, alert=10),
    "check": dict(singles=300, batches=3000, peer=100, latency=6, idle_s=0.2, alert=1),
}
PREFETCH = 2000  # of the bare consumer, as metric has it by default


def ratios(above, below):
    return [a / b for a, b in zip(above, below)]


def rates(bench, rounds, singles, batches, peer, **_):
    """The rows of the table on rates, processor time and memory."""
    sender, single, publisher, consumer, batch, fast, python, filled = [], [], [], [], [], [], [], []

    # With queues of its own, so that what is compared can follow one another at once.
    bare = Bench(bench.binaries, bench.url, bench.directory, "bare.")
    bare.declare()
    publishers = [bench.features("--interval", 0, "--count", singles), bare.bare("bare_publisher", singles)]
    drains = [lambda: single.append(drain_metric(bench, singles)), lambda: consumer.append(drain_bare(bare, singles))]
    batch_drains = [lambda: batch.append(drain_metric(bench, batches)), lambda: fast.append(drain_peer(bench, "peer_batches", batches))]
    for round in range(rounds):
        bench.settle()
        for runs, run in zip((sender, publisher), bench.take_turns(publishers)):
            runs.append(run)
        bench.check_ready(singles)
        bare.check_ready(singles)
        # Not in turns: what the broker sends ahead to who is stopped would be work done in the other's turn.
        for drain in drains:
            bench.settle()
            drain()
        for drain in batch_drains:
            filled.append(bench.fill(batches, 100))
            drain()
        bench.fill(peer)
        python.append(drain_peer(bench, "peer", peer))
        drains.reverse()
        batch_drains.reverse()
        print(f"round {round + 1} of {rounds}: {singles} samples took metric {single[-1].seconds:.2f} s, the bare consumer {consumer[-1].seconds:.2f} s, features {sender[-1].seconds:.2f} s, the bare publisher {publisher[-1].seconds:.2f} s; {batches} in batches metric {batch[-1].seconds:.2f} s, the peer written for speed {fast[-1].seconds:.2f} s", flush=True)
    rate = lambda runs, samples: [samples / run.seconds for run in runs]
    singles_s, batches_s, fast_s, peer_s = rate(single, singles), rate(batch, batches), rate(fast, batches), rate(python, peer)
    bare_s, sent_s, published_s = rate(consumer, singles), rate(sender, singles), rate(publisher, singles)
    return [
        Row("metric, single samples, against a bare consumer", "", ratios(singles_s, bare_s), 0.9, True, "processor: broker, amiquip and metric share the cores"),
        Row("metric, batches of 100, against its single samples", "", ratios(batches_s, singles_s), 7, True, "processor: the thread that decodes, joins and writes rows"),
        Row("metric, batches of 100, against the Python peer written for speed", "", ratios(batches_s, fast_s), 1.5, True, "as above; the peer syncs nothing"),
        Row("metric, batches of 100, against the Python peer's single samples", "", ratios(batches_s, peer_s), 15, True, "as above"),
        Row("metric, single samples, against the Python peer", "", ratios(singles_s, peer_s), None, True, "broker"),
        Row("processor time of metric per pair, single samples", " µs", [run.cpu_s / singles * 1e6 for run in single], 12, False, "amiquip and its system calls"),
        Row("processor time of metric per pair, batches of 100", " µs", [run.cpu_s / batches * 1e6 for run in batch], 3.3, False, "parsing, joining, writing rows"),
        Row("resident memory of metric, single samples", " MB", [run.peak_mb for run in single], 24, False, "the store's cache, ids of the last rows"),
        Row("resident memory of metric, batches of 100", " MB", [run.peak_mb for run in batch], 24, False, "deliveries on their way, ids of the last rows, the store's cache"),
        Row("features, batches of 100, confirmed pairs/s", "", rate(filled, batches), None, True, "broker"),
        Row("bytes that metric writes to disk per pair, batches of 100", " B", [run.written_bytes / batches for run in batch], None, False, "whole pages of log and store"),
        Row("features --interval 0 against a bare publisher", "", ratios(sent_s, published_s), 0.95, True, "broker"),
        Row("bare consumer, messages/s", "", [2 * r for r in bare_s], None, True, "broker"),
        Row("metric, single samples, messages/s", "", [2 * r for r in singles_s], None, True, ""),
        Row("metric, batches of 100, pairs/s", "", batches_s, None, True, ""),
        Row("Python peer written for speed, batches of 100, pairs/s", "", fast_s, None, True, "its processor time"),
        Row("processor time of the Python peer written for speed per pair", " µs", [run.cpu_s / batches * 1e6 for run in fast], None, False, "decoding, predicting, formatting rows"),
        Row("Python peer, single samples, pairs/s", "", peer_s, None, True, "its processor time"),
        Row("processor time of the Python peer per pair", " µs", [run.cpu_s / peer * 1e6 for run in python], None, False, "pika"),
        Row("bare publisher, confirmed messages/s", "", [2 * r for r in published_s], None, True, "broker"),
    ]


def drain_bare(bench, samples):
    ended = bench.run(bench.bare("bare_consumer", PREFETCH, 2 * samples))
    bench.check_empty()
    return ended


def drain_metric(bench, samples):
    directory = bench.fresh("metric")
    return bench.drain(bench.metric(directory), directory / "metric_log.csv", samples)


def drain_peer(bench, name, samples):
    log = bench.fresh("peer") / "metric_log.csv"
    return bench.drain(bench.peer(name, log), log, samples)


def latency(bench, rounds, latency, **_):
    """Each sample's row, then a message through the broker and a sync, in turn: ms that the row takes longer."""
    longer_ms, rows_ms = ({(how, q): [] for how in ("apart", "together") for q in (50, 99)} for _ in range(2))
    for _ in range(rounds):
        command = bench.bare("latency", bench.fresh("latency"), latency, bench.binaries / "metric")
        lines = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout.splitlines()
        for how, q in longer_ms:
            times_us = [map(int, line.split()[1:]) for line in lines if line.startswith(how)]
            row_us, floor_us = (sorted(column)[q * len(column) // 100] for column in zip(*times_us))
            longer_ms[how, q].append((row_us - floor_us) / 1000)
            rows_ms[how, q].append(row_us / 1000)
        bench.purge()
    name = "from publishing the second half to a durable row"
    return [
        Row(f"p50 {name}, beyond a round trip and an fdatasync", " ms", longer_ms["apart", 50], 0.25, False, "wake-ups of two threads"),
        Row("the same, p99 beyond p99", " ms", longer_ms["apart", 99], 1, False, "the disk's sync"),
        Row(f"p50 {name}", " ms", rows_ms["apart", 50], None, False, "the disk's sync"),
        Row("the same, p99", " ms", rows_ms["apart", 99], None, False, "the disk's sync"),
        Row("p50 where both halves are published at once, beyond the same", " ms", longer_ms["together", 50], None, False, "one more sync of the broker"),
    ]


def sizes_of_messages(bench, **_):
    """Bodies of y_true and features together, without AMQP's frames."""
    rows = []
    for name, batch in (("single samples", 1), ("batches of 100", 100)):
        bench.fill(batch, batch)
        rows.append(Row(f"bytes of both bodies per pair, {name}", " B", [bench.body_bytes() / batch], None, False, "ids, and numbers in decimal"))
        bench.check_empty()
    return rows


def start(bench, rounds, **_):
    values = []
    for _ in range(rounds):
        bench.run(bench.features("--interval", 0, "--count", 1))
        relay = Relay(bench.url)
        command = bench.metric(bench.fresh("start"), "--amqp-url", relay.url)
        begun = time.perf_counter()
        process = bench.start(command)
        assert relay.acknowledged.wait(60), f"nothing was acknowledged; see {bench.stderr}"
        values.append((relay.at - begun) * 1000)
        bench.stop(process)
        bench.check_empty()
    return [Row("start of metric to its first acknowledgement", " ms", values, 100, False, "syncs of new files, the broker's handshake")]


def idle(bench, rounds, idle_s, **_):
    """The three as they run by default, a sample each 10 s."""
    directory = bench.fresh("idle")
    commands = {"features": bench.features(), "metric": bench.metric(directory), "plot": bench.plot(directory, "--listen", "127.0.0.1:0")}
    processes = {name: bench.start(command) for name, command in commands.items()}
    time.sleep(idle_s)
    percent = {name: [] for name in processes}
    for _ in range(rounds):
        before = {name: (cpu_s(process.pid), time.perf_counter()) for name, process in processes.items()}
        time.sleep(idle_s)
        for name, process in processes.items():
            cpu, at = before[name]
            percent[name].append((cpu_s(process.pid) - cpu) / (time.perf_counter() - at) * 100)
    for process in processes.values():
        bench.stop(process)
    bench.purge()
    return [Row(f"{name} idle, of a core", " %", values, 0.1, False, "timers") for name, values in percent.items()]


def alert(bench, rounds, alert, **_):
    """With the settings that plot has by default."""
    seconds = [alerts.seconds(bench.binaries / "plot", bench.fresh("alerts"), alert) for _ in range(rounds)]
    middle = [sorted(values)[len(values) // 2] for values in seconds]
    return [
        Row("from a durable row to the receiver of its alert, the slowest", " s", [max(values) for values in seconds], 1.5, False, "plot looks twice a second"),
        Row("the same, p50", " s", middle, None, False, ""),
    ]


def sizes(bench, **_):
    bars = {"features": 4, "metric": 4, "plot": 6}
    return [Row(f"size of {name}", " MB", [(bench.binaries / name).stat().st_size / 1e6], bar, False, "") for name, bar in bars.items()]


TITLES = {"quick": "## make bench", "full": "## make bench-full"}


def check(rows):
    """What was measured once is measured still, and every row has a value. The counts in the names differ."""
    sections = written()
    lines = [line for title in TITLES.values() for line in sections.get(title, "").splitlines()]
    named = lambda text: re.sub(r"[\d,]+", "N", text)
    known = {named(line.split(" | ")[0][2:]) for line in lines if line.startswith("| ") and " | " in line}
    missing = known - {named(row.what) for row in rows} - {"What", "---"}
    assert not missing and all(row.values for row in rows), f"not measured: {missing}"


def main():
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    form, rounds, binaries, url, directory = sys.argv[1:]
    rounds = int(rounds)
    bench = Bench(binaries, url, directory)
    where = machine(bench.binaries / "metric", RabbitMQ=bench.broker_version(), pika=pika.__version__)
    print(where, flush=True)
    bench.declare()
    rows = [] if form == "full" else [row for part in (rates, latency, sizes_of_messages, start, idle, alert, sizes) for row in part(bench, rounds=rounds, **FORMS[form])]
    if form != "quick":
        rows += long.rows(bench, rounds, form)
    print(text(rows))
    if form == "check":
        check(rows)
    else:
        write(TITLES[form], f"BENCH_RUNS={rounds}", where, rows)


main()
