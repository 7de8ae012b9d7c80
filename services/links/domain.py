"""What a link is, and the rules a link obeys before it is stored; no I/O."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from services.links.urls import InvalidUrl, host_of, normalise_url, without_tracking

MAX_URL_BYTES = 8_192
MAX_TITLE_CHARACTERS = 1_000
MAX_NOTE_CHARACTERS = 65_536
MAX_TAG_CHARACTERS = 255
MAX_TAGS = 100

Id = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Health = Literal["unknown", "alive", "dead"]

_TAG_GAP = re.compile(r"[\s,]+")
_TAG_EDGES = re.compile(r"^[\s,]+|[\s,]+$")
# asyncpg takes these two for the infinities, and gives those back without a time zone.
_BEFORE_ALL, _AFTER_ALL = dt.datetime.min.replace(tzinfo=dt.UTC), dt.datetime.max.replace(tzinfo=dt.UTC)


class Link(msgspec.Struct, frozen=True):
    """A saved link as its owner sees it; times are UTC, `tags` is sorted by code point.

    `note` describes the link; `notes` is a second text, its owner's alone, that programs with two of them
    keep apart. An archived link is one that its owner is done with. `health_reason` says why a dead link is
    dead; `suggested_url` is where a link has moved to for good, to be taken over or not. The fields stand in
    the order in which the store selects them.
    """

    id: int
    owner_id: int
    url: str
    title: str
    note: str
    tags: list[str]
    private: bool
    to_read: bool
    health: Health
    health_reason: str
    suggested_url: str | None
    checked_at: dt.datetime | None
    created_at: dt.datetime
    updated_at: dt.datetime
    version: int
    notes: str = ""
    archived: bool = False


class Moment(msgspec.Struct, frozen=True, array_like=True):
    """The place of a link in a list by time: when it was saved, and its id."""

    created_at: dt.datetime
    id: int


class NewLink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A link to save. A field left out keeps its value when the URL is saved already.

    `updated_at` counts for a new link only: one that is saved already changes now. `only_new` refuses a URL
    that is saved already (409).
    """

    url: str
    title: str | UnsetType = UNSET
    note: str | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    private: bool | UnsetType = UNSET
    to_read: bool | UnsetType = UNSET
    created_at: dt.datetime | UnsetType = UNSET
    notes: str | UnsetType = UNSET
    archived: bool | UnsetType = UNSET
    updated_at: dt.datetime | UnsetType = UNSET
    strip_tracking: bool = False
    only_new: bool = False


class LinkChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change of a link; a field left out stays as it is."""

    url: str | UnsetType = UNSET
    title: str | UnsetType = UNSET
    note: str | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    private: bool | UnsetType = UNSET
    to_read: bool | UnsetType = UNSET
    created_at: dt.datetime | UnsetType = UNSET
    notes: str | UnsetType = UNSET
    archived: bool | UnsetType = UNSET


class Invalid(ValueError):
    """A field whose value breaks a rule; `pointer` is its place (JSON Pointer) in what was sent."""

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(f"{pointer}: {reason}")
        self.pointer = pointer
        self.reason = reason


class Values(msgspec.Struct, frozen=True, kw_only=True):
    """The stored form of what a caller set; None means: not set. `tag_names`: see `spelt_otherwise`."""

    url: str | None = None
    host: str | None = None
    title: str | None = None
    note: str | None = None
    tags: list[str] | None = None
    private: bool | None = None
    to_read: bool | None = None
    created_at: dt.datetime | None = None
    notes: str | None = None
    archived: bool | None = None
    updated_at: dt.datetime | None = None
    tag_names: dict[str, str] = {}


def normalise(sent: NewLink | LinkChange) -> Values:
    """Check and normalise what a caller sent; raises Invalid."""
    url = None
    if sent.url is not UNSET:
        url = checked_url(sent.url, strip_tracking=isinstance(sent, NewLink) and sent.strip_tracking)
    return Values(
        url=url,
        host=None if url is None else host_of(url),
        title=None if sent.title is UNSET else checked_title(sent.title),
        note=None if sent.note is UNSET else checked_note(sent.note),
        tags=None if sent.tags is UNSET else normalise_tags(sent.tags),
        private=None if sent.private is UNSET else sent.private,
        to_read=None if sent.to_read is UNSET else sent.to_read,
        created_at=None if sent.created_at is UNSET else checked_time(sent.created_at),
        notes=None if sent.notes is UNSET else checked_note(sent.notes, "/notes"),
        archived=None if sent.archived is UNSET else sent.archived,
        updated_at=_updated_at(sent),
        tag_names={} if sent.tags is UNSET else spelt_otherwise(sent.tags),
    )


def _updated_at(sent: NewLink | LinkChange) -> dt.datetime | None:
    if not isinstance(sent, NewLink) or sent.updated_at is UNSET:
        return None
    return checked_time(sent.updated_at, "/updated_at")


def checked_url(text: str, *, strip_tracking: bool = False) -> str:
    """The URL in its one form, at most 8,192 bytes; raises Invalid with the reason's name."""
    try:
        url = normalise_url(text)
    except InvalidUrl as error:
        raise Invalid("/url", error.reason) from error
    if strip_tracking:
        url = without_tracking(url)
    if len(url.encode()) > MAX_URL_BYTES:
        raise Invalid("/url", f"longer than {MAX_URL_BYTES} bytes")
    return url


