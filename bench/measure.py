"""Runs programs from outside: their time, processor time and memory, and whether they did their work."""
import atexit, csv, os, pathlib, re, signal, subprocess, sys, time
from dataclasses import dataclass

import pika

DEADLINE_S = 600
# The broker is at rest when it takes no more than this much processor time in so much time.
QUIET_CPU_S, QUIET_S = 0.03, 0.3
TURN_S = 0.5
ROOT = pathlib.Path(__file__).parent.parent


@dataclass
class Ended:
    """What a process took from its start to its end."""

    seconds: float
    cpu_s: float
    peak_mb: float = 0.0
    written_bytes: int = 0


class Bench:
    """Where the programs, the broker and the files are."""

    def __init__(self, binaries, url, directory, prefix="bench.", queues=("y_true", "features")):
        self.binaries, self.url, self.directory = pathlib.Path(binaries), url, pathlib.Path(directory)
        self.prefix, self.queues = prefix, queues
        self.settings = ["--amqp-url", url, "--queue-prefix", self.prefix]
        self.connection = None

    def bare(self, name, *args):
        return [self.binaries / "examples" / name, self.url, self.prefix, *map(str, args)]

    def features(self, *args):
        return [self.binaries / "features", *self.settings, *map(str, args)]

    def metric(self, log_dir, *args):
        return [self.binaries / "metric", *self.settings, "--log-dir", log_dir, *map(str, args)]

    def plot(self, log_dir, *args):
        return [self.binaries / "plot", "--log-dir", log_dir, *map(str, args)]

    def peer(self, name, log):
        return [sys.executable, ROOT / f"bench/{name}.py", self.url, self.prefix, log, ROOT / "metric/model.json"]

    def fresh(self, name):
        """An empty directory."""
        path = self.directory / name
        subprocess.run(["rm", "-rf", path], check=True)
        path.mkdir(parents=True)
        return path

    def start(self, command):
        self.stderr = self.directory / "stderr"
        with open(self.stderr, "w") as stderr:
            # In a session of its own: where the shell that began the bench ends while a process is stopped, the kernel hangs up on its group.
            process = subprocess.Popen(list(map(str, command)), stderr=stderr, start_new_session=True)
        # A bench that is interrupted leaves none behind.
        atexit.register(process.kill)
        return process

    def settle(self):
        """Waits until the broker is done with what came before, such as moving messages from its log to files."""
        pid = int((self.directory / "broker/pid").read_text())
        before, deadline = cpu_s(pid), time.monotonic() + DEADLINE_S
        while True:
            time.sleep(QUIET_S)
            if (now := cpu_s(pid)) - before < QUIET_CPU_S:
                return
            assert time.monotonic() < deadline, "the broker does not come to rest"
            before = now

    def run(self, command):
        """Runs a program to its end."""
        begun = time.perf_counter()
        return self.end(self.start(command), begun)

    def end(self, process, begun):
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode in (0, -signal.SIGTERM), f"{process.args} ended with {process.returncode}: {self.stderr.read_text()}"
        return Ended(time.perf_counter() - begun, usage.ru_utime + usage.ru_stime)

    def stop(self, process, begun=0):
        """Asks a service to stop; it has ended when this returns."""
        process.terminate()
        return self.end(process, begun)

    def declare(self):
        """Makes the queues, empty."""
        self.run(self.features("--interval", 0, "--count", 1))
        self.purge()

    def fill(self, samples, batch=1):
        """Both runs, of features and of who takes the messages, begin with a broker at rest. Gives that of features."""
        self.settle()
        ended = self.run(self.features("--interval", 0, "--count", samples, "--batch", batch))
        self.check_ready(samples // batch)
        self.settle()
        return ended

    def take_turns(self, commands):
        """Runs programs to their ends, all but one stopped at any moment: the speed of the machine, which drifts within seconds, is then
        the same for all. Gives what each took in its own turns."""
        processes = [self.start(command) for command in commands]
        for process in processes:
            os.kill(process.pid, signal.SIGSTOP)
        seconds, working = [0.0] * len(processes), list(enumerate(processes))
        while working:
            for i, process in working:
                seconds[i] += turn_s(process)
            working = [(i, process) for i, process in working if not has_ended(process)]
        return [self.end(process, time.perf_counter() - own_s) for process, own_s in zip(processes, seconds)]

    def drain(self, command, log, rows, check=True):
        """Runs a service until it has written `rows` rows and, asked to stop, has ended: by then all is acknowledged."""
        begun = time.perf_counter()
        process = self.start(command)
        self.wait_for_rows(log, rows, process)
        peak_mb, written_bytes = peak_memory_mb(process.pid), disk_bytes(process.pid)
        ended = self.stop(process, begun)
        ended.peak_mb, ended.written_bytes = peak_mb, written_bytes
        if check:
            check_rows(log, rows)
        self.check_empty()
        return ended

    def wait_for_rows(self, log, rows, process):
        seen, at, deadline = -1, 0, time.monotonic() + DEADLINE_S  # the header is no row
        while seen < rows:
            assert process.poll() is None and time.monotonic() < deadline, f"{seen} of {rows} rows in {log}\n{self.state(process)}"
            if log.exists():
                with open(log, "rb") as file:
                    file.seek(at)
                    while block := file.read(1 << 20):
                        seen, at = seen + block.count(b"\n"), at + len(block)
            # A look takes processor time that the service under test would have; at the end it must be soon.
            time.sleep(0.05 if seen < 0.95 * rows else 0.002)

    def state(self, process):
        """What can be told of a service that does not go on: what it said, where its threads wait, and what the broker has for it."""
        ctl = [ROOT / "scripts/broker", "ctl", self.directory / "broker"]
        queues = subprocess.run([*ctl, "list_queues", "name", "messages_ready", "messages_unacknowledged", "consumers"], capture_output=True, text=True)
        threads = [(task / "comm").read_text().strip() + ": " + (task / "wchan").read_text() for task in pathlib.Path(f"/proc/{process.pid}/task").glob("*")]
        return "\n".join([self.stderr.read_text(), *threads, queues.stdout, queues.stderr])

    def connect(self):
        if self.connection is None or self.connection.is_closed:
            self.connection = pika.BlockingConnection(pika.URLParameters(self.url + "?heartbeat=0"))
        return self.connection

    def broker_version(self):
        return self.connect()._impl.server_properties["version"]

    def depth(self, queue):
        """Messages that are ready."""
        with self.connect().channel() as channel:
            return channel.queue_declare(self.prefix + queue, passive=True).method.message_count

    def purge(self):
        with self.connect().channel() as channel:
            for queue in self.queues:
                channel.queue_purge(self.prefix + queue)

    def body_bytes(self):
        """Takes a message from each queue; gives how long they are together."""
        with self.connect().channel() as channel:
            return sum(len(channel.basic_get(self.prefix + queue, auto_ack=True)[2]) for queue in self.queues)

    def check_empty(self):
        """What was not acknowledged is ready again once its consumer is gone."""
        self.check_ready(0)

    def check_ready(self, messages):
        """So many are in each queue."""
        ready = {queue: self.depth(queue) for queue in self.queues}
        assert set(ready.values()) == {messages}, f"messages ready: {ready}, not {messages}\n{self.stderr.read_text()}"


def turn_s(process):
    """Lets a stopped process go on for a turn, or to its end; gives how long that was."""
    begun = time.perf_counter()
    # Not Popen.send_signal, which reaps a process that has ended.
    os.kill(process.pid, signal.SIGCONT)
    while (taken_s := time.perf_counter() - begun) < TURN_S and not has_ended(process):
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGSTOP)
    return taken_s


def has_ended(process):
    """Without reaping it."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def peak_memory_mb(pid):
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) * 1024 / 1e6


def disk_bytes(pid):
    """What it has given to the disk so far, in whole pages."""
    return int(re.search(r"^write_bytes: (\d+)", pathlib.Path(f"/proc/{pid}/io").read_text(), re.M)[1])


def cpu_s(pid):
    """Processor time of all threads so far; finer than the ticks of /proc/PID/stat."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def check_rows(log, rows):
    """As many rows as samples, an id once, and the error that of its row."""
    ids = set()
    with open(log, newline="") as file:
        for row in csv.DictReader(file):
            assert float(row["absolute_error"]) == abs(float(row["y_true"]) - float(row["y_pred"])), row
            ids.add(row["id"])
    assert len(ids) == rows, f"{len(ids)} ids in {log}, not {rows}"
