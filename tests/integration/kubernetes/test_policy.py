"""`mesh/istio` and `mesh/splits` against Istio's own definitions, and who may write a weight."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from delinkcious.chart import ROOT
from tests.integration.kubernetes.cluster import Cluster, Json, Refused
from tests.integration.kubernetes.releases import Release
from tests.integration.kubernetes.server import Server, moved

CANARY, GITOPS = "delinkcious-canary", "argocd-controller"


def policy(folder: str, spaces: dict[str, str]) -> list[Json]:
    files = [file for file in sorted((ROOT / "mesh" / folder).glob("*.yaml")) if file.stem != "kustomization"]
    found = [each for file in files for each in yaml.safe_load_all(file.read_text()) if each]
    return [moved(each, spaces) for each in found]


def weights(cluster: Cluster, namespace: str) -> dict[str, list[int]]:
    path = f"/apis/networking.istio.io/v1/namespaces/{namespace}/virtualservices"
    return {
        each["metadata"]["name"]: [entry.get("weight", 0) for entry in each["spec"]["http"][-1]["route"]]
        for each in cluster.get(path)["items"]
        if each["metadata"]["name"].endswith("-routes")
    }


@pytest.fixture
def splits(server: Server, cluster: Cluster, spaces: dict[str, str]) -> list[Json]:
    """As docs say: created once, then left."""
    made = policy("splits", spaces)
    for each in made:
        cluster.post(server.path(each).rpartition("/")[0], each)
    return made


def step(cluster: Cluster, namespace: str, first: int) -> None:
    """What a rollout writes, by its own name."""
    path = f"/apis/networking.istio.io/v1/namespaces/{namespace}/virtualservices/links-routes"
    changes = [
        {"op": "replace", "path": f"/spec/http/0/route/{place}/weight", "value": value}
        for place, value in enumerate((first, 100 - first))
    ]
    cluster.call("PATCH", f"{path}?fieldManager={CANARY}", changes, "application/json-patch+json")


def test_istio_takes_every_object_of_the_policy_and_of_the_splits(
    server: Server, spaces: dict[str, str]
) -> None:
    kinds = set()
    for each in [*policy("istio", spaces), *policy("splits", spaces)]:
        server.apply(each, GITOPS)
        kinds.add(each["kind"])
    assert kinds >= {
        "Gateway",
        "VirtualService",
        "DestinationRule",
        "PeerAuthentication",
        "AuthorizationPolicy",
    }
    assert kinds >= {"RequestAuthentication", "Telemetry"}


@pytest.mark.parametrize(
    ("kind", "path", "value", "complaint"),
    [
        ("VirtualService", ("http", 0, "tiemout"), "5s", "tiemout"),
        ("DestinationRule", ("trafficPolicy", "loadBalancer", "simple"), "FASTEST", "Unsupported value"),
        ("AuthorizationPolicy", ("action",), "PERMIT", "Unsupported value"),
        ("PeerAuthentication", ("mtls", "mode"), "MAYBE", "Unsupported value"),
        ("Gateway", ("servers", 0, "port", "number"), "many", "must be of type integer"),
    ],
)
def test_istio_refuses_what_is_none_of_its_words(
    server: Server, spaces: dict[str, str], kind: str, path: tuple[str | int, ...], value: str, complaint: str
) -> None:
    made = next(each for each in policy("istio", spaces) if each["kind"] == kind and each["spec"])
    assert server.complaint(made) == ""
    inner = made["spec"]
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    assert complaint in server.complaint(made)


def test_another_apply_of_the_policy_in_the_middle_of_a_rollout_changes_no_weight(
    cluster: Cluster, server: Server, namespace: str, spaces: dict[str, str], splits: list[Json]
) -> None:
    for each in policy("istio", spaces):
        server.apply(each, GITOPS)
    step(cluster, namespace, 90)
    before = weights(cluster, namespace)
    assert before["links-routes"] == [90, 10]
    for each in policy("istio", spaces):
        server.apply(each, GITOPS, force=True)
    assert weights(cluster, namespace) == before


def test_an_apply_of_the_splits_themselves_is_refused_rather_than_set_a_weight_back(
    cluster: Cluster, server: Server, namespace: str, splits: list[Json]
) -> None:
    step(cluster, namespace, 90)
    [links] = [each for each in splits if each["metadata"]["name"] == "links-routes"]
    with pytest.raises(Refused, match=rf"conflict with .*{CANARY}") as caught:
        server.apply(links, GITOPS)
    assert caught.value.code == 409
    assert weights(cluster, namespace)["links-routes"] == [90, 10]


def test_an_upgrade_and_a_rollback_of_the_release_change_no_weight(
    cluster: Cluster, release: Release, namespace: str, spaces: dict[str, str], splits: list[Json]
) -> None:
    values = {
        "gateway": {"namespace": spaces["istio-system"]},
        "services": {
            name: {"migrations": False} for name in ("users", "links", "social-graph", "link-checker", "web")
        },
    }
    release.install(values)
    step(cluster, namespace, 75)
    before = weights(cluster, namespace)
    release.upgrade({**values, "config": {"LOG_LEVEL": "debug"}})
    assert weights(cluster, namespace) == before
    release.rollback(1)
    release.uninstall()
    assert weights(cluster, namespace) == before
    path = f"/apis/networking.istio.io/v1/namespaces/{namespace}/virtualservices/links-routes"
    managers = {each["manager"] for each in cluster.get(path)["metadata"]["managedFields"]}
    assert CANARY in managers
    assert "python" not in managers  # as Helm calls itself after the program that it runs in


def test_the_release_renders_no_object_of_istio(repository: Path) -> None:
    """So that no upgrade can own what a rollout writes."""
    texts = [file.read_text() for file in (repository / "helm/delinkcious/templates").rglob("*.yaml")]
    assert not [text for text in texts if "istio.io/v1" in text]
