"""Follows one request through the mesh: sends it, and reads what the proxies on its way wrote of it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mesh.local.live import access_log, sending
from mesh.local.live.access_log import Line
from mesh.local.live.sending import Answer
from mesh.local.model import Json
from mesh.local.runtime.errors import MeshError
from mesh.local.runtime.manifest import PROXY_CONTAINER
from mesh.local.runtime.state import State

REQUEST_ID = "x-request-id"
# Envoy writes its access log out five times a second.
LOGGED_WITHIN_S = 2.0
POLL_S = 0.05

Pod = Mapping[str, Any]
Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Hop:
    """What one proxy wrote of the request; `pod` is `namespace/name`."""

    pod: str
    line: Line


@dataclass(frozen=True)
class Happened:
    """The answer, the line of the proxy that the request met first, and those of the one behind it.

    `elsewhere` are further lines with the request's id: of an earlier try, of what the destination asked for.
    """

    request_id: str
    answer: Answer
    first: Hop | None
    then: tuple[Hop, ...]
    answered_by: str
    elsewhere: tuple[Hop, ...] = ()


def happen(
    logs: Logs, pods: Sequence[Pod], pod: Pod, method: str, url: str, headers: Headers, within_s: float
) -> Happened:
    """Send it from `pod`, one of `pods` as `mesh get` gives them; `logs` are theirs. Raises MeshError."""
    given = {name.lower(): value for name, value in headers}
    request_id = given.get(REQUEST_ID) or str(uuid.uuid4())
    every = [*headers, *({REQUEST_ID: request_id} if REQUEST_ID not in given else {}).items()]
    if is_gateway(pod) and "user-agent" not in given:
        every.append(("user-agent", f"delinkcious-mesh-explain/{request_id}"))  # it makes an id of its own
    answer = _send(pod, method, url, every, within_s)
    # The destination may ask the sender in turn: what arrives there is not what it sent.
    first = logs.wait(pod, request_id, lambda hop: not hop.line.inbound)
    there = _address(first.line.upstream) if first else ""
    behind = next((one for one in pods if one["ip"] == there), None)
    served = behind is not None and behind is not pod and behind["egress"] is not None
    # A TCP connection has no id; its server knows it by the client's end of it.
    mark = first.line.local if answer.tunnel and first else request_id
    if served and behind is not None:
        logs.wait(behind, mark, lambda hop: _arrived(hop, behind))
    then, elsewhere = parted(logs.of(mark), first, behind)
    return Happened(request_id, answer, first, then, _who(answer, pod, first, behind, then), elsewhere)


def parted(
    hops: Iterable[Hop], first: Hop | None, behind: Pod | None
) -> tuple[tuple[Hop, ...], tuple[Hop, ...]]:
    """Of all lines with the request's id but the first: those of the pod behind, and all others (pure)."""
    others = [hop for hop in hops if first is None or hop.line.raw != first.line.raw]
    if first is None:
        return tuple(others), ()
    then = [hop for hop in others if _arrived(hop, behind)]
    return tuple(then), tuple(hop for hop in others if hop not in then)


def _arrived(hop: Hop, behind: Pod | None) -> bool:
    """Whether a line tells of the request's arrival at that pod, not of what the pod then asked for."""
    if behind is None or hop.pod != f"{behind['namespace']}/{behind['name']}":
        return False
    return is_gateway(behind) or hop.line.inbound or not hop.line.cluster


def _send(pod: Pod, method: str, url: str, headers: Headers, within_s: float) -> Answer:
    if pod["egress"] is None:
        raise MeshError(f"{pod['namespace']}/{pod['name']} has no sidecar: nothing is sent for it")
    if not is_gateway(pod):
        return sending.through_sidecar(pod["egress"], method, url, headers, within_s)
    scheme, _, rest = url.rpartition("://")
    if method == "CONNECT" or scheme in sending.CONNECTIONS:
        raise MeshError("a gateway is asked by HTTP only: without --live its prediction is told")
    _, colon, port = rest.partition("/")[0].rpartition(":")
    number = port if colon and port.isdigit() else "443" if scheme == "https" else "80"
    address = pod["ports"].get(number)
    if address is None:
        raise MeshError(f"the gateway has no port {number}; it has {', '.join(pod['ports'])}")
    return sending.to_gateway(address, method, url, headers, within_s)


def is_gateway(pod: Pod) -> bool:
    return bool(pod.get("gateway"))


def _address(upstream: str) -> str:
    return upstream.rpartition(":")[0]


def _who(answer: Answer, pod: Pod, first: Hop | None, behind: Pod | None, then: Sequence[Hop]) -> str:
    """Who made the answer, in words; empty where nobody can tell."""
    if answer.status is None:
        return "nobody"
    if first is None:
        return ""
    own = f"{pod['namespace']}/{pod['name']}"
    if not first.line.details.startswith("via_upstream"):
        return f"the {'gateway' if is_gateway(pod) else 'sidecar'} of {own}"
    if behind is None:
        return f"{first.line.upstream}, outside the mesh"
    name = f"{behind['namespace']}/{behind['name']}"
    last = next((hop for hop in reversed(then) if hop.pod == name), None)
    untold = bool(answer.tunnel) and last is not None and not last.line.details
    if last is not None and not untold and not last.line.details.startswith("via_upstream"):
        return f"the sidecar of {name}"
    return f"the process of {name}"


class Logs:
    """The access logs of all pods, from now on; `listeners`, as `mesh get` gives them, tell their formats."""

    def __init__(self, state: State, pods: Iterable[Pod], listeners: Iterable[Pod]) -> None:
        formats: dict[str, list[Json]] = {}
        for one in listeners:
            known = formats.setdefault(f"{one['namespace']}/{one['pod']}", [])
            known += [log["format"] for log in one["accessLogs"] if log["format"] not in known]
        self._readers = {pod: access_log.Reader(found) for pod, found in formats.items()}
        self._files = {
            f"{pod['namespace']}/{pod['name']}": state.pods
            / pod["namespace"]
            / pod["name"]
            / "logs"
            / f"{PROXY_CONTAINER}.log"
            for pod in pods
        }
        self._begin = {pod: _size(file) for pod, file in self._files.items()}

    def wait(self, pod: Pod, mark: str, wanted: Callable[[Hop], bool]) -> Hop | None:
        """The pod's last line of that kind with the mark, as soon as it is there; None when none comes."""
        name = f"{pod['namespace']}/{pod['name']}"
        deadline = time.monotonic() + LOGGED_WITHIN_S
        while True:
            hops = (Hop(name, line) for line in self._lines(name, mark))
            if found := [hop for hop in hops if wanted(hop)]:
                return found[-1]
            if time.monotonic() > deadline:
                return None
            time.sleep(POLL_S)

    def of(self, mark: str) -> list[Hop]:
        """Every line with the mark."""
        return [Hop(name, line) for name in self._files for line in self._lines(name, mark)]

    def _lines(self, name: str, mark: str) -> list[Line]:
        try:
            with self._files[name].open("rb") as stream:
                stream.seek(self._begin[name])
                # Its last line may still be growing.
                data = stream.read().rpartition(b"\n")[0]
        except FileNotFoundError:
            return []
        found = (line.decode(errors="replace") for line in data.splitlines() if mark.encode() in line)
        reader = self._readers.get(name) or access_log.Reader()
        return [reader.read(line) for line in found]


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
