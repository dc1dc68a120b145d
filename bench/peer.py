"""The metric service as it is usually written in Python: pika, a dictionary of waiting halves, automatic acknowledgement, a row
per append. Kinder than most: one connection, a file kept open, a model without a library. bench/peer.py AMQP_URL PREFIX LOG MODEL"""
import csv, json, sys, time

import pika

url, prefix, log, model = sys.argv[1:]
with open(model) as file:
    model = json.load(file)
intercept, coefficients = model["intercept"], model["coefficients"]
waiting = {"y_true": {}, "y_pred": {}}

file = open(log, "a", newline="")
writer = csv.writer(file, lineterminator="\n")
writer.writerow(["id", "y_true", "y_pred", "absolute_error", "logged_at"])


def join(kind, other, id, value):
    if id not in waiting[other]:
        waiting[kind][id] = value
        return
    halves = {kind: value, other: waiting[other].pop(id)}
    y_true, y_pred = halves["y_true"], halves["y_pred"]
    writer.writerow([id, y_true, y_pred, abs(y_true - y_pred), f"{time.time():.3f}"])
    file.flush()


def on_y_true(channel, method, properties, body):
    message = json.loads(body)
    join("y_true", "y_pred", message["id"], message["body"])


def on_features(channel, method, properties, body):
    message = json.loads(body)
    y_pred = intercept + sum(w * x for w, x in zip(coefficients, message["body"]))
    join("y_pred", "y_true", message["id"], y_pred)


channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
channel.basic_consume(prefix + "y_true", on_y_true, auto_ack=True)
channel.basic_consume(prefix + "features", on_features, auto_ack=True)
channel.start_consuming()
