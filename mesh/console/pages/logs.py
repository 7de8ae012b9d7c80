"""The logs of all processes and sidecars, by trace, service, level or a word."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from mesh.console import log_files
from mesh.console.errors import Wrong
from mesh.console.log_files import LEVELS, Wanted
from mesh.console.page import Visit
from mesh.local.runtime.state import State


async def show(visit: Visit) -> Response:
    """The form, and the newest lines that fit."""
    level = visit.text("level")
    if level and level not in LEVELS:
        raise Wrong(f"Level: {level!r} is none of {', '.join(LEVELS)}.")
    wanted = Wanted(visit.text("trace").lower(), visit.text("service"), level, visit.text("text"))
    folder = State(visit.deps.settings.state).pods
    # Megabytes are read: not here, where everybody waits.
    lines = await asyncio.to_thread(log_files.find, folder, wanted)
    services = sorted({line.service for line in lines} | set(log_files.services(folder)))
    return visit.render(
        "logs.html",
        wanted=wanted,
        lines=lines,
        services=services,
        levels=LEVELS,
        most=log_files.MOST_LINES,
    )
