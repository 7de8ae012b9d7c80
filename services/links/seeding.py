"""Example links, written at COPY's speed and without events: whoever fills a database rebuilds what is built
from events afterwards."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import asyncpg
import msgspec

_FIELDS = ("url", "host", "title", "note", "tags", "private", "to_read", "created_at")


class SeedLink(msgspec.Struct, frozen=True):
    """A link in its stored form: normalised URL with its host, tags sorted by code point and each once."""

    url: str
    host: str
    title: str
    note: str
    tags: list[str]
    private: bool
    to_read: bool
    created_at: dt.datetime


async def write_links(connection: asyncpg.Connection, links: Iterable[tuple[int, SeedLink]]) -> None:
    """Add links, each with its owner's id, in one transaction. Raises asyncpg's error when one is there."""
    records = (
        (owner_id, *(getattr(link, field) for field in _FIELDS), link.created_at) for owner_id, link in links
    )
    columns = ("owner_id", *_FIELDS, "updated_at")
    async with connection.transaction():
        await connection.execute("SET LOCAL delinkcious.events = off")
        await connection.copy_records_to_table("links", records=records, columns=columns)
