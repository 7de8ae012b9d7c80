"""Pods as a rollout sees them, of Pods, ReplicaSets and EndpointSlices (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from mesh.canary.platform import Pod

Json = dict[str, Any]
OVER = ("Succeeded", "Failed")  # an evicted pod stays as an object
NO_ENDPOINT = "no Service sends it requests yet: none of its endpoints is ready"


def pods(found: Iterable[Json], replica_sets: Iterable[Json], slices: Iterable[Json]) -> list[Pod]:
    """Those that are not ending. Ready are those that are so themselves and as an endpoint of a Service."""
    deployments = {each["metadata"]["name"]: _owner(each, "Deployment") for each in replica_sets}
    endpoints = set(_endpoints(slices))
    return [
        _pod(each, deployments, each["metadata"]["name"] in endpoints)
        for each in found
        if not each["metadata"].get("deletionTimestamp") and _status(each).get("phase") not in OVER
    ]


def _pod(body: Json, deployments: dict[str, str], is_endpoint: bool) -> Pod:
    name, status = body["metadata"]["name"], _status(body)
    conditions: list[Json] = status.get("conditions") or []
    condition: Json = next((one for one in conditions if one["type"] == "Ready"), {})
    itself = condition.get("status") == "True"
    ready = itself and is_endpoint
    since = condition.get("lastTransitionTime")
    replica_set = _owner(body, "ReplicaSet")
    return Pod(
        name=name,
        deployment=deployments.get(replica_set) or replica_set or f"pod {name}",
        ready=ready,
        ready_at=datetime.fromisoformat(since).timestamp() if ready and since else None,
        restarts=sum(int(one.get("restartCount") or 0) for one in _containers(status)),
        trouble="" if ready else NO_ENDPOINT if itself else _trouble(status),
    )


def _endpoints(slices: Iterable[Json]) -> Iterator[str]:
    """Names of the pods that some Service sends requests to."""
    for each in slices:
        for endpoint in each.get("endpoints") or []:
            target = endpoint.get("targetRef") or {}
            # Without a word of its own an endpoint is to be taken as ready.
            if target.get("kind") == "Pod" and (endpoint.get("conditions") or {}).get("ready") is not False:
                yield str(target.get("name"))


def _trouble(status: Json) -> str:
    """Why it is not ready, container by container; else why it has no node."""
    found = [sentence for one in _containers(status) if (sentence := _why(one))]
    found += [
        f"no node takes it: {one.get('message') or one.get('reason')}"
        for one in status.get("conditions") or []
        if one["type"] == "PodScheduled" and one.get("status") == "False"
    ]
    return "; ".join(found)


def _why(container: Json) -> str:
    state = container.get("state") or {}
    ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
    last = ended.get("message") or (f"it ended with {ended['exitCode']}" if ended.get("exitCode") else "")
    waiting = state.get("waiting") or {}
    if waiting.get("reason") in (None, "ContainerCreating", "PodInitializing") and not last:
        return ""
    said = [waiting.get("reason"), last or waiting.get("message")]
    return f"{container['name']}: {', '.join(str(one).strip() for one in said if one)}"


def _containers(status: Json) -> list[Json]:
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _owner(body: Json, kind: str) -> str:
    owners = body["metadata"].get("ownerReferences") or []
    return next((str(one["name"]) for one in owners if one["kind"] == kind and one.get("controller")), "")


def _status(body: Json) -> Json:
    found: Json = body.get("status") or {}
    return found
