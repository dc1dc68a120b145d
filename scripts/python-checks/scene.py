"""What the checks of examples/python/ stand on: real services and a real broker, processes that end with their check, and waits with a
deadline."""

import csv
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pika

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples/python"
BINARIES = pathlib.Path(sys.argv[1]).resolve()
# scripts/with-broker removes it.
WORK = pathlib.Path(os.environ["TMPDIR"])
DEADLINE_S = 120


class Node:
    """A RabbitMQ node of one's own."""

    def __init__(self, name):
        self.directory = WORK / name
        self.url = self("start")

    def __call__(self, command, *arguments):
        done = subprocess.run([ROOT / "scripts/broker", command, self.directory, *arguments], stdout=subprocess.PIPE, check=True, text=True)
        return done.stdout.strip()


class Scene:
    """Queues with a prefix of their own, a log directory, and processes by name."""

    def __init__(self, name, url=None, prefix=None):
        self.url = url or os.environ["TEST_AMQP_URL"]
        self.prefix = f"{name}." if prefix is None else prefix
        self.directory = WORK / name
        self.directory.mkdir()
        self.processes = {}

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for process in self.processes.values():
            process.kill()
            process.wait()
        if kind:
            for log in sorted(self.directory.glob("*.log")):
                print(f"--- {log.name}", *log.read_text().splitlines()[-20:], sep="\n", file=sys.stderr)

    # ---- processes

    def start(self, name, *command, **settings):
        environment = {"PATH": os.environ["PATH"], "AMQP_URL": self.url, "QUEUE_PREFIX": self.prefix, "LOG_DIR": str(self.directory)}
        with open(self.directory / f"{name}.log", "a") as log:
            self.processes[name] = subprocess.Popen(
                command, cwd=self.directory, env=environment | settings, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def start_features(self, count, **settings):
        settings = {"FEATURES_COUNT": str(count), "FEATURES_INTERVAL": "0"} | settings
        self.start("features", BINARIES / "features", **settings)

    def start_metric(self, **settings):
        self.start("metric", BINARIES / "metric", METRIC_PREDICTIONS="y_pred", **settings)

    def start_example(self, name, *arguments, under=()):
        self.start(name, *under, sys.executable, EXAMPLES / f"{name}.py", *arguments)

    def exit_code(self, name, signum=None):
        """Of a process that ends by itself or by a signal; negative where the signal has killed it."""
        process = self.processes.pop(name)
        if signum:
            process.send_signal(signum)
        try:
            return process.wait(DEADLINE_S)
        finally:
            process.kill()

    def said(self, name):
        return (self.directory / f"{name}.log").read_text()

    def wait_for(self, what, condition, may_end=None):
        """What the condition returns once it is true; an error on the way counts as not yet. Of the processes one may end otherwise than
        with status 0."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            try:
                seen = condition()
                if seen:
                    return seen
            except (OSError, ValueError, pika.exceptions.AMQPError) as error:
                seen = error
            for name, process in self.processes.items():
                assert name == may_end or not process.poll(), f"{name} ended with status {process.returncode}"
            assert time.monotonic() < deadline, f"{what}: not within {DEADLINE_S} s; last seen: {seen!r}"
            time.sleep(0.1)

    # ---- the broker

    def on_channel(self, action):
        """What the action returns for a channel with confirms."""
        with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            return action(channel)

    def declare(self, name, arguments=None):
        self.on_channel(lambda channel: channel.queue_declare(self.prefix + name, durable=True, arguments=arguments))

    def delete(self, name):
        self.on_channel(lambda channel: channel.queue_delete(self.prefix + name))

    def queue(self, name):
        """How many messages wait, without those that a consumer has; how many consumers there are."""
        return self.on_channel(lambda channel: channel.queue_declare(self.prefix + name, passive=True).method)

    def is_drained(self, name):
        return self.queue(name).message_count == 0

    def publish(self, name, messages):
        def publish(channel):
            for message in messages:
                text = message if isinstance(message, str) else json.dumps(message)
                channel.basic_publish("", self.prefix + name, text, pika.BasicProperties(delivery_mode=2), mandatory=True)

        self.on_channel(publish)

    def take(self, name, count):
        """Properties and body of as many messages."""
        get = lambda channel: [channel.basic_get(self.prefix + name, auto_ack=True)[1:] for _ in range(count)]
        return self.on_channel(get)

    # ---- files

    def status(self):
        return json.loads((self.directory / "metric_status.json").read_text())

    def rows(self):
        """Of the log's whole lines, by id; each id has one row."""
        lines = (self.directory / "metric_log.csv").read_text().rpartition("\n")[0]
        rows = list(csv.DictReader(io.StringIO(lines)))
        by_id = {row["id"]: row for row in rows}
        assert len(by_id) == len(rows), "an id has two rows"
        return by_id

    def wait_for_rows(self, count):
        return self.wait_for(f"{count} rows", lambda: len(rows := self.rows()) >= count and rows)


def check_pinned(requirements):
    """The file names all that is installed here, with its version."""
    pinned = sorted(requirements.read_text().split())
    installed = subprocess.run([sys.executable, "-m", "pip", "freeze"], stdout=subprocess.PIPE, check=True, text=True).stdout.split()
    assert pinned == sorted(installed), f"{requirements.name} has {pinned}, installed is {installed}"


def signalled(signum, send):
    """A command under strace that gets a signal as it is about to make its n-th send."""
    options = ["-e", "trace=sendto", "-e", f"inject=sendto:signal={signal.Signals(signum).name}:when={send}"]
    # -D: the process is the command, not strace.
    return ["strace", "-D", "-f", "-qq", "-o", "/dev/null", *options]
