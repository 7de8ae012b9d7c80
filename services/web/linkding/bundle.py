"""Saved searches, which this interface calls bundles, and what programs may send of one; no I/O."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
from msgspec import UNSET

from services.web.linkding.answers import moment
from services.web.linkding.fields import BLANK, REQUIRED, Body, InvalidFields, choice, integer, text

MAX_NAME_CHARACTERS = 256
MAX_TEXT_CHARACTERS = 1_024
MAX_BUNDLES = 200
CHOICES = ("off", "yes", "no")
TEXTS = ("search", "any_tags", "all_tags", "excluded_tags")
FILTERS = ("filter_unread", "filter_shared")


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """The fields stand in the order of the table's columns. `any_tags` and the like are split by blanks."""

    id: int
    name: str
    search: str
    any_tags: str
    all_tags: str
    excluded_tags: str
    filter_unread: str
    filter_shared: str
    order: int
    date_created: dt.datetime
    date_modified: dt.datetime


def shown(bundle: Bundle) -> dict[str, Any]:
    fields = msgspec.structs.asdict(bundle)
    return fields | {name: moment(fields[name]) for name in ("date_created", "date_modified")}


def bundle_fields(body: Body, *, is_whole: bool) -> dict[str, Any]:
    """The columns that were sent; raises InvalidFields. A whole bundle needs a name."""
    values: dict[str, Any] = {name: text(body, name) for name in ("name", *TEXTS)}
    values |= {name: choice(body, name, CHOICES) for name in FILTERS}
    values["order"] = integer(body, "order") if body.get("order") is not None else UNSET
    sent = {name: value for name, value in values.items() if value is not UNSET}
    if is_whole and "name" not in sent:
        raise InvalidFields(name=REQUIRED)
    if "name" in sent and not sent["name"].strip():
        raise InvalidFields(name=BLANK)
    for name, value in sent.items():
        most = MAX_NAME_CHARACTERS if name == "name" else MAX_TEXT_CHARACTERS
        if isinstance(value, str) and len(value) > most:
            raise InvalidFields(**{name: f"Ensure this field has no more than {most} characters."})
    return sent
