"""The parts of a rollout: what a person may say of each, with its defaults."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from mesh.canary.model import LATENCY_EDGES_MS
from mesh.canary.signals import ERROR_FLAGS

Name = Annotated[str, Meta(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Percent = Annotated[float, Meta(gt=0, lt=100)]
Share = Annotated[float, Meta(gt=0, lt=1)]
Url = Annotated[str, Meta(pattern=r"^https?://[^\s]+$", max_length=2000)]
Moment = Literal["start", "step", "promotion", "end"]


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    pass


class Subsets(Strict, frozen=True, kw_only=True):
    """The two subsets of the DestinationRule that traffic is split between.

    They change their roles: the one that has all of the traffic when a run begins is stable.
    """

    stable: Name = "v1"
    canary: Name = "v2"


class Slo(Strict, frozen=True, kw_only=True):
    """The objective: the share of requests that may fail, and the latencies that matter, in ms."""

    error_rate: Share = 0.01
    latency_edges_ms: Annotated[tuple[float, ...], Meta(max_length=32)] = LATENCY_EDGES_MS
    error_flags: tuple[str, ...] = ERROR_FLAGS


class Analysis(Strict, frozen=True, kw_only=True):
    """Where evidence comes from, how often, and the promises.

    `request_dispersion`: how errors cluster (1: one by one), where no hour of history of three pods shows it;
    `tail_dispersion` the same of slow requests, measured unless it is given. Latency is judged once a canary
    pod has `latency_gate` times a stable pod's requests: with fewer its caches are colder, and it is slower.
    """

    source: Literal["prometheus", "envoy"] = "prometheus"
    scrape_interval_s: Annotated[float, Meta(ge=0.1, le=300)] = 5.0
    history_s: Seconds = 3600.0
    warm_up_s: Seconds = 30.0
    alpha_rollback: Share = 0.01
    alpha_promote: Share = 0.01
    request_dispersion: Annotated[float, Meta(ge=1, le=1000)] | None = None
    expected_rps: Annotated[float, Meta(gt=0, le=10_000_000)] | None = None
    tail_dispersion: Annotated[float, Meta(ge=1, le=1000)] | None = None
    latency_gate: Annotated[float, Meta(ge=0, le=100)] = 0.5


class Timeouts(Strict, frozen=True, kw_only=True):
    """How long things may take; `drain_s` is how long pods without traffic stay."""

    ready_s: Seconds = 300.0
    step_s: Annotated[float, Meta(gt=0, le=86_400)] = 1800.0
    run_s: Annotated[float, Meta(gt=0, le=604_800)] | None = None
    drain_s: Seconds = 30.0


class Pods(Strict, frozen=True, kw_only=True):
    """How many canary pods: its share of stable's, between these."""

    least: Annotated[int, Meta(ge=1, le=1000)] = 1
    most: Annotated[int, Meta(ge=1, le=1000)] = 1000

    def needed(self, stable: int, percent: float) -> int:
        """The canary pods for a share, beside so many of stable."""
        return min(self.most, max(self.least, math.ceil(stable * percent / 100)))


class Header(Strict, frozen=True, kw_only=True):
    """First only requests with this header (its whole value) go to the canary, for so long."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][-a-z0-9_]{0,99}$")]
    value: Annotated[str, Meta(min_length=1, max_length=200)]
    for_s: Annotated[float, Meta(gt=0, le=86_400)] = 300.0

    def match(self) -> dict[str, Any]:
        """As a VirtualService writes it."""
        return {"headers": {self.name: {"exact": self.value}}}


class Cookie(Strict, frozen=True, kw_only=True):
    """First only requests with this cookie go to the canary, for so long."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
    value: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,200}$")]
    for_s: Annotated[float, Meta(gt=0, le=86_400)] = 300.0

    def match(self) -> dict[str, Any]:
        """As a VirtualService writes it: among all the cookies of a request."""
        value = self.value.replace(".", r"\.")
        return {"headers": {"cookie": {"regex": f"(.*; ?)?{self.name}={value}(;.*)?"}}}


class Mirror(Strict, frozen=True, kw_only=True):
    """First copies of so many GET requests go to the canary, until it is proven; nobody gets its answers."""

    percent: Annotated[float, Meta(gt=0, le=100)] = 100.0

    @property
    def share(self) -> float:
        """Of all requests that are compared, those of the canary."""
        return self.percent / (100 + self.percent)


class Affinity(Strict, frozen=True, kw_only=True):
    """Who was sent to one of the two versions stays there, by a cookie; with each step some move over.

    Two services that people reach at one address need two cookies: without one it is `track-SERVICE`.
    """

    cookie: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,100}$")] | None = None
    max_age_s: Annotated[int, Meta(ge=1, le=31_536_000)] = 86_400


class Load(Strict, frozen=True, kw_only=True):
    """Where stable has fewer requests/s than `below_rps`, this Deployment makes some while the run lasts."""

    deployment: Name
    replicas: Annotated[int, Meta(ge=1, le=100)] = 1
    below_rps: Annotated[float, Meta(gt=0, le=10_000_000)] = 1.0


class Manual(Strict, tag_field="type", tag="manual", frozen=True, kw_only=True):
    """Waits for `delinkcious canary approve`."""

    name: Name
    at: Moment


class Webhook(Strict, tag_field="type", tag="webhook", frozen=True, kw_only=True):
    """Open when a POST of the run to this address is answered with 2xx."""

    name: Name
    at: Moment
    url: Url
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 10.0


class Query(Strict, tag_field="type", tag="query", frozen=True, kw_only=True):
    """Open when this PromQL has a result and every sample of it is other than 0."""

    name: Name
    at: Moment
    expression: Annotated[str, Meta(min_length=1, max_length=4000)]


class Window(Strict, tag_field="type", tag="window", frozen=True, kw_only=True):
    """Open on these days between these times of day, in a time zone of the IANA database."""

    name: Name
    at: Moment
    from_: Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = msgspec.field(name="from")
    until: Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
    days: tuple[Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], ...] = (
        "Mon",
        "Tue",
        "Wed",
        "Thu",
        "Fri",
    )
    time_zone: str = "UTC"


Gate = Manual | Webhook | Query | Window
