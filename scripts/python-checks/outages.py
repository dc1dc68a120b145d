"""Checks that need a broker of their own, as it is stopped, or blocks all who publish."""

import signal
import sys

from data import model_of
from prediction import start_predict
from scene import ROOT, Node, Scene


def check_a_broker_that_restarts(node):
    """With samples on their way, and predictions that only the broker has. The service goes on by itself, and so does truth.py."""
    count = 500
    with Scene("restart", node.url) as scene:
        scene.start_metric()
        start_predict(scene)
        scene.start_features(count, FEATURES_INTERVAL="0.01")
        scene.wait_for_rows(20)
        assert scene.exit_code("metric", signal.SIGTERM) == 0
        scene.wait_for("predictions that wait", lambda: scene.queue("y_pred").message_count >= 20)
        node("stop")
        truth = scene.directory / "truth.csv"
        truth.write_text("id,y_true\nlate,1\n")
        scene.start_example("truth", truth)
        scene.wait_for("programs that wait", lambda: all("trying again" in scene.said(name) for name in ["predict", "truth"]))
        node("start")
        scene.start_metric()
        assert scene.exit_code("truth") == 0, scene.said("truth")
        assert scene.exit_code("features") == 0, scene.said("features")
        scene.wait_for_rows(count)
        scene.wait_for("the counts", lambda: scene.status()["rows"] == count and scene.status()["waiting"] == {"y_true": 1, "y_pred": 0})
        assert scene.status()["conflicts"] == scene.status()["rejected"] == 0, scene.status()
        assert scene.exit_code("predict", signal.SIGTERM) == 0


def check_a_broker_that_blocks(node):
    """SIGTERM while a prediction waits for its confirm, which does not come."""
    count = 20
    with Scene("blocked", node.url) as scene:
        scene.start_metric()
        scene.start_features(count)
        assert scene.exit_code("features") == 0, scene.said("features")
        node("eval", "vm_memory_monitor:set_vm_memory_high_watermark(0.00001).")
        try:
            start_predict(scene)
            scene.wait_for("a service that is blocked", lambda: "blocked" in node("ctl", "list_connections", "--quiet", "state"))
            assert scene.exit_code("predict", signal.SIGTERM) == 0
        finally:
            node("eval", "vm_memory_monitor:set_vm_memory_high_watermark(0.4).")
        start_predict(scene)
        scene.wait_for_rows(count)


def start_pair(scene, node, count):
    """A service and a publisher as tutorials have them: published/."""
    port = node.url.rpartition(":")[2].partition("/")[0]
    published = ROOT / "scripts/python-checks/published"
    scene.start("model", sys.executable, published / "model.py", port, model_of("regression"))
    scene.start("publisher", sys.executable, published / "features.py", port, str(count))
    assert scene.exit_code("publisher") == 0, scene.said("publisher")


def check_a_published_pair(node):
    """They declare transient queues, which end with the broker: metric waits until they are declared, and again after a restart."""
    count = 100
    with Scene("pair", node.url, prefix="") as scene:
        scene.start_metric(QUEUE_TYPE="existing")
        scene.wait_for("metric that waits", lambda: scene.status()["state"] == "reconnecting" and "y_true" in scene.status()["reason"])
        start_pair(scene, node, count)
        scene.wait_for_rows(count)
        transient = node("ctl", "list_queues", "--quiet", "name", "durable", "auto_delete")
        assert {f"{name}\tfalse\tfalse" for name in ["y_true", "features", "y_pred"]} <= set(transient.splitlines()), transient
        node("restart")
        assert scene.exit_code("model") != 0, "a service without reconnection has outlived its broker"
        scene.wait_for("metric that waits again", lambda: scene.status()["state"] == "reconnecting" and "y_true" in scene.status()["reason"])
        start_pair(scene, node, count)
        scene.wait_for_rows(2 * count)
        scene.wait_for("the counts", lambda: scene.status()["rows"] == 2 * count)
        status = scene.status()
        assert status["conflicts"] == status["rejected"] == status["duplicates"] == 0 and not any(status["waiting"].values()), status
