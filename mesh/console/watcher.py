"""Keeps the picture of the mesh up to date for as long as somebody looks at it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import structlog

from mesh.console.control import Control
from mesh.console.errors import Unshown
from mesh.console.metrics.scraping import Scraper
from mesh.console.rendering import render
from mesh.console.topology import drawing
from mesh.console.topology.graph import Graph, graph
from mesh.console.topology.state import Topology

# An edit is to be seen within two seconds, of which the mesh itself takes a part.
LOOK_EVERY_S = 0.4
SCRAPE_EVERY_S = 1.0
# After the last look, and before the next one shows numbers at once.
WATCHED_FOR_S = 30.0
# A pod that was down is shown so for as long, however fast it came back.
SHOWN_DOWN_S = 3.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Shown:
    """The part of the page that changes; `number` grows with each change."""

    number: int
    html: str


class Watcher:
    """One for all readers: each look and each scrape is made once, however many watch."""

    def __init__(self, control: Control, scraper: Scraper) -> None:
        self._control = control
        self._scraper = scraper
        self._shown = Shown(0, "")
        self._changed = asyncio.Condition()
        self._looked_at = asyncio.Event()
        self._readers = 0
        self._until = 0.0
        self._scraped = 0.0
        self._seen: set[tuple[str, str]] = set()
        self._restarts: dict[str, int] = {}
        self._down: dict[str, float] = {}

    async def run(self) -> None:
        """Look for as long as somebody watches; for ever."""
        while True:
            if not self._readers and time.monotonic() > self._until:
                self._looked_at.clear()
                await self._looked_at.wait()
            began = time.monotonic()
            try:
                html = await self._look()
            except Unshown as error:
                html = render("parts/away.html", sentence=str(error))
            except Exception:
                # The boundary of this task: a picture that fails once must not be the last one.
                _log.exception("the picture failed")
                html = render("parts/away.html", sentence="The picture could not be drawn; the log says why.")
            await self._show(html)
            await asyncio.sleep(max(0.05, LOOK_EVERY_S - (time.monotonic() - began)))

    async def current(self) -> Shown:
        """What there is to see; the first time it is waited for."""
        self._notice()
        async with self._changed:
            with suppress(TimeoutError):
                async with asyncio.timeout(3 * SCRAPE_EVERY_S):
                    await self._changed.wait_for(lambda: self._shown.number > 0)
        return self._shown

    async def changes(self, last: int) -> AsyncIterator[Shown]:
        """Everything newer than `last`, as it comes; None of it is kept for those who are slow."""
        with self._reading():
            while True:
                async with self._changed:
                    await self._changed.wait_for(lambda: self._shown.number != last)  # noqa: B023
                    shown = self._shown
                last = shown.number
                yield shown

    @contextmanager
    def _reading(self) -> Iterator[None]:
        self._readers += 1
        self._notice()
        try:
            yield
        finally:
            self._readers -= 1
            self._notice()

    def _notice(self) -> None:
        self._until = time.monotonic() + WATCHED_FOR_S
        self._looked_at.set()

    async def _look(self) -> str:
        topology = await self._control.topology()
        if time.monotonic() - self._scraped >= SCRAPE_EVERY_S:
            self._scraped = time.monotonic()
            await self._scraper.scrape(topology.pods)
        found = graph(topology, self._scraper.traffic(), self._fresh(topology), self._seen)
        return self._drawn(found)

    def _fresh(self, topology: Topology) -> set[str]:
        """Pods that are down, or were until a moment ago."""
        now = time.monotonic()
        restarts = {f"{pod.namespace}/{pod.name}": pod.restarts for pod in topology.pods}
        for pod in topology.pods:
            key = f"{pod.namespace}/{pod.name}"
            if pod.restarts > self._restarts.get(key, pod.restarts):
                self._down[key] = now
        self._restarts = restarts
        self._down = {key: at for key, at in self._down.items() if now - at < SHOWN_DOWN_S}
        return set(self._down)

    def _drawn(self, found: Graph) -> str:
        # What was there once keeps its place, or the picture would jump with every pause.
        self._seen |= {edge.pair for edge in found.edges if edge.flow.rate}
        sheets = (drawing.wide(found, self._seen), drawing.tall(found))
        return render("parts/topology.html", graph=found, sheets=sheets, arrows=drawing.arrows_of(found))

    async def _show(self, html: str) -> None:
        if html != self._shown.html:
            async with self._changed:
                self._shown = Shown(self._shown.number + 1, html)
                self._changed.notify_all()
