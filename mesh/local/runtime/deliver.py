"""Brings snapshots into force: files moved into place step by step, each acknowledged by Envoy.

An Envoy that does not run reads them when it starts. One that is starting has read them when `settled`
returns; one that neither answers nor ends has them after a later try.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path

from mesh.local import files
from mesh.local.model import Snapshot
from mesh.local.runtime import refusal
from mesh.local.runtime.admin import Admin, AdminUnreachable, Status
from mesh.local.runtime.errors import DeliveryFailed, NotWritten, Unanswered
from mesh.local.runtime.state import write_atomically
from mesh.local.runtime.steps import Rendered, Step, steps

ACKNOWLEDGED_WITHIN_S = 10.0
ENDED_WITHIN_S = 1.0  # of the last sign of life; the supervisor hears of a death within milliseconds
STARTED_WITHIN_S = 10.0
DRAINED_WITHIN_S = 20.0  # Envoy's drain time is 1 s; a busy machine may be late
# Then the last again. An idle Envoy takes about 1 ms a file; a poll costs 0.2 ms here.
# The first comes when other proxies have their files, too.
POLL_S = (0.004, 0.003, 0.004, 0.005, 0.006, 0.008, 0.01)
LOOKS_EVERY = 10  # polls
SURE_AFTER = 3  # looks; Envoy reads files and answers in turn, so the third comes after all that was written
EMPTY = Snapshot({}, {}, {}, {})


class _Refused(DeliveryFailed):
    """Envoy said no."""


class Effect(Enum):
    """What a delivery did to a proxy."""

    NOTHING = "it had all of it"
    EFFECTIVE = "effective for new requests"
    DRAINING = "effective for new requests; older connections have to end before it is for all"
    UNREAD = "on disk for an Envoy that does not serve yet"


class Delivery:
    """The files of one proxy: `in_force` is what its Envoy acknowledged, or will read when it starts."""

    def __init__(self, folder: Path, admin: Admin, log: Path) -> None:
        self._folder = folder
        self._admin = admin
        self._log = log
        self._lock = asyncio.Lock()
        self._rejected = 0  # updates that Envoy has refused since it started, and that were told
        self._doubtful = True  # it may have refused more than that
        self._on_disk: dict[str, bytes] = {}
        self.in_force = Rendered.of(EMPTY)
        self.live = asyncio.Event()  # while its Envoy serves
        self._gone = asyncio.Event()  # the opposite
        self._gone.set()

    def began(self) -> None:
        """Its Envoy serves."""
        self._gone.clear()
        self.live.set()

    def ended(self) -> None:
        """Its Envoy was told to end."""
        self.live.clear()
        self._gone.set()

    def died(self) -> None:
        """Its Envoy is not there; the next one counts anew."""
        self.ended()
        self._rejected = 0

    def prepare(self, snapshot: Snapshot) -> None:
        """Write everything for an Envoy that is not running yet."""
        self._on_disk.clear()
        self._lay_out(Rendered.of(snapshot))

    async def deliver(self, snapshot: Snapshot, alike: files.Alike | None = None) -> Effect:
        """Make `snapshot` effective for new requests; `alike` has what other proxies are given now.

        Raises:
            NotWritten: the disk takes no more.
            Unanswered: Envoy neither answers nor ends; what was in force before is on disk again.
            DeliveryFailed: Envoy refused it or did not take it; what was in force before is on disk again.
        """
        async with self._lock:
            new = Rendered.of(snapshot, self.in_force, alike)
            self._write_in_force()  # nothing, unless the disk was full when it was to be restored
            todo = steps(self.in_force, new)
            if not todo:
                return Effect.NOTHING
            try:
                if not await self._serves() or not await self._taken(todo):
                    self._lay_out(new)
                    return Effect.UNREAD
            except _Refused:
                await self._take_back(new)
                raise
            except (DeliveryFailed, NotWritten):
                self._restore()
                raise
            self.in_force = new
            drains = any(files.LISTENERS in step.write for step in todo)
            return Effect.DRAINING if drains else Effect.EFFECTIVE

    async def look(self) -> None:
        """Nothing: `in_force` is what was acknowledged."""

    def renewed(self) -> None:
        """Envoy watches the file of its certificate by itself."""

    async def expected(self) -> None:
        """Nothing to wait for: `prepare` has written everything."""

    async def unread(self) -> str | None:
        """Why an Envoy that is starting does not serve by all that is on disk; None when it does."""
        try:
            status = await self._admin.status()
        except AdminUnreachable:
            return "Envoy's admin does not answer"
        if self._read(status):
            return None
        if status.rejected > self._rejected:
            return f"Envoy refused its configuration: {refusal.reason(self._log)}"
        return "Envoy has not read its configuration yet"

    async def settled(self, expected: Callable[[], bool]) -> bool:
        """Wait for an Envoy to serve by what is on disk while it is `expected` to start; whether it does.

        Raises DeliveryFailed when it refuses that.
        """
        deadline = time.monotonic() + STARTED_WITHIN_S
        refused = 0
        while expected() and time.monotonic() < deadline:
            try:
                status = await self._admin.status()
            except AdminUnreachable:
                refused = 0
            else:
                if self._read(status):
                    return True
                refused = refused + 1 if status.rejected > self._rejected else 0
                if refused == SURE_AFTER:
                    raise DeliveryFailed(f"Envoy refused it: {refusal.reason(self._log)}")
            await asyncio.sleep(POLL_S[-1])
        return False

    async def drained(self) -> None:
        """Wait until no connection lives on under older policies. Raises DeliveryFailed when some stay."""
        deadline = time.monotonic() + DRAINED_WITHIN_S
        while self.live.is_set():
            with contextlib.suppress(AdminUnreachable):
                if (await self._admin.status()).draining == 0:
                    return
            if time.monotonic() > deadline:
                raise DeliveryFailed(f"old connections have not ended within {DRAINED_WITHIN_S:.0f} s")
            await asyncio.sleep(POLL_S[-1])

    def _read(self, status: Status) -> bool:
        """Whether that Envoy serves by all that is on disk."""
        wanted = {files.version(data) for data in self._on_disk.values()}
        if not wanted <= status.versions or status.warming:
            return False
        self._rejected, self._doubtful = status.rejected, False
        return True

    async def _serves(self) -> bool:
        """Whether Envoy serves; if not, tell what it refused before from what it refuses from now on."""
        if not self.live.is_set():
            with contextlib.suppress(AdminUnreachable):
                await self._count_refusals()
        return self.live.is_set()  # now

    async def _taken(self, todo: list[Step]) -> bool:
        """Whether Envoy took it; False when it died meanwhile. Raises as `deliver`."""
        try:
            await self._run(todo)
        except AdminUnreachable as error:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._gone.wait(), ENDED_WITHIN_S)
            if self._gone.is_set():
                return False
            raise Unanswered(str(error)) from error
        return True

    async def _count_refusals(self) -> None:
        self._rejected = (await self._admin.status()).rejected
        self._doubtful = False

    async def _run(self, todo: list[Step]) -> None:
        if self._doubtful:
            await self._count_refusals()
        for step in todo:
            for name, data in step.write.items():
                self._write(name, data)
            if step.versions:
                await self._acknowledged(step)
            for name in step.remove:
                self._on_disk.pop(name, None)
                (self._folder / name).unlink(missing_ok=True)

    async def _acknowledged(self, step: Step) -> None:
        versions = step.versions
        warms = files.CLUSTERS in step.write or files.LISTENERS in step.write  # routes are taken at once
        deadline = time.monotonic() + ACKNOWLEDGED_WITHIN_S
        polls = 0
        while True:
            await asyncio.sleep(POLL_S[min(polls, len(POLL_S) - 1)])
            polls += 1
            # The versions alone cost Envoy a quarter of the whole look, which only a refusal needs meanwhile.
            seen = versions <= await self._admin.versions()
            if seen and not warms:
                return
            if not seen and polls % LOOKS_EVERY:
                continue
            status = await self._admin.status()
            refused, self._rejected = status.rejected > self._rejected, status.rejected
            if versions <= status.versions and status.warming == 0:
                return
            if refused and self.live.is_set():
                raise _Refused(f"Envoy refused it: {refusal.reason(self._log)}")
            if time.monotonic() > deadline:
                missing = len(versions - status.versions)
                raise DeliveryFailed(
                    f"not acknowledged within {ACKNOWLEDGED_WITHIN_S:.0f} s: {missing} of "
                    f"{len(versions)} resources missing, {status.warming} warming"
                )

    async def _take_back(self, refused: Rendered) -> None:
        """Put back what was in force, in the safe order if that goes: the rest of it is live."""
        self._doubtful = True
        with contextlib.suppress(DeliveryFailed, AdminUnreachable, NotWritten):
            await self._run(steps(refused, self.in_force))
        self._restore()

    def _restore(self) -> None:
        """Put back what was in force; what the disk does not take now, the next delivery puts back."""
        self._doubtful = True
        with contextlib.suppress(NotWritten):
            self._write_in_force()

    def _lay_out(self, rendered: Rendered) -> None:
        """Write everything at once, for an Envoy that does not serve."""
        for name in ("rds", "certs"):
            (self._folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        self._doubtful = True
        for name, data in rendered.contents.items():
            self._write(name, data)
        self.in_force = rendered
        for file in (self._folder / "rds").iterdir():
            if (name := f"rds/{file.name}") not in rendered.contents:
                self._on_disk.pop(name, None)
                file.unlink()

    def _write_in_force(self) -> None:
        for name, data in self.in_force.contents.items():
            self._write(name, data)

    def _write(self, name: str, data: bytes) -> None:
        if self._on_disk.get(name) != data:
            write_atomically(self._folder / name, data)
            self._on_disk[name] = data
