"""What `mesh explain` says beforehand of a random policy's requests: an oracle beside the control planes."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from tests.mesh.conformance.case import Request
from tests.mesh.conformance.differing import Oracle, Seen, any_version, refusal
from tests.mesh.conformance.drawn.fields import EXTERNAL
from tests.mesh.conformance.drawn.policies import Policy
from tests.mesh.conformance.plane import Embedded
from tests.mesh.conformance.platform import GATEWAY
from tests.mesh.conformance.running import Suite

_POD = re.compile(r"-[0-9a-f]{8}-\d+$")
CLOSED = Seen(status=0, workload="")


def by_explain(suite: Suite) -> Oracle:
    """Asks a suite of the embedded control plane."""

    def predicted(policy: Policy) -> str | list[Seen]:
        reason = refusal(suite, policy)
        return [_predicted(suite, request) for request in policy.requests] if reason is None else reason

    return predicted


def _predicted(suite: Suite, request: Request) -> Seen:
    plane = suite.plane
    assert isinstance(plane, Embedded)
    forged = request.token is not None and request.token.signed_by != "JWKS"  # which explain does not check
    if request.through not in ("sidecar", "gateway") or forged:
        return Seen()
    pod = request.client if request.through == "sidecar" else GATEWAY
    if request.url.startswith("http://"):
        said = plane.explained(pod, request.method, request.url, suite.headers(request))
        return _of_a_request(request, said)
    url, named = request.url.replace("https://", "tls://"), {"sni": request.sni} if request.sni else {}
    said = plane.explained(pod, "CONNECT", url, named)
    if said["outcome"] != "forwarded":
        return CLOSED
    workload = _workload(said["targets"][0])
    return Seen(status=0, workload=any_version(workload)) if url.startswith("tcp://") else Seen(200, workload)


def _of_a_request(request: Request, said: Any) -> Seen:
    if said["outcome"] == "passed on" or (said["outcome"] == "failed" and said["status"] is None):
        return Seen()  # to whatever has that name on this machine; to no gateway
    if said["fault"] and said["fault"]["abort_percent"] == 100:
        return Seen(status=said["fault"]["abort"], workload="")
    targets = [target for target in said["targets"] if target["percent"]]
    refused = {target["verdict"]["status"] for target in targets if not target["verdict"]["allowed"]}
    status = said["status"] or (refused.pop() if refused else 200)
    if said["outcome"] != "forwarded" or status != 200:
        return Seen(status=status, workload="", location=said["location"])
    there = _forwarded(said, targets)
    # the application does what it is asked to
    return msgspec.structs.replace(there, status=None) if "x-echo-status" in request.headers else there


def _forwarded(said: Any, targets: list[Any]) -> Seen:
    """The application answers 200 whatever it is sent."""
    return Seen(
        status=200,
        workload=_workload(targets[0]),
        path=said["path"],
        authority=said["authority"],
        secured=targets[0]["mtls"],
    )


def _workload(target: Any) -> str:
    """Which of several versions cannot be foreseen."""
    if target["host"] == EXTERNAL:
        return "external"
    workloads = {_POD.sub("", pod.rpartition("/")[2]) for pod in target["pods"]}
    return "reviews" if len(workloads) > 1 else workloads.pop()
