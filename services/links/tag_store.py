"""Tags in PostgreSQL: counted by triggers beside the links, changed on the links themselves."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import starmap
from typing import Any

from services.kit.db import Database
from services.kit.errors import Conflict, NotFound
from services.links.store import LOCK_OWNER
from services.links.tags import Suggestion, TagCount, TagOrder, TagPosition
from telemetry.traces import current_traceparent

# How many of an owner's links a suggestion looks at, so that a site or tag with many stays cheap.
SAMPLE = 200

KNOWN = "SELECT tag FROM link_tags WHERE owner_id = $1 AND tag = ANY($2::text[])"

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
    SELECT tag, round(sum(score), 4)::float8 AS score FROM (
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

    async def rename(self, owner_id: int, tag: str, to: str) -> int:
        """How many links were changed; raises NotFound, and Conflict when `to` exists already."""
        if tag == to:
            return 0
        async with self._database.transaction() as connection:
            await connection.execute(LOCK_OWNER, owner_id, current_traceparent())
            known = {row["tag"] for row in await connection.fetch(KNOWN, owner_id, [tag, to])}
            if tag not in known:
                raise NotFound(f"tag {tag}")
            if to in known:
                raise Conflict(f"the tag {to} exists; merge {tag} into it instead")
            return int(await connection.fetchval(REPLACE, owner_id, [tag], [to]))

    async def replace(self, owner_id: int, gone: Sequence[str], by: str | None) -> int:
        """Put `by`, or nothing, in the place of each of `gone`; how many links changed. Raises NotFound."""
        async with self._database.transaction() as connection:
            await connection.execute(LOCK_OWNER, owner_id, current_traceparent())
            known = {row["tag"] for row in await connection.fetch(KNOWN, owner_id, gone)}
            missing = [tag for tag in gone if tag not in known]
            if missing:
                raise NotFound(f"tag {missing[0]}", missing=missing)
            return int(await connection.fetchval(REPLACE, owner_id, gone, [by] if by else []))

    async def suggest(
        self, owner_id: int, *, words: Sequence[str], host: str | None, chosen: Sequence[str], limit: int
    ) -> list[Suggestion]:
        """Tags of the owner's own that fit words, a host and tags chosen already; best first."""
        rows = await self._database.fetch(SUGGEST, owner_id, words, host, chosen, SAMPLE, limit)
        return list(starmap(Suggestion, rows))
