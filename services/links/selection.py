"""Which of an owner's links: the filters of a list and of a bulk operation, and their SQL."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import msgspec

from services.links.domain import Health


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """All that is set must hold; `tags` all at once; `since` and `updated_since` included, `until` not."""

    ids: Sequence[int] | None = None
    tags: Sequence[str] = ()
    url: str | None = None
    private: bool | None = None
    to_read: bool | None = None
    archived: bool | None = None
    with_notes: bool | None = None
    health: Health | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    updated_since: dt.datetime | None = None
    any_tag: Sequence[str] = ()
    without_tag: Sequence[str] = ()


def condition(selection: Selection, arguments: list[object]) -> str:
    """The WHERE condition; `arguments` holds the owner first, and what is compared with is added to it.

    Flags stand in the text, not among the arguments, so that the partial indexes serve them.
    """
    parts = ["owner_id = $1"]

    def compare(sql: str, value: object) -> None:
        arguments.append(value)
        parts.append(sql.format(f"${len(arguments)}"))

    if selection.ids is not None:
        compare("id = ANY({}::bigint[])", selection.ids)
    if selection.url is not None:
        compare("url_hash = url_digest({})", selection.url)
    if selection.tags:
        compare("owned_tags(owner_id, tags) @> owned_tags($1, {}::text[])", selection.tags)
    if selection.private is not None:
        parts.append("private" if selection.private else "NOT private")
    if selection.to_read is not None:
        parts.append("to_read" if selection.to_read else "NOT to_read")
    if selection.archived is not None:
        parts.append("archived" if selection.archived else "NOT archived")
    if selection.with_notes is not None:
        parts.append("notes <> ''" if selection.with_notes else "notes = ''")
    if selection.any_tag:
        compare("owned_tags(owner_id, tags) && owned_tags($1, {}::text[])", selection.any_tag)
    if selection.without_tag:
        compare("NOT tags && {}::text[]", selection.without_tag)
    if selection.updated_since is not None:
        compare("updated_at >= {}", selection.updated_since)
    if selection.health is not None:
        compare("health = {}", selection.health)
    if selection.since is not None:
        compare("created_at >= {}", selection.since)
    if selection.until is not None:
        compare("created_at < {}", selection.until)
    return " AND ".join(parts)
