"""How much one answer holds: most links are short, but one may have 166,000 characters, a page 1,000 links.

An answer is held whole here and by whoever asked; so a page ends early when it is full, and leads on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from services.kit.db import Database, Record

# Each character may become six bytes in JSON: so an answer stays below what the kit's client reads (16 MiB).
MAX_CHARACTERS = 2 << 20
# Rows fetched at once, for the same reason.
PREFETCH = 50


class Sized(Protocol):
    """What of a link may be long."""

    @property
    def url(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def note(self) -> str: ...

    @property
    def tags(self) -> list[str]: ...


L = TypeVar("L", bound=Sized)


def characters(link: Sized) -> int:
    """How long a link is in an answer, but for what is short in every link."""
    notes = getattr(link, "notes", "")
    return len(link.url) + len(link.title) + len(link.note) + len(notes) + sum(map(len, link.tags))


def fitting(links: Sequence[Sized], limit: int) -> int:
    """How many of the first `limit` links fit into one answer; one does in any case."""
    size = 0
    for count, link in enumerate(links[:limit]):
        if size > MAX_CHARACTERS:
            return count
        size += characters(link)
    return min(len(links), limit)


async def read(
    database: Database, sql: str, arguments: Sequence[object], limit: int, make: Callable[[Record], L]
) -> tuple[list[Record], list[L], bool]:
    """The rows of a statement that asks for one more than `limit`, their links, and whether there are more.

    As many as fit into one answer.
    """
    if limit <= PREFETCH:
        rows = await database.fetch(sql, *arguments)
    else:
        rows = await _until_full(database, sql, arguments, make)
    links = [make(row) for row in rows[:limit]]
    count = fitting(links, limit)
    return rows[:count], links[:count], len(rows) > count


async def _until_full(
    database: Database, sql: str, arguments: Sequence[object], make: Callable[[Record], Sized]
) -> list[Record]:
    """Rows up to the first one that does not fit, in portions."""
    rows: list[Record] = []
    size = 0
    async with database.transaction(readonly=True) as connection:
        async for row in connection.cursor(sql, *arguments, prefetch=PREFETCH):
            rows.append(row)
            if size > MAX_CHARACTERS:
                break
            size += characters(make(row))
    return rows
