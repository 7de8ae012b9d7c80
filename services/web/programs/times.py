"""Times as programs write them: ISO 8601 in any of its forms."""

from __future__ import annotations

import datetime as dt
import re

SECOND = dt.timedelta(seconds=1)
FIRST_YEAR, LAST_YEAR = 1, 2_099
# The store takes the very first moment for the beginning of all time.
EARLIEST = dt.datetime.min.replace(tzinfo=dt.UTC) + dt.timedelta(microseconds=1)

# An offset whose + was written without escaping it.
_LOST_PLUS = re.compile(r"(.+[Tt ]\d{2}:?\d{2}.*) (\d{2}:?\d{2}|\d{2})")


def parse(text: str) -> dt.datetime | None:
    """The moment in UTC (a day is its midnight), taken as UTC without a zone; None for what is no time."""
    text = text.strip()
    if lost := _LOST_PLUS.fullmatch(text):
        text = f"{lost[1]}+{lost[2]}"
    try:
        when = dt.datetime.fromisoformat(text.upper())
        utc = when.replace(tzinfo=dt.UTC) if when.tzinfo is None else when.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None
    return max(utc, EARLIEST) if FIRST_YEAR <= utc.year <= LAST_YEAR else None


def whole(when: dt.datetime) -> dt.datetime:
    """The second that the moment lies in."""
    return when.replace(microsecond=0)


def written(when: dt.datetime) -> str:
    """In whole seconds: `2026-11-23T10:00:00Z`."""
    return when.astimezone(dt.UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
