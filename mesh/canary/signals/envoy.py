"""Evidence from the proxies themselves: their counters, read side by side."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from mesh.canary.model import ArmSample
from mesh.canary.platform import PlatformError
from mesh.canary.signals import bounded
from mesh.canary.signals.arms import DURATIONS, REQUESTS, Counted, calls, kind, too_silent
from mesh.canary.signals.counters import Reading, Series, Target
from mesh.canary.signals.source import Measured, NoEvidence, Scrape

WITHIN_S = 2.0
MAX_BYTES = 8 * 1024 * 1024
# Envoy's own statistics are many; these two are all that is asked for.
_QUERY = {"filter": "^istio.(requests_total|request_duration_milliseconds)", "usedonly": ""}
# What Envoy puts before the names of its own metrics; Istio's proxies do not.
_PREFIX = "envoy_"


@dataclass(frozen=True)
class Proxy:
    """A pod's Envoy; `admin` is host:port. `ready` means that the mesh sends the pod requests.

    `started_at` is when the pod began, in Unix seconds, None where nobody knows.
    """

    name: str
    namespace: str
    admin: str
    labels: Mapping[str, str] = field(default_factory=dict)
    ready: bool = True
    started_at: float | None = None

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


Targets = Callable[[], Awaitable[Sequence[Proxy]]]


class EnvoySource:
    """One run's evidence. `targets` gives every proxy there is now: pods of both arms, and all callers."""

    def __init__(
        self, targets: Targets, measured: Measured, session: aiohttp.ClientSession, started_at: float
    ) -> None:
        self._targets = targets
        self._measured = measured
        self._session = session
        self._started_at = started_at
        self._counted = Counted(measured)
        self._listed_at: float | None = None
        self._born: dict[str, float | None] = {}

    async def scrape(self) -> Scrape | None:
        """What is new, None the first time. Raises NoEvidence."""
        at, proxies = time.time(), await self._proxies()
        for proxy in proxies:
            self._born.setdefault(proxy.key, self._born_at(proxy))
        self._listed_at = at
        found = await asyncio.gather(*(self._read(proxy) for proxy in proxies))
        readings = {reading.target.key: reading for reading in found if reading is not None}
        self._demand_answers(proxies, readings)
        return self._counted.scrape(readings.values())

    async def history(self, span_s: float, scrape_s: float) -> list[ArmSample]:
        """None: proxies keep none."""
        return []

    async def bounds_ms(self) -> tuple[float, ...]:
        """Where buckets end in what all who count requests show; none before one. Raises NoEvidence."""
        proxies = await self._proxies()
        found = await asyncio.gather(*(self._read(proxy) for proxy in proxies))
        ends = [self._ends(reading) for reading in found if reading is not None]
        return (
            tuple(sorted(frozenset.intersection(*known))) if (known := [one for one in ends if one]) else ()
        )

    def _ends(self, reading: Reading) -> frozenset[float]:
        kinds = (kind(series, self._measured) for series in reading.values)
        return frozenset(what.end for what in kinds if what and what.judged and what.end is not None)

    async def _proxies(self) -> Sequence[Proxy]:
        """Those whose counts are asked for; the callers' only where they judge."""
        try:
            found = await self._targets()
        except PlatformError as error:
            raise NoEvidence(str(error)) from error
        return found if self._measured.reporter == "source" else [one for one in found if self._version(one)]

    def _born_at(self, proxy: Proxy) -> float | None:
        """A pod is younger than the run if it began during it, or was not there when all were last listed."""
        if proxy.started_at is None:
            return self._listed_at
        return proxy.started_at if proxy.started_at >= self._started_at else None

    def _version(self, proxy: Proxy) -> str:
        measured, version = self._measured, proxy.labels.get("version", "")
        mine = proxy.namespace == measured.namespace and proxy.labels.get("app") == measured.app
        return version if mine and version in (measured.stable, measured.canary) else ""

    def _demand_answers(self, proxies: Sequence[Proxy], readings: Mapping[str, Reading]) -> None:
        """Raises NoEvidence. A pod that gets no requests need not answer: it starts, or it ends."""
        measured, memory = self._measured, self._counted.memory
        if not any(self._version(proxy) == measured.stable for proxy in proxies):
            raise NoEvidence(f"there is no pod of {measured.app} {measured.stable}")
        due = {proxy.key: proxy for proxy in proxies if proxy.ready or proxy.key in readings}
        versions = {key: self._version(proxy) for key, proxy in due.items()}
        groups = {
            f"pods of {measured.app} {version}": {key for key in due if versions[key] == version}
            for version in (measured.stable, measured.canary)
        }
        if measured.reporter == "source":
            callers = {key for key in due if key not in memory or calls(memory[key].values, measured)}
            groups[f"proxies that call {measured.service}"] = callers
        for what, keys in groups.items():
            if why := too_silent(what, keys & readings.keys(), keys - readings.keys()):
                raise NoEvidence(why)

    async def _read(self, proxy: Proxy) -> Reading | None:
        """None where the proxy does not answer, or says what cannot be understood."""
        at, url = time.time(), f"http://{proxy.admin}/stats/prometheus"
        try:
            status, text = await bounded.get(
                self._session, url, _QUERY, within_s=WITHIN_S, max_bytes=MAX_BYTES, who=proxy.name
            )
        except NoEvidence:
            return None
        values = await asyncio.to_thread(parse, text.decode(errors="replace")) if status == 200 else None
        target = Target(proxy.key, proxy.name, self._version(proxy), self._born.get(proxy.key))
        return None if values is None else Reading(target, at, values)


def parse(text: str) -> dict[Series, float] | None:
    """The counters of requests and the buckets of their durations; None if it is no exposition."""
    found: dict[Series, float] = {}
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                name = sample.name.removeprefix(_PREFIX)
                if name in (REQUESTS, DURATIONS) and math.isfinite(sample.value):
                    found[name, frozenset(sample.labels.items())] = sample.value
    except (ValueError, KeyError, IndexError):
        return None
    return found
