"""An account's end: its tokens are good for some minutes more, and leave nothing behind."""

from __future__ import annotations

import datetime as dt

import pytest

from services.kit.db import Database
from services.users.client import USER_DELETED, UserDeleted
from services.web.consuming import subscriptions
from services.web.departures import TABLES, Departures
from services.web.feed_store import FeedStore, StoredFeed
from services.web.session_store import SessionStore, StoredSession
from tests.integration.programs.conftest import Person
from tests.web_stack import Stack

pytestmark = pytest.mark.anyio

LATER = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def database(stack: Stack) -> Database:
    found: Database = stack.web.state.kit.running.deps.database
    return found


async def depart(database: Database, person: Person) -> None:
    """What the consumer does when it hears that an account is gone."""
    (wanted,) = subscriptions(Departures(database))
    assert wanted.event_type == USER_DELETED
    for _ in range(2):
        await wanted.handler(None, UserDeleted(person.id, person.name))  # type: ignore[arg-type]


async def left(database: Database, person: Person) -> dict[str, int]:
    """How many rows each table has of somebody."""
    return {
        table: await database.fetchval(f"SELECT count(*) FROM {table} WHERE user_id = $1", person.id)  # noqa: S608
        for table in TABLES
    }


async def keep(database: Database, person: Person) -> None:
    """A session and private feeds, as a sign-in and a renewal at the same time would leave them."""
    id_hash = person.id.to_bytes(32, "big")
    await SessionStore(database).add(StoredSession(id_hash, person.id, person.name, 1, b"", LATER, LATER))
    await FeedStore(database).put(StoredFeed(person.id, person.name, b"nonce", 1, b""))


async def test_nothing_comes_again_of_who_is_gone(ann: Person, bob: Person, database: Database) -> None:
    for person in (ann, bob):
        await person.linkding("POST", "bundles/", 201, json={"name": "before"})
        await keep(database, person)
    await depart(database, ann)
    assert set((await left(database, ann)).values()) == {0}

    await ann.linkding("POST", "bundles/", 401, json={"name": "after"})
    await keep(database, ann)
    assert set((await left(database, ann)).values()) == {0}
    await bob.linkding("POST", "bundles/", 201, json={"name": "after"})
    assert await left(database, bob) == {"web_sessions": 1, "feed_tokens": 1, "linkding_bundles": 2}
