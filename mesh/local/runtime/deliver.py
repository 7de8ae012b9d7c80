"""Brings snapshots into force: files moved into place step by step, each acknowledged by Envoy."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

from mesh.local import files
from mesh.local.model import Snapshot
from mesh.local.runtime.admin import Admin, AdminUnreachable
from mesh.local.runtime.errors import DeliveryFailed, NotWritten
from mesh.local.runtime.process import last_lines
from mesh.local.runtime.state import write_atomically
from mesh.local.runtime.steps import Rendered, Step, steps

ACKNOWLEDGED_WITHIN_S = 10.0
DRAINED_WITHIN_S = 20.0  # Envoy's drain time is 1 s; a busy machine may be late
# Then the last again. An idle Envoy takes about 1 ms a file; a poll costs 0.2 ms here.
POLL_S = (0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008, 0.01)
LOOKS_EVERY = 10  # polls
EMPTY = Snapshot({}, {}, {}, {})


class Delivery:
    """The files of one proxy: `in_force` is what its Envoy acknowledged, or will read when it starts."""

    def __init__(self, folder: Path, admin: Admin, log: Path) -> None:
        self._folder = folder
        self._admin = admin
        self._log = log
        self._lock = asyncio.Lock()
        self._rejected = 0  # updates that Envoy has refused since it started
        self._on_disk: dict[str, bytes] = {}
        self.in_force = Rendered.of(EMPTY)
        self.live = asyncio.Event()  # set by the sidecar while its Envoy runs

    def prepare(self, snapshot: Snapshot) -> None:
        """Write everything for an Envoy that is not running yet."""
        rendered = Rendered.of(snapshot)
        for name in ("rds", "certs"):
            (self._folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        for file in (self._folder / "rds").iterdir():
            if f"rds/{file.name}" not in rendered.contents:
                file.unlink()
        self._on_disk.clear()
        for name, data in rendered.contents.items():
            self._write(name, data)
        self.in_force = rendered

    async def deliver(self, snapshot: Snapshot) -> bool:
        """Make `snapshot` effective for new requests; whether connections must drain before it is for all.

        Raises:
            NotWritten: the disk takes no more.
            DeliveryFailed: Envoy refused it or stayed silent; what was in force before is on disk again.
        """
        async with self._lock:
            new = Rendered.of(snapshot, self.in_force)
            todo = steps(self.in_force, new)
            if not todo:
                self._write_in_force()  # nothing, unless the disk was full when it was to be restored
                return False
            if not self.live.is_set():
                self.prepare(snapshot)
                return False
            try:
                await self._run(todo)
            except AdminUnreachable:
                if not self.live.is_set():  # it died meanwhile: the next one reads what is on disk
                    self.prepare(snapshot)
                    return False
                self._restore()
                raise
            except (DeliveryFailed, NotWritten):
                self._restore()
                raise
            self.in_force = new
            return any(files.LISTENERS in step.write for step in todo)

    async def synced(self) -> bool:
        """Whether an Envoy that has just started has read all that is on disk."""
        try:
            status = await self._admin.status()
        except AdminUnreachable:
            return False
        self._rejected = status.rejected
        wanted = {files.version(data) for data in self._on_disk.values()}
        return wanted <= status.versions and status.warming == 0

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

    async def _run(self, todo: list[Step]) -> None:
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
                raise DeliveryFailed(f"Envoy refused it: {self._reason()}")
            if time.monotonic() > deadline:
                missing = len(versions - status.versions)
                raise DeliveryFailed(
                    f"not acknowledged within {ACKNOWLEDGED_WITHIN_S:.0f} s: {missing} of "
                    f"{len(versions)} resources missing, {status.warming} warming"
                )

    def _restore(self) -> None:
        """Put back what was in force; what the disk does not take now, the next delivery puts back."""
        with contextlib.suppress(NotWritten):
            self._write_in_force()

    def _write_in_force(self) -> None:
        for name, data in self.in_force.contents.items():
            self._write(name, data)

    def _write(self, name: str, data: bytes) -> None:
        if self._on_disk.get(name) != data:
            write_atomically(self._folder / name, data)
            self._on_disk[name] = data

    def _reason(self) -> str:
        refusals = [line for line in last_lines(self._log, 40) if "rejected" in line]
        return refusals[-1].partition("rejected: ")[2] if refusals else "see the sidecar's log"
