"""The kinds that a cluster must know before the chart, the mesh policy and rollouts are put into it."""

from __future__ import annotations

from typing import Any

import yaml

from delinkcious.chart import CHART
from delinkcious.tools import istio
from tests.integration.kubernetes.cluster import Cluster
from tests.integration.kubernetes.waiting import until

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def definitions() -> list[dict[str, Any]]:
    """Istio's, and those of the chart."""
    files = [istio.definitions(), *sorted((CHART / "crds").glob("*.yaml"))]
    texts = [file.read_text() for file in files]
    return [each for text in texts for each in yaml.load_all(text, yaml.CSafeLoader) if each]


def define(cluster: Cluster) -> None:
    """Returns when the server serves every kind."""
    names = []
    for definition in definitions():
        cluster.post(CRDS, definition)
        names.append(definition["metadata"]["name"])
    for name in names:
        until(lambda name=name: _is_established(cluster, name))  # type: ignore[misc]


def _is_established(cluster: Cluster, name: str) -> bool:
    conditions = cluster.get(f"{CRDS}/{name}").get("status", {}).get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)
