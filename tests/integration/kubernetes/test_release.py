"""A release's life with a real Helm: from the chart before, back to it, on again, and away."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import yaml

from delinkcious.chart import CHART
from tests.chart.matrix import merged
from tests.integration.kubernetes.cluster import Cluster, Json
from tests.integration.kubernetes.releases import PREVIOUS, Release, in_namespaces
from tests.integration.kubernetes.server import Server
from tests.integration.kubernetes.waiting import until

SERVICES = ("users", "links", "social-graph", "news", "link-checker", "web")
# What an uninstall leaves, by the chart's own word: journals are the whole state of rollouts.
KEPT = {("PersistentVolumeClaim", "canary")}
# What every namespace has.
OWN = {("ConfigMap", "kube-root-ca.crt")}


def dev() -> Json:
    found: Json = yaml.safe_load((CHART / "values-dev.yaml").read_text())
    return found


def secrets(cluster: Cluster, *namespaces: str) -> dict[str, dict[str, bytes]]:
    """What stands in each that Helm does not keep its own notes in."""
    return {
        f"{namespace}/{each['metadata']['name']}": {
            key: base64.b64decode(value) for key, value in (each.get("data") or {}).items()
        }
        for namespace in namespaces
        for each in cluster.get(f"/api/v1/namespaces/{namespace}/secrets")["items"]
        if not each["type"].startswith("helm.sh/")
    }


def ready(cluster: Cluster, namespace: str) -> bool:
    deployments = cluster.get(f"/apis/apps/v1/namespaces/{namespace}/deployments")["items"]
    return all(
        each["status"].get("availableReplicas", 0) == each["spec"].get("replicas", 1)
        and each["status"].get("observedGeneration") == each["metadata"]["generation"]
        for each in deployments
    )


@pytest.mark.parametrize("previous", PREVIOUS, ids=lambda file: file.stem)
def test_a_release_of_an_earlier_chart_becomes_one_of_todays_and_goes_back(
    cluster: Cluster, release: Release, namespace: str, spaces: dict[str, str], previous: Path
) -> None:
    values = {"canary": {"enabled": True}, "gateway": {"namespace": spaces["istio-system"]}}
    release.install(values, previous)
    until(lambda: ready(cluster, namespace), 120)
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/links-v1"
    before = cluster.get(path)
    pods = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/canary"
    claim = cluster.get(pods)["metadata"]["uid"]

    release.upgrade(values)
    until(lambda: ready(cluster, namespace), 120)
    after = cluster.get(path)
    # The same objects, not others of the same name: nothing was taken away meanwhile.
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["spec"]["selector"] == before["spec"]["selector"]
    assert cluster.get(pods)["metadata"]["uid"] == claim
    policies = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"
    assert "deny-by-default" in {each["metadata"]["name"] for each in cluster.get(policies)["items"]}

    release.rollback(1)
    until(lambda: ready(cluster, namespace), 120)
    back = cluster.get(path)
    assert back["metadata"]["uid"] == before["metadata"]["uid"]
    assert back["spec"]["template"] == before["spec"]["template"]
    assert "deny-by-default" not in {each["metadata"]["name"] for each in cluster.get(policies)["items"]}
    assert [each["status"] for each in release.revisions()] == ["superseded", "superseded", "deployed"]

    release.upgrade(values)
    until(lambda: ready(cluster, namespace), 120)


def test_migrations_end_before_the_pods_that_need_them_begin(
    cluster: Cluster, release: Release, namespace: str, spaces: dict[str, str]
) -> None:
    release.install({"gateway": {"namespace": spaces["istio-system"]}})
    jobs = {
        each["metadata"]["name"]: each
        for each in cluster.get(f"/apis/batch/v1/namespaces/{namespace}/jobs")["items"]
    }
    for name in ("users", "links", "social-graph", "link-checker", "web"):
        before, after = jobs[f"{name}-migrate-pre"], jobs[f"{name}-migrate-post"]
        made = cluster.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}-v1")
        began = made["metadata"]["creationTimestamp"]
        assert before["status"]["succeeded"] == after["status"]["succeeded"] == 1
        # Times of one form, by the second.
        assert before["status"]["completionTime"] <= began <= after["metadata"]["creationTimestamp"]
    first = {name: job["metadata"]["uid"] for name, job in jobs.items()}
    release.upgrade({"gateway": {"namespace": spaces["istio-system"]}})
    again = cluster.get(f"/apis/batch/v1/namespaces/{namespace}/jobs")["items"]
    assert {each["metadata"]["name"] for each in again} == set(first)
    assert not {each["metadata"]["uid"] for each in again} & set(first.values())


def test_secrets_that_were_made_up_are_the_same_after_an_upgrade_and_a_way_back(
    cluster: Cluster, release: Release, namespace: str, spaces: dict[str, str]
) -> None:
    values = merged(dev(), in_namespaces(namespace))
    release.install(values, wait=True)
    where = (namespace, spaces["istio-system"])
    made = secrets(cluster, *where)
    assert made, "the chart made up no secret"
    assert len({value for each in made.values() for value in each.values()}) > len(made)
    release.upgrade(merged(values, {"config": {"LOG_LEVEL": "debug"}}), wait=True)
    assert secrets(cluster, *where) == made
    release.rollback(1)
    assert secrets(cluster, *where) == made
    # Whoever tries the release trusts the certificate that was made up.
    release.test()
    smoke = cluster.get(f"/api/v1/namespaces/{namespace}/pods/smoke")
    assert smoke["status"]["phase"] == "Succeeded"
    named = [each["secret"]["secretName"] for each in smoke["spec"]["volumes"] if "secret" in each]
    assert {f"{namespace}/{name}" for name in named} <= made.keys()


@pytest.mark.parametrize("keep", [False, True], ids=["nothing kept", "data kept"])
def test_an_uninstall_leaves_nothing_but_what_it_says(
    cluster: Cluster, server: Server, release: Release, namespace: str, spaces: dict[str, str], keep: bool
) -> None:
    switched = {
        "canary": {"enabled": True},
        "jaeger": {"enabled": True},
        "prometheus": {"enabled": True},
        "autoscaling": {"enabled": True},
        "stores": {"keepOnUninstall": keep},
    }
    before = {space: server.objects(spaces[space]) for space in ("delinkcious", "istio-system")}
    release.install(merged(merged(dev(), in_namespaces(namespace)), switched))
    data = {("PersistentVolumeClaim", f"data-{name}-0") for name in ("postgres", "nats", "redis")}
    assert data <= server.objects(namespace)
    made = {("Secret", name.rpartition("/")[2]) for name in secrets(cluster, namespace)}
    release.uninstall()
    # Hooks are no part of a release: the next one takes the last one's place.
    hooks = {("Job", f"{name}-migrate-post") for name in SERVICES} | pods_of_hooks(cluster, namespace)
    left = {("PersistentVolumeClaim", "canary")} | (data | made if keep else set())
    until(lambda: server.objects(namespace) - before["delinkcious"] - OWN - hooks <= left, 60)
    assert left <= server.objects(namespace)
    edge = {("Secret", "delinkcious-tls")} if keep else set()
    until(lambda: server.objects(spaces["istio-system"]) - before["istio-system"] - OWN == edge, 60)
    wide = [cluster.get(f"/apis/rbac.authorization.k8s.io/v1/{kind}")["items"] for kind in ("clusterroles",)]
    assert not [each for items in wide for each in items if "delinkcious" in each["metadata"]["name"]]


def pods_of_hooks(cluster: Cluster, namespace: str) -> set[tuple[str, str]]:
    pods = cluster.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
    names = [each["metadata"]["name"] for each in pods]
    return {("Pod", name) for name in names if "-migrate-" in name}
