"""Links in PostgreSQL. Every write is one statement; triggers write its events (0004_events.sql)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from services.kit.db import Database, Record, constraints
from services.kit.errors import Conflict, NotFound, PreconditionFailed, Unauthenticated
from services.kit.events.outbox import SET_TRACE
from services.links import sizes
from services.links.domain import Counts, Link, Values
from services.links.paging import ORDERS, OrderName, Position, position_of
from services.links.problems import QuotaExceeded
from services.links.selection import Selection, condition
from telemetry.traces import current_traceparent

COLUMNS = ", ".join(Link.__struct_fields__)
EDITED = ", ".join(f"l.{name}" for name in Link.__struct_fields__)
# What others may see of a public link: not whether its owner has read it or is done with it, not its notes,
# and no tag that begins with a dot, which is how programs write one that is for its owner only.
_OPEN_TAGS = "ARRAY(SELECT tag FROM unnest(tags) AS tag WHERE NOT starts_with(tag, '.')) AS tags"
_PUBLIC = {
    "to_read": "false AS to_read",
    "archived": "false AS archived",
    "notes": "'' AS notes",
    "tags": _OPEN_TAGS,
}
PUBLIC_COLUMNS = ", ".join(_PUBLIC.get(name, name) for name in Link.__struct_fields__)
WIDTH = len(Link.__struct_fields__)


# Every write locks its owner's row first, the first one makes it: see 0001_links.sql.
# It also says ($2) which trace the events of the transaction continue; see 0004_events.sql.
LOCK_OWNER = f"""
    SELECT links, {SET_TRACE.format(parameter="$2")} FROM link_owners WHERE owner_id = $1 FOR UPDATE"""  # noqa: S608 - constants

# The spelling of tags that are new, when it is not their stored form; the others are named by a trigger.
NAME = """
        INSERT INTO tag_names (owner_id, tag, name)
        SELECT w.owner_id, t.tag, t.name
        FROM {written} AS w, unnest({tags}::text[], {names}::text[]) AS t(tag, name)
        WHERE NOT EXISTS (SELECT FROM tag_names AS n WHERE n.owner_id = w.owner_id AND n.tag = t.tag)
        ON CONFLICT DO NOTHING"""

SAVE = f"""
    WITH owner AS (
        INSERT INTO link_owners AS o (owner_id)
        SELECT $1 WHERE NOT EXISTS (SELECT FROM deleted_owners WHERE owner_id = $1)
        ON CONFLICT (owner_id) DO UPDATE SET owner_id = o.owner_id
        RETURNING links, {SET_TRACE.format(parameter="$11")}),
    saved AS (
        INSERT INTO links AS l (owner_id, url, host, title, note, tags, private, to_read, created_at, notes,
                                archived, updated_at)
        SELECT $1, $2, $3, coalesce($4, ''), coalesce($5, ''), coalesce($6::text[], '{{}}'),
               coalesce($7, false), coalesce($8, false), coalesce($9, now()), coalesce($12, ''),
               coalesce($13, false), coalesce($14, now())
        WHERE ((SELECT links FROM owner) < $10
               OR EXISTS (SELECT FROM links WHERE owner_id = $1 AND url_hash = url_digest($2)))
          AND EXISTS (SELECT FROM owner)
        ON CONFLICT ON CONSTRAINT links_owner_url_key DO UPDATE SET
            title = coalesce($4, l.title), note = coalesce($5, l.note), tags = coalesce($6::text[], l.tags),
            private = coalesce($7, l.private), to_read = coalesce($8, l.to_read),
            created_at = coalesce($9, l.created_at), notes = coalesce($12, l.notes),
            archived = coalesce($13, l.archived), updated_at = now(), version = l.version + 1
            WHERE NOT $17
        RETURNING {EDITED}),
    named AS ({NAME.format(written="saved", tags="$15", names="$16")})
    SELECT * FROM saved"""  # noqa: S608 - constants

EDIT = f"""
    WITH owner AS (
        SELECT owner_id, {SET_TRACE.format(parameter="$12")} FROM link_owners WHERE owner_id = $1 FOR UPDATE),
    edited AS (
        UPDATE links AS l SET
            url = coalesce($4, l.url), host = coalesce($5, l.host), title = coalesce($6, l.title),
            note = coalesce($7, l.note), tags = coalesce($8::text[], l.tags),
            private = coalesce($9, l.private), to_read = coalesce($10, l.to_read),
            created_at = coalesce($11, l.created_at), notes = coalesce($13, l.notes),
            archived = coalesce($14, l.archived), updated_at = now(), version = l.version + 1,
            health = CASE WHEN $4 <> l.url THEN 'unknown' ELSE l.health END,
            health_reason = CASE WHEN $4 <> l.url THEN '' ELSE l.health_reason END,
            suggested_url = CASE WHEN $4 <> l.url THEN NULL ELSE l.suggested_url END,
            checked_at = CASE WHEN $4 <> l.url THEN NULL ELSE l.checked_at END
        FROM owner
        WHERE l.owner_id = owner.owner_id AND l.id = $2 AND ($3::bigint[] IS NULL OR l.version = ANY($3))
        RETURNING {EDITED}),
    named AS ({NAME.format(written="edited", tags="$15", names="$16")})
    SELECT * FROM edited"""  # noqa: S608 - constants

DELETE = f"""
    WITH owner AS (
        SELECT owner_id, {SET_TRACE.format(parameter="$4")} FROM link_owners WHERE owner_id = $1 FOR UPDATE),
    deleted AS (
        DELETE FROM links AS l USING owner
        WHERE l.owner_id = owner.owner_id AND l.id = $2 AND ($3::bigint[] IS NULL OR l.version = ANY($3))
        RETURNING l.owner_id, l.id)
    SELECT * FROM deleted"""  # noqa: S608 - constants

IS_SAVED = "SELECT true FROM links WHERE owner_id = $1 AND url_hash = url_digest($2)"
IS_GONE = "SELECT EXISTS (SELECT FROM deleted_owners WHERE owner_id = $1)"

GET = f"SELECT {COLUMNS} FROM links WHERE owner_id = $1 AND id = $2"  # noqa: S608 - constants

COUNTS = """
    SELECT o.links, o.links - o.private AS public, o.private, o.to_read, o.untagged, o.dead,
           (SELECT count(*) FROM link_tags AS t WHERE t.owner_id = o.owner_id) AS tags, o.changed_at,
           $2::bigint
    FROM link_owners AS o WHERE o.owner_id = $1"""


class LinkStore:
    """The links of all owners; every method names the one it is about."""

    def __init__(self, database: Database, *, max_links: int) -> None:
        self._database = database
        self.max_links = max_links

    async def save(self, owner_id: int, values: Values, *, only_new: bool = False) -> tuple[Link, bool]:
        """Save, or update what has the same URL; the link and whether it is new.

        Raises QuotaExceeded, and with `only_new` Conflict instead of updating.
        """
        row = await self._database.fetchrow(
            SAVE,
            owner_id,
            *_arguments(values),
            self.max_links,
            current_traceparent(),
            values.notes,
            values.archived,
            values.updated_at,
            list(values.tag_names),
            list(values.tag_names.values()),
            only_new,
        )
        if row is None and only_new and await self._database.fetchval(IS_SAVED, owner_id, values.url):
            raise Conflict("this URL is saved already")
        if row is None and await self._database.fetchval(IS_GONE, owner_id):
            raise Unauthenticated("the account was deleted", error="invalid_token")
        if row is None:
            raise QuotaExceeded(f"an account may hold {self.max_links} links", limit=self.max_links)
        link = Link(*row)
        return link, link.version == 1

    async def get(self, owner_id: int, link_id: int) -> Link:
        row = await self._database.fetchrow(GET, owner_id, link_id)
        if row is None:
            raise NotFound(f"link {link_id}")
        return Link(*row)

    async def edit(self, owner_id: int, link_id: int, values: Values, versions: Sequence[int] | None) -> Link:
        """Change what is set, provided the version is one of `versions` (None: any).

        Raises NotFound, PreconditionFailed, and Conflict when another link has the new URL.
        """
        with constraints({"links_owner_url_key": lambda: Conflict("another link has this URL")}):
            row = await self._database.fetchrow(
                EDIT,
                owner_id,
                link_id,
                versions,
                *_arguments(values),
                current_traceparent(),
                values.notes,
                values.archived,
                list(values.tag_names),
                list(values.tag_names.values()),
            )
        if row is None:
            raise await self._why_not(owner_id, link_id)
        return Link(*row)

    async def delete(self, owner_id: int, link_id: int, versions: Sequence[int] | None) -> None:
        """Delete, provided the version is one of `versions` (None: any)."""
        row = await self._database.fetchrow(DELETE, owner_id, link_id, versions, current_traceparent())
        if row is None:
            raise await self._why_not(owner_id, link_id)

    async def page(
        self, owner_id: int, selection: Selection, order_name: OrderName, after: Position | None, limit: int
    ) -> tuple[list[Link], Position | None]:
        """At most `limit` links of the owner's own, as many as an answer holds, and where the next begins."""
        return await self._page(COLUMNS, owner_id, selection, order_name, after, limit)

    async def public_page(
        self, owner_id: int, selection: Selection, order_name: OrderName, after: Position | None, limit: int
    ) -> tuple[list[Link], Position | None]:
        """The same for somebody else's eyes: private links are not among them, whatever was selected.

        A private tag finds nothing.
        """
        if any(tag.startswith(".") for tag in selection.tags):
            return [], None
        public = msgspec.structs.replace(selection, private=False)
        return await self._page(PUBLIC_COLUMNS, owner_id, public, order_name, after, limit)

    async def counts(self, owner_id: int) -> Counts:
        row = await self._database.fetchrow(COUNTS, owner_id, self.max_links)
        return Counts(quota=self.max_links) if row is None else Counts(*row)

    async def _page(
        self,
        columns: str,
        owner_id: int,
        selection: Selection,
        order_name: OrderName,
        after: Position | None,
        limit: int,
    ) -> tuple[list[Link], Position | None]:
        order = ORDERS[order_name]
        arguments: list[Any] = [owner_id]
        where = condition(selection, arguments)
        if after is not None:
            where += " AND " + order.after(after, arguments)
        arguments.append(limit + 1)
        sql = f"SELECT {columns}{order.selected} FROM links WHERE {where} {order.sql} LIMIT ${len(arguments)}"  # noqa: S608 - constants
        rows, links, more = await sizes.read(self._database, sql, arguments, limit, _link)
        if not more:
            return links, None
        return links, position_of(order_name, rows[-1][order.column], links[-1].id)

    async def _why_not(self, owner_id: int, link_id: int) -> Exception:
        """Why a conditional write found no row."""
        link = await self.get(owner_id, link_id)
        return PreconditionFailed(f"link {link_id} is at version {link.version}", version=link.version)


def _link(row: Record) -> Link:
    return Link(*row[:WIDTH])


def _arguments(values: Values) -> tuple[object, ...]:
    return (
        values.url,
        values.host,
        values.title,
        values.note,
        values.tags,
        values.private,
        values.to_read,
        values.created_at,
    )
