"""Pods as processes: what their status says is what they are."""

from __future__ import annotations

import sys

import psutil
import pytest

from tests.downtime.rows import measure
from tests.e2e.installation import NAMESPACE, Json, eventually
from tests.e2e.kubernetes.conftest import Cluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
WITHIN_S = 60.0


def pod(name: str, command: list[str], **spec: object) -> Json:
    """A Pod by itself, without a sidecar."""
    container = {"name": "app", "image": "none", "command": command}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"sidecar.istio.io/inject": "false"}},
        "spec": {"containers": [{**container, **spec.pop("container", {})}], **spec},  # type: ignore[dict-item]
    }


def state_of(cluster: Cluster, name: str) -> Json:
    """What the server says of its one container."""
    statuses = cluster.get(f"pod/{name}")["status"].get("containerStatuses") or [{"state": {}}]
    found: Json = statuses[0]
    return found


def test_every_pod_of_the_chart_runs_and_says_so(cluster: Cluster) -> None:
    lines = cluster.kubectl("get", "pods", "-n", NAMESPACE, "--no-headers").splitlines()
    assert {line.split()[2] for line in lines} <= {"Running", "Completed"}
    addresses = {one["status"]["podIP"] for one in cluster.pods_of("links")}
    slices = cluster.get("endpointslices", "-l", "kubernetes.io/service-name=links")["items"]
    assert addresses == {a for s in slices for e in s["endpoints"] for a in e["addresses"]}


def test_a_process_that_ends_well_is_a_pod_that_succeeded(cluster: Cluster) -> None:
    cluster.apply(pod("well", [sys.executable, "-c", "print('done')"], restartPolicy="Never"))
    eventually(
        lambda: cluster.get("pod/well")["status"].get("phase") == "Succeeded", WITHIN_S, "it has succeeded"
    )
    assert state_of(cluster, "well")["state"]["terminated"]["exitCode"] == 0
    assert cluster.kubectl("logs", "well", "-n", NAMESPACE) == "done\n"
    cluster.kubectl("delete", "pod/well", "-n", NAMESPACE)


def test_a_process_that_dies_is_counted_and_told_with_its_last_words(cluster: Cluster) -> None:
    cluster.apply(pod("dying", [sys.executable, "-c", "raise SystemExit('no such thing')"]))
    eventually(lambda: state_of(cluster, "dying").get("restartCount", 0) >= 2, WITHIN_S, "it was restarted")
    last = state_of(cluster, "dying")["lastState"]["terminated"]
    assert (last["exitCode"], last["message"]) == (1, "no such thing")
    cluster.kubectl("delete", "pod/dying", "-n", NAMESPACE, "--timeout=60s")


def test_a_pod_waits_for_its_config_map(cluster: Cluster) -> None:
    source = {"configMapRef": {"name": "later"}}
    wanting = pod(
        "waiting", [sys.executable, "-c", "import time; time.sleep(600)"], container={"envFrom": [source]}
    )
    cluster.apply(wanting)
    eventually(
        lambda: (
            (state_of(cluster, "waiting")["state"].get("waiting") or {}).get("reason")
            == "CreateContainerConfigError"
        ),
        WITHIN_S,
        "it says what is missing",
    )
    assert "later does not exist" in state_of(cluster, "waiting")["state"]["waiting"]["message"]
    cluster.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "later"}, "data": {"a": "b"}}
    )
    eventually(lambda: "running" in state_of(cluster, "waiting")["state"], WITHIN_S, "it runs")
    cluster.kubectl("delete", "pod/waiting", "configmap/later", "-n", NAMESPACE, "--timeout=60s")


def test_a_pod_without_a_command_says_how_to_mend_it(cluster: Cluster) -> None:
    cluster.apply(pod("image", []))
    eventually(
        lambda: (
            "images are not pulled"
            in (state_of(cluster, "image")["state"].get("waiting") or {}).get("message", "")
        ),
        WITHIN_S,
        "it says that images are not pulled",
    )
    cluster.kubectl("delete", "pod/image", "-n", NAMESPACE, "--timeout=60s")


def test_a_pod_ends_when_its_time_is_over(cluster: Cluster) -> None:
    sleeping = [sys.executable, "-c", "import time; time.sleep(600)"]
    cluster.apply(pod("overdue", sleeping, activeDeadlineSeconds=2, restartPolicy="Never"))
    eventually(
        lambda: cluster.get("pod/overdue")["status"].get("reason") == "DeadlineExceeded",
        WITHIN_S,
        "it was ended",
    )
    assert cluster.get("pod/overdue")["status"]["phase"] == "Failed"
    cluster.kubectl("delete", "pod/overdue", "-n", NAMESPACE, "--timeout=60s")


