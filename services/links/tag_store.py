"""Tags in PostgreSQL: counted by triggers beside the links, changed on the links themselves."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import starmap
from typing import Any

from services.kit.db import Database
from services.kit.errors import Conflict, NotFound, Unauthenticated
from services.links.store import LOCK_OWNER
from services.links.tags import Suggestion, TagCount, TagEntry, TagOrder, TagPosition
from telemetry.traces import current_traceparent

# How many of an owner's links a suggestion looks at, so that a site or tag with many stays cheap.
SAMPLE = 200

KNOWN = "SELECT tag FROM tag_names WHERE owner_id = $1 AND tag = ANY($2::text[])"

# A tag keeps its id under another name. The trigger that names new tags then finds it named.
RENAME = "UPDATE tag_names SET tag = $3, name = $4 WHERE owner_id = $1 AND tag = $2"
RESPELL = "UPDATE tag_names SET name = $3 WHERE owner_id = $1 AND tag = $2 AND name <> $3"
# Its links show the new spelling: they have changed.
TOUCH = """
    WITH changed AS (
        UPDATE links AS l SET updated_at = now(), version = l.version + 1
        WHERE owner_id = $1 AND owned_tags(owner_id, tags) @> owned_tags($1, $2::text[])
        RETURNING l.owner_id, l.id)
    SELECT count(*) FROM changed"""
FORGET = "DELETE FROM tag_names WHERE owner_id = $1 AND tag = ANY($2::text[])"
NAMED = """
    INSERT INTO tag_names (owner_id, tag, name) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"""

KEEP = """
    INSERT INTO tag_names AS n (owner_id, tag, name, kept)
    SELECT $1, $2, $3, true WHERE NOT EXISTS (SELECT FROM deleted_owners WHERE owner_id = $1)
    ON CONFLICT ON CONSTRAINT tag_names_pkey DO UPDATE SET kept = true
    RETURNING n.id, old.id IS NULL AS is_new"""

_ENTRY = """
    SELECT n.id, n.tag, n.name, coalesce(t.links, 0) AS links, n.created_at
    FROM tag_names AS n LEFT JOIN link_tags AS t USING (owner_id, tag)
    WHERE n.owner_id = $1"""
ENTRY = f"{_ENTRY} AND n.id = $2"
ENTRIES = f"{_ENTRY} AND ($2 OR t.links > 0) ORDER BY n.id LIMIT $3 OFFSET $4"
COUNT_ENTRIES = """
    SELECT count(*) FROM tag_names AS n LEFT JOIN link_tags AS t USING (owner_id, tag)
    WHERE n.owner_id = $1 AND ($2 OR t.links > 0)"""

# $2 goes, $3 (one tag or none) comes in its place.
REPLACE = """
    WITH changed AS (
        UPDATE links AS l SET
            tags = sorted_tags(
                ARRAY(SELECT tag FROM unnest(l.tags) AS tag WHERE tag <> ALL ($2::text[])) || $3::text[]),
            updated_at = now(), version = l.version + 1
        WHERE owner_id = $1 AND owned_tags(owner_id, tags) && owned_tags($1, $2::text[])
        RETURNING l.owner_id, l.id)
    SELECT count(*) FROM changed"""

# A word of the title or address that is a tag; tags of the same site; tags that stand beside those chosen.
SUGGEST = """
    WITH named AS (
        SELECT tag FROM link_tags WHERE owner_id = $1 AND tag = ANY($2::text[])),
    seeds AS (
        SELECT owned_tags($1, array_agg(tag)) AS tags
        FROM (SELECT tag FROM named UNION SELECT unnest($4::text[])) AS seed),
    same_site AS (
        SELECT tags FROM links WHERE owner_id = $1 AND host = $3 ORDER BY created_at DESC LIMIT $5),
    beside AS (
        SELECT tags FROM links WHERE owner_id = $1 AND owned_tags(owner_id, tags) && (SELECT tags FROM seeds)
        ORDER BY created_at DESC LIMIT $5)
    SELECT tag, round(sum(score), 4)::float8 AS score,
           coalesce((SELECT n.name FROM tag_names AS n WHERE n.owner_id = $1 AND n.tag = candidate.tag),
                    tag) AS name
    FROM (
        SELECT tag, 1.0 AS score FROM named
        UNION ALL
        SELECT tag, count(*)::numeric / (SELECT count(*) FROM same_site)
        FROM same_site, unnest(tags) AS tag GROUP BY tag
        UNION ALL
        SELECT tag, 0.5 * count(*) / (SELECT count(*) FROM beside)
        FROM beside, unnest(tags) AS tag GROUP BY tag
    ) AS candidate
    WHERE tag <> ALL ($4::text[])
    GROUP BY tag ORDER BY score DESC, tag LIMIT $6"""


class TagStore:
    """The tags of all owners; every method names the one it is about."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, owner_id: int, prefix: str, order: TagOrder, after: TagPosition | None, limit: int
    ) -> tuple[list[TagCount], TagPosition | None]:
        """At most `limit` tags that begin with `prefix`, and where the next page begins after."""
        arguments: list[Any] = [owner_id]
        where = "owner_id = $1 AND links > 0"
        if prefix:
            arguments.append(prefix)
            where += f" AND starts_with(tag, ${len(arguments)})"
        if after is not None and order == "tag":
            arguments.append(after.tag)
            where += f" AND tag > ${len(arguments)}"
        elif after is not None:
            arguments += [after.links, after.tag]
            fewer, name = f"${len(arguments) - 1}", f"${len(arguments)}"
            where += f" AND links <= {fewer} AND (links < {fewer} OR tag > {name})"
        arguments.append(limit + 1)
        by = "tag" if order == "tag" else "links DESC, tag"
        rows = await self._database.fetch(
            f"SELECT tag, links FROM link_tags WHERE {where} ORDER BY {by} LIMIT ${len(arguments)}",  # noqa: S608 - constants
            *arguments,
        )
        tags = list(starmap(TagCount, rows[:limit]))
        more = len(rows) > limit
        return tags, TagPosition(order, tags[-1].links, tags[-1].tag) if more else None

    async def rename(self, owner_id: int, tag: str, to: str, name: str) -> int:
        """How many links were changed; raises NotFound, and Conflict when `to` exists already.

        A tag that only changes its spelling shows the new one (`name`) from now on.
        """
        async with self._database.transaction() as connection:
            await connection.execute(LOCK_OWNER, owner_id, current_traceparent())
            known = {row["tag"] for row in await connection.fetch(KNOWN, owner_id, [tag, to])}
            if tag not in known:
                raise NotFound(f"tag {tag}")
            if tag == to:
                respelt = await connection.execute(RESPELL, owner_id, tag, name)
                return int(await connection.fetchval(TOUCH, owner_id, [tag])) if respelt == "UPDATE 1" else 0
            if to in known:
                raise Conflict(f"the tag {to} exists; merge {tag} into it instead")
            await connection.execute(RENAME, owner_id, tag, to, name)
            return int(await connection.fetchval(REPLACE, owner_id, [tag], [to]))

    async def replace(self, owner_id: int, gone: Sequence[str], by: str | None, name: str = "") -> int:
        """Put `by`, or nothing, in the place of each of `gone`; how many links changed. Raises NotFound.

        `name` is how `by` is shown if it is new.
        """
        async with self._database.transaction() as connection:
            await connection.execute(LOCK_OWNER, owner_id, current_traceparent())
            known = {row["tag"] for row in await connection.fetch(KNOWN, owner_id, gone)}
            missing = [tag for tag in gone if tag not in known]
            if missing:
                raise NotFound(f"tag {missing[0]}", missing=missing)
            if by is not None:
                await connection.execute(NAMED, owner_id, by, name or by)
            changed = int(await connection.fetchval(REPLACE, owner_id, gone, [by] if by else []))
            # Tags without a link are not forgotten by the trigger.
            await connection.execute(FORGET, owner_id, gone)
            return changed

    async def keep(self, owner_id: int, tag: str, name: str) -> tuple[TagEntry, bool]:
        """A tag that stays without any link, and whether it is new; one that exists keeps its spelling."""
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(KEEP, owner_id, tag, name)
            if row is None:
                raise Unauthenticated("the account was deleted", error="invalid_token")
            return await self.entry(owner_id, row["id"]), row["is_new"]

    async def entry(self, owner_id: int, tag_id: int) -> TagEntry:
        row = await self._database.fetchrow(ENTRY, owner_id, tag_id)
        if row is None:
            raise NotFound(f"tag {tag_id}")
        return TagEntry(*row)

    async def entries(
        self, owner_id: int, *, unused: bool, limit: int, offset: int
    ) -> tuple[int, list[TagEntry]]:
        """How many tags there are, and those from `offset` on, by id; `unused`: also tags without a link."""
        count = await self._database.fetchval(COUNT_ENTRIES, owner_id, unused)
        rows = await self._database.fetch(ENTRIES, owner_id, unused, limit, offset)
        return count, list(starmap(TagEntry, rows))

    async def suggest(
        self, owner_id: int, *, words: Sequence[str], host: str | None, chosen: Sequence[str], limit: int
    ) -> list[Suggestion]:
        """Tags of the owner's own that fit words, a host and tags chosen already; best first."""
        rows = await self._database.fetch(SUGGEST, owner_id, words, host, chosen, SAMPLE, limit)
        return list(starmap(Suggestion, rows))
