"""Example accounts, written at COPY's speed and without events: all have one password."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import argon2
import asyncpg

from services.users.passwords import MEMORY_KIB, PARALLELISM, TIME_COST


async def write_users(
    connection: asyncpg.Connection, usernames: Sequence[str], password: str, created_at: dt.datetime
) -> list[int]:
    """Add accounts, or find those that are there; their ids in the order of the names."""
    hashed = argon2.PasswordHasher(TIME_COST, MEMORY_KIB, PARALLELISM).hash(password)
    async with connection.transaction():
        await connection.execute("CREATE TEMPORARY TABLE seeded (username text) ON COMMIT DROP")
        await connection.copy_records_to_table("seeded", records=[(name,) for name in usernames])
        await connection.execute(
            """INSERT INTO users (username, password_hash, created_at, password_changed_at)
               SELECT username, $1, $2, $2 FROM seeded ON CONFLICT DO NOTHING""",
            hashed,
            created_at,
        )
        rows = await connection.fetch("SELECT username, id FROM users JOIN seeded USING (username)")
    ids = {row["username"]: row["id"] for row in rows}
    return [ids[name] for name in usernames]