def checked_title(text: str) -> str:
    """One line: runs of white space are one blank."""
    title = " ".join(text.replace("\0", "").split())
    if len(title) > MAX_TITLE_CHARACTERS:
        raise Invalid("/title", f"longer than {MAX_TITLE_CHARACTERS} characters")
    return title


def checked_note(text: str, pointer: str = "/note") -> str:
    note = text.replace("\0", "")
    if len(note) > MAX_NOTE_CHARACTERS:
        raise Invalid(pointer, f"longer than {MAX_NOTE_CHARACTERS} characters")
    return note


def checked_time(when: dt.datetime, pointer: str = "/created_at") -> dt.datetime:
    """In UTC; a time without an offset is taken as UTC."""
    try:
        utc = when.replace(tzinfo=dt.UTC) if when.tzinfo is None else when.astimezone(dt.UTC)
    except OverflowError as error:
        raise Invalid(pointer, "outside the years 1 to 9999") from error
    if not _BEFORE_ALL < utc < _AFTER_ALL:
        raise Invalid(pointer, "outside the years 1 to 9999")
    return utc


def normalise_tag(text: str) -> str:
    """Blanks and commas trimmed, runs of them inside made one `-`, lower case; may come out empty."""
    return composed(tag_name(text).lower())


def composed(text: str) -> str:
    """With each letter and its accents as one character, where there is one (NFC)."""
    return unicodedata.normalize("NFC", text)


def tag_name(text: str) -> str:
    """A tag as it is shown: as it was written, without what no tag contains.

    Letters are composed (NFC), or what looks the same would be two tags.
    """
    return _TAG_GAP.sub("-", _TAG_EDGES.sub("", composed(text.replace("\0", ""))))


def spelt_otherwise(tags: Iterable[str]) -> dict[str, str]:
    """Of tags whose spelling is not their stored form: the first spelling of each, by its stored form."""
    names: dict[str, str] = {}
    for text in tags:
        name = tag_name(text)
        names.setdefault(composed(name.lower()), name)
    return {tag: name for tag, name in names.items() if tag and tag != name}


def normalise_tags(tags: Iterable[str], pointer: str = "/tags") -> list[str]:
    """Normalised, each once, sorted by code point; empty ones vanish; raises Invalid."""
    kept = set()
    for position, text in enumerate(tags):
        tag = normalise_tag(text)
        if len(tag) > MAX_TAG_CHARACTERS:
            raise Invalid(f"{pointer}/{position}", f"longer than {MAX_TAG_CHARACTERS} characters")
        if tag:
            kept.add(tag)
    if len(kept) > MAX_TAGS:
        raise Invalid(pointer, f"more than {MAX_TAGS} tags")
    return sorted(kept)


def one_tag(text: str, pointer: str) -> str:
    """A tag that must not be empty, normalised; raises Invalid."""
    tags: Sequence[str] = normalise_tags([text], pointer)
    if not tags:
        raise Invalid(pointer, "an empty tag")
    return tags[0]


class Counts(msgspec.Struct, frozen=True):
    """How many links an owner has, and how many it may have; `changed_at` is null before the first one."""

    links: int = 0
    public: int = 0
    private: int = 0
    to_read: int = 0
    untagged: int = 0
    dead: int = 0
    tags: int = 0
    changed_at: dt.datetime | None = None
    quota: int = 0
