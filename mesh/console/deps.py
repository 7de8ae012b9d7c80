"""What pages work with, opened once per process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from mesh.console.control import Control, open_control
from mesh.console.events import Streams
from mesh.console.metrics.scraping import Scraper
from mesh.console.rollouts.looking import Rollouts
from mesh.console.settings import Settings
from mesh.console.tools import Tools
from mesh.console.watcher import Watcher
from mesh.local.runtime.state import State


@dataclass(frozen=True)
class Deps:
    settings: Settings
    control: Control
    watcher: Watcher
    streams: Streams
    tools: Tools
    session: aiohttp.ClientSession
    rollouts: Rollouts


@asynccontextmanager
async def open_deps(settings: Settings) -> AsyncIterator[Deps]:
    async with (
        open_control(State(settings.state).socket) as control,
        aiohttp.ClientSession(trust_env=False) as session,
    ):
        watcher = Watcher(control, Scraper(session))
        streams = Streams()
        watching = asyncio.create_task(watcher.run(), name="watcher")
        try:
            rollouts = Rollouts(State(settings.state).folder)
            yield Deps(settings, control, watcher, streams, Tools(control, session), session, rollouts)
        finally:
            streams.stop()
            watching.cancel()
            await asyncio.wait([watching])
