"""The real services beside a real Prometheus and Alertmanager: pipeline.py DIRECTORY_OF_THE_BINARIES, with TEST_AMQP_URL.

Every wait is for a condition, with a deadline."""

import http.server
import json
import math
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

import dashboard

DEADLINE_S = 60
RULES = {"ModelErrorHigh", "ModelDrift", "LabelsStopped", "MonitorBlind", "MonitorDown"}
processes = {}
# What the receiver was sent: alerts as Alertmanager writes them.
received = []


def wait_for(what, condition):
    """What the condition returns once it is true; an error on the way counts as not yet."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            seen = condition()
            if seen:
                return seen
        except (OSError, ValueError) as error:
            seen = error
        for name, process in processes.items():
            if process.poll() is not None:
                raise SystemExit(f"{name} ended with status {process.returncode}")
        if time.monotonic() > deadline:
            raise SystemExit(f"{what}: not within {DEADLINE_S} s; last seen: {seen!r}")
        time.sleep(0.1)


def get(url, **query):
    with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(query)}", timeout=DEADLINE_S) as answer:
        return answer.headers, answer.read().decode()


def start(name, work, *command, **environment):
    with open(work / f"{name}.log", "a") as log:
        environment = {"PATH": os.environ["PATH"], **environment}
        processes[name] = subprocess.Popen(command, cwd=work, env=environment, stdout=log, stderr=log)


def stop(name):
    process = processes.pop(name)
    process.terminate()
    assert process.wait(DEADLINE_S) == 0, f"{name} ended with status {process.returncode}"


def adapted(path, changes):
    """Changes a file; each text must be there."""
    text = path.read_text()
    for before, after in changes.items():
        assert before in text, f"{path.name} does not hold {before}"
        text = text.replace(before, after)
    path.write_text(text)


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        received.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["alerts"])
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


class Pipeline:
    def __init__(self, binaries, work):
        self.work = work
        plot, prometheus, alertmanager = (
            int(subprocess.check_output(["scripts/broker", "port", "0", work])) for _ in range(3))
        self.plot, self.prometheus, self.alertmanager = (f"http://127.0.0.1:{port}" for port in (plot, prometheus, alertmanager))
        receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        self.configure(plot, alertmanager, receiver.server_port)
        broker = {"AMQP_URL": os.environ["TEST_AMQP_URL"]}
        start("features", work, binaries / "features", FEATURES_INTERVAL="0.01", **broker)
        self.start_metric = lambda: start("metric", work, binaries / "metric", LOG_DIR=str(work), **broker)
        self.start_metric()
        settings = {"LOG_DIR": str(work), "PLOT_LISTEN": f"127.0.0.1:{plot}", "PLOT_BASELINE_ROWS": "100"}
        start("plot", work, binaries / "plot", **settings)
        start("alertmanager", work, "prometheus-alertmanager", f"--web.listen-address=127.0.0.1:{alertmanager}",
              "--cluster.listen-address=", "--storage.path=alertmanager", "--config.file=monitoring/alertmanager.yml")
        start("prometheus", work, "prometheus", f"--web.listen-address=127.0.0.1:{prometheus}",
              "--storage.tsdb.path=prometheus", "--config.file=monitoring/prometheus.yml")

    def configure(self, plot, alertmanager, receiver):
        """A copy of monitoring/ with other addresses and shorter times."""
        copy = self.work / "monitoring"
        shutil.copytree(dashboard.MONITORING, copy)
        addresses = {"plot:8080": f"127.0.0.1:{plot}", "alertmanager:9093": f"127.0.0.1:{alertmanager}"}
        adapted(copy / "prometheus.yml", {"_interval: 15s": "_interval: 1s", **addresses})
        adapted(copy / "rules.yml", {"for: 2m": "for: 0s"})
        adapted(copy / "alertmanager.yml", {"group_wait: 10s": "group_wait: 0s", "group_interval: 1m": "group_interval: 1s",
                                            "host.docker.internal:9095": f"127.0.0.1:{receiver}"})

    def check_metrics(self):
        """That Prometheus' own linter has nothing to say."""
        wait_for("a verdict on rows", lambda: "model_monitor_baseline_mae " in get(f"{self.plot}/metrics")[1])
        headers, text = get(f"{self.plot}/metrics")
        assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8", headers
        linter = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
        said = linter.stdout + linter.stderr
        assert (linter.returncode, said) == (0, ""), said
        print("promtool finds no fault in /metrics")

    def values(self, expression):
        """The numbers that an expression gives; without NaN, which is none."""
        answer = json.loads(get(f"{self.prometheus}/api/v1/query", query=expression)[1])
        values = [float(sample["value"][1]) for sample in answer["data"]["result"]]
        return [value for value in values if math.isfinite(value)]

    def check_expressions(self):
        for title, expression in dashboard.expressions():
            wait_for(f"{title}: {expression}", lambda: self.values(expression))
        print(f"all {len(dashboard.expressions())} expressions of the dashboard have values")
        groups = json.loads(get(f"{self.prometheus}/api/v1/rules")[1])["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        assert {rule["name"] for rule in rules} == RULES, rules
        # While all is well an alert's expression is rightly empty; what it looks at is not.
        selectors = {s for rule in rules for s in re.findall(r"\b(?:model_monitor_\w+|up)\b(?:\{[^}]*\})?", rule["query"])}
        for selector in sorted(selectors):
            wait_for(selector, lambda: self.values(selector))
        print(f"all {len(selectors)} selectors of the rules have values")

    def has_received(self, status, name):
        return [alert for alert in received if (alert["status"], alert["labels"]["alertname"]) == (status, name)]

    def active(self, name):
        alerts = json.loads(get(f"{self.alertmanager}/api/v2/alerts", active="true")[1])
        return [alert for alert in alerts if alert["labels"]["alertname"] == name]

    def check_alert(self):
        """From metric that stops, by way of Prometheus and Alertmanager, to a receiver; and back."""
        assert not self.active("MonitorBlind")
        stop("metric")
        (alert,) = wait_for("MonitorBlind in Alertmanager", lambda: self.active("MonitorBlind"))
        assert alert["labels"]["severity"] == "critical" and alert["annotations"]["description"], alert
        wait_for("MonitorBlind at the receiver", lambda: self.has_received("firing", "MonitorBlind"))
        self.start_metric()
        wait_for("its end at the receiver", lambda: self.has_received("resolved", "MonitorBlind"))
        unhealthy = [rule for group in json.loads(get(f"{self.prometheus}/api/v1/rules")[1])["data"]["groups"]
                     for rule in group["rules"] if rule["health"] != "ok"]
        assert not unhealthy, unhealthy
        print("an alert travels to a receiver, and its end")


def main():
    work = pathlib.Path(tempfile.mkdtemp(prefix="monitor-test-"))
    begun = time.monotonic()
    try:
        pipeline = Pipeline(pathlib.Path(sys.argv[1]).resolve(), work)
        pipeline.check_metrics()
        pipeline.check_expressions()
        pipeline.check_alert()
    except BaseException:
        for log in sorted(work.glob("*.log")):
            print(f"--- {log.name}", *log.read_text().splitlines()[-20:], sep="\n", file=sys.stderr)
        raise
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
        shutil.rmtree(work)
    print(f"test-monitoring: all passed in {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
