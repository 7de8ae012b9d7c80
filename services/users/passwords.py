"""Password hashes: argon2id in a thread, never more at once than the processor bears."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import argon2
from anyio import CapacityLimiter, to_thread
from argon2.exceptions import VerifyMismatchError

from services.kit.errors import Unavailable
from services.kit.settings import Secret
from services.users.domain import normalise_password
from services.users.metrics import Metrics
from telemetry.traces import inside

# OWASP's first choice for argon2id: 19 MiB, two passes, one lane; about 25 ms of one core.
MEMORY_KIB = 19 * 1024
TIME_COST = 2
PARALLELISM = 1
# The queue empties within a second; a client that comes back then finds room.
RETRY_AFTER_S = 1.0

T = TypeVar("T")


class Passwords:
    """Hashes and verifies, at most `concurrency` at a time with `queue` more waiting.

    Raises Unavailable (503, Retry-After) when the queue is full: a flood of sign-ins then costs the
    flood its answers, not everybody's latency.
    """

    def __init__(
        self, metrics: Metrics, *, concurrency: int, queue: int, hasher: argon2.PasswordHasher | None = None
    ) -> None:
        self._metrics = metrics
        self._hasher = hasher or argon2.PasswordHasher(TIME_COST, MEMORY_KIB, PARALLELISM)
        self._limiter = CapacityLimiter(concurrency)
        self._queue = queue
        # What an unknown user's password is verified against; nobody knows the password that made it.
        self._nobody = self._hasher.hash(os.urandom(32))

    async def hash(self, password: Secret) -> str:
        """The PHC text of a password; the same text never twice."""
        return await self._run("hash", lambda: self._hasher.hash(_bytes(password)))

    async def verify(self, stored: str | None, password: Secret) -> bool:
        """Whether `password` made `stored`. None (an unknown user) takes the same work, and is False."""
        purpose = "verify" if stored is not None else "verify-unknown"
        right = await self._run(purpose, lambda: self._matches(stored or self._nobody, password))
        return right and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether `stored` was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _matches(self, stored: str, password: Secret) -> bool:
        try:
            return self._hasher.verify(stored, _bytes(password))
        except VerifyMismatchError:
            return False

    async def _run(self, purpose: str, work: Callable[[], T]) -> T:
        if self._limiter.statistics().tasks_waiting >= self._queue:
            self._metrics.password_overloads.inc()
            raise Unavailable("too many passwords are being checked", retry_after_s=RETRY_AFTER_S)
        self._metrics.password_hashes[purpose].inc()
        # With the wait for a thread, which is most of it when many sign in.
        with inside(f"argon2 {purpose}"):
            return await to_thread.run_sync(work, limiter=self._limiter)


def _bytes(password: Secret) -> bytes:
    return normalise_password(password.reveal()).encode()
