"""The loop: drives every run that nobody has ended, each by itself, and ends when there is none."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from mesh.canary.platform import Platform, PlatformError
from mesh.canary.runs.conductor import Conductor
from mesh.canary.runs.folder import Folder, name_of
from mesh.canary.runs.gates import Gates
from mesh.canary.runs.hands import Around
from mesh.canary.runs.journal import DamagedJournal, Event, Journal, events
from mesh.canary.runs.notices import Notices
from mesh.canary.runs.run import NotARun, Run, fold
from mesh.canary.runs.traffic import NotASplit
from mesh.canary.signals import Source

LOOK_S = 0.5
# After what could not be done: soon again, then less often.
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 10.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Site:
    """Where a run takes place. `prometheus` is the address that its gates ask, None without one.

    `mirrored` is the evidence while the canary gets copies of requests, `source` while it gets requests.
    """

    platform: Platform
    source: Source
    mirrored: Source
    prometheus: str | None


Open = Callable[[Run], AbstractAsyncContextManager[Site]]


class Controller:
    """Drives the runs of a folder; `open_site` opens where one takes place."""

    def __init__(self, folder: Folder, open_site: Open) -> None:
        self._folder = folder
        self._open_site = open_site

    async def work(self, *, lasting: bool = False) -> None:
        """Until all runs have ended; for ever when `lasting`. Raises Busy when another one does it."""
        with self._folder.driven():
            async with asyncio.TaskGroup() as group:
                driven: dict[Path, asyncio.Task[None]] = {}
                while True:
                    for path in self._folder.unfinished():
                        if path not in driven:
                            driven[path] = group.create_task(self._drive(path), name=name_of(path))
                    # One that could not be read stays here, so that it is said once.
                    if not lasting and all(task.done() for task in driven.values()):
                        return
                    await asyncio.sleep(LOOK_S)

    async def _drive(self, path: Path) -> None:
        """Until it has ended. A turn that fails is begun anew from the journal; other runs go on."""
        name = name_of(path)
        while True:
            try:
                run = await self._go_on(path)
            except (DamagedJournal, NotARun, FileNotFoundError, IsADirectoryError, RecursionError) as error:
                _log.error("run %s is not driven: %s", name, error)
                return
            except Exception:
                _log.exception("run %s: a turn failed; tried again in %g s", name, LONGEST_WAIT_S)
                await asyncio.sleep(LONGEST_WAIT_S)
            else:
                _log.info("run %s has ended: %s: %s", name, run.verdict, run.reason)
                return

    async def _go_on(self, path: Path) -> Run:
        """The run, once it has ended."""
        run = await asyncio.to_thread(read, path)
        journal = Journal(path)
        _log.info("run %s of %s goes on: %s", name_of(path), run.spec.service, run.stage)
        try:
            async with self._around(path, run, journal) as around:
                conductor = Conductor(run, around)
                try:
                    await _conduct(name_of(path), conductor)
                finally:
                    conductor.close()
        finally:
            journal.close()
        return run

    @asynccontextmanager
    async def _around(self, path: Path, run: Run, journal: Journal) -> AsyncIterator[Around]:
        async with aiohttp.ClientSession(trust_env=False) as client, self._open_site(run) as site:
            notices = Notices(client, run.began)
            if run.last_at == run.began.at:  # nothing has happened yet
                notices.tell(run.began)

            def record(event: Event) -> None:
                journal.append(event)
                notices.tell(event)

            gates = Gates(client, site.prometheus, lambda: datetime.now(UTC))
            async with notices.sent():
                yield Around(
                    site.platform,
                    site.source,
                    gates,
                    time.time,
                    time.monotonic,
                    record,
                    lambda after: self._folder.said(path, after),
                )


def read(path: Path) -> Run:
    """The run of a journal. Raises DamagedJournal, NotARun, OSError."""
    try:
        return fold(events(path))
    except DamagedJournal:
        raise
    except ValueError as error:  # what the decision refuses
        raise NotARun(f"{path}: {error}") from error


async def _conduct(name: str, conductor: Conductor) -> None:
    """Turn after turn; what cannot be done now is said once and tried again."""
    wait_s, said = FIRST_WAIT_S, ""
    while not conductor.run.ended:
        try:
            pause_s = await conductor.turn()
        except (PlatformError, NotASplit, OSError) as error:
            if str(error) != said:
                said = str(error)
                _log.warning("run %s: %s; tried again", name, said)
            pause_s, wait_s = wait_s, min(2 * wait_s, LONGEST_WAIT_S)
        else:
            if said:
                _log.info("run %s goes on", name)
            wait_s, said = FIRST_WAIT_S, ""
        await asyncio.sleep(pause_s)
