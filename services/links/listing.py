"""Links paged by number and counted, as programs of other bookmark services ask for them; no I/O."""

from __future__ import annotations

import datetime as dt

import msgspec

from services.links.domain import Link


class Listed(msgspec.Struct, frozen=True):
    """A link with its tags as they were first written, in the order of `link.tags`."""

    link: Link
    tag_names: list[str]


class Listing(msgspec.Struct, frozen=True):
    """A part of a list, and how many links the whole list has.

    Links with long texts may be fewer than asked for: go on at the offset behind them, until there is none.
    """

    count: int
    items: list[Listed]


class Day(msgspec.Struct, frozen=True):
    """A day in UTC and how many of the links there are were saved on it."""

    date: dt.date
    links: int


class Days(msgspec.Struct, frozen=True):
    items: list[Day]
