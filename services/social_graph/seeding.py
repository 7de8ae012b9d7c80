"""Example people and edges, written at COPY's speed and without events: whoever fills a database rebuilds
what is built from events afterwards."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import asyncpg

ADD_PEOPLE = "INSERT INTO people (user_id, username) SELECT * FROM seeded ON CONFLICT DO NOTHING"
ADD_FOLLOWS = """
    INSERT INTO follows (follower_id, followee_id, created_at)
    SELECT follower_id, followee_id, $1 FROM seeded ORDER BY place ON CONFLICT DO NOTHING"""


async def write_people(connection: asyncpg.Connection, people: Iterable[tuple[int, str]]) -> None:
    """Make accounts known, by id and username; those that are known stay."""
    async with connection.transaction():
        await connection.execute(
            "CREATE TEMPORARY TABLE seeded (user_id bigint, username text) ON COMMIT DROP"
        )
        await connection.copy_records_to_table("seeded", records=people)
        await connection.execute(ADD_PEOPLE)


async def write_follows(
    connection: asyncpg.Connection, edges: Iterable[tuple[int, int]], created_at: dt.datetime
) -> None:
    """Let people who are known follow each other: pairs of ids, in order; edges that are there stay."""
    async with connection.transaction():
        await connection.execute("SET LOCAL delinkcious.events = off")
        await connection.execute(
            "CREATE TEMPORARY TABLE seeded (place bigint GENERATED ALWAYS AS IDENTITY,"
            " follower_id bigint, followee_id bigint) ON COMMIT DROP"
        )
        columns = ("follower_id", "followee_id")
        await connection.copy_records_to_table("seeded", records=edges, columns=columns)
        await connection.execute(ADD_FOLLOWS, created_at)
