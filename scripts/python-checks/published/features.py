"""A publisher as tutorials have it: queues that end with the broker, messages that are not persistent, no confirms, a timestamp as id.
Serves the checks; examples/python/ shows what to write instead. features.py PORT COUNT"""

import json
import sys
import time
from datetime import datetime

import numpy as np
import pika
from sklearn.datasets import load_diabetes

X, y = load_diabetes(return_X_y=True)
connection = pika.BlockingConnection(pika.ConnectionParameters(host="localhost", port=int(sys.argv[1])))
channel = connection.channel()
channel.queue_declare(queue="y_true")
channel.queue_declare(queue="features")

for _ in range(int(sys.argv[2])):
    random_row = np.random.randint(0, X.shape[0] - 1)
    message_id = datetime.timestamp(datetime.now())
    channel.basic_publish(exchange="", routing_key="y_true", body=json.dumps({"id": message_id, "body": y[random_row]}))
    channel.basic_publish(exchange="", routing_key="features", body=json.dumps({"id": message_id, "body": list(X[random_row])}))
    time.sleep(0.01)
connection.close()
