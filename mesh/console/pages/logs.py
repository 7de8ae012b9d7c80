"""The logs of all processes and sidecars, by trace, service, level or a word."""

from __future__ import annotations

import asyncio
import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from mesh.console.errors import Wrong
from mesh.console.page import Visit
from mesh.local.runtime.state import State
from mesh.logs import sources
from mesh.logs.entry import RANK, Entry
from mesh.logs.reading import Filter, history

MOST_LINES = 100
# What is longer is folded up; and of it, this much is shown.
LONG, GLIMPSE = 200, 120
# Lines of one and the same time, over which one can page.
MOST_PAST = 100_000
# They have a column of their own.
_KNOWN = frozenset(("time", "level", "event", "service", "trace_id"))


@dataclass(frozen=True)
class Sheet:
    """A page of lines, newest first; `older` asks for the next one, None where there is nothing older."""

    lines: Sequence[Entry]
    older: dict[str, object] | None


async def show(visit: Visit) -> Response:
    """The form, and the newest lines that fit."""
    level, service = visit.text("level"), visit.text("service")
    if level and level not in RANK:
        raise Wrong(f"Level: {level!r} is none of {', '.join(RANK)}.")
    until_s, past = _until(visit), _past(visit)
    wanted = Filter(level, visit.text("trace").lower(), text=visit.text("text"), until_s=until_s)
    # Megabytes are read: not here, where everybody waits.
    services, found = await asyncio.to_thread(_read, State(visit.deps.settings.state), service, wanted, past)
    return visit.render(
        "logs.html",
        wanted=wanted,
        service=service,
        sheet=sheet(found, past),
        newest=until_s == math.inf,
        services=services,
        levels=tuple(RANK),
        moment=_moment,
        rest=_rest,
        long=LONG,
        glimpse=GLIMPSE,
    )


def sheet(found: Sequence[Entry], past: int) -> Sheet:
    """Of lines, newest first, those after the `past` ones of the newest time, which were seen already."""
    lines = found[past : past + MOST_LINES]
    if len(found) <= past + MOST_LINES:
        return Sheet(lines, None)
    last_s = lines[-1].time_s
    # Many lines may have one time: which of them come next is told by how many there were.
    seen = sum(line.time_s == last_s for line in found[: past + MOST_LINES])
    return Sheet(lines, {"until": repr(last_s), "past": seen})


def _read(state: State, service: str, wanted: Filter, past: int) -> tuple[list[str], list[Entry]]:
    """Whose logs there are, and the newest lines that fit, newest first; one more than are shown."""
    every = sources.find(state)
    picked = [source for source in every if not service or service in source.names]
    lines = history(picked, wanted, past + MOST_LINES + 1)[::-1]
    return sorted({source.service for source in every}), lines


def _until(visit: Visit) -> float:
    try:
        found = float(visit.text("until") or math.inf)
    except ValueError:
        found = math.nan
    if math.isnan(found):
        raise Wrong(f"Until: {visit.text('until')!r} is no time in seconds.")
    return found


def _past(visit: Visit) -> int:
    text = visit.text("past") or "0"
    if not text.isascii() or not text.isdigit() or int(text) > MOST_PAST:
        raise Wrong(f"Past: {text!r} is no number of lines.")
    return int(text)


def _moment(entry: Entry) -> tuple[str, str]:
    """The year, for which a phone has no room, and the rest."""
    at = dt.datetime.fromtimestamp(entry.time_s, dt.UTC)
    return at.strftime("%Y-"), at.strftime("%m-%d %H:%M:%S.%f")[:-3]


def _rest(entry: Entry) -> str:
    """The fields without a column of their own."""
    fields = entry.fields.items()
    given = ((name, value) for name, value in fields if name not in _KNOWN and value not in (None, ""))
    return " ".join(f"{name}={value}" for name, value in given)
