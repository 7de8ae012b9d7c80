"""Counters as a proxy shows them, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mesh.canary.signals.arms import DURATIONS, REQUESTS
from mesh.canary.signals.counters import Reading, Series, Target
from mesh.canary.signals.source import Measured

EDGES_MS = (100.0, 250.0)
MEASURED = Measured("shop", "links", "links", "v1", "v2", EDGES_MS)
MIRRORED = replace(MEASURED, reporter="destination", method="GET")
GATEWAY = Target("istio-system/gateway", "gateway")
WEB = Target("shop/web-1", "web-1")
STABLE = Target("shop/links-v1-a", "links-v1-a", "v1")
CANARY = Target("shop/links-v2-a", "links-v2-a", "v2")


def labels(version: str = "v1", reporter: str = "source", code: str = "200", **more: str) -> dict[str, str]:
    """Those of a request to `links`."""
    found = {
        "reporter": reporter,
        "destination_service_name": "links",
        "destination_service_namespace": "shop",
        "destination_version": version,
        "response_code": code,
        "response_flags": "-",
        "grpc_response_status": "",
    }
    return found | more


def requests(version: str = "v1", reporter: str = "source", code: str = "200", **more: str) -> Series:
    return REQUESTS, frozenset(labels(version, reporter, code, **more).items())


def durations(counts: Mapping[str, float], version: str = "v1", **more: str) -> dict[Series, float]:
    """A histogram by its upper edges."""
    own = labels(version, **more)
    return {(DURATIONS, frozenset((own | {"le": end}).items())): count for end, count in counts.items()}


def reading(target: Target, at: float, values: Mapping[Series, float]) -> Reading:
    return Reading(target, at, dict(values))
