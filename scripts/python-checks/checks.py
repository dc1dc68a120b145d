"""examples/python/ beside the real services, a real broker and plot: checks.py DIRECTORY_OF_THE_BINARIES, by way of scripts/test-python.

Each check chooses when a process ends; every wait is for a condition, with a deadline."""

import signal
import subprocess
import sys
import time

import files
import outages
import prediction
from scene import EXAMPLES, WORK, Node, check_pinned

TASKS = ["regression", "binary", "classes"]
passed = 0


def check(function, *arguments):
    global passed
    begun = time.monotonic()
    found = function(*arguments)
    passed += 1
    of = [str(getattr(argument, "name", argument)) for argument in arguments if not isinstance(argument, Node)]
    name = " ".join([function.__name__.removeprefix("check_").replace("_", " "), *of])
    print(f"ok {passed}: {name}{f' ({found})' if found else ''}, {time.monotonic() - begun:.0f} s", flush=True)


def check_that_they_are_short_and_pinned():
    for example in EXAMPLES.glob("*.py"):
        count = len(example.read_text().splitlines())
        assert count < 60, f"{example.name} has {count} lines"
    check_pinned(EXAMPLES / "requirements.txt")


def main():
    check(check_that_they_are_short_and_pinned)
    for task in TASKS:
        subprocess.run([sys.executable, EXAMPLES / "make_model.py", task], cwd=WORK, check=True)
        check(prediction.check_what_is_published, task)
        check(prediction.check_the_services, task)
        check(files.check_truth_of_a_task, task)
    check(prediction.check_a_signal_at_each_send, signal.SIGKILL)
    check(prediction.check_a_signal_at_each_send, signal.SIGTERM)
    check(files.check_truth_three_days_later)
    check(files.check_truth_that_is_stopped)
    check(files.check_the_log_is_read_as_plot_reads_it)
    node = Node("node")
    check(outages.check_a_broker_that_restarts, node)
    check(outages.check_a_broker_that_blocks, node)
    check(outages.check_a_published_pair, node)
    print(f"test-python: all {passed} checks passed")


if __name__ == "__main__":
    main()
