"""Pods as a rollout sees them."""

from __future__ import annotations

from typing import Any

from mesh.canary.kubernetes.pods import NO_ENDPOINT, pods

Json = dict[str, Any]
SETS = [
    {
        "metadata": {
            "name": "links-v2-abc",
            "ownerReferences": [{"kind": "Deployment", "name": "links-v2", "controller": True}],
        }
    }
]
READY = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z"}


def pod(name: str = "a", **more: Any) -> Json:
    owner = {"kind": "ReplicaSet", "name": "links-v2-abc", "controller": True}
    status = {"phase": "Running", "conditions": [READY], **more.pop("status", {})}
    return {"metadata": {"name": name, "ownerReferences": [owner], **more}, "status": status}


def endpoints(*names: str, **conditions: Any) -> list[Json]:
    entries = [{"targetRef": {"kind": "Pod", "name": name}, "conditions": conditions} for name in names]
    return [{"endpoints": entries}, {"endpoints": None}]


def test_a_pod_belongs_to_the_deployment_of_its_replica_set() -> None:
    [found] = pods([pod()], SETS, endpoints("a", ready=True))
    assert (found.name, found.deployment, found.ready, found.trouble) == ("a", "links-v2", True, "")
    assert found.ready_at == 1767323045.0
    [alone] = pods([pod(ownerReferences=[])], [], endpoints("a", ready=True))
    assert alone.deployment == "pod a"


def test_what_no_service_sends_requests_to_is_not_ready() -> None:
    for slices in ([], endpoints("b"), endpoints("a", ready=False)):
        [found] = pods([pod()], SETS, slices)
        assert (found.ready, found.ready_at, found.trouble) == (False, None, NO_ENDPOINT)
    [unsaid] = pods([pod()], SETS, endpoints("a"))
    assert unsaid.ready


def test_what_is_ending_or_over_is_no_pod() -> None:
    ending = pod("ending", deletionTimestamp="2026-01-02T03:04:05Z")
    over = [pod(phase, status={"phase": phase}) for phase in ("Failed", "Succeeded")]
    assert pods([ending, *over], SETS, endpoints("ending", "Failed", "Succeeded")) == []


def test_a_container_that_ends_again_and_again_says_what_it_said_last() -> None:
    crashing = {
        "name": "links",
        "restartCount": 4,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
        "lastState": {"terminated": {"exitCode": 1, "message": "no such table\n"}},
    }
    proxy = {"name": "istio-proxy", "restartCount": 1, "state": {"running": {}}}
    unready = {"type": "Ready", "status": "False"}
    status = {"conditions": [unready], "containerStatuses": [crashing, proxy]}
    [found] = pods([pod(status=status)], SETS, [])
    assert found.restarts == 5
    assert found.trouble == "links: CrashLoopBackOff, no such table"
    del crashing["lastState"]["terminated"]["message"]  # type: ignore[index]
    [silent] = pods([pod(status=status)], SETS, [])
    assert silent.trouble == "links: CrashLoopBackOff, it ended with 1"


def test_an_image_that_is_not_there_and_a_pod_without_a_node_say_so() -> None:
    waiting = {"reason": "ImagePullBackOff", "message": "links:9 not found"}
    status = {
        "phase": "Pending",
        "conditions": [
            {"type": "PodScheduled", "status": "False", "message": "0/3 nodes have enough memory"}
        ],
        "initContainerStatuses": [{"name": "init", "state": {"waiting": waiting}}],
        "containerStatuses": [{"name": "links", "state": {"waiting": {"reason": "PodInitializing"}}}],
    }
    [found] = pods([pod(status=status)], SETS, [])
    assert found.trouble == (
        "init: ImagePullBackOff, links:9 not found; no node takes it: 0/3 nodes have enough memory"
    )


def test_a_pod_of_which_nothing_is_known_yet_has_no_trouble() -> None:
    [found] = pods([{"metadata": {"name": "new"}}], [], [])
    assert (found.ready, found.restarts, found.trouble) == (False, 0, "")
