"""A prediction service as tutorials have it: queues that end with the broker, messages that are not persistent, automatic
acknowledgement. Serves the checks; examples/python/ shows what to write instead. model.py PORT MODEL"""

import json
import pickle
import sys

import numpy as np
import pika

with open(sys.argv[2], "rb") as file:
    regressor = pickle.load(file)
connection = pika.BlockingConnection(pika.ConnectionParameters(host="localhost", port=int(sys.argv[1])))
channel = connection.channel()
channel.queue_declare(queue="features")
channel.queue_declare(queue="y_pred")


def callback(ch, method, properties, body):
    message = json.loads(body)
    prediction = regressor.predict(np.array(message["body"]).reshape(1, -1))
    channel.basic_publish(exchange="", routing_key="y_pred", body=json.dumps({"id": message["id"], "body": prediction[0]}))


channel.basic_consume(queue="features", on_message_callback=callback, auto_ack=True)
channel.start_consuming()
