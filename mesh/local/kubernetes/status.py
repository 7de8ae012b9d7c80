"""What a Pod's status says in Kubernetes' words (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mesh.local.model import Json

POD_NET, LOOPBACK = "10.", "127."
NOT_MADE = "CreateContainerConfigError"


@dataclass(frozen=True)
class Process:
    """One container as it is: `state` is Waiting, Running or Terminated, `reason` in the mesh's words."""

    state: str
    reason: str
    ready: bool
    restarts: int
    exit_code: int | None
    last_words: Sequence[str] = ()


@dataclass(frozen=True)
class Seen:
    """One Pod as it is. `address` is its loopback address, `failure` why it could not be made.

    `processes` are those of the containers that were begun, by name; `initialised` is whether the init
    containers have done their work.
    """

    phase: str
    address: str
    ready: bool
    initialised: bool
    started_at: str
    failure: str
    processes: Mapping[str, Process]


def pod_ip(loopback: str) -> str:
    """The address by which a Kubernetes knows a Pod: no loopback address may stand in an EndpointSlice."""
    return POD_NET + loopback.removeprefix(LOOPBACK)


def status(spec: Json, seen: Seen, before: Json, now: str) -> Json:
    """The status of a Pod with this spec; `before` is the one that was last reported.

    Times are RFC 3339; a condition's is that of its last change.
    """
    done = seen.phase in ("Succeeded", "Failed") and not seen.failure
    conditions = {
        "Initialized": seen.initialised,
        "ContainersReady": seen.ready,
        "Ready": seen.ready,
    }
    old = {one["type"]: one for one in before.get("conditions") or []}
    ip = pod_ip(seen.address)
    return {
        "phase": seen.phase if not seen.failure else "Pending",
        "startTime": seen.started_at,
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "conditions": [_condition(kind, met, old.get(kind), now, done) for kind, met in conditions.items()],
        "initContainerStatuses": [
            _container(one, seen, before, now, seen.initialised) for one in spec.get("initContainers") or []
        ],
        "containerStatuses": [_container(one, seen, before, now, False) for one in spec["containers"]],
    }


def _condition(kind: str, met: bool, old: Json | None, now: str, done: bool) -> Json:
    value = "True" if met else "False"
    same = old is not None and old["status"] == value
    found = {
        "type": kind,
        "status": value,
        "lastTransitionTime": old["lastTransitionTime"] if old and same else now,
    }
    if not met:
        found["reason"] = "PodCompleted" if done else "ContainersNotReady"
    return found


def _container(spec: Json, seen: Seen, before: Json, now: str, over: bool) -> Json:
    """`over` is an init container that has ended well, and of which nothing is left."""
    process = seen.processes.get(spec["name"])
    found: Json = {
        "name": spec["name"],
        "image": spec.get("image") or "",
        "imageID": "",
        "ready": (over or process.ready) if process else over,
        "started": process is not None and process.state == "Running",
        "restartCount": process.restarts if process else 0,
        "state": _state(spec["name"], process, seen, before, now, over),
    }
    if process is not None and process.restarts and process.exit_code is not None:
        found["lastState"] = {"terminated": _terminated(spec["name"], process, now, before)}
    return found


def _state(name: str, process: Process | None, seen: Seen, before: Json, now: str, over: bool) -> Json:
    if seen.failure:
        return {"waiting": {"reason": NOT_MADE, "message": seen.failure}}
    if process is None:
        if over:
            return {"terminated": {"exitCode": 0, "reason": "Completed"}}
        return {"waiting": {"reason": "ContainerCreating" if seen.initialised else "PodInitializing"}}
    if process.state == "Running":
        since = _before(name, before).get("state", {}).get("running", {}).get("startedAt", now)
        return {"running": {"startedAt": since}}
    if process.state == "Terminated":
        return {"terminated": _terminated(name, process, now, before)}
    crashed = process.exit_code is not None
    reason = "CrashLoopBackOff" if crashed else "ContainerCreating"
    return {"waiting": {"reason": reason, "message": process.reason}}


def _terminated(name: str, process: Process, now: str, before: Json) -> Json:
    known = _before(name, before)
    for place in ("state", "lastState"):
        old = (known.get(place) or {}).get("terminated")
        if old and old["exitCode"] == process.exit_code and known["restartCount"] == process.restarts:
            now = old["finishedAt"]
    code = process.exit_code or 0
    found: Json = {
        "exitCode": code,
        "reason": "Completed" if code == 0 else "Error",
        "finishedAt": now,
        "containerID": f"process://{name}",
    }
    if process.last_words:
        found["message"] = "\n".join(process.last_words)
    return found


def _before(name: str, before: Json) -> Json:
    everything = [*(before.get("containerStatuses") or []), *(before.get("initContainerStatuses") or [])]
    return next((one for one in everything if one["name"] == name), {})
