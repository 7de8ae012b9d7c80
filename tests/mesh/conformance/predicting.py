"""What `mesh explain` says beforehand of a random policy's requests: an oracle beside the control planes."""

from __future__ import annotations

import re
from typing import Any

from tests.mesh.conformance.case import Request
from tests.mesh.conformance.differing import Oracle, Seen, refusal
from tests.mesh.conformance.plane import Embedded
from tests.mesh.conformance.random_policies import Policy
from tests.mesh.conformance.running import Suite

_POD = re.compile(r"-[0-9a-f]{8}-\d+$")


def by_explain(suite: Suite) -> Oracle:
    """Asks a suite of the embedded control plane."""
    plane = suite.plane
    assert isinstance(plane, Embedded)

    def predicted(policy: Policy) -> str | list[Seen]:
        reason = refusal(suite, policy)
        return [_predicted(plane, request) for request in policy.requests] if reason is None else reason

    return predicted


def _predicted(plane: Embedded, request: Request) -> Seen:
    if request.through != "sidecar":
        return Seen()
    said = plane.explained(request.client, request.method, request.url, request.headers)
    if said["fault"] and said["fault"]["abort_percent"] == 100:
        return Seen(status=said["fault"]["abort"], workload="")
    if said["outcome"] == "passed on":
        return Seen()  # to whatever has that name on this machine
    targets = [target for target in said["targets"] if target["percent"]]
    refused = {target["verdict"]["status"] for target in targets if not target["verdict"]["allowed"]}
    status = said["status"] or (refused.pop() if refused else 200)
    if said["outcome"] != "forwarded" or status != 200:
        return Seen(status=status, workload="", location=said["location"])
    return _forwarded(said, targets)


def _forwarded(said: Any, targets: list[Any]) -> Seen:
    """The application answers 200 whatever it is sent."""
    workloads = {_POD.sub("", pod.rpartition("/")[2]) for pod in targets[0]["pods"]}
    versions = len(workloads) > 1
    return Seen(
        status=200,
        workload="reviews" if versions else workloads.pop(),
        path=said["path"],
        authority=said["authority"],
        secured=targets[0]["mtls"],
    )
