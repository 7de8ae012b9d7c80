"""What happens by itself: sessions that have expired are deleted, a bounded number at a time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from services.kit.background import background
from services.kit.errors import Problem
from services.web.session_store import SessionStore

EVERY_S = 60.0
ROWS = 1_000

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def cleaning(store: SessionStore) -> AsyncIterator[None]:
    """Rounds in the background as long as the block lasts."""
    async with background(_rounds(store)):
        yield


async def _rounds(store: SessionStore) -> None:
    while True:
        await asyncio.sleep(EVERY_S * random.uniform(0.8, 1.2))  # noqa: S311 - spreads, guards nothing
        try:
            await store.clean(ROWS)
        except Problem as error:
            _log.warning("cleaning failed, next round in a minute", error=str(error))
