"""Every sidecar's own counters, read side by side and kept for some seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

import aiohttp

from mesh.console.metrics.exposition import Labels, read
from mesh.console.metrics.traffic import Traffic, traffic
from mesh.console.metrics.window import SPAN_S, Window
from mesh.console.topology.state import Pod

TIMEOUT = aiohttp.ClientTimeout(total=2)
# Envoy's own statistics are many; these two are all that is asked for.
QUERY = {"filter": "^istio.(requests_total|request_duration_milliseconds)", "usedonly": ""}
MAX_BYTES = 8 * 1024 * 1024


class Scraper:
    """Windows of counters by the address of a sidecar's admin interface."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._windows: dict[str, Window] = {}
        self._labels = Labels()
        self._last = 0.0

    async def scrape(self, pods: Iterable[Pod]) -> None:
        """Read all once; one that does not answer is left out. Those that are gone are forgotten."""
        now = time.monotonic()
        if now - self._last > SPAN_S:  # nobody has looked for a while: old numbers would be averages of it
            self._windows.clear()
        self._last = now
        addresses = {pod.admin for pod in pods}
        for address in self._windows.keys() - addresses:
            del self._windows[address]
        await asyncio.gather(*(self._one(address) for address in sorted(addresses)))

    def traffic(self) -> Traffic:
        """What has been going on in the last seconds."""
        grown = [window.increases() for window in self._windows.values() if window.holds(self._last)]
        return traffic(((seconds, by) for seconds, by in grown if seconds), self._labels)

    async def _one(self, address: str) -> None:
        url = f"http://{address}/stats/prometheus"
        try:
            async with self._session.get(url, params=QUERY, timeout=TIMEOUT) as answer:
                if answer.status != 200:
                    return
                body = await answer.content.read(MAX_BYTES)
                while len(body) < MAX_BYTES and (more := await answer.content.read(MAX_BYTES - len(body))):
                    body += more
        except (aiohttp.ClientError, TimeoutError, OSError):
            return  # it starts, ends or hangs, and its pod's state says so
        self._windows.setdefault(address, Window()).add(time.monotonic(), read(body.decode(errors="replace")))
