"""The process of a controller: until it is told to end, or may not drive any more."""

from __future__ import annotations

import asyncio
import logging
import signal
from pathlib import Path

from mesh.canary.kubernetes import home
from mesh.canary.kubernetes.lease import LeaseLost
from mesh.canary.runs.folder import Busy

LOST, BUSY = 3, 4  # exit codes; whatever started it starts it again

_log = logging.getLogger(__name__)


async def run(
    context: str | None, namespace: str | None, runs: Path, prometheus: str, holder: str, host: str, port: int
) -> int:
    """What to exit with; SIGTERM and SIGINT end it well. Raises PlatformError."""
    client = home.connect(context)
    settings = home.Settings(namespace or client.namespace, runs, prometheus, holder, host, port)
    loop = asyncio.get_running_loop()
    async with client:
        task = asyncio.ensure_future(home.drive(client, settings))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        return await ended(task)


async def ended(task: asyncio.Future[None]) -> int:
    """What its end means."""
    try:
        await task
    except asyncio.CancelledError:
        return 0
    except LeaseLost as error:
        _log.error("%s: this controller ends", error)
        return LOST
    except ExceptionGroup as group:
        busy, others = group.split(Busy)
        if busy is None or others is not None:
            raise
        _log.error("another process writes to the journals: this controller ends")
        return BUSY
    return 0
