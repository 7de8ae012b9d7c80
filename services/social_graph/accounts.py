"""The users service, asked for somebody who is not known here: their event may still be on its way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

import structlog
from prometheus_client import CollectorRegistry, Counter

from services.kit.errors import NotFound, Problem, Unavailable
from services.kit.http import SERVICE_TOKEN, HttpClient
from services.kit.settings import Secret
from services.users.client import UserRegistered

# A request that waits for an answer may hold a connection of the database pool (10).
AT_ONCE = 4
PLACE_WITHIN_S = 0.1
ANSWERED_WITHIN_S = 2.0

_log = structlog.get_logger(__name__)


class Accounts:
    """Looks accounts up by name; without `base_url` it finds nobody."""

    def __init__(self, http: HttpClient, base_url: str, token: Secret, registry: CollectorRegistry) -> None:
        self._http = http
        self._base_url = base_url
        self._token = token
        self._places = asyncio.Semaphore(AT_ONCE)
        self._failures = Counter(
            "social_graph_account_failures",
            "Times the users service could not say whether somebody exists.",
            registry=registry,
        )

    async def by_name(self, username: str) -> UserRegistered | None:
        """The account with this name (folded); raises Unavailable when that cannot be said now."""
        if not self._base_url:
            return None
        try:
            async with self._place(), asyncio.timeout(ANSWERED_WITHIN_S):
                return await self._http.call(
                    "GET",
                    f"{self._base_url}/internal/v1/users/by-name/{{username}}",
                    UserRegistered,
                    path={"username": username},
                    headers={SERVICE_TOKEN: self._token.first()},
                )
        except NotFound:
            return None
        except (Problem, TimeoutError) as error:
            self._fail_closed(repr(error))

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """One of the few places; raises TimeoutError when none is free soon."""
        async with asyncio.timeout(PLACE_WITHIN_S):
            await self._places.acquire()
        try:
            yield
        finally:
            self._places.release()

    def _fail_closed(self, reason: str) -> NoReturn:
        """Neither "there is no such person" nor an edge to nobody: try again."""
        self._failures.inc()
        _log.warning("an account cannot be looked up", reason=reason)
        raise Unavailable("whether there is such a person cannot be said at this moment")
