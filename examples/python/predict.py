"""Predicts with a pickled scikit-learn model: takes samples from the queue features, publishes predictions to the queue y_pred.
AMQP_URL and QUEUE_PREFIX say where. Declares no queue, but waits for those of features and metric."""
import argparse, json, os, pathlib, pickle, signal, threading
import numpy, pika

stopping = threading.Event()


def stop(*_):
    """Lets the message in progress end. If that takes 5 s, as with a broker that hangs, exits: the message comes again."""
    stopping.set()
    watchdog = threading.Timer(5, os._exit, [0])
    watchdog.daemon = True
    watchdog.start()


def predict(model, task, message):
    samples = json.loads(message, parse_float=str, parse_int=str)  # as they are written: the ids 1.0 and 1.00 are two
    samples = samples if isinstance(samples, list) else [samples]
    rows = numpy.array([numpy.ravel(sample["body"]) for sample in samples], dtype=float)
    values = model.predict_proba(rows)[:, 1] if task == "binary" else model.predict(rows)
    return json.dumps([{**sample, "body": value} for sample, value in zip(samples, values.tolist())])


def serve(channel, prefix, model, task):
    channel.confirm_delivery()
    channel.basic_qos(prefetch_count=100)
    channel.queue_declare(prefix + "y_pred", passive=True)  # raises where there is none
    print(f"consuming {prefix}features", flush=True)
    for method, _, message in channel.consume(prefix + "features", inactivity_timeout=1):
        if stopping.is_set():
            return
        if method:
            try:
                predictions = predict(model, task, message)
            except Exception as error:  # whichever the model raises
                print(f"rejected a message of {len(message)} bytes: {error!r}", flush=True)
                channel.basic_reject(method.delivery_tag, requeue=False)
                continue
            # Raises unless the broker confirms. The features, not acknowledged, then come again.
            channel.basic_publish("", prefix + "y_pred", predictions, pika.BasicProperties(delivery_mode=2), mandatory=True)
            channel.basic_ack(method.delivery_tag)


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("model", nargs="?", help="a file; default: TASK.pkl")
parser.add_argument("--task", choices=["regression", "binary", "classes"], default="regression")
arguments = parser.parse_args()
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
model = pickle.loads(pathlib.Path(arguments.model or arguments.task + ".pkl").read_bytes())
parameters = pika.URLParameters(os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/%2f"))
while not stopping.is_set():
    try:
        with pika.BlockingConnection(parameters) as connection:
            serve(connection.channel(), os.environ.get("QUEUE_PREFIX", ""), model, arguments.task)
    except (pika.exceptions.AMQPError, OSError) as error:
        print(f"{error!r}; trying again", flush=True)
    stopping.wait(2)
