"""What may stand behind the colon of each field, and what it means."""

from __future__ import annotations

import datetime as dt
import re

from services.links import domain, urls
from services.links.search.tree import STATES, Is, Relation, Saved, Site, Tag

_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")
_AGE = re.compile(r"([0-9]{1,4})([dw])")
_DAYS = {"d": 1, "w": 7}
_PORT = re.compile(r"\]?:[0-9]+$")

WHEN = "YYYY, YYYY-MM, YYYY-MM-DD or an age like 7d or 2w"


class Unfit(ValueError):
    """A value that its field cannot take; the text says what it could."""


def tag(text: str, is_prefix: bool) -> Tag:
    """A tag in its stored form; raises Unfit."""
    name = domain.normalise_tag(text)
    if not name and not (is_prefix and not text):
        raise Unfit("expected a tag")
    if len(name) > domain.MAX_TAG_CHARACTERS:
        raise Unfit(f"a tag has at most {domain.MAX_TAG_CHARACTERS} characters")
    return Tag(name, is_prefix)


def site(text: str) -> Site:
    """A host, or the host of an address; raises Unfit."""
    host = text.strip().lstrip(".")
    if "://" in host:
        try:
            return Site(urls.host_of(urls.normalise_url(host)))
        except urls.InvalidUrl as error:
            raise Unfit("expected a host, like example.org") from error
    if "/" in host:
        raise Unfit("expected a host without a path; url: looks for a part of the address")
    if _PORT.search(host) and not host.endswith("::1"):
        raise Unfit("expected a host without a port; url: looks for a part of the address")
    try:
        host = urls.ascii_host(host)
    except UnicodeError as error:
        raise Unfit("expected a host, like example.org") from error
    if not host or len(host) > 253 or any(sign.isspace() or sign in "?#@\\*" for sign in host):
        raise Unfit("expected a host, like example.org; hosts below it are found too")
    return Site(host)


def state(text: str) -> Is:
    """A state by its name; raises Unfit."""
    for known in STATES:
        if text.lower() == known:
            return Is(known)
    raise Unfit(f"expected one of {', '.join(STATES)}")


def saved(relation: Relation, text: str) -> Saved:
    """A condition on the time of saving; raises Unfit."""
    when = text.lower()
    if _AGE.fullmatch(when):
        if relation == "on":
            raise Unfit("expected YYYY, YYYY-MM or YYYY-MM-DD")
    elif _DATE.fullmatch(when):
        _period(when)
    else:
        raise Unfit(f"expected {WHEN}")
    return Saved(relation, when)


def times(condition: Saved, now: dt.datetime) -> tuple[dt.datetime | None, dt.datetime | None]:
    """From when (included) until when (not included) it was saved, in UTC; None is no bound.

    `before` a month means before it begins, `after` a month once it is over.
    """
    age = _AGE.fullmatch(condition.when)
    if age is not None:
        start = end = now - dt.timedelta(days=int(age[1]) * _DAYS[age[2]])
    else:
        start, end = _period(condition.when)
    if condition.relation == "before":
        return None, start
    return (end, None) if condition.relation == "after" else (start, end)


def _period(when: str) -> tuple[dt.datetime, dt.datetime]:
    year, month, day = (int(part) if part else None for part in _parts(when))
    if year is None or not 1 <= year < dt.MAXYEAR:
        raise Unfit(f"expected a year from 0001 to {dt.MAXYEAR - 1}")
    try:
        start = dt.datetime(year, month or 1, day or 1, tzinfo=dt.UTC)
    except ValueError as error:
        raise Unfit(f"there is no {'month' if day is None else 'day'} {when}") from error
    if day is not None:
        return start, start + dt.timedelta(days=1)
    if month is not None and month < 12:
        return start, start.replace(month=month + 1)
    return start, start.replace(year=year + 1, month=1)


def _parts(when: str) -> tuple[str | None, str | None, str | None]:
    match = _DATE.fullmatch(when)
    if match is None:
        raise Unfit(f"expected {WHEN}")
    return match[1], match[2], match[3]
