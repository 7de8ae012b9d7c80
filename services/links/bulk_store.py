"""Bulk operations in PostgreSQL: one transaction, one statement an operation."""

from __future__ import annotations

from functools import partial
from typing import Any

from services.kit.db import Database, constraints
from services.kit.errors import NotFound, Unprocessable
from services.links import bulk
from services.links.bulk import AddTags, Delete, LinkOutcome, Operation, Prepared, RemoveTags
from services.links.domain import MAX_TAGS
from services.links.selection import Selection, condition
from services.links.store import LOCK_OWNER
from telemetry.traces import current_traceparent

# `chosen` is what the operation is about, `changed` what it alters of that.
CHANGE = """
    WITH chosen AS (SELECT id FROM links WHERE {where} LIMIT {limit}),
    changed AS (
        UPDATE links AS l SET {assignments}, updated_at = now(), version = l.version + 1
        FROM chosen WHERE l.owner_id = $1 AND l.id = chosen.id AND ({differs})
        RETURNING l.owner_id, l.id, l.version)
    SELECT l.id, coalesce(changed.version, l.version) AS version, changed.id IS NOT NULL AS is_changed
    FROM chosen JOIN links AS l ON l.owner_id = $1 AND l.id = chosen.id
    LEFT JOIN changed ON changed.id = l.id"""

DELETE = """
    WITH chosen AS (SELECT id FROM links WHERE {where} LIMIT {limit}),
    deleted AS (
        DELETE FROM links AS l USING chosen WHERE l.owner_id = $1 AND l.id = chosen.id
        RETURNING l.owner_id, l.id)
    SELECT id, NULL::bigint AS version, true AS is_changed FROM deleted"""

WITHOUT = "sorted_tags(ARRAY(SELECT tag FROM unnest(l.tags) AS tag WHERE tag <> ALL ({tags}::text[])))"


class BulkStore:
    """Runs the operations of one request for one owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self, owner_id: int, operations: list[Prepared]) -> dict[int, LinkOutcome]:
        """All operations or none; what became of each link.

        Raises NotFound when an id is not one of the owner's links, and Unprocessable when a link would get
        too many tags or the operations choose too many links.
        """
        outcomes: dict[int, LinkOutcome] = {}
        chosen = 0
        async with self._database.transaction() as connection:
            await connection.execute(LOCK_OWNER, owner_id, current_traceparent())
            for position, (operation, selection, tags) in enumerate(operations):
                sql, arguments = _statement(owner_id, operation, selection, tags)
                with constraints({"links_tags_limit": partial(_too_many_tags, position)}):
                    rows = await connection.fetch(sql, *arguments)
                chosen += len(rows)
                _check(position, selection, {row["id"] for row in rows}, chosen)
                for row in rows:
                    outcome = _outcome(operation, row)
                    outcomes[outcome.id] = bulk.merge(outcomes.get(outcome.id), outcome)
        return outcomes


def _check(position: int, selection: Selection, found: set[int], chosen: int) -> None:
    missing = [] if selection.ids is None else [link_id for link_id in selection.ids if link_id not in found]
    if missing:
        raise NotFound(f"link {missing[0]}", pointer=f"/operations/{position}/ids", missing=missing)
    if chosen > bulk.MAX_IDS:
        raise Unprocessable(
            f"the operations choose more than {bulk.MAX_IDS} links", pointer=f"/operations/{position}"
        )


def _too_many_tags(position: int) -> Unprocessable:
    return Unprocessable(
        f"a link would have more than {MAX_TAGS} tags", pointer=f"/operations/{position}/tags"
    )


def _outcome(operation: Operation, row: Any) -> LinkOutcome:
    if isinstance(operation, Delete):
        return LinkOutcome(row["id"], "deleted", None)
    return LinkOutcome(row["id"], "changed" if row["is_changed"] else "unchanged", row["version"])


def _statement(
    owner_id: int, operation: Operation, selection: Selection, tags: list[str]
) -> tuple[str, list[object]]:
    """One operation's SQL and its arguments."""
    arguments: list[object] = [owner_id]
    where = condition(selection, arguments)
    limit = bulk.MAX_IDS + 1
    if isinstance(operation, Delete):
        return DELETE.format(where=where, limit=limit), arguments
    if isinstance(operation, AddTags | RemoveTags):
        arguments.append(tags)
        these = f"${len(arguments)}"
        if isinstance(operation, AddTags):
            assignments = f"tags = sorted_tags(l.tags || {these}::text[])"
            differs = f"NOT l.tags @> {these}::text[]"
        else:
            assignments = f"tags = {WITHOUT.format(tags=these)}"
            differs = f"l.tags && {these}::text[]"
    else:
        flags = {name: getattr(operation, name) for name in ("private", "to_read", "archived")}
        changes = {name: str(value).lower() for name, value in flags.items() if value is not None}
        assignments = ", ".join(f"{name} = {value}" for name, value in changes.items())
        differs = " OR ".join(f"l.{name} <> {value}" for name, value in changes.items())
    return CHANGE.format(where=where, limit=limit, assignments=assignments, differs=differs), arguments
