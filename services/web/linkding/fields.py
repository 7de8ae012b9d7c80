"""What programs send, checked field by field; no I/O. Unknown fields are nobody's fault: programs send back
what they got."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from services.kit.errors import BadRequest
from services.links.client import InvalidUrl, Link, normalise_url, tag_name
from services.web.programs import times

MAX_URL_CHARACTERS = 2_048
MAX_TITLE_CHARACTERS = 512
MAX_TEXT_CHARACTERS = 65_536
MAX_TAG_CHARACTERS = 64
MAX_TAGS = 100

REQUIRED = "This field is required."
BLANK = "This field may not be blank."
NULL = "This field may not be null."
NO_TEXT = "Not a valid string."
NO_BOOLEAN = "Must be a valid boolean."
NO_INTEGER = "A valid integer is required."
NO_LIST = "Expected a list of texts."
NO_TIME = "Datetime has wrong format."
NO_URL = "Enter a valid URL."
MAX_INTEGER = 2**31 - 1

BOOLEANS, INTEGERS = frozenset(("is_archived", "unread", "shared")), frozenset(("order",))

_BROKEN_SURROGATE = re.compile("[\ud800-\udfff]")
_YES, _NO = frozenset(("true", "1", "yes", "on")), frozenset(("false", "0", "no", "off", ""))

Body = Mapping[str, Any]


class InvalidFields(BadRequest):
    """What is wrong with which field; rendered as the interface does."""

    def __init__(self, **fields: str) -> None:
        super().__init__("invalid fields")
        self.fields = fields


class BookmarkFields(msgspec.Struct, frozen=True, kw_only=True):
    """What was sent of a bookmark, checked; what was not sent is UNSET."""

    url: str | UnsetType = UNSET
    title: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    notes: str | UnsetType = UNSET
    is_archived: bool | UnsetType = UNSET
    unread: bool | UnsetType = UNSET
    shared: bool | UnsetType = UNSET
    tag_names: tuple[str, ...] | UnsetType = UNSET
    date_added: dt.datetime | UnsetType = UNSET
    date_modified: dt.datetime | UnsetType = UNSET


def bookmark_fields(body: Body) -> BookmarkFields:
    """The fields of a bookmark by their types; raises InvalidFields. `within_limits` comes after."""
    return BookmarkFields(
        url=text(body, "url"),
        title=text(body, "title"),
        description=text(body, "description"),
        notes=text(body, "notes"),
        is_archived=boolean(body, "is_archived"),
        unread=boolean(body, "unread"),
        shared=boolean(body, "shared"),
        tag_names=_tag_names(body),
        date_added=_time(body, "date_added"),
        date_modified=_time(body, "date_modified"),
    )


def within_limits(sent: BookmarkFields, before: Link | None) -> BookmarkFields:
    """The same with its address trimmed; raises InvalidFields for what is too long or no address.

    What another program wrote may be longer: it may be sent back as it was read (`before`).
    """
    if sent.url is not UNSET:
        url = sent.url.strip()
        if before is None or url != before.url:
            _check_url(url)
        sent = msgspec.structs.replace(sent, url=url)
    if sent.title is not UNSET and (before is None or sent.title != before.title):
        _check_length("title", sent.title, MAX_TITLE_CHARACTERS)
    for name, value in (("description", sent.description), ("notes", sent.notes)):
        if value is not UNSET:
            _check_length(name, value, MAX_TEXT_CHARACTERS)
    if sent.tag_names is not UNSET:
        known = () if before is None else before.tags
        for tag in sent.tag_names:
            if tag.lower() not in known:
                _check_length("tag_names", tag, MAX_TAG_CHARACTERS)
        if len(sent.tag_names) > MAX_TAGS:
            raise InvalidFields(tag_names=f"Ensure there are no more than {MAX_TAGS} tags.")
    return sent


def split_tags(texts: list[str]) -> tuple[str, ...]:
    """Tags as they are shown, each once: commas separate, blanks inside become `-`, empty ones vanish."""
    names: dict[str, str] = {}
    for part in (part for one in texts for part in one.split(",")):
        name = tag_name(part)
        if name:
            names.setdefault(name.lower(), name)
    return tuple(names.values())


def text(body: Body, name: str) -> str | UnsetType:
    """A text without what no text can hold; raises InvalidFields."""
    if name not in body:
        return UNSET
    value = body[name]
    if value is None:
        raise InvalidFields(**{name: NULL})
    if not isinstance(value, str):
        raise InvalidFields(**{name: NO_TEXT})
    return storable(value)


def boolean(body: Body, name: str) -> bool | UnsetType:
    if name not in body:
        return UNSET
    value = body[name]
    if not isinstance(value, bool):
        raise InvalidFields(**{name: NO_BOOLEAN})
    return value


def integer(body: Body, name: str) -> int | UnsetType:
    if name not in body:
        return UNSET
    value = body[name]
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_INTEGER:
        raise InvalidFields(**{name: NO_INTEGER})
    return value


def choice(body: Body, name: str, choices: tuple[str, ...]) -> str | UnsetType:
    value = text(body, name)
    if value is not UNSET and value not in choices:
        raise InvalidFields(**{name: f'"{value[:100]}" is not a valid choice.'})
    return value


def from_form(name: str, value: str) -> object:
    """A value of a form, which are all texts, as JSON has it."""
    if name in BOOLEANS and value.lower() in _YES | _NO:
        return value.lower() in _YES
    if name in INTEGERS and re.fullmatch(r"-?[0-9]{1,10}", value):
        return int(value)
    return value


def storable(value: str) -> str:
    return _BROKEN_SURROGATE.sub("\ufffd", value.replace("\0", ""))


def _tag_names(body: Body) -> tuple[str, ...] | UnsetType:
    if "tag_names" not in body:
        return UNSET
    value = body["tag_names"]
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise InvalidFields(tag_names=NO_LIST)
    return split_tags([storable(tag) for tag in value])


def _time(body: Body, name: str) -> dt.datetime | UnsetType:
    value = body.get(name)
    if value is None or value == "":
        return UNSET
    when = times.parse(value) if isinstance(value, str) else None
    if when is None:
        raise InvalidFields(**{name: NO_TIME})
    return when


def _check_url(url: str) -> None:
    if not url:
        raise InvalidFields(url=BLANK)
    _check_length("url", url, MAX_URL_CHARACTERS)
    try:
        normalise_url(url)
    except InvalidUrl as error:
        raise InvalidFields(url=NO_URL) from error


def _check_length(name: str, value: str, most: int) -> None:
    if len(value) > most:
        raise InvalidFields(**{name: f"Ensure this field has no more than {most} characters."})
