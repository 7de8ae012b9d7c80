"""Many changes at once: what a caller may ask for, and the bounds of it; no I/O."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from services.links import domain
from services.links.domain import Health, Id, Invalid
from services.links.selection import Selection

MAX_OPERATIONS = 500
NOTHING_CHOSEN = Selection(tags=[])
MAX_IDS = 10_000  # of one request, over all its operations: a selection that finds more is refused


class Filter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Links chosen by what they are; at least one field must be set."""

    tags: tuple[str, ...] = ()
    private: bool | None = None
    to_read: bool | None = None
    health: Health | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None


class _Operation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op"):
    """`ids` or `where`, never both."""

    ids: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=MAX_IDS)] | None = None
    where: Filter | None = None


class AddTags(_Operation, frozen=True, kw_only=True, tag="add_tags"):
    tags: tuple[str, ...]


class RemoveTags(_Operation, frozen=True, kw_only=True, tag="remove_tags"):
    tags: tuple[str, ...]


class SetFlags(_Operation, frozen=True, kw_only=True, tag="set"):
    """Flags left out stay as they are."""

    private: bool | None = None
    to_read: bool | None = None
    archived: bool | None = None


class Delete(_Operation, frozen=True, kw_only=True, tag="delete"):
    pass


Operation = AddTags | RemoveTags | SetFlags | Delete


class Bulk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Operations in order, each on what the ones before it left; all of them happen, or none."""

    operations: Annotated[tuple[Operation, ...], Meta(min_length=1, max_length=MAX_OPERATIONS)]


class LinkOutcome(msgspec.Struct, frozen=True):
    """What became of one link; `version` is null once it is deleted."""

    id: int
    outcome: Literal["changed", "unchanged", "deleted"]
    version: int | None


class BulkReport(msgspec.Struct, frozen=True):
    """One entry for each link that any operation chose, by id."""

    changed: int
    unchanged: int
    deleted: int
    links: list[LinkOutcome]


def selection_of(operation: Operation, position: int) -> Selection:
    """Which links an operation is about; raises Invalid."""
    place = f"/operations/{position}"
    if (operation.ids is None) == (operation.where is None):
        raise Invalid(place, "needs either ids or where")
    if operation.ids is not None:
        return Selection(ids=sorted(set(operation.ids)))
    where = operation.where or Filter()
    selection = Selection(
        tags=domain.normalise_tags(where.tags, f"{place}/where/tags"),
        private=where.private,
        to_read=where.to_read,
        health=where.health,
        since=where.since and domain.checked_time(where.since),
        until=where.until and domain.checked_time(where.until),
    )
    if selection == NOTHING_CHOSEN:
        raise Invalid(f"{place}/where", "an empty filter would mean every link")
    return selection


class Prepared(NamedTuple):
    """An operation with the links it is about and the tags it names in their stored forms."""

    operation: Operation
    selection: Selection
    tags: list[str]


def prepare(sent: Bulk) -> list[Prepared]:
    """Check and normalise the operations; raises Invalid with the place of the first wrong one."""
    return [
        Prepared(operation, selection_of(operation, position), _tags_of(operation, position))
        for position, operation in enumerate(sent.operations)
    ]


def _tags_of(operation: Operation, position: int) -> list[str]:
    place = f"/operations/{position}"
    if isinstance(operation, SetFlags) and operation == SetFlags(ids=operation.ids, where=operation.where):
        raise Invalid(place, "needs private, to_read or archived")
    if not isinstance(operation, AddTags | RemoveTags):
        return []
    tags = domain.normalise_tags(operation.tags, f"{place}/tags")
    if not tags:
        raise Invalid(f"{place}/tags", "no tag")
    return tags


def report(outcomes: dict[int, LinkOutcome]) -> BulkReport:
    """Count and order the outcomes."""
    links = [outcomes[link_id] for link_id in sorted(outcomes)]
    counted = dict.fromkeys(("changed", "unchanged", "deleted"), 0)
    for link in links:
        counted[link.outcome] += 1
    return BulkReport(**counted, links=links)


def merge(before: LinkOutcome | None, now: LinkOutcome) -> LinkOutcome:
    """A link that one operation changed stays changed when a later one finds nothing to do."""
    if before is not None and before.outcome == "changed" and now.outcome == "unchanged":
        return before
    return now
