"""The chart in a cluster, with a real Helm: an upgrade in the middle of a run, and one after a promotion."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from delinkcious.chart import ROOT
from tests.integration.kubernetes.cluster import Cluster
from tests.integration.kubernetes.releases import Release
from tests.integration.kubernetes.waiting import until
from tests.integration.mesh.canary.kubernetes import controllers
from tests.integration.mesh.canary.kubernetes.controllers import Start
from tests.integration.mesh.canary.kubernetes.service import QUICK, Service, ended

SERVICES = ("users", "links", "social-graph", "news", "link-checker", "web")


def values(level: str, **links: Any) -> dict[str, Any]:
    """No pod runs a program here, so no migration would end."""
    services: dict[str, Any] = {name: {"migrations": False} for name in SERVICES}
    services["links"] |= links
    return {
        "canary": {"enabled": True},
        "gateway": {"enabled": False},
        "config": {"LOG_LEVEL": level},
        "services": services,
    }


@pytest.fixture
def account(cluster: Cluster, namespace: str, tmp_path: Any) -> Any:
    """The chart's own, once it is installed."""
    release = Release(cluster, namespace)
    release.install(values("warning"))
    release.close()
    file = tmp_path / "account.yaml"
    cluster.write_kubeconfig(file, cluster.token(namespace, controllers.ACCOUNT), namespace)
    return file


@pytest.fixture
def links(cluster: Cluster, namespace: str, account: Any) -> Service:
    made = Service(cluster, namespace)
    for document in yaml.safe_load_all((ROOT / "mesh" / "splits" / "links.yaml").read_text()):
        document["metadata"]["namespace"] = namespace
        cluster.post(made.routes, document)
    until(lambda: made.ready("v1") == 2, 90)
    return made


def test_an_upgrade_in_the_middle_of_a_run_changes_no_weight(
    cluster: Cluster, namespace: str, links: Service, start: Start
) -> None:
    release = Release(cluster, namespace)
    start("one")
    gates = [{"type": "manual", "name": "qa", "at": "step"}]
    links.cluster.post(links.rollouts, links.rollout(**QUICK, gates=gates))
    links.annotate("start", {"id": "a", "by": "ada", "set": ["env.SEARCH_RANK=bm25"]})
    until(lambda: "gate qa" in " ".join(links.status().get("waitsFor") or ()), 90)
    before, weights = links.split(), links.weights()
    assert weights == (90, 10)
    release.upgrade(values("debug"))
    assert links.split() == before
    assert links.replicas("links-v2-rollout") >= 1
    made = cluster.get(f"{links.deployments}/links-v2-rollout")
    assert made["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "delinkcious-canary"
    links.annotate("command", {"id": "b", "by": "ada", "verb": "approve", "gate": "qa"})
    assert ended(links)["verdict"] == "promoted", links.status()
    assert (links.replicas("links-v1"), links.weights()) == (0, (0, 100))

    # Values that do not know of it start pods of the old version; no request goes to them, and no run begins.
    release.upgrade(values("info"))
    assert (links.replicas("links-v1"), links.weights()) == (2, (0, 100))
    until(lambda: links.ready("v1") == 2)
    links.annotate("start", {"id": "c", "by": "ada", "set": ["env.SEARCH_RANK=new"]})
    until(lambda: "c" in links.status()["taken"])
    assert "links-v1 has pods in subset v1: scale it to 0" in links.status()["refused"]["why"]
    release.upgrade(values("info", versions={"v1": {"replicas": 0}}))
    assert (links.replicas("links-v1"), links.weights()) == (0, (0, 100))
    assert links.replicas("links-v2-rollout") == 2
    release.close()
