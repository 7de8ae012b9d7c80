"""Whether the sign-in behind a session of the pages goes on: users is asked, its answer counts for a while.

An access token outlives its sign-in by up to ten minutes. Nobody who ends a session elsewhere, changes the
password or deletes the account expects to wait for that.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter

from services.kit.errors import Problem
from services.kit.settings import Secret
from services.users.client import UsersClient

# With the heartbeat of a live stream, which looks every 15 s, less than a minute.
ASKED_EVERY_S = 40.0
# A page waits no longer for the answer than this, and does not try again before that.
ANSWER_S = 2.0
TRIED_EVERY_S = 5.0
MAX_KNOWN = 20_000


class SignIns:
    """What users has said, by the hash of a session's id; each replica asks for itself."""

    def __init__(
        self, users: UsersClient, registry: CollectorRegistry, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._users = users
        self._now = now
        self._until: OrderedDict[bytes, float] = OrderedDict()
        self._unanswered = Counter(
            "web_sign_ins_unanswered", "Sessions that went on since users did not answer.", registry=registry
        )

    def confirm(self, id_hash: bytes) -> None:
        """Users has just given tokens for it."""
        self._know(id_hash, ASKED_EVERY_S)

    def is_known(self, id_hash: bytes) -> bool:
        """Whether it need not be asked about now."""
        return self._now() < self._until.get(id_hash, 0.0)

    async def goes_on(self, id_hash: bytes, access_token: Secret) -> bool:
        """Ask about a session, by an access token of it."""
        try:
            async with asyncio.timeout(ANSWER_S):
                is_open = await self._users.is_open(access_token)
        except (Problem, TimeoutError):
            self._go_on_unanswered(id_hash)
            return True
        if is_open:
            self.confirm(id_hash)
        return is_open

    def _go_on_unanswered(self, id_hash: bytes) -> None:
        """Fail open, at most until the access token ends: without users nobody ends a session either."""
        self._unanswered.inc()
        self._know(id_hash, TRIED_EVERY_S)

    def _know(self, id_hash: bytes, seconds: float) -> None:
        self._until[id_hash] = self._now() + seconds
        self._until.move_to_end(id_hash)
        if len(self._until) > MAX_KNOWN:
            self._until.popitem(last=False)