def test_a_native_sidecar_runs_beside_the_others_and_ends_with_them(cluster: Cluster) -> None:
    lasting = {"name": "beside", "image": "none", "command": ["sleep", "600"], "restartPolicy": "Always"}
    main = [sys.executable, "-c", "print('done')"]
    cluster.apply(pod("accompanied", main, initContainers=[lasting], restartPolicy="Never"))
    eventually(
        lambda: cluster.get("pod/accompanied")["status"]["phase"] == "Succeeded", WITHIN_S, "it has succeeded"
    )
    cluster.kubectl("delete", "pod/accompanied", "-n", NAMESPACE, "--timeout=60s")


def test_what_the_mesh_does_not_do_is_refused_by_field(cluster: Cluster) -> None:
    alias = {"ip": "127.0.0.1", "hostnames": ["a.example"]}
    cluster.apply(pod("beside", [sys.executable, "-c", ""], hostAliases=[alias], hostNetwork=True))
    message = eventually(
        lambda: (state_of(cluster, "beside")["state"].get("waiting") or {}).get("message"),
        WITHIN_S,
        "it says what is not done",
    )
    assert "spec.hostAliases" in message and "spec.hostNetwork" in message
    cluster.kubectl("delete", "pod/beside", "-n", NAMESPACE, "--timeout=60s")


def test_a_config_map_may_go_while_its_pod_runs(cluster: Cluster) -> None:
    gone = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "gone"}, "data": {"a": "b"}}
    volume = {"name": "gone", "configMap": {"name": "gone"}}
    sleeping = [sys.executable, "-c", "import time; time.sleep(600)"]
    cluster.apply(gone, pod("mounting", sleeping, volumes=[volume]))
    eventually(lambda: "running" in state_of(cluster, "mounting")["state"], WITHIN_S, "it runs")
    cluster.kubectl("delete", "configmap/gone", "-n", NAMESPACE)
    eventually(lambda: "are not refreshed" in cluster.log(), WITHIN_S, "it is noticed")
    assert "running" in state_of(cluster, "mounting")["state"]
    cluster.kubectl("delete", "pod/mounting", "-n", NAMESPACE, "--timeout=60s")


def test_pods_that_keep_their_name_leave_nothing_behind(cluster: Cluster) -> None:
    """Of a StatefulSet, whose process says at its end that it has failed."""
    script = "trap 'exit 1' TERM; echo kept-name; while :; do sleep 0.1; done"
    labels = {"app": "kept"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "app", "image": "none", "command": ["sh", "-c", script]}]},
    }
    spec = {"serviceName": "kept", "replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    cluster.apply(
        {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "kept"}, "spec": spec}
    )
    for _ in range(3):
        cluster.kubectl("rollout", "status", "statefulset/kept", "-n", NAMESPACE, "--timeout=60s")
        cluster.kubectl("rollout", "restart", "statefulset/kept", "-n", NAMESPACE)
    cluster.kubectl("rollout", "status", "statefulset/kept", "-n", NAMESPACE, "--timeout=60s")
    running = [one for one in cluster.processes() if "kept-name" in " ".join(one.cmdline())]
    assert len(running) == 2
    cluster.kubectl("delete", "statefulset/kept", "-n", NAMESPACE)
    eventually(
        lambda: not [one for one in cluster.processes() if "kept-name" in " ".join(one.cmdline())],
        WITHIN_S,
        "no process of it is left",
    )
    assert "internal error" not in cluster.log()


def test_requests_go_on_while_the_api_server_is_killed(cluster: Cluster) -> None:
    def kill() -> None:
        [server] = [one for one in cluster.processes() if one.name() == "kube-apiserver"]
        server.kill()
        eventually(
            lambda: any(
                one.name() == "kube-apiserver" and one.pid != server.pid for one in cluster.processes()
            ),
            WITHIN_S,
            "another API server runs",
        )
        eventually(lambda: cluster.commands.succeeds("kubectl", "get", "nodes"), WITHIN_S, "it answers")
        cluster.kubectl("rollout", "restart", "deployment/news-v1", "-n", NAMESPACE)
        cluster.kubectl("rollout", "status", "deployment/news-v1", "-n", NAMESPACE, "--timeout=120s")

    row = measure(cluster, "kill -9 of the API server", kill, rate=30.0)
    assert (row.failed, row.lost, row.doubled) == (0, 0, 0), row


def test_the_same_pods_are_there_after_a_restart_of_the_machine(cluster: Cluster) -> None:
    before = {one["metadata"]["name"]: one["metadata"]["uid"] for one in cluster.pods_of("links")}
    cluster.told("down")
    assert not [one for one in cluster.processes() if one.status() != psutil.STATUS_ZOMBIE]
    cluster.up()
    after = {one["metadata"]["name"]: one["metadata"]["uid"] for one in cluster.pods_of("links")}
    assert after == before
    assert all(one["ready"] for one in cluster.pods())
