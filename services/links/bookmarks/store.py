"""Imports and what they write, and the export's pages, in PostgreSQL."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

import msgspec

from services.kit.db import Database, Record
from services.kit.errors import Conflict, NotFound, Unauthenticated, Unprocessable
from services.links.store import IS_GONE, LOCK_OWNER
from telemetry.traces import current_traceparent

from .merge import MAX_LISTED, Row
from .messages import Contents, Import
from .model import Options, Skipped

# A replica that died is thought alive for as long. Every batch and every second of reading renews it.
LEASE_S = 30
KEPT_IMPORTS = 50
# A piece of the file is made whole: 50 links are 50 MB at worst, and 25 kB as a rule.
EXPORT_PAGE = 50

# The triggers that count an owner's links lock this row; see 0001_links.sql.
MAKE_OWNER = "INSERT INTO link_owners (owner_id) VALUES ($1) ON CONFLICT DO NOTHING"

FORGET = """
    DELETE FROM imports WHERE owner_id = $1 AND key IN (
        SELECT key FROM imports WHERE owner_id = $1 ORDER BY updated_at DESC OFFSET $2)"""

RUNNING = "SELECT key FROM imports WHERE owner_id = $1 AND lease_until > now()"

BEGIN = """
    INSERT INTO imports AS i (owner_id, key, folders, private, total_bytes, holder, lease_until)
    VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))
    ON CONFLICT ON CONSTRAINT imports_pkey DO UPDATE SET
        state = CASE WHEN i.state = 'done' THEN i.state ELSE 'receiving' END,
        bytes = CASE WHEN i.state = 'done' THEN i.bytes ELSE 0 END,
        total_bytes = CASE WHEN i.state = 'done' THEN i.total_bytes ELSE EXCLUDED.total_bytes END,
        updated_at = CASE WHEN i.state = 'done' THEN i.updated_at ELSE now() END,
        holder = EXCLUDED.holder, lease_until = EXCLUDED.lease_until
    RETURNING *"""

# Whoever lost the lease finds no row, and stops.
_HELD = "WHERE owner_id = $1 AND key = $2 AND holder = $3"

# A finished import stays as it is while its file is sent again, but for the lease.
BEAT = f"""
    UPDATE imports SET
        state = CASE WHEN state = 'done' THEN state ELSE $4 END,
        bytes = CASE WHEN state = 'done' THEN bytes ELSE $5 END,
        updated_at = CASE WHEN state = 'done' THEN updated_at ELSE now() END,
        lease_until = now() + make_interval(secs => $6)
    {_HELD} RETURNING key"""  # noqa: S608 - constants

RECEIVED = f"""
    UPDATE imports SET content = $4, total_bytes = $5, bytes = 0, state = 'reading', updated_at = now()
    {_HELD} RETURNING key"""  # noqa: S608 - constants

READ = f"""
    UPDATE imports SET contents = $4, state = 'writing', bytes = total_bytes, updated_at = now()
    {_HELD} RETURNING key"""  # noqa: S608 - constants

END = f"""
    UPDATE imports SET state = $4, problem = $5, updated_at = now() {_HELD} RETURNING key"""  # noqa: S608 - constants

RELEASE = f"UPDATE imports SET holder = NULL, lease_until = NULL {_HELD}"  # noqa: S608 - constants

GET = (
    "SELECT *, coalesce(lease_until > now(), false) AS running FROM imports WHERE owner_id = $1 AND key = $2"
)

# What is saved already counts as the first entry with its address (README.md of the corpus, last rule): tags
# united, the earliest date, the first title and note that are not empty, private or to read if either is.
# Whether it is archived stays as it was.
# A title that is the address stands for none.
WRITE = """
    WITH sent AS (
        SELECT s.*, l.id IS NULL AS is_new,
               l.id IS NOT NULL OR count(*) FILTER (WHERE l.id IS NULL) OVER (ORDER BY s.place) <= $16
                   AS fits,
               l.title AS old_title, l.note AS old_note, l.tags AS old_tags, l.private AS old_private,
               l.to_read AS old_to_read, l.created_at AS old_created_at, l.notes AS old_notes,
               l.archived AS old_archived
        FROM unnest($5::bigint[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::boolean[],
                    $12::boolean[], $13::bigint[], $14::text[], $15::boolean[])
             AS s(place, url, host, title, note, tags, private, to_read, created_at, notes, archived)
        LEFT JOIN links AS l ON l.owner_id = $1 AND l.url_hash = url_digest(s.url)),
    merged AS (
        SELECT place, url, host,
               CASE WHEN old_title NOT IN ('', url) THEN old_title ELSE title END AS title,
               CASE WHEN old_note <> '' THEN old_note ELSE note END AS note,
               CASE WHEN is_new THEN string_to_array(tags, ' ')
                    ELSE united_tags(old_tags, string_to_array(tags, ' ')) END AS tags,
               private OR coalesce(old_private, false) AS private,
               to_read OR coalesce(old_to_read, false) AS to_read,
               coalesce(least(old_created_at, to_timestamp(created_at)), now()) AS created_at,
               CASE WHEN old_notes <> '' THEN old_notes ELSE notes END AS notes,
               coalesce(old_archived, archived) AS archived,
               is_new, old_title, old_note, old_tags, old_private, old_to_read, old_created_at, old_notes,
               old_archived
        FROM sent WHERE fits),
    written AS (
        INSERT INTO links AS l (owner_id, url, host, title, note, tags, private, to_read, created_at, notes,
                                archived)
        SELECT $1, url, host, title, note, tags, private, to_read, created_at, notes, archived
        FROM merged
        WHERE is_new OR (title, note, tags, private, to_read, created_at, notes, archived) IS DISTINCT FROM
                        (old_title, old_note, old_tags, old_private, old_to_read, old_created_at,
                         old_notes, old_archived)
        ORDER BY place
        ON CONFLICT ON CONSTRAINT links_owner_url_key DO UPDATE SET
            title = EXCLUDED.title, note = EXCLUDED.note, tags = EXCLUDED.tags, private = EXCLUDED.private,
            to_read = EXCLUDED.to_read, created_at = EXCLUDED.created_at, notes = EXCLUDED.notes,
            archived = EXCLUDED.archived,
            updated_at = now(), version = l.version + 1
        RETURNING old.id IS NULL AS is_new),
    outcome AS (
        SELECT (SELECT count(*) FROM sent) AS handled,
               (SELECT count(*) FROM written WHERE is_new) AS added,
               (SELECT count(*) FROM written WHERE NOT is_new) AS updated,
               (SELECT count(*) FROM sent WHERE NOT fits) AS refused)
    UPDATE imports AS i SET
        last_place = $17, handled = i.handled + o.handled, added = i.added + o.added,
        updated = i.updated + o.updated, refused = i.refused + o.refused,
        unchanged = i.unchanged + o.handled - o.added - o.updated - o.refused,
        refused_entries = CASE WHEN o.refused = 0 THEN i.refused_entries ELSE (
            SELECT jsonb_agg(entry ORDER BY number) FROM (
                SELECT entry, number
                FROM jsonb_array_elements(i.refused_entries) WITH ORDINALITY AS listed(entry, number)
                UNION ALL
                SELECT jsonb_build_object('place', place, 'url', left(url, 2000), 'reason', 'quota-exceeded'),
                       $4 + place
                FROM sent WHERE NOT fits
                ORDER BY number LIMIT $4) AS first_ones) END,
        lease_until = now() + make_interval(secs => $18), updated_at = now()
    FROM outcome AS o
    WHERE i.owner_id = $1 AND i.key = $2 AND i.holder = $3
    RETURNING i.handled"""

EXPORT = """
    SELECT id, url, title, note, tags, private, to_read, created_at, notes, archived
    FROM links WHERE owner_id = $1 AND id > $2 ORDER BY id LIMIT $3"""


class ImportRunning(Conflict):
    """Another import of the same owner is at work; `key` names it."""

    title = "An import is running"


class KeyReused(Unprocessable):
    """The key belongs to another file, or to other options."""

    title = "Key used for another import"


@dataclass(frozen=True)
class Held:
    """The right to work on an import, for as long as the lease is renewed."""

    owner_id: int
    key: str
    holder: uuid.UUID


class ImportStore:
    """The imports of all owners."""

    def __init__(self, database: Database, *, max_links: int) -> None:
        self._database = database
        self.max_links = max_links

    async def begin(
        self, owner_id: int, key: str, options: Options, total_bytes: int | None
    ) -> tuple[Held, Record]:
        """Take the lease of an import, new or begun before. Raises ImportRunning, KeyReused."""
        held = Held(owner_id, key, uuid.uuid4())
        async with self._database.transaction() as connection:
            await connection.execute(MAKE_OWNER, owner_id)
            await connection.fetchval(LOCK_OWNER, owner_id, current_traceparent())
            if await connection.fetchval(IS_GONE, owner_id):
                raise Unauthenticated("the account was deleted", error="invalid_token")
            running = await connection.fetchval(RUNNING, owner_id)
            if running is not None:
                raise ImportRunning("wait for its end, one runs at a time", key=running)
            await connection.execute(FORGET, owner_id, KEPT_IMPORTS - 1)
            row = await connection.fetchrow(
                BEGIN, owner_id, key, options.folders, options.private, total_bytes, held.holder, LEASE_S
            )
            assert row is not None  # noqa: S101 - an upsert without a condition
            if (row["folders"], row["private"]) != (options.folders, options.private):
                raise KeyReused("the import of this key has other options")
        return held, row

    async def beat(self, held: Held, state: str, bytes_done: int) -> None:
        await self._step(BEAT, held, state, bytes_done, LEASE_S)

    async def received(self, held: Held, content: bytes, total_bytes: int) -> None:
        await self._step(RECEIVED, held, content, total_bytes)

    async def read(self, held: Held, contents: Contents) -> None:
        await self._step(READ, held, msgspec.json.encode(contents).decode())

    async def write(self, held: Held, rows: Sequence[Row]) -> None:
        """Write some links and note that they are written, both or neither."""
        columns = zip(*map(msgspec.structs.astuple, rows), strict=True)
        async with self._database.transaction() as connection:
            # A statement of its own: the next one sees what the writers before us wrote.
            links = await connection.fetchval(LOCK_OWNER, held.owner_id, current_traceparent())
            room = max(0, self.max_links - (links or 0))
            place = rows[-1].place
            await self._step(WRITE, held, MAX_LISTED, *map(list, columns), room, place, LEASE_S)

    async def end(self, held: Held, problem: str | None = None) -> None:
        await self._step(END, held, "done" if problem is None else "failed", problem)

    async def release(self, held: Held) -> None:
        await self._database.execute(RELEASE, held.owner_id, held.key, held.holder)

    async def get(self, owner_id: int, key: str) -> Import:
        row = await self._database.fetchrow(GET, owner_id, key)
        if row is None:
            raise NotFound(f"import {key}")
        return _import(row)

    async def _step(self, sql: str, held: Held, *arguments: object) -> None:
        if await self._database.fetchval(sql, held.owner_id, held.key, held.holder, *arguments) is None:
            raise ImportRunning("it was taken over, its lease had run out", key=held.key)


class ExportStore:
    """An owner's links as one consistent picture, page by page."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pages(self, owner_id: int) -> AsyncGenerator[list[Record], None]:
        """All links of the owner as they are now, oldest id first; holds a connection until the end."""
        async with (
            self._database.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            after = 0
            while rows := await connection.fetch(EXPORT, owner_id, after, EXPORT_PAGE):
                yield rows
                after = rows[-1]["id"]


def _import(row: Record) -> Import:
    contents = row["contents"]
    return Import(
        key=row["key"],
        state=row["state"],
        running=row["running"],
        options=Options(folders=row["folders"], private=row["private"]),
        bytes=row["bytes"],
        total_bytes=row["total_bytes"],
        contents=None if contents is None else msgspec.json.decode(contents, type=Contents),
        handled=row["handled"],
        added=row["added"],
        updated=row["updated"],
        unchanged=row["unchanged"],
        refused=row["refused"],
        refused_entries=msgspec.json.decode(row["refused_entries"], type=list[Skipped]),
        problem=row["problem"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
