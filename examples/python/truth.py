"""Sends true values once they are known, be it days after the predictions: the rows of a CSV with the columns id and y_true.
For a job that runs each night, say. A row that is sent again, in another run as well, counts once.
AMQP_URL and QUEUE_PREFIX say where. Declares no queue, but waits for metric's."""
import argparse, csv, json, os, signal, sys, threading
import pika

BATCH = 1000  # samples per message; 10,000 are allowed
stopping = threading.Event()


def stop(*_):
    """Lets the message in progress end. If that takes 5 s, as with a broker that hangs, exits."""
    stopping.set()
    watchdog = threading.Timer(5, os._exit, [1])
    watchdog.daemon = True
    watchdog.start()


def sample(row, task):
    return {"id": row["id"], "body": row["y_true"] if task == "classes" else float(row["y_true"])}


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("file")
parser.add_argument("--task", choices=["regression", "binary", "classes"], default="regression")
arguments = parser.parse_args()
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
with open(arguments.file, newline="", encoding="utf-8-sig") as file:
    samples = [sample(row, arguments.task) for row in csv.DictReader(file)]
parameters = pika.URLParameters(os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/%2f"))
queue = os.environ.get("QUEUE_PREFIX", "") + "y_true"
sent = 0
while sent < len(samples) and not stopping.is_set():
    try:
        with pika.BlockingConnection(parameters) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            while sent < len(samples) and not stopping.is_set():
                batch = samples[sent : sent + BATCH]
                # Raises unless the broker confirms; the batch is then sent again.
                channel.basic_publish("", queue, json.dumps(batch), pika.BasicProperties(delivery_mode=2), mandatory=True)
                sent += len(batch)
    except (pika.exceptions.AMQPError, OSError) as error:
        print(f"{error!r}; trying again", flush=True)
        stopping.wait(2)
print(f"{sent} of {len(samples)} true values sent")
sys.exit(sent < len(samples))
