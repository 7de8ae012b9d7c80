"""What kubectl and Helm change under constant load fails no request."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from tests.downtime.rows import measure
from tests.e2e.installation import NAMESPACE, eventually
from tests.e2e.kubernetes.conftest import Cluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
log = logging.getLogger(__name__)  # pytest --log-cli-level=info shows the figures
WITHIN = "--timeout=120s"
RATE = 50.0  # the control plane has the same two cores

DEPLOYMENT = "deployment/links-v1"
HELM = ("upgrade", "delinkcious", "helm/delinkcious", "-n", NAMESPACE, "--wait", "--timeout=300s")
VALUES = ("--reset-then-reuse-values", "--values=helm/delinkcious/values-local.yaml")


def harmless(cluster: Cluster, event: str, happen: Callable[[], object]) -> None:
    row = measure(cluster, event, happen, rate=RATE)
    log.info("%s", row)
    assert (row.failed, row.lost, row.doubled) == (0, 0, 0), row


def rolled_out(cluster: Cluster) -> None:
    """Returns when only pods of the newest form are left."""
    cluster.kubectl("rollout", "status", DEPLOYMENT, "-n", NAMESPACE, WITHIN)
    name = cluster.get(DEPLOYMENT)["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
    eventually(
        lambda: all(
            revision(cluster, pod["metadata"]["labels"]["pod-template-hash"]) == name
            for pod in cluster.get("pods", "-l", "app=links,version=v1")["items"]
        ),
        60,
        "the older pods are gone",
    )


def revision(cluster: Cluster, template: str) -> str:
    sets = cluster.get("replicasets", "-l", f"pod-template-hash={template}")["items"]
    return str(sets[0]["metadata"]["annotations"]["deployment.kubernetes.io/revision"]) if sets else ""


def template_of(cluster: Cluster) -> object:
    return cluster.get(DEPLOYMENT)["spec"]["template"]["spec"]["containers"][0]["env"]


def test_the_chart_s_own_test_is_content(cluster: Cluster) -> None:
    said = cluster.commands.run("helm", "test", "delinkcious", "-n", NAMESPACE, "--logs", WITHIN)
    assert "all is well" in said


def test_a_rolling_update_and_its_undoing_fail_no_request(cluster: Cluster) -> None:
    before = template_of(cluster)

    def update() -> None:
        cluster.kubectl("set", "env", DEPLOYMENT, "-n", NAMESPACE, "RELEASE=next")
        rolled_out(cluster)

    def undo() -> None:
        cluster.kubectl("rollout", "undo", DEPLOYMENT, "-n", NAMESPACE)
        rolled_out(cluster)

    harmless(cluster, "rolling update by kubectl", update)
    assert {"name": "RELEASE", "value": "next"} in template_of(cluster)  # type: ignore[operator]
    harmless(cluster, "kubectl rollout undo", undo)
    assert template_of(cluster) == before


def test_an_upgrade_and_a_rollback_by_helm_fail_no_request(cluster: Cluster) -> None:
    grace = "--set=terminationGracePeriodSeconds=20"
    harmless(cluster, "helm upgrade", lambda: cluster.commands.run("helm", *HELM, *VALUES, grace))
    assert cluster.get(DEPLOYMENT)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 20
    back = ("rollback", "delinkcious", "-n", NAMESPACE, "--wait", "--timeout=300s")
    harmless(cluster, "helm rollback", lambda: cluster.commands.run("helm", *back))
    assert cluster.get(DEPLOYMENT)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 15


def test_scaling_and_deleting_pods_fail_no_request(cluster: Cluster) -> None:
    def upgrade() -> None:
        """Helm takes back what was scaled beside it."""
        cluster.commands.run("helm", *HELM, *VALUES, "--force-conflicts")
        rolled_out(cluster)

    def scale(count: int) -> None:
        cluster.kubectl("scale", DEPLOYMENT, "-n", NAMESPACE, f"--replicas={count}")
        rolled_out(cluster)

    def delete() -> None:
        pod = cluster.pods_of("links")[0]["metadata"]["name"]
        cluster.kubectl("delete", "pod", pod, "-n", NAMESPACE, WITHIN)
        rolled_out(cluster)

    harmless(cluster, "kubectl scale to 3", lambda: scale(3))
    assert len(cluster.pods_of("links")) == 3
    harmless(cluster, "kubectl delete pod", delete)
    harmless(cluster, "helm upgrade back to 1", upgrade)
    assert len(cluster.pods_of("links")) == 1
