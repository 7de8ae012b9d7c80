"""When a CronJob is due: the five fields of cron as Kubernetes reads them (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import takewhile
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
LASTS = ("59", "23", "31", "12", "6")  # the last value of each field
LOOKED_BACK = (timedelta(hours=1), timedelta(days=1), timedelta(days=31), timedelta(days=366))
_PART = re.compile(r"(\*|\?|[0-9a-z]+)(?:-([0-9a-z]+))?(?:/([0-9]+))?", re.ASCII | re.IGNORECASE)


def refusal(text: str) -> str | None:
    """Why a schedule cannot be followed; None when it can."""
    try:
        CronSim(_plain(text), datetime(2024, 1, 1, tzinfo=UTC))
    except (CronSimError, ValueError) as error:
        return f'"{text}" is no schedule: {error or "five fields are wanted, as in */5 * * * *"}'
    return None


def no_zone(name: str) -> str | None:
    """Why a time zone is not known; None when it is."""
    try:
        zone(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f'unknown time zone "{name}"'
    return None


def zone(name: str | None) -> tzinfo:
    """The zone of `timeZone`; without one UTC, so that a laptop and a cluster mean the same."""
    return ZoneInfo(name) if name else UTC


def starts(text: str, zone: tzinfo, after: datetime) -> Iterator[datetime]:
    """The moments at which it is due, from the first behind `after`. Raises ValueError."""
    try:
        yield from CronSim(_plain(text), after.astimezone(zone))
    except CronSimError as error:
        raise ValueError(f'"{text}" is no schedule') from error


def latest(
    text: str, zone: tzinfo, after: datetime, now: datetime, within: timedelta | None
) -> datetime | None:
    """The last moment that was due behind `after` and until `now`, no longer ago than `within`; else None."""
    if within is not None:
        after = max(after, now - within)
    for back in (*LOOKED_BACK, now - after):  # due each minute, slept for a year: not all are gone through
        begin = max(after, now - back)
        found = None
        for moment in takewhile(lambda moment: moment <= now, starts(text, zone, begin)):
            found = moment
        if found is not None or begin == after:
            return found
    return None


def _plain(text: str) -> str:
    """The five fields without macros, without `?` and with every step's range written out."""
    fields = MACROS.get(text.strip(), text).split()
    if len(fields) != len(LASTS):
        raise ValueError("five fields are wanted, as in */5 * * * *")
    return " ".join(_field(field, last) for field, last in zip(fields, LASTS, strict=True))


def _field(field: str, last: str) -> str:
    return ",".join(_part(part, last) for part in field.split(","))


def _part(part: str, last: str) -> str:
    found = _PART.fullmatch(part)
    if found is None or (found[1] in "*?" and found[2]):
        raise ValueError(f'"{part}" is not understood')
    low, high, step = found.groups()
    for word in (low, high or ""):
        if word.isdigit() and int(word) > int(last):
            raise ValueError(f"{word} is above {last}")
        if re.fullmatch(r"[0-9]*[lw]", word, re.IGNORECASE):
            raise ValueError(f'"{part}" is not understood')
    low = "*" if low == "?" else low
    if step and not high and low != "*":
        high = last
    return low + (f"-{high}" if high else "") + (f"/{step}" if step else "")
