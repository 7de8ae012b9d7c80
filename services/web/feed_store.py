"""All SQL about private feeds."""

from __future__ import annotations

from dataclasses import dataclass

from services.kit.db import Database
from services.web.departures import IS_HERE, beside_departure

FIND = "SELECT user_id, username, nonce, api_token_id, api_token FROM feed_tokens WHERE user_id = $1"
# Whoever renews twice at the same time: the later one stays, and says which token it took the place of.
PUT = f"""
    INSERT INTO feed_tokens (user_id, username, nonce, api_token_id, api_token)
    SELECT $1, $2, $3, $4, $5 WHERE {IS_HERE.format(user="$1")}
    ON CONFLICT (user_id) DO UPDATE SET username = $2, nonce = $3, api_token_id = $4, api_token = $5,
        created_at = now()
    RETURNING old.api_token_id"""
DELETE = "DELETE FROM feed_tokens WHERE user_id = $1 RETURNING api_token_id"


@dataclass(frozen=True, repr=False)
class StoredFeed:
    """Somebody's private feeds; `api_token` is encrypted."""

    user_id: int
    username: str
    nonce: bytes
    api_token_id: int
    api_token: bytes


class FeedStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, user_id: int) -> StoredFeed | None:
        row = await self._database.fetchrow(FIND, user_id)
        return None if row is None else StoredFeed(*row)

    async def put(self, feed: StoredFeed) -> int | None:
        """Keep it; the id of the API token whose place it took, if there was one.

        Nothing is kept of an account that is gone.
        """
        async with beside_departure(self._database, feed.user_id):
            replaced: int | None = await self._database.fetchval(
                PUT, feed.user_id, feed.username, feed.nonce, feed.api_token_id, feed.api_token
            )
        return replaced

    async def delete(self, user_id: int) -> int | None:
        """Forget them; the id of the API token that is of no use now."""
        gone: int | None = await self._database.fetchval(DELETE, user_id)
        return gone
