"""The dashboard, which no test can open: that each panel has what it needs, and names the data source that is provisioned."""

import json
import pathlib
import re

MONITORING = pathlib.Path(__file__).parents[2] / "monitoring"
PATH = MONITORING / "grafana/dashboards/model_monitor.json"
PROVISIONING = MONITORING / "grafana/provisioning"


def panels():
    return json.loads(PATH.read_text())["panels"]


def expressions():
    """Title and expression of each query."""
    return [(panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]]


def one(pattern, path):
    """What the pattern's group matches in a file, which it must do once."""
    (found,) = re.findall(pattern, path.read_text(), re.MULTILINE)
    return found


def check():
    datasource = {"type": "prometheus", "uid": one(r"^ *uid: (\S+)$", PROVISIONING / "datasources/prometheus.yml")}
    cells = set()
    for panel in panels():
        title = panel["title"]
        assert title and panel["type"] in ("stat", "timeseries"), panel
        assert panel["fieldConfig"]["defaults"]["unit"], f"{title} has no unit"
        assert panel["datasource"] == datasource, f"{title}: its data source is {panel['datasource']}, not {datasource}"
        assert panel["targets"], f"{title} has no query"
        for target in panel["targets"]:
            assert target["expr"] and target["legendFormat"] and target["datasource"] == datasource, f"{title}: {target}"
            # Of a range, a state that was left would stay beside the one that is.
            assert target.get("instant", False) == (panel["type"] == "stat"), f"{title}: {target}"
        at = panel["gridPos"]
        taken = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24 and not taken & cells, f"{title} lies on another panel, or beyond the edge"
        cells |= taken
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids)), ids
    folder = one(r"^ *path: (\S+)$", PROVISIONING / "dashboards/model_monitor.yml")
    compose = MONITORING.parent / "docker-compose.monitoring.yml"
    home = one(r"^ *GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH: (\S+)$", compose)
    assert home == f"{folder}/{PATH.name}", f"Grafana opens {home}, and {PATH.name} is in {folder}"
    mounted = one(r"/grafana/dashboards:(\S+):ro", compose)
    assert mounted == folder, f"the dashboard is mounted in {mounted}, not in {folder}"
    print(f"the dashboard's {len(ids)} panels are whole")


if __name__ == "__main__":
    check()
