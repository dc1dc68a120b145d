"""What TLS costs: bench/tls.py ROUNDS BINARIES AMQP_URL DIRECTORY SAMPLES. Called by `scripts/bench tls`.
Each round drains the same count of single samples three times: by metric, by metric over TLS, and by the bare consumer over the same TLS; a ratio is
one of two runs of a round."""
import signal, statistics, subprocess, sys

from measure import ROOT, Bench


PREFETCH = 2000  # of the bare consumer, as metric has it by default


def listen(directory):
    """Opens a TLS listener of the node. Gives its address and what to trust."""
    openssl = lambda *args: subprocess.run(["openssl", *args], cwd=directory, check=True, capture_output=True)
    names = "subjectAltName=IP:127.0.0.1"
    key = ["-newkey", "rsa:2048", "-nodes", "-subj", "/CN=bench"]
    openssl("req", "-x509", "-days", "2", *key, "-addext", "basicConstraints=critical,CA:FALSE", "-addext", names, "-keyout", "key.pem", "-out", "cert.pem")
    port = subprocess.check_output([ROOT / "scripts/broker", "port", "0"], text=True).strip()
    options = f'[{{certfile,"{directory}/cert.pem"}},{{keyfile,"{directory}/key.pem"}}]'
    start = f'{{ok, _}} = application:ensure_all_started(ssl), ok = rabbit_networking:start_ssl_listener({{"127.0.0.1", {port}, inet}}, {options}, 2).'
    answer = subprocess.run([ROOT / "scripts/broker", "eval", directory / "broker", start], check=True, capture_output=True, text=True).stdout
    assert "{ok," in answer, answer
    return f"amqps://guest:guest@127.0.0.1:{port}/%2f", directory / "cert.pem"


def main():
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    rounds, binaries, url, directory, samples = sys.argv[1:]
    rounds, samples = int(rounds), int(samples)
    plain = Bench(binaries, url, directory, "tls.")
    tls_url, ca = listen(plain.directory)
    plain.declare()

    def metric(*args):
        logs = plain.fresh("metric")
        return plain.drain(plain.metric(logs, *args), logs / "metric_log.csv", samples)

    def bare():
        command = [plain.binaries / "examples/bare_consumer", tls_url, plain.prefix, PREFETCH, 2 * samples]
        ended = plain.run(["env", f"AMQP_CA={ca}", *command])
        plain.check_empty()
        return ended

    drains = {
        "metric, plain AMQP": metric,
        "metric, TLS": lambda: metric("--amqp-url", tls_url, "--amqp-ca", ca),
        "bare consumer, TLS": bare,
    }
    runs, order = {name: [] for name in drains}, list(drains)
    for round in range(rounds):
        for name in order:
            plain.fill(samples)
            runs[name].append(drains[name]())
            print(f"round {round + 1}: {name} {2 * samples / runs[name][-1].seconds:,.0f} messages/s", flush=True)
        order.append(order.pop(0))
    for name in drains:
        rate = statistics.median(2 * samples / run.seconds for run in runs[name])
        cpu_us = statistics.median(run.cpu_s / samples * 1e6 for run in runs[name])
        print(f"{name}: {rate:,.0f} messages/s, {cpu_us:.2f} µs of processor time a pair")
    for base in ("bare consumer, TLS", "metric, plain AMQP"):
        ratio = statistics.median(b.seconds / run.seconds for b, run in zip(runs[base], runs["metric, TLS"]))
        print(f"metric over TLS at {ratio:.3f} of {base}")


main()
