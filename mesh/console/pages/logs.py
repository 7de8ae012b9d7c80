"""The logs of all processes and sidecars, by trace, service, level or a word."""

from __future__ import annotations

import asyncio
import datetime as dt

from starlette.responses import Response

from mesh.console.errors import Wrong
from mesh.console.page import Visit
from mesh.local.runtime.state import State
from mesh.logs import sources
from mesh.logs.entry import RANK, Entry
from mesh.logs.reading import Filter, history

MOST_LINES = 300
# They have a column of their own.
_KNOWN = frozenset(("time", "level", "event", "service", "trace_id"))


async def show(visit: Visit) -> Response:
    """The form, and the newest lines that fit."""
    level, service = visit.text("level"), visit.text("service")
    if level and level not in RANK:
        raise Wrong(f"Level: {level!r} is none of {', '.join(RANK)}.")
    wanted = Filter(level, visit.text("trace").lower(), text=visit.text("text"))
    # Megabytes are read: not here, where everybody waits.
    services, lines = await asyncio.to_thread(_read, State(visit.deps.settings.state), service, wanted)
    return visit.render(
        "logs.html",
        wanted=wanted,
        service=service,
        lines=lines,
        services=services,
        levels=tuple(RANK),
        most=MOST_LINES,
        moment=_moment,
        rest=_rest,
    )


def _read(state: State, service: str, wanted: Filter) -> tuple[list[str], list[Entry]]:
    """Whose logs there are, and the newest lines that fit, newest first."""
    every = sources.find(state)
    picked = [source for source in every if not service or service in source.names]
    return sorted({source.service for source in every}), history(picked, wanted, MOST_LINES)[::-1]


def _moment(entry: Entry) -> str:
    return dt.datetime.fromtimestamp(entry.time_s, dt.UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _rest(entry: Entry) -> dict[str, object]:
    return {
        name: value for name, value in entry.fields.items() if name not in _KNOWN and value not in (None, "")
    }
