"""What a person asks for: the kind Rollout, read strictly, and what the decision needs of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
import yaml
from msgspec import Meta

from mesh.canary.model import LATENCY_EDGES_MS, Policy, Settings
from mesh.canary.signals import ERROR_FLAGS, Measured

Name = Annotated[str, Meta(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Percent = Annotated[float, Meta(gt=0, lt=100)]
Share = Annotated[float, Meta(gt=0, lt=1)]
Url = Annotated[str, Meta(pattern=r"^https?://[^\s]+$", max_length=2000)]
Moment = Literal["start", "step", "promotion", "end"]


class InvalidRollout(ValueError):
    """What is wrong with a rollout, and where."""


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    pass


class Subsets(_Strict, frozen=True, kw_only=True):
    """The two subsets of the DestinationRule that traffic is split between.

    They change their roles: the one that has all of the traffic when a run begins is stable.
    """

    stable: Name = "v1"
    canary: Name = "v2"


class Slo(_Strict, frozen=True, kw_only=True):
    """The objective: the share of requests that may fail, and the latencies that matter, in ms."""

    error_rate: Share = 0.01
    latency_edges_ms: Annotated[tuple[float, ...], Meta(max_length=32)] = LATENCY_EDGES_MS
    error_flags: tuple[str, ...] = ERROR_FLAGS


class Analysis(_Strict, frozen=True, kw_only=True):
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


class Timeouts(_Strict, frozen=True, kw_only=True):
    """How long things may take; `drain_s` is how long pods without traffic stay."""

    ready_s: Seconds = 300.0
    step_s: Annotated[float, Meta(gt=0, le=86_400)] = 1800.0
    run_s: Annotated[float, Meta(gt=0, le=604_800)] | None = None
    drain_s: Seconds = 30.0


class Pods(_Strict, frozen=True, kw_only=True):
    """How many canary pods: its share of stable's, between these."""

    least: Annotated[int, Meta(ge=1, le=1000)] = 1
    most: Annotated[int, Meta(ge=1, le=1000)] = 1000


class Header(_Strict, frozen=True, kw_only=True):
    """First only requests with this header (its whole value) go to the canary, for so long."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][-a-z0-9_]{0,99}$")]
    value: Annotated[str, Meta(min_length=1, max_length=200)]
    for_s: Annotated[float, Meta(gt=0, le=86_400)] = 300.0

    def match(self) -> dict[str, Any]:
        """As a VirtualService writes it."""
        return {"headers": {self.name: {"exact": self.value}}}


class Cookie(_Strict, frozen=True, kw_only=True):
    """First only requests with this cookie go to the canary, for so long."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
    value: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,200}$")]
    for_s: Annotated[float, Meta(gt=0, le=86_400)] = 300.0

    def match(self) -> dict[str, Any]:
        """As a VirtualService writes it: among all the cookies of a request."""
        value = self.value.replace(".", r"\.")
        return {"headers": {"cookie": {"regex": f"(.*; ?)?{self.name}={value}(;.*)?"}}}


class Manual(_Strict, tag_field="type", tag="manual", frozen=True, kw_only=True):
    """Waits for `delinkcious canary approve`."""

    name: Name
    at: Moment


class Webhook(_Strict, tag_field="type", tag="webhook", frozen=True, kw_only=True):
    """Open when a POST of the run to this address is answered with 2xx."""

    name: Name
    at: Moment
    url: Url
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 10.0


class Query(_Strict, tag_field="type", tag="query", frozen=True, kw_only=True):
    """Open when this PromQL has a result and every sample of it is other than 0."""

    name: Name
    at: Moment
    expression: Annotated[str, Meta(min_length=1, max_length=4000)]


class Window(_Strict, tag_field="type", tag="window", frozen=True, kw_only=True):
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


