"""How long the caller still waits: set when a request arrives, passed on to every service asked meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

from services.kit.errors import DeadlineExceeded

# Milliseconds that the caller will still wait; a caller can shorten our deadline, never lengthen it.
HEADER = "x-request-timeout-ms"

_until: ContextVar[float | None] = ContextVar("deadline", default=None)


def remaining_s() -> float | None:
    """Seconds until the deadline of the current request (never below 0); None outside of one."""
    until = _until.get()
    return None if until is None else max(0.0, until - time.monotonic())


def from_header(value: str | None, limit_s: float) -> float:
    """What a request may take: as its header says, at most `limit_s`; a nonsensical header counts as none."""
    if value is None or not (value.isascii() and value.isdigit() and len(value) < 10):
        return limit_s
    return min(limit_s, int(value) / 1_000)


@asynccontextmanager
async def deadline(seconds: float) -> AsyncIterator[None]:
    """Cancel what is inside after `seconds` and raise DeadlineExceeded."""
    token = _until.set(time.monotonic() + seconds)
    timer = asyncio.timeout(seconds)
    try:
        async with timer:
            yield
    except TimeoutError as error:
        if timer.expired():
            raise DeadlineExceeded(f"it took longer than {seconds:g} s") from error
        raise
    finally:
        _until.reset(token)
