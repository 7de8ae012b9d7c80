"""Every object of the chart as the API server itself judges it, and every pod as its Pod Security does."""

from __future__ import annotations

import copy
from collections import Counter
from functools import cache

import pytest

from delinkcious.chart import CHART
from tests.chart.manifests import Chart, Rendered, where
from tests.chart.matrix import combinations
from tests.chart.rules.pod_security import EXCEPTIONS
from tests.integration.kubernetes import restricted
from tests.integration.kubernetes.cluster import Cluster
from tests.integration.kubernetes.server import Server, Unknown, moved

# Of other projects, whose definitions this cluster does not have.
FOREIGN = {
    "monitoring.coreos.com/v1",
    "postgresql.cnpg.io/v1",
}


@cache
def chosen() -> dict[str, Rendered]:
    """The files of values, and the rows in which every two settings meet."""
    chart = Chart(CHART)
    every = dict(combinations(CHART))
    names = [name for name in every if "=" not in name and (" " not in name or name.startswith("defaults"))]
    return {name: chart.render(every[name], name) for name in names}


@pytest.mark.parametrize("name", chosen())
def test_the_server_takes_every_object(
    cluster: Cluster, server: Server, spaces: dict[str, str], name: str
) -> None:
    for space in ("observability", "loadtest"):
        cluster.post("/api/v1/namespaces", {"metadata": {"name": spaces[space]}})
    skipped: Counter[str] = Counter()
    complaints = []
    for manifest in chosen()[name].manifests:
        made = moved(manifest, spaces)
        if made["kind"] == "Namespace":  # it is there by now
            made["metadata"]["name"] += "-again"
        try:
            complaints.append((where(manifest), server.complaint(made)))
        except Unknown:
            skipped[manifest["apiVersion"]] += 1
    assert not [each for each in complaints if each[1]]
    assert len(complaints) > 15
    assert set(skipped) <= FOREIGN, skipped


@pytest.mark.parametrize("name", chosen())
def test_pod_security_takes_every_pod(cluster: Cluster, server: Server, namespace: str, name: str) -> None:
    restricted.restrict(cluster, namespace)
    for pod in chosen()[name].pods:
        if (pod.kind, pod.name) not in EXCEPTIONS:
            complaint = server.complaint(restricted.of(pod, namespace))
            assert not complaint, pod.where


def test_pod_security_refuses_what_the_chart_has_by_exception_and_what_it_has_not(
    cluster: Cluster, server: Server, namespace: str
) -> None:
    restricted.restrict(cluster, namespace)
    rendered = Chart(CHART).render({"logs": {"collector": {"enabled": True}}})
    excepted = [pod for pod in rendered.pods if (pod.kind, pod.name) in EXCEPTIONS]
    assert excepted
    for pod in excepted:
        assert "violates PodSecurity" in server.complaint(restricted.of(pod, namespace))
    fine = next(pod for pod in rendered.pods if pod.name == "links-v1")
    assert server.complaint(restricted.of(fine, namespace)) == ""
    bad = copy.deepcopy(restricted.of(fine, namespace))
    bad["spec"]["containers"][0]["securityContext"]["capabilities"] = {"drop": []}
    assert "unrestricted capabilities" in server.complaint(bad)


def test_the_server_refuses_a_misspelt_field(server: Server, spaces: dict[str, str]) -> None:
    rendered = Chart(CHART).render({})
    [made] = [
        moved(each, spaces) for each in rendered.of("Deployment") if each["metadata"]["name"] == "links-v1"
    ]
    assert server.complaint(made) == ""
    made["spec"]["template"]["spec"]["serviceAcountName"] = "links"
    assert 'unknown field "spec.template.spec.serviceAcountName"' in server.complaint(made).replace("\\", "")
