"""The picture of the mesh, live."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.responses import Response

from mesh.console.page import Visit


async def show(visit: Visit) -> Response:
    shown = await visit.deps.watcher.current()
    return visit.render("topology.html", shown=shown)


async def live(visit: Visit) -> Response:
    """Every newer picture than the one that the page has (`after`), as it comes."""
    after = visit.text("after", "0")
    last = int(after) if after.isascii() and after.isdigit() else 0
    return visit.deps.streams.response(visit.request, _pictures(visit, last))


async def _pictures(visit: Visit, last: int) -> AsyncIterator[str]:
    async for shown in visit.deps.watcher.changes(last):
        yield shown.html
