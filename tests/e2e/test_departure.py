"""An account that is deleted leaves nothing in any store but its bare number and the time."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest
import redis.asyncio

from delinkcious import local
from tests.e2e.installation import PASSWORD, Account, Installation, eventually

FORGOTTEN_WITHIN_S = 60.0


READ: dict[Any, Callable[[redis.asyncio.Redis, bytes], Any]] = {
    b"string": lambda client, key: client.get(key),
    b"hash": lambda client, key: client.hgetall(key),
    b"set": lambda client, key: client.smembers(key),
    b"zset": lambda client, key: client.zrange(key, 0, -1),
    b"list": lambda client, key: client.lrange(key, 0, -1),
    b"stream": lambda client, key: client.xrange(key),
}


@dataclass(frozen=True)
class Stores:
    """Everything that is kept anywhere, to be searched for a word."""

    installation: Installation

    def with_word(self, word: str) -> list[str]:
        """Tables and keys that hold the word."""
        return asyncio.run(self._search(word))

    async def _search(self, word: str) -> list[str]:
        found = []
        for service in local.DATABASES:
            url = local.database_url(service, self.installation.state).reveal()
            connection = await asyncpg.connect(url)
            tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            for table in tables:
                name = table["tablename"]
                sql = f"SELECT count(*) FROM {name} AS t WHERE strpos(t::text, $1) > 0"  # noqa: S608 - a catalogue's
                if await connection.fetchval(sql, word):
                    found.append(f"{service}.{name}")
            await connection.close()
        client = redis.asyncio.Redis.from_url(local.redis_url(self.installation.state).reveal())
        found += [
            f"redis {key!r}"
            async for key in client.scan_iter()
            if word in f"{key!r} {await READ[await client.type(key)](client, key)!r}"
        ]
        await client.aclose()
        return found


@pytest.fixture
def stores(installation: Installation) -> Stores:
    return Stores(installation)


def lived(edge: httpx.Client, account: Account, friend: Account, word: str) -> None:
    """Use everything that keeps something."""

    def send(method: str, path: str, body: object = None, who: Account = account) -> httpx.Response:
        return edge.request(method, path, json=body, headers=who.headers).raise_for_status()

    for private in (True, False):
        link = {"url": f"https://example.org/{word}/{private}", "title": word, "note": word, "tags": [word]}
        send("POST", "/api/v1/links", {**link, "private": private})
    file = f'<!DOCTYPE NETSCAPE-Bookmark-file-1><DL><DT><A HREF="https://example.org/{word}/file">f</A></DL>'
    edge.put(f"/api/v1/imports/{word}", content=file.encode(), headers=account.headers).raise_for_status()
    token = send("POST", "/api/v1/tokens", {"name": word, "scopes": ["read", "write"]}).json()["token"]
    programs = {"authorization": f"Token {token}"}
    edge.post("/api/bundles/", json={"name": word, "search": word}, headers=programs).raise_for_status()
    send("PUT", f"/api/v1/following/{friend.name}")
    send("PUT", f"/api/v1/following/{account.name}", who=friend)


def test_nothing_is_left_of_an_account_that_was_deleted(
    installation: Installation, edge: httpx.Client, account: Account, stores: Stores
) -> None:
    friend, word = installation.account(), f"word{secrets.token_hex(8)}"
    lived(edge, account, friend, word)

    def news() -> list[str]:
        answer = edge.get("/api/v1/news", headers=friend.headers).raise_for_status()
        return [item["title"] for item in answer.json()["items"]]

    eventually(lambda: word in news(), FORGOTTEN_WITHIN_S, "the friend has the news")
    kept = stores.with_word(word)
    assert {"links.links", "users.api_tokens", "web.linkding_bundles"} <= set(kept)
    assert any(found.startswith("redis") for found in kept)

    gone = edge.request("DELETE", "/api/v1/users/me", json={"password": PASSWORD}, headers=account.headers)
    assert gone.status_code == 204, gone.text

    forgotten: Callable[[], bool] = lambda: not stores.with_word(word) and not stores.with_word(account.name)  # noqa: E731
    eventually(forgotten, FORGOTTEN_WITHIN_S, "nothing is left")
    assert news() == []
    followed = edge.get("/api/v1/following", headers=friend.headers).json()["items"]
    assert followed == []
    again = edge.post("/api/v1/links", json={"url": "https://example.org/late"}, headers=account.headers)
    assert again.status_code == 401
