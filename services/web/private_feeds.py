"""Feeds for the owner's feed reader alone, which cannot sign in: the address is the secret.

To read in the owner's name there is an API token of theirs (scope read), which they see and can revoke among
their others. A new address makes a new token and revokes the old one.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from weakref import WeakValueDictionary

from services.kit.errors import NotFound, Unauthenticated
from services.kit.settings import Secret
from services.users.client import NewApiToken, UsersClient
from services.web.feed_store import FeedStore, StoredFeed
from services.web.keys import Keys, Undecryptable

NONCE_BYTES = 16
# So long an access token serves before the API token is shown again, and one that was revoked is good.
KNOWN_S = 30.0
MAX_CACHED = 1_000


class PrivateFeeds:
    """Makes, finds and ends the private feeds of users."""

    def __init__(
        self,
        store: FeedStore,
        users: UsersClient,
        keys: Keys,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._users = users
        self._keys = keys
        self._now = now
        self._tokens: OrderedDict[bytes, tuple[float, Secret]] = OrderedDict()
        self._locks: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    async def key(self, user_id: int) -> str | None:
        """The secret part of the addresses; None when there are no private feeds."""
        feed = await self._store.find(user_id)
        return None if feed is None else self._key(feed)

    async def renew(self, access_token: Secret, user_id: int, username: str) -> None:
        """New addresses; the old ones end."""
        name = f"Private feeds ({secrets.token_hex(2)})"
        made = await self._users.create_token(access_token, NewApiToken(name=name, scopes=["read"]))
        nonce = secrets.token_bytes(NONCE_BYTES)
        closed = self._keys.encrypt(made.token.reveal().encode(), holder=nonce)
        replaced = await self._store.put(StoredFeed(user_id, username, nonce, made.api_token.id, closed))
        await self._revoke(access_token, replaced)

    async def end(self, access_token: Secret, user_id: int) -> None:
        await self._revoke(access_token, await self._store.delete(user_id))

    async def reader(self, key: str) -> tuple[StoredFeed, Secret]:
        """Whose feeds an address is of, and an access token to read them; raises NotFound."""
        nothing = NotFound("no such feed, or its address was renewed")
        number = key.partition("-")[0]
        if not (number.isascii() and number.isdigit() and len(number) < 19):
            raise nothing
        feed = await self._store.find(int(number))
        if feed is None or not hmac.compare_digest(self._key(feed).encode(), key.encode("utf-8", "replace")):
            raise nothing
        try:
            return feed, await self._access(feed)
        except (Unauthenticated, Undecryptable):
            # The owner has revoked the token, or is gone.
            raise nothing from None

    async def _access(self, feed: StoredFeed) -> Secret:
        lock = self._locks.setdefault(feed.nonce, asyncio.Lock())
        async with lock:
            until, access_token = self._tokens.get(feed.nonce, (0.0, Secret("")))
            if self._now() < until:
                return access_token
            api_token = Secret(self._keys.decrypt(feed.api_token, holder=feed.nonce).decode())
            good_until = self._now() + KNOWN_S
            access_token = (await self._users.exchange_token(api_token)).access_token
            self._tokens[feed.nonce] = (good_until, access_token)
            self._tokens.move_to_end(feed.nonce)
            if len(self._tokens) > MAX_CACHED:
                self._tokens.popitem(last=False)
            return access_token

    async def _revoke(self, access_token: Secret, api_token_id: int | None) -> None:
        if api_token_id is not None:
            try:
                await self._users.revoke_token(access_token, api_token_id)
            except NotFound:
                # Its owner was faster.
                return

    def _key(self, feed: StoredFeed) -> str:
        return f"{feed.user_id}-{self._keys.feed_secret(feed.user_id, feed.nonce)}"
