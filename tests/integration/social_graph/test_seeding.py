"""Example people and edges: as if they had come one by one, but without events."""

from __future__ import annotations

import datetime as dt

import asyncpg
import pytest

from services.social_graph import seeding
from tests.integration.social_graph.conftest import Meet, Query, count

pytestmark = pytest.mark.anyio

THEN = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


async def test_a_filled_graph_counts_and_can_be_filled_again(
    database_url: str, meet: Meet, query: Query
) -> None:
    connection = await asyncpg.connect(database_url)
    for _ in range(2):
        await seeding.write_people(connection, [(1, "ann"), (2, "bob"), (3, "eve")])
        await seeding.write_follows(connection, [(2, 1), (3, 1), (1, 3)], THEN)
    await connection.close()
    ann, bob = await meet("ann", id=1, known=False), await meet("bob", id=2, known=False)
    assert await ann.names("followers") == ["eve", "bob"]
    assert (await ann.get("following"))["items"][0]["since"] == "2020-01-01T00:00:00Z"
    assert await count(query, ann.id) == (2, 1)
    assert await query("SELECT FROM outbox") == []
    await bob.delete("following/ann")
    assert len(await query("SELECT FROM outbox")) == 1
