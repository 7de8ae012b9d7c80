"""The kinds that a cluster must know before the chart, the mesh policy and rollouts are put into it."""

from __future__ import annotations

from typing import Any

import yaml

from delinkcious.chart import CHART
from delinkcious.tools import istio
from tests.integration.kubernetes.cluster import Cluster, Refused
from tests.integration.kubernetes.waiting import until

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def definitions() -> list[dict[str, Any]]:
    """Istio's, and those of the chart."""
    files = [istio.definitions(), *sorted((CHART / "crds").glob("*.yaml"))]
    texts = [file.read_text() for file in files]
    return [each for text in texts for each in yaml.load_all(text, yaml.CSafeLoader) if each]


def define(cluster: Cluster) -> None:
    """Returns when the server serves every kind."""
    made = definitions()
    for each in made:
        cluster.post(CRDS, each)
    for each in made:
        until(lambda each=each: _is_served(cluster, each))  # type: ignore[misc]


def _is_served(cluster: Cluster, definition: dict[str, Any]) -> bool:
    """An established kind is not there at once: its storage begins with the first question."""
    spec = definition["spec"]
    versions = [each["name"] for each in spec["versions"] if each["served"]]
    try:
        for version in versions:
            cluster.get(f"/apis/{spec['group']}/{version}/{spec['names']['plural']}")
    except Refused as error:
        if error.code not in (404, 429):
            raise
        return False
    return True
