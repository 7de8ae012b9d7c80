"""What `mesh explain` knows about a request, as data."""

from __future__ import annotations

from typing import Literal

import msgspec

Outcome = Literal[
    "forwarded",  # to a pod, if its policies allow
    "passed on",  # to a host outside the mesh
    "denied",  # by a policy, with `status`: of the gateway, or of every destination
    "answered",  # by the proxy itself, with `status`
    "failed",  # no pod is reached; `status` is the proxy's
]


class Place(msgspec.Struct, frozen=True):
    """Where something was written: `VirtualService default/reviews`, `spec.http[0]`, file and line."""

    resource: str
    field: str
    file: str
    line: int


class Fault(msgspec.Struct, frozen=True):
    """`delay` as a duration, `abort` as a status; each for its share of the requests in percent."""

    delay: str | None = None
    delay_percent: float = 0
    abort: int | None = None
    abort_percent: float = 0


class Retries(msgspec.Struct, frozen=True):
    attempts: int
    on: str
    per_try_timeout: str | None = None


class Verdict(msgspec.Struct, frozen=True):
    """What one proxy decides on a request: `by` is the rule, or the rules, that decided.

    `missed` says of each ALLOW rule, where none matches, which half of it does not fit.
    """

    allowed: bool
    status: int
    reason: str
    by: tuple[Place, ...] = ()
    missed: tuple[str, ...] = ()


class Target(msgspec.Struct, frozen=True):
    """One destination: its share of the requests, its pods, and what they would say.

    `mtls` says how the connection is secured, `mode` what the workload demands, `mode_by` who says so (nobody
    for the default). `verdict` is None when no pod is there to give one.
    """

    cluster: str
    host: str
    port: int
    subset: str
    percent: float
    pods: tuple[str, ...]
    mtls: bool
    mode: str | None
    rule: Place | None
    verdict: Verdict | None
    mode_by: Place | None = None


class Told(msgspec.Struct, frozen=True):
    """What the proxy that the request meets first tells of it: access logs (files), Istio's metrics, spans.

    `spans` is the provider they go to, "" for none; `by` are the Telemetry objects in force.
    """

    logs: tuple[str, ...]
    metrics: bool
    spans: str
    sampled_percent: float
    by: tuple[Place, ...] = ()


class Explanation(msgspec.Struct, frozen=True):
    """`path` and `authority` are as the destination sees them; `rule` is None for a default route.

    `edge` is the verdict of the gateway itself; `status` is what the client gets when it is known without
    asking the application.
    """

    outcome: Outcome
    reason: str
    status: int | None = None
    virtual_host: str = ""
    route: str = ""
    rule: Place | None = None
    authority: str = ""
    path: str = ""
    location: str | None = None
    timeout: str | None = None
    retries: Retries | None = None
    fault: Fault | None = None
    mirrors: tuple[str, ...] = ()
    edge: Verdict | None = None
    targets: tuple[Target, ...] = ()
    told: Told | None = None
