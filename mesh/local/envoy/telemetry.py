"""Telemetry: which logs, metrics and spans a proxy makes, by its mesh's, its namespace's and its own objects.

The lists of the three levels are read one after the other, as Istio reads them: what a later entry leaves
open stays as an earlier one, or MeshConfig's `defaultProviders`, had it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from mesh.local.envoy.mesh_config import MeshConfig
from mesh.local.envoy.view import View, selects
from mesh.local.model import ROOT_NAMESPACE, Json, Resource
from mesh.local.schema.telemetry import METRICS

Mode = Literal["CLIENT", "SERVER"]

# Istio's defaults: they exist without being declared.
ENVOY: Json = {"name": "envoy", "envoyFileAccessLog": {"path": "/dev/stdout"}}
PROMETHEUS: Json = {"name": "prometheus", "prometheus": {}}
DEFAULT_SAMPLING_PERCENT = 1.0  # istiod's PILOT_TRACE_SAMPLING


@dataclass(frozen=True)
class Logging:
    """One access log: where it goes, and the CEL expression that chooses requests."""

    provider: Json
    filter: str = ""
    disabled: bool = False


@dataclass(frozen=True)
class Override:
    """What becomes of one metric: tags by name, None for one that is taken away."""

    disabled: bool = False
    tags: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Tracing:
    """`request_id`: the decision to trace is read from x-request-id, else from `traceparent`.

    `propagates`: the next hop is told of the span.
    """

    provider: Json | None = None
    disabled: bool = False
    sampling_percent: float | None = None
    tags: Mapping[str, Json] = field(default_factory=dict)
    request_id: bool = True
    istio_tags: bool = True
    propagates: bool = True


def applicable(view: View) -> list[Resource]:
    """The objects in force for the proxy: the mesh's, its namespace's, the first that selects it."""
    every = view.config.of("Telemetry")
    namespace = view.proxy.namespace
    made = [
        found
        for space in dict.fromkeys((ROOT_NAMESPACE, namespace))
        if (found := next((r for r in every if r.namespace == space and not _selector(r)), None))
    ]
    own = (r for r in every if r.namespace == namespace and _selector(r))
    chosen = next((r for r in own if selects(_selector(r), view.proxy.labels)), None)
    return [*made, chosen] if chosen else made


def provider(mesh: MeshConfig, name: str) -> Json | None:
    """An extension provider by its name, whose case does not count."""
    declared: Sequence[Json] = mesh.raw.get("extensionProviders") or []
    for found in (*declared, ENVOY, PROMETHEUS):
        if str(found.get("name", "")).lower() == name.lower():
            return found
    return None


def access_logs(view: View, mode: Mode) -> list[Logging]:
    """Every provider that the proxy's objects speak of; none means MeshConfig's `accessLogFile`."""
    levels = [found for r in applicable(view) if (found := r.spec.get("accessLogging"))]
    default = _default(view.mesh, "accessLogging")
    chosen: dict[str, Logging] = {}
    if not levels:
        chosen = {name: Logging({"name": name}) for name in default}
    scope = set(_last_named(levels, default))
    parents = default
    for entry in (entry for level in levels for entry in level):
        parents = _names(entry) or parents
        for name in parents:
            if name in scope and _matches(entry, mode):
                chosen[name] = Logging(
                    {"name": name},
                    (entry.get("filter") or {}).get("expression") or "",
                    disabled=entry.get("disabled") is True,
                )
    found = ((log, provider(view.mesh, name)) for name, log in sorted(chosen.items()))
    return [replace(log, provider=known) for log, known in found if known]


def metrics(view: View, mode: Mode) -> Mapping[str, Override] | None:
    """What the provider `prometheus` makes of each metric; None when it makes none."""
    entries = [entry for r in applicable(view) for entry in r.spec.get("metrics") or []]
    default = _default(view.mesh, "metrics")
    named = _last_named([[entry] for entry in entries], default)
    if not any((provider(view.mesh, name) or {}).get("prometheus") is not None for name in named):
        return None
    off = False
    made: dict[str, Override] = {}
    parents = default
    for entry in entries:
        parents = _names(entry) or parents
        if set(parents).isdisjoint(named):
            continue
        for written in entry.get("overrides") or []:
            match = written.get("match") or {}
            if match.get("mode", mode) not in (mode, "CLIENT_AND_SERVER"):
                continue
            off = match.get("metric") == "ALL_METRICS" and written.get("disabled") is True
            if not off:
                for name in _metrics_of(match):
                    made[name] = _overridden(made.get(name, Override()), written)
    return None if off else made


def tracing(view: View, mode: Mode) -> Tracing | None:
    """How spans are made, or None."""
    default = _default(view.mesh, "tracing")
    found = Tracing(provider(view.mesh, default[0]) if default else None)
    for entry in (entry for r in applicable(view) for entry in r.spec.get("tracing") or []):
        if _matches(entry, mode):
            found = _traced(view.mesh, found, entry)
    return None if found.disabled or found.provider is None else found


def _traced(mesh: MeshConfig, before: Tracing, entry: Json) -> Tracing:
    names = _names(entry)
    return Tracing(
        provider=provider(mesh, names[0]) if names else before.provider,
        disabled=entry.get("disableSpanReporting", before.disabled),
        sampling_percent=entry.get("randomSamplingPercentage", before.sampling_percent),
        tags=entry.get("customTags", before.tags),
        request_id=entry.get("useRequestIdForTraceSampling", before.request_id),
        istio_tags=entry.get("enableIstioTags", before.istio_tags),
        propagates=not entry.get("disableContextPropagation", not before.propagates),
    )


def sampling_percent(mesh: MeshConfig, found: Tracing) -> float:
    """Telemetry's, else that of the proxies' configuration, else Istio's default."""
    if found.sampling_percent is not None:
        return float(found.sampling_percent)
    written = ((mesh.raw.get("defaultConfig") or {}).get("tracing") or {}).get("sampling")
    return float(written or DEFAULT_SAMPLING_PERCENT)


def _overridden(before: Override, written: Json) -> Override:
    tags = {
        name: None if (tag or {}).get("operation") == "REMOVE" else str((tag or {}).get("value") or "")
        for name, tag in (written.get("tagOverrides") or {}).items()
    }
    return Override(written.get("disabled", before.disabled), {**before.tags, **tags})


def _metrics_of(match: Json) -> Sequence[str]:
    metric = match.get("metric", "ALL_METRICS")
    return METRICS if metric == "ALL_METRICS" else (metric,)


def _matches(entry: Json, mode: Mode) -> bool:
    return (entry.get("match") or {}).get("mode", mode) in (mode, "CLIENT_AND_SERVER")


def _last_named(levels: Sequence[Sequence[Json]], default: Sequence[str]) -> Sequence[str]:
    """The providers of the last level that names any: a level replaces those above it."""
    named = default
    for level in levels:
        named = [name for entry in level for name in _names(entry)] or named
    return named


def _names(entry: Json) -> list[str]:
    return [str(written["name"]) for written in entry.get("providers") or []]


def _default(mesh: MeshConfig, signal: str) -> list[str]:
    return list((mesh.raw.get("defaultProviders") or {}).get(signal) or [])


def _selector(resource: Resource) -> Mapping[str, str]:
    return (resource.spec.get("selector") or {}).get("matchLabels") or {}
