"""Checks of examples/python/predict.py: what it publishes, beside the real services, and stopped or killed at each of its sends."""

import json
import signal

from data import data_of, is_near, model_of, predictions_of
from scene import Scene, signalled


def start_predict(scene, task="regression", under=()):
    scene.start_example("predict", model_of(task), "--task", task, under=under)


def check_what_is_published(task):
    """Of ids and numbers as they may be written, groups, batches; and what becomes of messages that are no samples."""
    x, _ = data_of(task)
    x = x[:3].tolist()
    expected = dict(zip(["a", "1.00", "7"], predictions_of(task, x)))
    with Scene(f"published-{task}") as scene:
        to_dead = {"x-queue-type": "quorum", "x-dead-letter-exchange": "", "x-dead-letter-routing-key": f"{scene.prefix}dead"}
        scene.declare("features", to_dead)
        scene.declare("y_pred")
        scene.declare("dead")
        strings = [str(value) for value in x[1]]
        scene.publish("features", ["no JSON", {"id": "short", "body": x[0][:-1]}])
        scene.publish("features", [{"id": "a", "body": x[0], "group": "v2"}, f'{{"id": 1.00, "body": {json.dumps(strings)}}}'])
        scene.publish("features", [{"id": "no body"}, ["text"]])
        scene.publish("features", [[{"id": 7, "body": [x[2]]}, {"id": "a", "body": x[0], "group": 1.0}]])
        start_predict(scene, task)
        scene.wait_for("three predictions", lambda: scene.queue("y_pred").message_count == 3)
        scene.wait_for("what is no sample among the dead letters", lambda: scene.queue("dead").message_count == 4)
        published = scene.take("y_pred", 3)
        check_an_absent_queue(scene, x[0])
        assert scene.exit_code("predict", signal.SIGTERM) == 0
        assert scene.is_drained("features"), "a message was not acknowledged"
        assert {properties.delivery_mode for properties, _ in published} == {2}, "a message is not persistent"
        samples = [sample for _, body in published for sample in json.loads(body)]
        assert [sample["id"] for sample in samples] == ["a", "1.00", "7", "a"], samples
        assert [sample.get("group") for sample in samples] == ["v2", None, None, "1.0"], samples
        assert all(is_near(sample["body"], expected[sample["id"]]) for sample in samples), (samples, expected)


def check_an_absent_queue(scene, values):
    """A prediction that no queue takes is not lost: its sample comes again until one does."""
    scene.delete("y_pred")
    scene.publish("features", [{"id": "later", "body": values}])
    scene.wait_for("a prediction that comes back", lambda: "UnroutableError" in scene.said("predict"))
    scene.declare("y_pred")
    scene.wait_for("its prediction", lambda: scene.queue("y_pred").message_count == 1)
    ((_, body),) = scene.take("y_pred", 1)
    assert json.loads(body)[0]["id"] == "later", body


def check_the_services(task):
    """It starts before all others, and metric last: each waits for the queues that others declare."""
    x, y = data_of(task)
    known = list(zip(y.tolist(), predictions_of(task, x)))
    as_value = str if task == "classes" else float
    count = 200
    with Scene(f"services-{task}") as scene:
        start_predict(scene, task)
        scene.wait_for("a service that waits", lambda: "trying again" in scene.said("predict"))
        scene.start_features(count, FEATURES_BATCH="7", TASK=task)
        assert scene.exit_code("features") == 0, scene.said("features")
        scene.start_metric(TASK=task)
        for row in scene.wait_for_rows(count).values():
            row_true, row_pred = as_value(row["y_true"]), as_value(row["y_pred"])
            assert any(row_true == y_true and is_near(row_pred, y_pred) for y_true, y_pred in known), row
        scene.wait_for("the counts", lambda: scene.status()["rows"] == count)
        assert scene.status()["rejected"] == scene.status()["conflicts"] == 0, scene.status()
        assert scene.exit_code("predict", signal.SIGINT) == 0
        assert "Traceback" not in scene.said("predict"), scene.said("predict")


def check_a_signal_at_each_send(signum):
    """The signal comes before its first send to the broker, in the next run before the second, and so on, until a run does all the rest:
    while it connects, as it publishes a prediction, as it acknowledges."""
    count, sends = 6, 0
    with Scene(f"signal-{signum}") as scene:
        scene.start_metric()
        scene.start_features(count)
        assert scene.exit_code("features") == 0, scene.said("features")
        while True:
            sends += 1
            start_predict(scene, under=signalled(signum, sends))
            service = scene.processes["predict"]
            seems_idle = lambda: scene.is_drained("features") and scene.queue("features").consumer_count and len(scene.rows()) == count
            scene.wait_for("the signal, or the last row", lambda: service.poll() is not None or seems_idle(), may_end="predict")
            if service.poll() is not None:
                expected = 0 if signum == signal.SIGTERM else -signum
                assert scene.exit_code("predict") == expected, f"send {sends}: status {service.returncode}"
                continue
            # It may have a sample still, which then comes back.
            scene.exit_code("predict", signum)
            scene.wait_for("the end of its connection", lambda: not scene.queue("features").consumer_count)
            if scene.is_drained("features"):
                break
        scene.wait_for("the counts", lambda: scene.status()["rows"] == count)
        status = scene.status()
        # Killed before an acknowledgement.
        assert status["duplicates"] > 0 or signum != signal.SIGKILL, status
        assert status["conflicts"] == status["rejected"] == 0 and not any(status["waiting"].values()), status
    return f"{sends - 1} runs, {status['duplicates']} duplicates"
