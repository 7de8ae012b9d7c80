"""What the chart gives to a Grafana: the committed dashboards and the data sources that they name."""

from __future__ import annotations

import json
from typing import Any

import kubernetes_validate
import yaml

from delinkcious import chart
from telemetry.grafana.queries import DASHBOARDS

KUBERNETES = "1.37"
Manifest = dict[str, Any]


def given(enabled: bool) -> dict[str, Manifest]:
    values = {"grafana": {"dashboards": {"enabled": enabled}}}
    documents = yaml.safe_load_all(chart.render(values))
    return {
        document["metadata"]["name"]: document
        for document in documents
        if document and document["kind"] == "ConfigMap" and "-da" in document["metadata"]["name"]
    }


def test_nothing_is_given_unasked() -> None:
    assert given(False) == {}


def test_a_sidecar_finds_every_dashboard_and_what_they_read() -> None:
    manifests = given(True)
    for manifest in manifests.values():
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    boards = {
        name: text
        for manifest in manifests.values()
        if manifest["metadata"]["labels"].get("grafana_dashboard") == "1"
        for name, text in manifest["data"].items()
    }
    assert {name.removeprefix("delinkcious-") for name in boards} == {
        path.name for path in DASHBOARDS.iterdir()
    }
    for name, text in boards.items():
        assert json.loads(text) == json.loads((DASHBOARDS / name.removeprefix("delinkcious-")).read_text())
    (sources,) = (
        yaml.safe_load(manifest["data"]["delinkcious.yaml"])["datasources"]
        for manifest in manifests.values()
        if manifest["metadata"]["labels"].get("grafana_datasource") == "1"
    )
    assert {source["uid"] for source in sources} == {"prometheus", "jaeger"}
    (trace,) = sources[0]["jsonData"]["exemplarTraceIdDestinations"]
    assert trace["datasourceUid"] == "jaeger"
