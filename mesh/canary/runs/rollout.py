"""What a person asks for: the kind Rollout, read strictly, and what the decision needs of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
import yaml
from msgspec import Meta

from mesh.canary.model import Policy, Settings
from mesh.canary.runs.fields import (
    Affinity,
    Analysis,
    Cookie,
    Gate,
    Header,
    Load,
    Mirror,
    Name,
    Percent,
    Pods,
    Slo,
    Strict,
    Subsets,
    Timeouts,
    Url,
)
from mesh.canary.signals import Measured


class InvalidRollout(ValueError):
    """What is wrong with a rollout, and where."""


class Spec(Strict, frozen=True, kw_only=True):
    """`service` is the Service and the `app` label of its pods; their `version` is the subset.

    By `strategy` canary its share rises step by step; by blueGreen it goes from nothing to all, once copies
    of requests have proven it.
    """

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
    mirror: Mirror | None = None
    strategy: Literal["canary", "blueGreen"] = "canary"
    affinity: Affinity | None = None
    load: Load | None = None
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
        if self.strategy == "blueGreen" and self.mirror is None:
            raise ValueError("strategy blueGreen takes its proof from copies of requests: say mirror as well")
        if self.strategy == "blueGreen" and self.trial is not None:
            raise ValueError("strategy blueGreen: nobody tries it by header or cookie before all have it")
        if self.affinity is not None and self.analysis.request_dispersion is None:
            raise ValueError(
                "affinity: the errors of one person come together: say in "
                "analysis.requestDispersion how many count as one, such as 20"
            )
        if self.kept is not None and self.cookie is not None and self.kept.cookie == self.cookie.name:
            raise ValueError(
                "affinity.cookie and cookie.name: whoever tries it would lose that cookie to a place"
            )
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
    def mirrors(self) -> Mirror | None:
        """What is copied first; a dry run, which writes no route, copies nothing."""
        return None if self.dry_run else self.mirror

    @property
    def kept(self) -> Affinity | None:
        """By what people stay with their version, with the cookie's name."""
        if self.affinity is None or self.affinity.cookie is not None:
            return self.affinity
        return msgspec.structs.replace(self.affinity, cookie=f"track-{self.service}")

    @property
    def alpha_rollback(self) -> float:
        """How often one decision may blame: copies and steps are two, which together may no more than one."""
        decisions = 2 if self.mirrors is not None and self.strategy == "canary" else 1
        return self.analysis.alpha_rollback / decisions

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
            alpha_rollback=self.alpha_rollback,
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
            split_guard=self.affinity is None,
        )

    def mirror_settings(self, expected_rps: float, tail_dispersion: float) -> Settings:
        """The same of copies: one step, in which the canary has all that it will be compared by."""
        share = self.mirror.share if self.mirror is not None else 0.5
        total = expected_rps / (1 - share)
        settings = self.settings(total, tail_dispersion)
        return replace(settings, expected_rps=total, steps=(share,), split_guard=True)

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


class Metadata(Strict, frozen=True, kw_only=True):
    name: Name
    namespace: Name = "default"
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    annotations: dict[str, str] = msgspec.field(default_factory=dict)


class Rollout(Strict, frozen=True, kw_only=True):
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
