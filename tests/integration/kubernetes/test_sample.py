"""A sample for the gate: the chart's own values, and the mesh policy, as a real API server judges them.

It runs where the programs were brought before, and leaves the rest to `make test-kubernetes`.
"""

from __future__ import annotations

import pytest
import yaml

from delinkcious.chart import CHART, ROOT
from tests.chart.manifests import Chart, where
from tests.integration.kubernetes import restricted
from tests.integration.kubernetes.cluster import Cluster
from tests.integration.kubernetes.programs import missing
from tests.integration.kubernetes.server import Server, moved


@pytest.fixture(scope="module")
def kept(request: pytest.FixtureRequest) -> Cluster:
    if lacking := missing():
        pytest.skip(f"not here yet: {lacking}; `make test-kubernetes` brings it")
    found: Cluster = request.getfixturevalue("cluster")
    return found


def test_the_server_takes_the_chart_and_the_policy_and_pod_security_every_pod(
    kept: Cluster, request: pytest.FixtureRequest
) -> None:
    namespace = str(request.getfixturevalue("namespace"))
    spaces = {"delinkcious": namespace, "istio-system": namespace}
    restricted.restrict(kept, namespace)
    server = Server(kept)
    rendered = Chart(CHART).render({})
    files = [file for folder in ("istio", "splits") for file in (ROOT / "mesh" / folder).glob("*.yaml")]
    texts = [file.read_text() for file in files if file.stem != "kustomization"]
    policy = [each for text in texts for each in yaml.safe_load_all(text) if each]
    objects = [*rendered.manifests, *policy]
    complaints = [(where(each), server.complaint(moved(each, spaces))) for each in objects]
    complaints += [(pod.where, server.complaint(restricted.of(pod, namespace))) for pod in rendered.pods]
    assert len(complaints) > 80
    assert not [each for each in complaints if each[1]]

    wrong = moved(next(each for each in policy if each["metadata"]["name"] == "links-routes"), spaces)
    wrong["spec"]["http"][0]["route"][0]["wieght"] = 5
    assert "wieght" in server.complaint(wrong)
