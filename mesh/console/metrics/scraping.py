"""Every sidecar's own counters, read side by side and kept for some seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import aiohttp

from mesh.console.metrics import cluster_stats
from mesh.console.metrics.exposition import Labels, read
from mesh.console.metrics.traffic import Traffic, traffic
from mesh.console.metrics.window import SPAN_S, Window
from mesh.console.topology.state import Pod

TIMEOUT = aiohttp.ClientTimeout(total=2)
# Envoy's own statistics are many; these two are all that is asked for.
QUERY = {"filter": "^istio.(requests_total|request_duration_milliseconds)", "usedonly": ""}
MAX_BYTES = 8 * 1024 * 1024


@dataclass
class _Kept:
    """Of one sidecar; `last` is what it told last where it makes none of Istio's metrics."""

    pod: Pod
    window: Window = field(default_factory=Window)
    last: cluster_stats.Reading | None = None


class Scraper:
    """Windows of counters by the address of a sidecar's admin interface."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._kept: dict[str, _Kept] = {}
        self._workloads: dict[str, str] = {}
        self._labels = Labels()
        self._last = 0.0

    async def scrape(self, pods: Iterable[Pod]) -> None:
        """Read all once; one that does not answer is left out. Those that are gone are forgotten."""
        now = time.monotonic()
        if now - self._last > SPAN_S:  # nobody has looked for a while: old numbers would be averages of it
            self._kept.clear()
        self._last = now
        asked = {pod.admin: pod for pod in pods}
        self._workloads = {pod.ip: pod.key for pod in asked.values()}
        # Who begins to make Istio's metrics, or ends, is counted anew.
        self._kept = {
            address: kept
            for address, kept in self._kept.items()
            if address in asked and (asked[address].key, asked[address].metrics) == _kind(kept)
        }
        await asyncio.gather(*(self._one(pod) for _, pod in sorted(asked.items())))

    def traffic(self) -> Traffic:
        """What has been going on in the last seconds."""
        current = [(kept, *kept.window.increases()) for kept in self._kept.values() if self._is_of_now(kept)]
        grown = [(kept, seconds, by) for kept, seconds, by in current if seconds]
        found = traffic(((seconds, by) for kept, seconds, by in grown if kept.pod.metrics), self._labels)
        for kept, seconds, by in grown:
            if kept.last is not None:
                cluster_stats.count(found, kept.pod.key, seconds, by, kept.last, self._workloads)
        return found

    def _is_of_now(self, kept: _Kept) -> bool:
        return kept.window.holds(self._last)

    async def _one(self, pod: Pod) -> None:
        try:
            last = None
            if pod.metrics:
                counters = read(_text(await self._get(pod, "/stats/prometheus", QUERY)))
            else:
                stats, clusters = await asyncio.gather(
                    self._get(pod, "/stats", cluster_stats.QUERY),
                    self._get(pod, "/clusters", {"format": "json"}),
                )
                last = cluster_stats.read(_text(stats), clusters)
                counters = last.counters
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return  # it starts, ends or hangs, and its pod's state says so
        kept = self._kept.setdefault(pod.admin, _Kept(pod))
        kept.last = last
        kept.window.add(time.monotonic(), counters)

    async def _get(self, pod: Pod, path: str, query: Mapping[str, str]) -> bytes:
        async with self._session.get(f"http://{pod.admin}{path}", params=query, timeout=TIMEOUT) as answer:
            answer.raise_for_status()
            body = await answer.content.read(MAX_BYTES)
            while len(body) < MAX_BYTES and (more := await answer.content.read(MAX_BYTES - len(body))):
                body += more
            return body


def _kind(kept: _Kept) -> tuple[str, bool]:
    return kept.pod.key, kept.pod.metrics


def _text(body: bytes) -> str:
    return body.decode(errors="replace")