class Spec(_Strict, frozen=True, kw_only=True):
    """`service` is the Service and the `app` label of its pods; their `version` is the subset."""

    service: Name
    virtual_service: Name | None = None
    subsets: Subsets = Subsets()
    pods: Pods = Pods()
    steps: Annotated[tuple[Percent, ...], Meta(min_length=1, max_length=10)] | None = None
    slo: Slo = Slo()
    analysis: Analysis = Analysis()
    timeouts: Timeouts = Timeouts()
    header: Header | None = None
    cookie: Cookie | None = None
    gates: Annotated[tuple[Gate, ...], Meta(max_length=20)] = ()
    notify: Annotated[tuple[Url, ...], Meta(max_length=10)] = ()
    inconclusive: Policy = "retreat"
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.subsets.stable == self.subsets.canary:
            raise ValueError("subsets.stable and subsets.canary must differ")
        if self.pods.least > self.pods.most:
            raise ValueError("pods.least is more than pods.most")
        if self.header is not None and self.cookie is not None:
            raise ValueError("header and cookie: one of them comes first, not both")
        names = [gate.name for gate in self.gates]
        if len(set(names)) < len(names):
            raise ValueError("two gates have one name")
        for number, step in enumerate(self.steps or ()):
            if step != int(step):
                raise ValueError(f"steps[{number}]: weights are whole percent, not {step}")
        self.settings()

    @property
    def trial(self) -> Header | Cookie | None:
        """Whose requests go to the canary first."""
        return self.header or self.cookie

    @property
    def routes(self) -> str:
        """The delegate VirtualService that holds the weights."""
        return self.virtual_service or f"{self.service}-routes"

    def deployment(self, subset: str) -> str:
        """The Deployment that a run makes for its canary: never one that a chart renders."""
        return f"{self.service}-{subset}-rollout"

    def settings(self, expected_rps: float | None = None, tail_dispersion: float = 1.0) -> Settings:
        """What the decision is made by. Raises ValueError."""
        return Settings(
            alpha_rollback=self.analysis.alpha_rollback,
            alpha_promote=self.analysis.alpha_promote,
            latency_edges_ms=self.slo.latency_edges_ms,
            slo_error_rate=self.slo.error_rate,
            scrape_s=self.analysis.scrape_interval_s,
            expected_rps=expected_rps or self.analysis.expected_rps,
            steps=tuple(step / 100 for step in self.steps) if self.steps else None,
            step_timeout_s=self.timeouts.step_s,
            run_timeout_s=self.timeouts.run_s,
            inconclusive=self.inconclusive,
            request_dispersion=self.analysis.request_dispersion,
            tail_dispersion=self.analysis.tail_dispersion or tail_dispersion,
            latency_gate=self.analysis.latency_gate,
        )

    def measured(self, namespace: str, stable: str, canary: str) -> Measured:
        """Whose requests are the evidence, with the roles that the subsets have in a run."""
        edges, flags = self.slo.latency_edges_ms, self.slo.error_flags
        return Measured(namespace, self.service, self.service, stable, canary, edges, flags)

    def mirrored(self, namespace: str, stable: str, canary: str) -> Measured:
        """The same while the canary gets copies of GET requests: what both versions' pods answered to GET.

        Callers' proxies do not count copies, and only GET is copied: other requests take another time.
        """
        measured = self.measured(namespace, stable, canary)
        return replace(measured, reporter="destination", method="GET")


class Metadata(_Strict, frozen=True, kw_only=True):
    name: Name
    namespace: Name = "default"
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Rollout(_Strict, frozen=True, kw_only=True):
    """One service's way of taking on a new version."""

    metadata: Metadata
    spec: Spec
    api_version: Literal["delinkcious.io/v1alpha1"] = "delinkcious.io/v1alpha1"
    kind: Literal["Rollout"] = "Rollout"


def read(path: Path) -> Rollout:
    """The rollout of a YAML file. Raises InvalidRollout, which names the file and the field; OSError."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        return parse(document)
    except yaml.YAMLError as error:
        raise InvalidRollout(f"{path}: no YAML: {error}") from error
    except UnicodeDecodeError as error:
        raise InvalidRollout(f"{path}: no UTF-8: {error.reason}") from error
    except InvalidRollout as error:
        raise InvalidRollout(f"{path}: {error}") from None
    except (ValueError, RecursionError) as error:  # a date that is none, a number without end, a deep nest
        raise InvalidRollout(f"{path}: no YAML: {error}") from error


def parse(document: Any) -> Rollout:
    """Raises InvalidRollout, which names the field."""
    try:
        return msgspec.convert(document, Rollout)
    except msgspec.ValidationError as error:
        raise InvalidRollout(_plainly(str(error))) from error


def schema() -> dict[str, Any]:
    """The JSON Schema of the kind."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(Rollout)}


def _plainly(sentence: str) -> str:
    """msgspec ends with "- at `$.spec.steps[0]`"; here the place comes first, what fits there last."""
    text, _, place = sentence.partition(" - at `$.")
    if not place:
        return f"{text}; a Rollout has apiVersion, kind, metadata and spec, and nothing beside them"
    place = place.rstrip("`")
    allowed = _allowed(place) if text.startswith(("Invalid enum value", "Invalid value")) else []
    return f"{place}: {text}" + (f"; it may be {', '.join(allowed)}" if allowed else "")


def _allowed(place: str) -> list[str]:
    """What may stand at a place like `spec.gates[0].at` where that is a choice, in order of the schema."""
    made = msgspec.json.schema(Rollout)
    found: list[dict[str, Any]] = [made]
    for part in place.replace("[", ".[").split("."):
        within = [each for one in found for each in _resolved(made, one)]
        key = ["items"] if part.startswith("[") else ["properties", part]
        for step in key:
            within = [each[step] for each in within if step in each]
        found = within
    choices = [each for one in found for each in _resolved(made, one)]
    names = [str(name) for each in choices for name in each.get("enum", [each.get("const")]) if name]
    return list(dict.fromkeys(names))


def _resolved(made: dict[str, Any], one: dict[str, Any]) -> list[dict[str, Any]]:
    """The schemas that one refers to, itself where it refers to none."""
    if "$ref" in one:
        return _resolved(made, made["$defs"][one["$ref"].removeprefix("#/$defs/")])
    if "anyOf" in one:
        return [each for part in one["anyOf"] for each in _resolved(made, part)]
    return [one]


def told(url: str) -> str:
    """An address without what may be secret in it, for logs."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname or ''}"
    except ValueError:
        return "an address that is none"
