"""The metric service as a careful person writes it in Python for speed, for batches: bench/peer_batches.py AMQP_URL PREFIX LOG MODEL

What it does: all deliveries that have come are one batch: decoded by orjson, predicted, joined, written in one go, then acknowledged by one
call. The log has metric's columns, quoted as in RFC 4180. What it promises: rows are with the kernel before their deliveries are acknowledged, so
they outlive the process. What metric does and it leaves out: it syncs nothing, so a power cut takes rows. Halves that wait are acknowledged
and in memory alone, so a crash takes them. A half that comes again after its row begins a new pair. Nothing is checked or rejected: one
wrong message ends it. Its memory has no bound."""
import json, signal, sys, time
from operator import itemgetter, mul

import orjson, pika
from pika.adapters.utils import io_services_utils

PREFETCH = 500  # messages of each queue
url, prefix, log, model = sys.argv[1:]
with open(model) as file:
    model = json.load(file)
intercept, coefficients = model["intercept"], model["coefficients"]
deliveries, stopping = [], False
truths, predictions = {}, {}  # by id: value, when it came, group


def join(now):
    """Rows of the halves that have come: id, y_true, y_pred, absolute_error, label_delay, group."""
    rows = []
    for is_truth, body in deliveries:
        for sample in orjson.loads(body):
            id, value, group = sample["id"], sample["body"], sample.get("group", "")
            if is_truth:
                other = predictions.pop(id, None)
                if other is None:
                    truths[id] = value, now, group
                else:
                    y_pred, predicted_at, group_of_prediction = other
                    rows.append((id, value, y_pred, abs(value - y_pred), now - predicted_at, group_of_prediction or group))
            else:
                y_pred = sum(map(mul, coefficients, value), intercept)
                other = truths.pop(id, None)
                if other is None:
                    predictions[id] = y_pred, now, group
                else:
                    y_true, known_at, group_of_truth = other
                    rows.append((id, y_true, y_pred, abs(y_true - y_pred), known_at - now, group or group_of_truth))
    return rows


def lines(rows, now):
    # orjson writes floats ten times as fast as repr, with as few digits: "1.0,2.5,1.5" for each row.
    numbers = orjson.dumps(list(map(itemgetter(1, 2, 3), rows)))[2:-2].decode().split("],[")
    logged_at = f"{now:.3f}"
    return "".join(
        [f"{quoted(id)},{three},{logged_at},{delay:.3f},{quoted(group)}\n" for (id, _, _, _, delay, group), three in zip(rows, numbers)]
    )


def quoted(text):
    return '"' + text.replace('"', '""') + '"' if '"' in text or "," in text else text


def stop(*_):
    global stopping
    stopping = True
    connection.add_callback_threadsafe(lambda: None)  # so that it waits no longer


# pika asks the socket for 4 KiB at a time, and a message has some 20.
io_services_utils._AsyncTransportBase._MAX_RECV_BYTES = 1 << 15
connection = pika.BlockingConnection(pika.URLParameters(url))
signal.signal(signal.SIGTERM, stop)
channel = connection.channel()
channel.basic_qos(prefetch_count=PREFETCH)
for queue in ("y_true", "features"):
    deliver = lambda channel, method, properties, body, is_truth=queue == "y_true": deliveries.append((is_truth, body))
    channel.basic_consume(prefix + queue, deliver)
taken = 0
with open(log, "a", encoding="utf-8", newline="") as file:
    file.write("id,y_true,y_pred,absolute_error,logged_at,label_delay,group\n")
    while not stopping:
        connection.process_data_events(time_limit=None)
        if deliveries:
            now = time.time()
            if rows := join(now):
                file.write(lines(rows, now))
                file.flush()
            taken += len(deliveries)  # the tags of a channel are 1, 2, ...
            channel.basic_ack(taken, multiple=True)
            deliveries.clear()
connection.close()
