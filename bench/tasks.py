"""What the tasks cost metric: bench/tasks.py ROUNDS BINARIES AMQP_URL DIRECTORY SAMPLES. Called by `scripts/bench tasks`.
Each round drains the same ids in batches of 100, once for each task, with predictions from y_pred; a ratio is one of two runs of a round."""
import json, random, signal, statistics, sys

import pika

from measure import ROOT, Bench
from table import spread

BATCH = 100
CLASSES = ["setosa", "versicolor", "virginica"]
TASKS = {  # the values of a pair
    "regression": lambda: (round(random.uniform(25, 346), 1), random.uniform(25, 346)),
    "binary": lambda: (random.randrange(2), random.random()),
    "classes": lambda: (random.choice(CLASSES), random.choice(CLASSES)),
}


def fill(bench, task, samples):
    """Both queues with as many samples."""
    channel = pika.BlockingConnection(pika.URLParameters(bench.url + "?heartbeat=0")).channel()
    arguments = json.loads((ROOT / "contract/queue_arguments.json").read_text().replace("PREFIX", bench.prefix))
    for queue in bench.queues:
        channel.queue_declare(bench.prefix + queue, durable=True, arguments=arguments["quorum"])
    channel.confirm_delivery()
    for begin in range(0, samples, BATCH):
        halves = [[], []]
        for number in range(begin, begin + BATCH):
            for half, value in zip(halves, TASKS[task]()):
                half.append({"id": f"1732341600.{number:06}-5f3a9c01", "body": value})
        for queue, half in zip(bench.queues, halves):
            channel.basic_publish("", bench.prefix + queue, json.dumps(half), pika.BasicProperties(delivery_mode=2))
    channel.connection.close()
    bench.settle()
    bench.check_ready(samples // BATCH)


def main():
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    rounds, binaries, url, directory, samples = sys.argv[1:]
    rounds, samples = int(rounds), int(samples)
    bench = Bench(binaries, url, directory, "tasks.", ("y_true", "y_pred"))
    runs = {task: [] for task in TASKS}
    order = list(TASKS)
    for round in range(rounds):
        for task in order:
            fill(bench, task, samples)
            logs = bench.fresh("metric")
            command = bench.metric(logs, "--task", task, "--predictions", "y_pred")
            runs[task].append(bench.drain(command, logs / "metric_log.csv", samples, check=False))
            print(f"round {round + 1}: {task} {samples / runs[task][-1].seconds:,.0f} pairs/s", flush=True)
        order.append(order.pop(0))
    for task in TASKS:
        rate = statistics.median(samples / run.seconds for run in runs[task])
        cpu_us = statistics.median(run.cpu_s / samples * 1e6 for run in runs[task])
        ratios = [base.seconds / run.seconds for base, run in zip(runs["regression"], runs[task])]
        print(f"{task}: {rate:,.0f} pairs/s, {statistics.median(ratios):.3f} of regression's ({spread(ratios)}), {cpu_us:.2f} µs of processor time a pair")


main()
