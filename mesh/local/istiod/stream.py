"""One proxy's configuration as istiod streams it: how far its Envoy has followed, by its own statistics."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mesh.local import files
from mesh.local.istiod.dump import snapshot
from mesh.local.istiod.egress import ROUTES
from mesh.local.istiod.filters import STATISTICS
from mesh.local.model import Proxy, Snapshot
from mesh.local.runtime import refusal
from mesh.local.runtime.admin import Admin, AdminUnreachable
from mesh.local.runtime.deliver import Effect
from mesh.local.runtime.errors import DeliveryFailed, Unanswered
from mesh.local.runtime.state import write_atomically
from mesh.local.runtime.steps import Rendered

WITHIN_S = 15.0
STARTED_WITHIN_S = 15.0
DRAINED_WITHIN_S = 20.0
POLL_S = 0.005
EMPTY = Snapshot({}, {}, {}, {})
WANTED = (
    rf"^(cluster\.{STATISTICS}\d+\.membership_total|cluster_manager\.cds\.version_text"
    r"|listener_manager\.lds\.version_text|http\..*\.rds\..*\.version_text"
    r"|(cluster_manager\.cds|listener_manager\.lds|http\..*\.rds\..*)\.update_rejected"
    r"|cluster_manager\.warming_clusters|listener_manager\.total_(listeners_warming|listeners_draining|filter_chains_draining))$"
)
_EGRESS = re.compile(rf'^http\.{ROUTES}\.rds\.{ROUTES}\.version_text: "(\w+)"$', re.MULTILINE)
_GENERATION = re.compile(rf"^cluster\.{STATISTICS}(\d+)\.", re.MULTILINE)
_VERSION = re.compile(r'^(\S+)\.version_text: "[^"/]*/(\d+)"$', re.MULTILINE)
_NUMBER = re.compile(r"^(\S+): (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Progress:
    """What an Envoy says of itself; `pushes` are istiod's numbers of what it last took, by type and name."""

    generation: int
    pushes: dict[str, int]
    rejected: int
    warming: int
    draining: int
    egress: str  # the version of the routes from applications

    @classmethod
    def read(cls, text: str) -> Progress:
        generations = [int(number) for number in _GENERATION.findall(text)]
        sums = {"update_rejected": 0, "warming": 0, "draining": 0}
        for name, value in _NUMBER.findall(text):
            for word in sums:
                if word in name.rpartition(".")[2]:
                    sums[word] += int(value)
        pushes = {name: int(number) for name, number in _VERSION.findall(text)}
        egress = _EGRESS.findall(text)
        return cls(
            generation=max(generations, default=0),
            pushes=pushes,
            rejected=sums["update_rejected"],
            warming=sums["warming"],
            draining=sums["draining"],
            egress=egress[0] if egress else "",
        )

    def has(self, generation: int) -> bool:
        """All of that generation: clusters come first, then listeners, then routes, of the same push."""
        if self.generation < generation or self.warming:
            return False
        clusters = self.pushes.get("cluster_manager.cds", 0)
        return bool(clusters) and min(self.pushes.values()) >= clusters


class Stream:
    """`wanted` gives the generation that is to be in force, once that is known to istiod."""

    def __init__(
        self, admin: Admin, proxy: Proxy, log: Path, wanted: Callable[[], int], renewed: Callable[[], None]
    ) -> None:
        self._admin, self._log, self._wanted = admin, log, wanted
        self._file = proxy.folder / files.routes(ROUTES)
        self._routes = b""
        self.renewed = renewed
        self.live = asyncio.Event()
        self.known = asyncio.Event()  # to istiod
        self.in_force = Rendered.of(EMPTY)
        self._rejected = 0

    async def look(self) -> None:
        if self.live.is_set():
            self.in_force = Rendered.of(snapshot(await self._admin.dump()))

    def route(self, routes: bytes) -> None:
        """Give its Envoy these routes from applications. Raises NotWritten."""
        if routes != self._routes:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomically(self._file, routes)
            self._routes = routes

    def began(self) -> None:
        self.live.set()

    def ended(self) -> None:
        self.live.clear()

    def died(self) -> None:
        self.live.clear()
        self._rejected = 0

    async def expected(self) -> None:
        await self.known.wait()

    async def unread(self) -> str | None:
        try:
            progress = await self._progress()
        except AdminUnreachable:
            return "Envoy's admin does not answer"
        if self._has(progress, self._wanted()):
            self._rejected = progress.rejected
            return None
        if progress.rejected > self._rejected:
            return f"Envoy refused its configuration: {refusal.reason(self._log)}"
        return "istiod has not sent all of its configuration yet"

    async def settled(self, starts: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + STARTED_WITHIN_S
        while starts() and time.monotonic() < deadline:
            if await self.unread() is None:
                return True
            await asyncio.sleep(POLL_S)
        return False

    async def follow(self, generation: int) -> Effect:
        """Wait until Envoy has all of it.

        Raises:
            Unanswered: it neither answers nor ends.
            DeliveryFailed: it refused it, or istiod did not send it.
        """
        deadline = time.monotonic() + WITHIN_S
        while self.live.is_set():
            try:
                progress = await self._progress()
            except AdminUnreachable as error:
                if not self.live.is_set():
                    break
                raise Unanswered(str(error)) from error
            if progress.rejected > self._rejected:
                self._rejected = progress.rejected
                raise DeliveryFailed(f"Envoy refused it: {refusal.reason(self._log)}")
            if self._has(progress, generation):
                return Effect.DRAINING if progress.draining else Effect.EFFECTIVE
            if time.monotonic() > deadline:
                raise DeliveryFailed(f"istiod's configuration is not in force within {WITHIN_S:.0f} s")
            await asyncio.sleep(POLL_S)
        return Effect.UNREAD

    async def drained(self) -> None:
        deadline = time.monotonic() + DRAINED_WITHIN_S
        while self.live.is_set():
            with contextlib.suppress(AdminUnreachable):
                if (await self._progress()).draining == 0:
                    return
            if time.monotonic() > deadline:
                raise DeliveryFailed(f"old connections have not ended within {DRAINED_WITHIN_S:.0f} s")
            await asyncio.sleep(POLL_S)

    def _has(self, progress: Progress, generation: int) -> bool:
        routed = not self._routes or progress.egress == files.version(self._routes)
        return routed and progress.has(generation)

    async def _progress(self) -> Progress:
        return Progress.read(await self._admin.statistics(WANTED))
