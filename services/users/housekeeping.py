"""What happens by itself: keys are rotated and read again, what has expired is deleted in small steps."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import structlog

from services.kit.background import background
from services.kit.errors import Problem
from services.kit.settings import InvalidSettings
from services.users.deps import Deps
from services.users.encryption import UndecryptableKey
from services.users.key_store import KeyStore
from services.users.signer import RELOAD_EVERY

# So many rows a statement, so many statements a round: no lock is held for long, and 10,000 rows a
# minute leave faster than they come.
BATCH_ROWS = 1_000
BATCHES = 10
# An expired token stays in the owner's list for a while, so that one sees why a program stopped.
EXPIRED_TOKENS_KEPT = dt.timedelta(days=30)
# How often a process without keys asks for them.
RETRY_EVERY = dt.timedelta(seconds=1)
# As long as the kit keeps its Idempotency-Keys.
REQUEST_KEYS_KEPT = dt.timedelta(hours=24)

# How long entries of the audit log stay, unless the settings say otherwise.
AUDIT_KEPT = dt.timedelta(days=180)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Housekeeping:
    """The periodic work; one round is safe to run in several replicas at the same time."""

    deps: Deps
    keys: KeyStore
    audit_kept: dt.timedelta = AUDIT_KEPT

    async def tend_keys(self) -> None:
        """Rotate when it is time, then read the keys."""
        await self.keys.rotate_when_due(self.deps.clock())
        await self.deps.signer.reload()

    async def clean(self) -> int:
        """Delete what has expired, a bounded number of rows; returns how many."""
        deps, now = self.deps, self.deps.clock()
        return (
            await _batches(lambda: deps.sessions.clean(now, BATCH_ROWS))
            + await _batches(lambda: deps.throttle.clean(now, BATCH_ROWS))
            + await _batches(lambda: deps.tokens.clean(now - EXPIRED_TOKENS_KEPT, BATCH_ROWS))
            + await _batches(lambda: deps.users.forget_request_keys(now - REQUEST_KEYS_KEPT, BATCH_ROWS))
            + await _batches(lambda: deps.attempts.clean(now, BATCH_ROWS))
            + await _batches(lambda: deps.audit.forget(now - self.audit_kept, BATCH_ROWS))
            + await _batches(lambda: deps.audit.forget_deleted(now - self.audit_kept, BATCH_ROWS))
        )

    async def round(self) -> None:
        """Both; a failure is logged and counted, since the next round may succeed."""
        await self._attempt(self.tend_keys)
        await self._attempt(self.clean)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The keys now, and rounds in the background as long as the block lasts.

        Without a database the process starts all the same, is not ready, and tries again every second.
        Raises InvalidSettings when the keys do not open with KEY_ENCRYPTION_KEY.
        """
        await self._attempt(self._first_keys)
        # Without it nobody rotates and nobody cleans any more, and readiness fails when the keys get old.
        async with background(self._rounds()):
            yield

    async def _rounds(self) -> None:
        while True:
            pause = RELOAD_EVERY if self.deps.signer.is_ready else RETRY_EVERY
            await asyncio.sleep(pause.total_seconds() * random.uniform(0.8, 1.0))  # noqa: S311 - spreads, guards nothing
            await self.round()

    async def _first_keys(self) -> None:
        try:
            await self.tend_keys()
        except UndecryptableKey as error:
            raise InvalidSettings(str(error)) from error

    async def _attempt(self, work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except (Problem, UndecryptableKey, asyncpg.PostgresError, OSError) as error:
            self.deps.metrics.housekeeping_failures.inc()
            _log.error("housekeeping failed", work=getattr(work, "__name__", ""), error=repr(error))


async def _batches(clean: Callable[[], Awaitable[int]]) -> int:
    total = 0
    for _ in range(BATCHES):
        done = await clean()
        total += done
        if done < BATCH_ROWS:
            break
    return total
