"""Work in the background of a block: tasks that end with it, whatever they were waiting for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

# `asyncio.wait_for` before Python 3.12 loses a cancellation that comes in the moment of its result, and
# nats-py waits with it for every answer: who is not gone after this long is told again.
AGAIN_S = 0.1

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def background(*works: Coroutine[Any, Any, None]) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Run `works` as long as the block lasts; they are cancelled and have ended when it is left.

    One that ends by a fault of its own is logged, and the others go on.
    """
    tasks = [asyncio.create_task(work, name=getattr(work, "__qualname__", None)) for work in works]
    for task in tasks:
        task.add_done_callback(_report)
    try:
        yield tasks
    finally:
        await end(*tasks)


async def end(*tasks: asyncio.Future[Any]) -> None:
    """Cancel `tasks` until they have ended; how they did is theirs."""
    waiting = {task for task in tasks if not task.done()}
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=AGAIN_S)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.critical("background work stopped", work=task.get_name(), error=repr(error))
